"""Training of a module: what is learnt, kept and said, on data that take no time."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from skneurograph.base._batches import TrainingData
from skneurograph.base._fit_net import fit_net
from skneurograph.base._training import TrainingOptions, loss_curve, train
from skneurograph.nn import squared_error

STEPS = {"min_steps_per_epoch": 4}
TRUTH = np.array([0.5, -1.0, 2.0])


class Line(nn.Module):
    """A member that is linear in the mean of each neuron, with a parameter of no use."""

    def __init__(self):
        super().__init__()
        self.readout = nn.Linear(3, 1)
        self.spare = nn.Parameter(torch.ones(2))

    def forward(self, windows):
        return self.readout(windows.mean(dim=2))[None] + 0 * self.spare.sum()


def line_data(n_windows=120, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_windows, 3, 4)).astype(np.float32)
    y = X.mean(axis=2) @ TRUTH
    return TrainingData(X, y[:, None].astype(np.float32), np.ones(n_windows), **STEPS)


class Model(SimpleNamespace):
    """What `fit_net` reads of an estimator, and where it leaves the net."""

    def __init__(self, **parameters):
        usual = {
            "max_epochs": 4, "batch_size": 16, "learning_rate": 0.05, "weight_decay": 0.0,
            "patience": None, "device": "cpu", "verbose": 0, "callbacks": None,
        }  # fmt: skip
        super().__init__(**usual | parameters)


def fitted(data=None, held_out=None, *, build=Line, loss=squared_error, seed=0, **parameters):
    options = {name: parameters.pop(name) for name in ("dtype", "undecayed") if name in parameters}
    model = Model(**parameters)
    data = line_data() if data is None else data
    fit_net(model, build, loss, data, held_out, seed=seed, **options)
    return model


def parameters_of(model):
    return {name: value.detach().clone() for name, value in model.net_.module_.named_parameters()}


def same(one, other):
    one, other = parameters_of(one), parameters_of(other)
    return all(torch.equal(value, other[name]) for name, value in one.items())


class Each(Callback):
    """Do something at the end of each epoch."""

    def __init__(self, act):
        self.act = act

    def on_epoch_end(self, net, **kwargs):
        self.act(net, len(net.history))


class Remember(Callback):
    """The weights after each epoch, and the batches that were read."""

    def __init__(self):
        self.weights, self.batches, self.calls = [], [], []

    def on_train_begin(self, net, **kwargs):
        self.calls.append("begin")

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        self.batches.append((training, len(batch[0])))

    def on_epoch_end(self, net, **kwargs):
        self.calls.append("epoch")
        self.weights.append(net.module_.readout.weight.detach().clone())

    def on_train_end(self, net, **kwargs):
        self.calls.append("end")


def interrupt(epoch):
    def act(net, n_epochs):
        if n_epochs == epoch:
            raise KeyboardInterrupt

    return Each(act)


def spoil(epoch, value=torch.nan):
    def act(net, training=False, **kwargs):
        if training and len(net.history) == epoch:
            net.module_.readout.weight.data[0, 0] = value

    made = Callback()
    made.on_batch_end = act
    return made


def test_a_module_learns_what_the_data_say():
    model = fitted(max_epochs=25, learning_rate=0.1)
    np.testing.assert_allclose(parameters_of(model)["readout.weight"][0], TRUTH, atol=0.02)
    losses = loss_curve(model.net_)
    assert losses.shape == (25,)
    assert losses[-1] < 1e-3 * losses[0]
    assert (model.n_epochs_, model.interrupted_) == (25, False)


def test_windows_count_by_their_weights():
    data = line_data()
    wrong = data.y.copy()
    wrong[::2] = 7
    weight = np.arange(120) % 2.0
    for batch_size in (16, 500):
        model = fitted(
            TrainingData(data.X, wrong, weight, **STEPS),
            max_epochs=30,
            learning_rate=0.2,
            batch_size=batch_size,
        )
        np.testing.assert_allclose(parameters_of(model)["readout.weight"][0], TRUTH, atol=0.05)


def test_the_same_seed_gives_the_same_bits_whatever_ran_before_and_another_gives_others():
    first = fitted()
    torch.rand(5)
    assert same(fitted(), first)
    assert not same(fitted(seed=1), first)


def test_the_seed_reaches_initial_values_dropout_and_the_order_of_windows():
    class Dropping(Line):
        def forward(self, windows):
            return nn.functional.dropout(super().forward(windows), 0.5, self.training)

    def started(seed, build=Line, **options):
        return fitted(seed=seed, build=build, max_epochs=1, learning_rate=1e-30, **options)

    assert not same(started(0), started(1))
    one, other = (started(seed, Dropping) for seed in (0, 1))
    assert not np.array_equal(loss_curve(one.net_), loss_curve(other.net_))

    def constant():
        module = Line()
        for parameter in module.parameters():
            nn.init.ones_(parameter)
        return module

    assert same(started(0, constant), started(1, constant))
    by_order = [fitted(seed=seed, build=constant, max_epochs=1) for seed in (0, 1)]
    assert not same(*by_order)


def test_global_generators_and_threads_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    threads = torch.get_num_threads()
    fitted()
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_module_has_the_precision_that_is_asked_for(dtype):
    data = line_data()
    data = TrainingData(data.X.astype(dtype), data.y.astype(dtype), data.weight, **STEPS)
    weight = parameters_of(fitted(data, dtype=dtype))["readout.weight"]
    assert weight.numpy().dtype == dtype


def test_weight_decay_shrinks_all_parameters_but_those_that_are_excepted():
    options = {"weight_decay": 8.0, "max_epochs": 20}
    free, kept = fitted(**options), fitted(undecayed=("spare",), **options)
    assert (parameters_of(free)["spare"] < 0.1).all()
    assert (parameters_of(kept)["spare"] == 1).all()
    assert parameters_of(kept)["readout.weight"].abs().max() < 1
    by_pattern = parameters_of(fitted(undecayed=("read*",), **options))
    assert (by_pattern["spare"] < 0.1).all()
    assert by_pattern["readout.weight"].abs().max() > 1.5


@pytest.mark.parametrize(
    ("max_epochs", "n_windows"), [(10, 1), (12, 30), (3, 320), (1, 288), (1, 304), (1, 320)]
)
def test_the_learning_rate_rises_to_its_largest_value_and_ends_at_zero(max_epochs, n_windows):
    rates = []

    class Rates(Callback):
        def on_batch_begin(self, net, training=False, **kwargs):
            rates.append(net.optimizer_.param_groups[-1]["lr"])

    fitted(line_data(n_windows), max_epochs=max_epochs, callbacks=[Rates()])
    largest = int(np.argmax(rates))
    assert largest <= 0.1 * len(rates) + 1
    np.testing.assert_allclose(max(rates), 0.05, rtol=0.05)
    assert rates[-1] < 0.05 * 0.05
    assert (np.diff(rates[largest:]) <= 0).all()


def test_an_epoch_has_the_steps_that_its_data_say():
    seen = Remember()
    fitted(line_data(40), line_data(10, seed=1), max_epochs=2, batch_size=4, callbacks=[seen],
           patience=9)  # fmt: skip
    trained = [size for training, size in seen.batches if training]
    assert len(trained) == 2 * line_data(40).n_steps(4) == 20
    # The held-out windows are read once an epoch.
    assert sum(size for training, size in seen.batches if not training) == 20
    assert seen.calls == ["begin", "epoch", "epoch", "end"]


def test_early_stopping_stops_and_restores_the_best_state():
    def worse(net, n_epochs):
        if n_epochs > 3:
            net.module_.readout.weight.data += 1.0

    seen = Remember()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted(
            held_out=line_data(30, seed=1), patience=4, max_epochs=50, callbacks=[Each(worse), seen]
        )
    losses = np.array(model.net_.history[:, "valid_loss"])
    best = int(losses.argmin())
    assert model.n_epochs_ == best + 1 + 4 < 50
    assert not model.interrupted_
    module = model.net_.module_.eval()
    held_out = line_data(30, seed=1)
    with torch.no_grad():
        loss = squared_error(module(torch.from_numpy(held_out.X)), torch.from_numpy(held_out.y), 0)
    np.testing.assert_allclose(loss.mean(), losses.min(), rtol=1e-5)


def test_an_interrupt_keeps_the_current_state_and_warns_once():
    seen = Remember()
    with pytest.warns(UserWarning, match="interrupted in epoch 2: the current state is k") as told:
        model = fitted(callbacks=[seen, interrupt(2)])
    assert len(told) == 1
    assert told[0].filename == __file__
    assert (model.n_epochs_, model.interrupted_) == (2, True)
    assert torch.equal(parameters_of(model)["readout.weight"], seen.weights[1])
    assert len(loss_curve(model.net_)) == 2


def test_an_interrupt_within_an_epoch_leaves_the_losses_of_those_that_were_completed():
    class WithinSecond(Callback):
        def on_batch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted in epoch 2"):
        model = fitted(callbacks=[WithinSecond()])
    assert len(loss_curve(model.net_)) == 1


def test_an_interrupt_restores_the_best_state_that_was_held_out():
    seen = Remember()

    def worse(net, n_epochs):
        if n_epochs == 3:
            net.module_.readout.weight.data += 5.0

    with pytest.warns(UserWarning, match="epoch 5: the best state, of epoch 3, is kept"):
        model = fitted(
            held_out=line_data(30, seed=1),
            patience=9,
            max_epochs=9,
            callbacks=[seen, Each(worse), interrupt(5)],
        )
    assert torch.equal(parameters_of(model)["readout.weight"], seen.weights[2])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_diverged_net_is_an_error_that_says_when_and_what_to_do(value):
    seen = Remember()
    message = (
        r"training diverged in epoch 2: .*NaN or infinite \(learning_rate=0.05\). Scale the data "
        r"\(Recording.zscore.*lower learning_rate, .*class_weight"
    )
    with pytest.raises(ValueError, match=message):
        fitted(max_epochs=50, callbacks=[spoil(2, value), seen])
    assert len(seen.weights) <= 2


def test_what_overflows_is_a_diverged_training():
    data = line_data()
    huge = TrainingData(data.X, np.float32(1e30) * data.y, data.weight, **STEPS)
    with pytest.raises(ValueError, match="training diverged in epoch 1"):
        fitted(huge)


def test_a_net_that_diverges_late_keeps_the_best_finite_state_and_warns_once():
    seen = Remember()
    with pytest.warns(UserWarning, match=r"diverged in epoch 4.* state, of epoch 3, is k") as told:
        model = fitted(
            held_out=line_data(30, seed=1),
            patience=9,
            max_epochs=9,
            callbacks=[seen, spoil(4)],
        )
    assert len(told) == 1
    assert not model.interrupted_
    assert torch.equal(parameters_of(model)["readout.weight"], seen.weights[2])


def test_a_net_that_diverges_before_any_finite_state_is_an_error_with_held_out_windows_too():
    with pytest.raises(ValueError, match="training diverged in epoch 1"):
        fitted(held_out=line_data(30, seed=1), patience=3, callbacks=[spoil(1)])


def test_verbose_shows_a_bar_or_the_losses_and_nothing_is_said_without(capsys):
    fitted(held_out=line_data(30, seed=1), patience=9)
    assert capsys.readouterr() == ("", "")
    fitted(held_out=line_data(30, seed=1), patience=9, verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert all(part in err for part in ("training: 100%", "4/4", "train_loss", "valid_loss"))
    fitted(verbose=2)
    assert "train_loss" in capsys.readouterr().out


def test_options_are_read_from_the_estimator_and_others_may_be_given():
    device = torch.device("cpu")
    callback = Callback()
    options = TrainingOptions.of(
        Model(patience=3, verbose=True, callbacks=[callback], weight_decay=1), device
    )
    assert (options.patience, options.verbose, options.weight_decay) == (3, 1, 1.0)
    assert options.callbacks == (callback,)
    without = Model()
    del without.patience, without.weight_decay
    options = TrainingOptions.of(without, device, weight_decay=0.5, undecayed=("a",))
    assert (options.patience, options.weight_decay, options.undecayed) == (None, 0.5, ("a",))


def test_a_module_can_be_trained_without_an_estimator():
    options = TrainingOptions(max_epochs=25, batch_size=16, learning_rate=0.1, weight_decay=0.0)
    net = train(Line(), squared_error, line_data(), None, options, seed=0)
    np.testing.assert_allclose(net.module_.readout.weight.detach()[0], TRUTH, atol=0.02)
