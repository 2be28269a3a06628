"""The batteries that every public estimator passes: scikit-learn's and our own."""

import copy
import inspect
import io
import itertools
import pickle
import re
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
import xarray
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from skneurograph import LazyWindows, Recording, sliding_windows
from tests.adapter import apart, of_frames
from tests.discovery import ESTIMATORS, cheap, checkable, reads_tables

CLASSES = list(ESTIMATORS.values())
# scikit-learn's targets make plain regressors of forecasters; here they forecast frames, too.
FORECASTERS = [of_frames(c) for c in CLASSES if hasattr(c, "forecast")]
LEAST_CHECKS = {"classifier": 60, "regressor": 55, "transformer": 45}
# Where an estimator takes no weights, as one that wraps any other.
LEAST_CHECKS_OF_WEIGHTS = {"classifier": 6, "regressor": 6, "transformer": 0}


def kind(estimator):
    if is_classifier(estimator):
        return "classifier"
    return "regressor" if is_regressor(estimator) else "transformer"


def outputs(estimator, X, **sequences):
    """Every prediction that the estimator offers."""
    methods = ("predict", "predict_proba", "transform", "infer_graphs")
    given = {
        name: getattr(estimator, name)(X, **(sequences if takes_groups(estimator, name) else {}))
        for name in methods
        if hasattr(estimator, name)
    }
    if forecasts_frames(estimator):
        given["forecast"] = estimator.forecast(X, 3)
    return given


def takes_groups(estimator, method):
    return "groups" in inspect.signature(getattr(type(estimator), method)).parameters


def forecasts_frames(estimator):
    return type(estimator) in FORECASTERS


def assert_same(first, second, **tolerance):
    assert first.keys() == second.keys()
    for name, value in first.items():
        if tolerance and value.dtype.kind == "f":
            np.testing.assert_allclose(value, second[name], **tolerance)
        else:
            np.testing.assert_array_equal(value, second[name])


def make_data(estimator, n_windows=48, n_neurons=5, n_times=4, missing=True):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_windows, n_neurons, n_times))
    score = X[:, 0].mean(axis=1) - X[:, 1, -1]
    if missing and estimator.__sklearn_tags__().input_tags.allow_nan:
        X[: n_windows // 3, 3] = np.nan
        X[5, 2, -1] = np.nan
    y = score if is_regressor(estimator) else np.where(score > 0, "reversal", "forward")
    return X.astype(np.float32), y


@pytest.fixture(params=[*CLASSES, *FORECASTERS], ids=lambda c: c.__name__)
def estimator(request):
    # Nothing here asks how well it learnt, as scikit-learn's checks do.
    return cheap(request.param, max_epochs=2)


CHECKS = [
    pytest.param(
        instance, check, id=f"{type(instance).__name__}-{getattr(check, 'func', check).__name__}"
    )
    for estimator in map(cheap, CLASSES)
    for instance, check in estimator_checks_generator(checkable(estimator), legacy=True)
]
# Checks that ask what was learnt; for the others a short training will do.
ASK_WHAT_WAS_LEARNT = re.compile("_train$|_classes$|class_weight")


@pytest.mark.parametrize(("instance", "check"), CHECKS)
def test_scikit_learn_check(instance, check):
    instance = copy.deepcopy(instance)
    name = getattr(check, "func", check).__name__
    if "max_epochs" in instance.get_params() and not ASK_WHAT_WAS_LEARNT.search(name):
        instance.set_params(max_epochs=2)
    check(instance)


@pytest.mark.parametrize("estimator", [cheap(c) for c in CLASSES], ids=[*ESTIMATORS])
def test_scikit_learn_runs_enough_checks(estimator):
    checked = checkable(estimator)
    checks = list(estimator_checks_generator(checked, legacy=True))
    least = LEAST_CHECKS[kind(estimator)]
    if "sample_weight" not in fit_arguments(estimator):
        least -= LEAST_CHECKS_OF_WEIGHTS[kind(estimator)]
    assert len(checks) >= least
    assert checked.__sklearn_tags__().input_tags.two_d_array
    assert type(checked).__name__ == type(estimator).__name__


@pytest.mark.slow
@pytest.mark.parametrize("name", ["FlattenWindows", "VARForecaster"])
def test_check_estimator_passes_with_default_parameters(name):
    results = check_estimator(ESTIMATORS[name](), on_fail=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}


def test_there_are_estimators_of_each_kind():
    assert {kind(c()) for c in CLASSES} == {"classifier", "regressor", "transformer"}


def test_clone_and_refit_give_the_same_bits_whatever_ran_before(estimator):
    X, y = make_data(estimator)
    first = outputs(clone(estimator).fit(X, y), X)
    torch.rand(7)
    np.random.rand(3)  # noqa: NPY002
    assert_same(outputs(clone(estimator).fit(X, y), X), first)
    refitted = clone(estimator).fit(X[::2], y[::2]).fit(X, y)
    assert_same(outputs(refitted, X), first)


def test_fit_leaves_global_generators_inputs_and_parameters_alone(estimator):
    X, y = make_data(estimator)
    X_before, y_before, parameters = X.copy(), y.copy(), copy.deepcopy(estimator.get_params())
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    outputs(estimator.fit(X, y), X)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(y, y_before)
    assert estimator.get_params() == parameters


def test_windows_in_another_order_give_the_same_predictions(estimator):
    X, y = make_data(estimator)
    estimator.fit(X, y)
    order = np.random.default_rng(1).permutation(len(X))
    alone = apart(estimator, X)
    expected = {name: value[order] for name, value in outputs(estimator, X, **alone).items()}
    assert_same(outputs(estimator, X[order], **alone), expected, rtol=1e-4, atol=1e-6)


def test_one_window_alone_gives_the_same_prediction(estimator):
    X, y = make_data(estimator)
    estimator.fit(X, y)
    alone = apart(estimator, X)
    expected = {name: value[7:8] for name, value in outputs(estimator, X, **alone).items()}
    assert_same(outputs(estimator, X[7:8]), expected, rtol=1e-4, atol=1e-6)


def test_a_neuron_that_is_never_recorded_changes_nothing(estimator):
    if not estimator.__sklearn_tags__().input_tags.allow_nan:
        pytest.skip("this estimator refuses missing neurons and says so")
    X, y = make_data(estimator)
    wider = np.insert(X, 2, np.nan, axis=1)
    plain = outputs(estimator.fit(X, y), X)
    padded = outputs(clone(estimator).fit(wider, y), wider)
    kept = [0, 1, 3, 4, 5]
    if "infer_graphs" in plain:
        graphs = padded.pop("infer_graphs")
        np.testing.assert_array_equal(plain.pop("infer_graphs"), graphs[:, kept][:, :, kept])
        assert np.isnan(graphs[:, 2]).all()
        assert np.isnan(graphs[:, :, 2]).all()
    if "transform" in plain:
        names = clone(estimator).fit(wider, y).get_feature_names_out()
        if plain["transform"].shape != padded["transform"].shape:
            padded["transform"] = drop_columns_of_neuron(padded["transform"], names, "x2")
    if forecasts_frames(estimator):
        for name in ("predict", "forecast"):
            assert np.isnan(padded[name][:, 2]).all()
            padded[name] = padded[name][:, kept]
    # A solver of scikit-learn sums over one column more, of zeros, in another order.
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if hasattr(estimator, "estimator_") else {}
    assert_same(padded, plain, **tolerance)


def drop_columns_of_neuron(transformed, names, neuron):
    """Drop features such as x2, x2[t-1], x2->x0 and x0--x2."""
    columns = [i for i, name in enumerate(names) if re.search(rf"\b{neuron}\b", name)]
    assert columns
    return np.delete(transformed, columns, axis=1)


def test_identified_neurons_in_another_order_are_told_apart_but_exchangeable_ones_are_not(
    estimator,
):
    if not {"identities", "edge_model"} <= set(estimator.get_params()):
        pytest.skip("this estimator has no graph over identities")
    X, y = make_data(estimator)
    order = np.array([3, 0, 4, 2, 1])
    for edge_model in ("auto", "mlp"):
        estimator.set_params(identities="none", edge_model=edge_model).fit(X, y)
        expected = outputs(estimator, X)
        graphs = expected.pop("infer_graphs")
        found = outputs(estimator, X[:, order])
        inferred = found.pop("infer_graphs")
        if forecasts_frames(estimator):
            expected = {name: frames[:, order] for name, frames in expected.items()}
        assert_same(found, expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(inferred, graphs[:, order][:, :, order], rtol=1e-4, atol=1e-6)
    estimator.set_params(identities="all").fit(X, y)
    method = "predict_proba" if is_classifier(estimator) else "predict"
    predicted = getattr(estimator, method)
    assert not np.allclose(predicted(X), predicted(X[:, order]), atol=1e-3)


@pytest.mark.parametrize("labels", [[0, 1], [True, False], ["b", "a"], [2.0, 5.0], [-7, 3]])
def test_original_labels_and_dtypes_come_back(estimator, labels):
    if not is_classifier(estimator):
        pytest.skip("not a classifier")
    X, y = make_data(estimator)
    y = np.array(labels)[(y == "reversal").astype(int)]
    predicted = estimator.fit(X, y).predict(X)
    assert predicted.dtype == y.dtype
    assert set(predicted.tolist()) <= set(y.tolist())
    np.testing.assert_array_equal(estimator.classes_, np.unique(y))


def test_memory_layout_and_writability_do_not_matter(estimator):
    X, y = make_data(estimator)
    expected = outputs(clone(estimator).fit(X, y), X)
    read_only = X.copy()
    read_only.flags.writeable = False
    strided = np.repeat(X, 2, axis=2)[:, :, ::2]
    backwards = X[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1]
    for other in (read_only, strided, backwards, np.asfortranarray(X)):
        assert_same(outputs(clone(estimator).fit(other, y), other), expected)


def test_single_and_double_precision_agree_and_lists_are_read(estimator):
    X, y = make_data(estimator, missing=False)
    single = outputs(clone(estimator).fit(X, y), X)
    double = outputs(clone(estimator).fit(X.astype(np.float64), y), X.astype(np.float64))
    listed = outputs(clone(estimator).fit(X.tolist(), list(y)), X.tolist())
    for name in single.keys() - {"predict"} or {"predict"}:
        np.testing.assert_allclose(single[name], double[name], rtol=0.05, atol=0.05)
        np.testing.assert_array_equal(double[name], listed[name])


def test_a_data_frame_is_read_as_windows_of_one_frame(estimator):
    X, y = make_data(estimator, n_times=1)
    names = ["AVAL", "AVAR", "RIML", "AIBR", "RIBL"]
    frame = pd.DataFrame(X[:, :, 0], columns=names)
    if not reads_tables(estimator):
        with pytest.raises(ValueError, match=r"needs at least .* as sliding_windows\("):
            estimator.fit(frame, y)
        return
    by_frame = outputs(clone(estimator).fit(frame, y), frame)
    by_array = outputs(clone(estimator).fit(X[:, :, 0], y), X[:, :, 0])
    assert_same(by_frame, by_array)
    fitted = clone(estimator).fit(frame, y)
    assert fitted.feature_names_in_.tolist() == names
    assert (fitted.n_features_in_, fitted.n_times_in_) == (5, 1)


def test_lazy_windows_give_what_an_array_gives(estimator):
    rng = np.random.default_rng(0)
    worms = [
        Recording(
            rng.normal(size=(30, 3)),
            2.0,
            neurons=names,
            organism=organism,
            behavior=np.where(rng.random(30) > 0.5, "forward", "reversal"),
        )
        for organism, names in (("one", ["A", "B", "C"]), ("two", ["A", "B", "D"]))
    ]
    allow_nan = estimator.__sklearn_tags__().input_tags.allow_nan
    neurons = "union" if allow_nan else "intersection"
    eager = sliding_windows(worms, 4, neurons=neurons)
    lazy = sliding_windows(worms, 4, neurons=neurons, lazy=True)
    assert isinstance(lazy.X, LazyWindows)
    y = rng.normal(size=len(eager)) if is_regressor(estimator) else eager.y
    expected = outputs(clone(estimator).fit(eager.X, y), eager.X)
    assert_same(outputs(clone(estimator).fit(lazy.X, y), lazy.X), expected)


def test_pickled_and_copied_estimators_predict_the_same(estimator):
    X, y = make_data(estimator)
    expected = outputs(estimator.fit(X, y), X)
    assert_same(outputs(pickle.loads(pickle.dumps(estimator)), X), expected)
    assert_same(outputs(copy.deepcopy(estimator), X), expected)
    buffer = io.BytesIO(pickle.dumps(estimator))
    assert buffer.getbuffer().nbytes < 2_000_000
    check_is_fitted(estimator)


def test_another_number_of_neurons_or_frames_is_refused_in_the_users_words(estimator):
    X, y = make_data(estimator)
    estimator.fit(X, y)
    method = estimator.predict if hasattr(estimator, "predict") else estimator.transform
    name = type(estimator).__name__
    with pytest.raises(ValueError, match=rf"X has 4 (neurons|features), but {name}"):
        method(X[:, :4])
    with pytest.raises(ValueError, match=rf"windows of 3 frames, but {name}"):
        method(X[:, :, :3])


def test_infinity_is_always_an_error(estimator):
    X, y = make_data(estimator, missing=False)
    spoiled = X.copy()
    spoiled[3, 2, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        clone(estimator).fit(spoiled, y)
    estimator.fit(X, y)
    method = estimator.predict if hasattr(estimator, "predict") else estimator.transform
    with pytest.raises(ValueError, match="infinity"):
        method(spoiled)


def test_more_than_three_dimensions_are_refused(estimator):
    X, y = make_data(estimator)
    with pytest.raises(ValueError, match="Found array with dim 4"):
        estimator.fit(X[..., None], y)


def test_transformers_do_not_change_their_input_and_name_their_output(estimator):
    if kind(estimator) != "transformer":
        pytest.skip("not a transformer")
    X, y = make_data(estimator)
    before = X.copy()
    transformed = estimator.fit(X, y).transform(X)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(clone(estimator).fit_transform(X, y), transformed)
    assert len(estimator.get_feature_names_out()) == transformed.shape[1]
    flat = X[:, :, 0] if estimator.__sklearn_tags__().input_tags.allow_nan else X[:, :, -1]
    table = (
        clone(estimator)
        .set_output(transform="pandas")
        .fit_transform(X if transformed.ndim == 2 else flat)
    )
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == estimator.get_feature_names_out().tolist()


class Spoil(Callback):
    """Set a parameter of the net to NaN in one epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == self.epoch:
            next(net.module_.parameters()).data.fill_(torch.nan)


def fit_arguments(estimator):
    return inspect.signature(type(estimator).fit).parameters


def method_of(estimator):
    return estimator.predict if hasattr(estimator, "predict") else estimator.transform


def test_masked_values_are_missing_values(estimator):
    X, y = make_data(estimator)
    mask = np.isnan(X)
    mask[7, 1] = True
    hidden = np.where(mask, np.float32(7e5), X)
    missing = np.where(mask, np.float32(np.nan), X)
    masked = np.ma.masked_array(hidden, mask)
    if not estimator.__sklearn_tags__().input_tags.allow_nan:
        with pytest.raises(ValueError, match="NaN"):
            estimator.fit(masked, y)
        estimator.fit(X, y)
        with pytest.raises(ValueError, match="NaN"):
            method_of(estimator)(masked)
        return
    expected = outputs(clone(estimator).fit(missing, y), missing)
    for given in (masked, list(masked)):
        assert_same(outputs(clone(estimator).fit(given, y), given), expected)


@pytest.mark.parametrize("name", ["y", "sample_weight", "groups"])
def test_a_window_without_its_target_weight_or_group_is_refused_by_name(estimator, name):
    wants_y = is_classifier(estimator) or (
        is_regressor(estimator) and not forecasts_frames(estimator)
    )
    if not (wants_y if name == "y" else name in fit_arguments(estimator)):
        pytest.skip("this estimator reads no such argument")
    X, y = make_data(estimator)
    values = {"y": y, "sample_weight": np.ones(len(X)), "groups": np.repeat(list("abcd"), 12)}[name]
    mask = np.arange(len(X)) == 3
    as_objects = values.astype(object)
    as_objects[3] = None
    gaps = [np.ma.masked_array(values, mask), as_objects, pd.Series(as_objects), list(as_objects)]
    if name == "groups":
        gaps += [np.where(mask, np.nan, 1.0), np.where(mask, "NaT", "2020-01-01").astype("M8[D]")]
        gaps += [np.where(mask, "", values), [1 if gap else "a" for gap in mask]]
        gaps += [pd.array(as_objects, dtype="string")]
    for given in gaps:
        arguments = {"y": y, name: given}
        with pytest.raises(ValueError, match=rf"^{name}: got|Input {name} contains NaN"):
            clone(estimator).fit(X, **arguments)


@contextmanager
def other_defaults():
    """Double precision and a device that holds no numbers, as defaults of torch."""
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            yield
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_torch_is_set_to_does_not_matter_and_is_left_alone(estimator):
    if "device" not in estimator.get_params():
        pytest.skip("this estimator does without torch")
    X, y = make_data(estimator)
    expected = outputs(clone(estimator).fit(X, y), X)
    for setting in (other_defaults, torch.no_grad, torch.inference_mode):
        with setting():
            before = torch_settings()
            found = outputs(clone(estimator).fit(X, y), X)
            assert torch_settings() == before
        assert_same(found, expected)


def torch_settings():
    device, gradients = torch.get_default_device(), torch.is_grad_enabled()
    return torch.get_default_dtype(), device, gradients, torch.is_inference_mode_enabled()


def test_what_scikit_learn_is_set_to_does_not_matter(estimator):
    X, y = make_data(estimator)
    expected = outputs(clone(estimator).fit(X, y), X)
    settings = {"enable_metadata_routing": True, "assume_finite": True}
    with sklearn.config_context(transform_output="pandas", **settings):
        found = outputs(clone(estimator).fit(X, y), X)
    assert_same({name: np.asarray(value) for name, value in found.items()}, expected)


@pytest.mark.parametrize("fault", ["infinity", "length", "parameter"])
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(estimator, fault):
    X, y = make_data(estimator)
    wrong_X, wrong_y, parameters = X[:, :4].copy(), y[::-1], {}
    if fault == "infinity":
        wrong_X[3, 1, 1] = np.inf
    elif fault == "length":
        wrong_y = wrong_y[1:]
        if kind(estimator) == "transformer" or forecasts_frames(estimator):
            pytest.skip("this estimator takes no target as it is")
    else:
        # What only `fit` can find out, and some of them late.
        late = {"device": "toaster", "identities": [0], "neurons": ["A"]}
        parameters = {k: v for k, v in late.items() if k in estimator.get_params()}
        if not parameters:
            pytest.skip("this estimator has no such parameter")
    for fitted in (clone(estimator), clone(estimator).fit(X, y)):
        before = dict(vars(fitted))
        expected = outputs(fitted, X) if "n_features_in_" in before else None
        for name in parameters or [None]:
            with pytest.raises(ValueError):
                fitted.set_params(**{name: parameters[name]} if name else {}).fit(wrong_X, wrong_y)
            fitted.set_params(**estimator.get_params())
        assert vars(fitted).keys() == before.keys()
        if expected is not None:
            assert_same(outputs(fitted, X), expected)


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (lambda X: [*X[:-1], X[-1][:, :3]], "X: got windows of different shapes"),
        (lambda X: [*X.astype(object).tolist()[:-1], [["high"] * 4] * 5], "X: got text"),
        (lambda X: X[:, :0], "X has 0 neurons|0 feature"),
        (lambda X: pd.DataFrame({"AVAL": ["high"] * len(X)}), "X: got text"),
        (lambda X: [pd.DataFrame(window) for window in X], "X: got a list of DataFrame"),
    ],
    ids=["ragged", "text", "no neurons", "table of text", "list of tables"],
)
def test_what_is_no_array_of_windows_is_refused_in_the_users_words(estimator, windows, message):
    X, y = make_data(estimator, missing=False)
    with pytest.raises(ValueError, match=message):
        type(estimator).__mro__[forecasts_frames(estimator)].fit(estimator, windows(X), y)


def test_the_names_of_a_data_array_are_those_of_the_neurons_and_are_checked(estimator):
    X, y = make_data(estimator)
    names = ["AVAL", "AVAR", "RIML", "AIBR", "RIBL"]
    dims = ("window", "neuron", "time")
    labelled = xarray.DataArray(X, dims=dims, coords={"neuron": names})
    expected = outputs(clone(estimator).fit(X, y), X)
    fitted = clone(estimator).fit(labelled, y)
    assert fitted.feature_names_in_.tolist() == names
    assert_same(outputs(fitted, labelled), expected)
    with pytest.raises(ValueError, match="feature names should match"):
        method_of(fitted)(labelled.isel(neuron=[1, 0, 2, 3, 4]))
    with pytest.raises(ValueError, match=r"X: got dimensions .*X.transpose\('window', 'neuron'"):
        clone(estimator).fit(labelled.transpose("time", "neuron", "window"), y)


def test_rows_that_are_labelled_in_another_order_are_refused(estimator):
    X, y = make_data(estimator, n_times=1)
    order = np.random.default_rng(1).permutation(len(X))
    frame = pd.DataFrame(X[:, :, 0], columns=list("abcde"))
    for name in ("y", "sample_weight", "groups"):
        made_up = name == "y" and forecasts_frames(estimator)
        if name not in fit_arguments(estimator) or made_up:
            continue
        values = {"y": y, "sample_weight": np.ones(len(X)), "groups": y}[name]
        shuffled = pd.Series(values).iloc[order]
        with pytest.raises(ValueError, match=rf"{name}: got rows whose index is that of X in"):
            clone(estimator).fit(frame, **{"y": y, name: shuffled})
        if reads_tables(estimator):
            clone(estimator).fit(frame, **{"y": y, name: shuffled.to_numpy()})


def test_a_net_that_diverges_is_an_error_and_leaves_no_model(estimator):
    if "callbacks" not in estimator.get_params():
        pytest.skip("this estimator has no net")
    X, y = make_data(estimator)
    estimator.set_params(callbacks=[Spoil(epoch=1)], max_epochs=9)
    with pytest.raises(ValueError, match=r"training diverged in epoch 1.*Scale the data.*lower"):
        estimator.fit(X, y)
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)


class Interrupt(Callback):
    """Interrupt training at the end of the second epoch."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


class Spy(Callback):
    """Remember the first value of each window that was trained on, or validated on."""

    def on_train_begin(self, net, **kwargs):
        self.seen_ = {True: set(), False: set()}

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        self.seen_[training] |= set(batch[0][:, 0, 0].tolist())


def with_net(estimator, **parameters):
    if "callbacks" not in estimator.get_params():
        pytest.skip("this estimator has no net")
    return clone(estimator).set_params(**parameters)


def test_an_interrupt_keeps_what_was_learnt_and_says_so(estimator):
    X, y = make_data(estimator)
    model = with_net(estimator, callbacks=[Interrupt()], max_epochs=9)
    with pytest.warns(UserWarning, match="interrupted in epoch 2: the current state is kept"):
        model.fit(X, y)
    assert (model.interrupted_, model.n_epochs_) == (True, 2)
    assert all(len(value) == len(X) for value in outputs(model, X).values())


def test_early_stopping_holds_out_whole_organisms(estimator):
    if "patience" not in estimator.get_params():
        pytest.skip("this estimator does not stop early")
    X, y = make_data(estimator)
    organism = np.arange(len(X)) % 4
    X[:, 0, 0] = organism
    spy = Spy()
    model = clone(estimator).set_params(patience=2, callbacks=[spy])
    model.fit(X, y, groups=np.array(list("dabc"))[organism])
    trained, held_out = spy.seen_[True], spy.seen_[False]
    assert (len(trained), len(held_out)) == (3, 1)
    assert not trained & held_out
    assert "valid_loss" in model.net_.history[-1]
    with pytest.raises(ValueError, match="early stopping holds out whole organisms"):
        clone(model).fit(X, y, groups=["a"] * len(X))


def test_another_seed_or_none_gives_another_net(estimator):
    X, y = make_data(estimator)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    nets = [with_net(estimator, random_state=state, max_epochs=1) for state in (0, 1, None, None)]
    method = next(m for m in ("predict_proba", "predict", "transform") if hasattr(estimator, m))
    found = [getattr(net.fit(X, y), method)(X) for net in nets]
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    for one, other in itertools.combinations(found, 2):
        assert not np.array_equal(one, other, equal_nan=True)


def test_a_pickle_holds_no_tensor_that_is_tied_to_the_device_of_training(estimator, monkeypatch):
    X, y = make_data(estimator)
    model = with_net(estimator).fit(X, y)
    data, expected = pickle.dumps(model), outputs(model, X)

    def refuse(*args):
        raise AssertionError("a tensor is loaded without a map to the device at hand")

    monkeypatch.setattr(torch.storage, "_load_from_bytes", refuse)
    assert_same(outputs(pickle.loads(data), X), expected)


def test_progress_is_shown_if_it_is_asked_for(estimator, capsys):
    X, y = make_data(estimator)
    with_net(estimator, max_epochs=1).fit(X, y)
    assert capsys.readouterr() == ("", "")
    with_net(estimator, max_epochs=1, verbose=1).fit(X, y)
    out, err = capsys.readouterr()
    assert out == ""
    assert "training: 100%" in err
    with_net(estimator, max_epochs=1, verbose=2).fit(X, y)
    assert "train_loss" in capsys.readouterr().out


@pytest.mark.parametrize("groups", [["one"] * 10, np.zeros((48, 2))], ids=["short", "table"])
def test_groups_of_another_shape_are_refused(estimator, groups):
    if "groups" not in fit_arguments(estimator):
        pytest.skip("this estimator reads no groups")
    X, y = make_data(estimator)
    with pytest.raises(ValueError, match="groups: got shape"):
        estimator.fit(X, y, groups=groups)


def test_groups_are_requested_by_every_method_that_takes_them(estimator):
    taking = [
        name
        for name in ("fit", "transform", "predict", "score")
        if "groups" in inspect.signature(getattr(type(estimator), name, id)).parameters
    ]
    if "fit" in taking and hasattr(estimator, "fit_transform"):
        taking.append("fit_transform")
    with sklearn.config_context(enable_metadata_routing=True):
        request = estimator.get_metadata_routing()
        for name in taking:
            assert request.consumes(name, {"groups"}) == {"groups"}
    if not taking:
        pytest.skip("this estimator reads no groups")


def test_a_window_of_weight_zero_counts_as_none(estimator):
    if "sample_weight" not in fit_arguments(estimator):
        pytest.skip("this estimator reads no weights")
    X, y = make_data(estimator)
    weight = np.linspace(1, 2, len(X))
    weight[20:32] = 0
    kept = weight > 0
    expected = outputs(clone(estimator).fit(X[kept], y[kept], sample_weight=weight[kept]), X)
    found = outputs(clone(estimator).fit(X, y, sample_weight=weight), X)
    assert_same(found, expected, rtol=1e-6, atol=1e-9)
