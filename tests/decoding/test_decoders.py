"""What the decoders do beyond the batteries: graphs, stopping, weights, interruption."""

import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.utils.class_weight import compute_sample_weight
from skorch.callbacks import Callback

from skneurograph import Recording, sliding_windows
from skneurograph.decoding import (
    WANG_2021,
    GraphClassifier,
    GraphRegressor,
    RecurrentClassifier,
    RecurrentRegressor,
)
from skneurograph.preprocessing import NeuronImputer

DECODERS = [GraphClassifier, GraphRegressor, RecurrentClassifier, RecurrentRegressor]
GRAPHS = [GraphClassifier, GraphRegressor]
SMALL = {"max_epochs": 3, "n_members": 2, "hidden_size": 8, "random_state": 0}


def make_data(model, n_windows=200, n_neurons=6, n_times=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_windows, n_neurons, n_times)).astype(np.float32)
    score = X[:, 0].mean(axis=1) - X[:, 1].mean(axis=1)
    return X, np.where(score > 0, "a", "b") if is_classifier(model()) else score


class Spy(Callback):
    """Remembers which windows were trained on and validated on."""

    def __init__(self):
        self.seen = {True: [], False: []}

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        self.seen[training].append(batch[0].numpy().copy())


@pytest.mark.parametrize("model", DECODERS)
def test_learns_a_simple_rule(model):
    X, y = make_data(model, n_windows=600)
    fitted = model(random_state=0, n_members=1).fit(X[:450], y[:450])
    assert fitted.score(X[450:], y[450:]) > 0.85


@pytest.mark.parametrize("edge_model", ["identity", "bilinear", "mlp"])
@pytest.mark.parametrize("edge_activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("pooling", ["mean", "attention", "concat"])
def test_every_architecture_learns(edge_model, edge_activation, pooling):
    X, y = make_data(GraphClassifier, n_windows=400)
    model = GraphClassifier(
        edge_model=edge_model,
        edge_activation=edge_activation,
        pooling=pooling,
        # What stands beside the graph would learn the rule by itself.
        population_size=None,
        linear_share=0,
        random_state=0,
        n_members=1,
        max_epochs=20,
    )
    assert model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.75


def test_the_population_node_sees_differences_that_a_mean_over_neurons_blurs():
    X, difference = make_data(GraphRegressor, n_windows=1200)
    apart = np.abs(difference)
    y = apart > np.median(apart)
    scores = {}
    for size in (None, 4):
        model = GraphClassifier(
            population_size=size, linear_share=0, n_members=1, random_state=0
        ).fit(X[:900], y[:900])
        scores[size] = model.score(X[900:], y[900:])
    assert scores[4] > 0.85
    assert scores[None] < scores[4] - 0.08


def test_the_architecture_of_the_paper_trains_on_two_frames():
    X, y = make_data(GraphClassifier, n_windows=400, n_times=2)
    model = GraphClassifier(**WANG_2021, max_epochs=100, random_state=0).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > 0.75


def test_the_parameters_of_the_paper_cannot_be_changed_and_are_plain_values():
    with pytest.raises(TypeError, match="does not support item assignment"):
        WANG_2021["hidden_size"] = 24
    with pytest.raises(TypeError, match="does not support item deletion"):
        del WANG_2021["time_constant"]
    assert not hasattr(WANG_2021, "update")
    assert {type(value) for value in WANG_2021.values()} <= {str, int, float, type(None)}
    for made in (GraphClassifier, GraphRegressor):
        model = made(**WANG_2021)
        assert model.get_params().items() >= WANG_2021.items()
        assert clone(model).get_params() == model.get_params()
        assert clone(model).set_params(hidden_size=24).get_params() == {
            **model.get_params(),
            "hidden_size": 24,
        }
    assert (WANG_2021 | {"hidden_size": 24})["hidden_size"] == 24
    assert WANG_2021["hidden_size"] == 12


def test_without_identities_a_rule_about_one_neuron_cannot_be_learnt_but_one_about_all_can():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 6, 5)).astype(np.float32)
    one = X[:, 0].mean(axis=1) > X[:, 1].mean(axis=1)
    loudness = (X**2).mean(axis=(1, 2))
    everyone = loudness > np.median(loudness)
    model = GraphClassifier(identities="none", random_state=0, n_members=1, max_epochs=40)
    assert clone(model).fit(X[:450], one[:450]).score(X[450:], one[450:]) < 0.65
    assert clone(model).fit(X[:450], everyone[:450]).score(X[450:], everyone[450:]) > 0.8


def test_shared_identities_make_neurons_interchangeable():
    X, y = make_data(GraphClassifier)
    model = GraphClassifier(identities=[0, 1, 2, 2, -1, -1], **SMALL).fit(X, y)
    expected = model.predict_proba(X)
    for swapped in ([0, 1, 3, 2, 4, 5], [0, 1, 2, 3, 5, 4]):
        np.testing.assert_allclose(model.predict_proba(X[:, swapped]), expected, atol=1e-5)
    assert not np.allclose(model.predict_proba(X[:, [1, 0, 2, 3, 4, 5]]), expected, atol=1e-3)


@pytest.mark.parametrize("identities", ["some", [0, 1], [0, 1, 2, 3, 4, -2], np.zeros(6)])
def test_wrong_identities_are_explained(identities):
    X, y = make_data(GraphClassifier)
    with pytest.raises(ValueError, match="identities"):
        GraphClassifier(identities=identities, **SMALL).fit(X, y)


def test_concat_pooling_needs_identities():
    X, y = make_data(GraphClassifier)
    with pytest.raises(ValueError, match="pooling='concat'"):
        GraphClassifier(identities="none", pooling="concat", **SMALL).fit(X, y)


@pytest.mark.parametrize("model", GRAPHS)
def test_graph_is_the_mean_over_windows_with_nan_for_pairs_never_recorded_together(model):
    X, y = make_data(model)
    X[:100, 2] = np.nan
    X[100:, 3] = np.nan
    X[:, 4] = np.nan
    fitted = model(edge_model="bilinear", **SMALL).fit(X, y)
    graphs = fitted.infer_graphs(X)
    assert graphs.shape == (200, 6, 6)
    assert np.isnan(graphs[:100, 2]).all()
    assert np.isnan(graphs[:, :, 4]).all()
    never = np.isnan(fitted.graph_)
    assert never[2, 3]
    assert never[3, 2]
    assert never[4].all()
    assert not never[0, 1]
    assert (np.diagonal(fitted.graph_)[[0, 1, 2, 3, 5]] == 0).all()
    expected = np.nanmean(graphs[:, 0, 2])
    np.testing.assert_allclose(fitted.graph_[0, 2], expected, rtol=1e-5)


def test_rows_of_the_graph_are_receivers():
    """Two neurons carry the signal, so with softmax edges everyone listens to them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 6, 4)).astype(np.float32)
    y = (X[:, 0].mean(axis=1) * X[:, 1].mean(axis=1) > 0).astype(int)
    model = GraphClassifier(random_state=0, max_epochs=40).fit(X, y)
    np.testing.assert_allclose(model.graph_.sum(axis=1), 1, rtol=1e-4)
    assert not np.allclose(model.graph_.sum(axis=0), 1, atol=0.05)


def test_without_rounds_there_is_no_graph():
    X, y = make_data(GraphClassifier)
    model = GraphClassifier(n_rounds=0, **SMALL).fit(X, y)
    assert not hasattr(model, "graph_")
    with pytest.raises(ValueError, match="n_rounds=0"):
        model.infer_graphs(X)


def test_anonymous_neurons_first_seen_at_predict_are_used_and_identified_ones_ignored():
    X, y = make_data(GraphClassifier)
    hidden = X.copy()
    hidden[:, 4:] = np.nan
    model = GraphClassifier(identities=[0, 1, 2, 3, 4, -1], **SMALL).fit(hidden, y)
    expected = model.predict_proba(hidden)
    identified, anonymous = hidden.copy(), hidden.copy()
    identified[:, 4] = X[:, 4]
    anonymous[:, 5] = X[:, 5]
    np.testing.assert_array_equal(model.predict_proba(identified), expected)
    assert not np.allclose(model.predict_proba(anonymous), expected, atol=1e-4)
    assert np.isfinite(model.infer_graphs(anonymous)[:, 0, 5]).all()
    assert np.isnan(model.infer_graphs(identified)[:, 0, 4]).all()


def test_without_groups_early_stopping_holds_out_the_end_after_a_gap():
    X, y = make_data(GraphClassifier)
    X[:, 5, 0] = np.arange(200)
    spy = Spy()
    GraphClassifier(patience=2, callbacks=[spy], **SMALL).fit(X, y)
    trained, validated = (
        np.unique(np.concatenate(spy.seen[training])[:, 5, 0]) for training in (True, False)
    )
    assert validated.tolist() == list(range(160, 200))
    # Windows of 5 frames: number 156 would share frames with window 160.
    assert trained.tolist() == list(range(156))


def test_a_label_lost_to_the_held_out_organism_is_named():
    X, y = make_data(GraphClassifier)
    groups = np.repeat([0, 1], 100)
    y[:] = "a"
    y[groups == 0] = "only-zero"
    with pytest.warns(UserWarning, match="early stopping holds out every window of"):
        GraphClassifier(patience=2, **SMALL).fit(X, y, groups=groups)


@pytest.mark.parametrize("batch_size", [16, 512])
def test_balanced_class_weights_are_the_balanced_sample_weights(batch_size):
    X, y = make_data(GraphClassifier)
    y[:150] = "a"
    # Principal components of the linear decoder know weights of windows alone.
    model = GraphClassifier(batch_size=batch_size, linear_share=0, **SMALL)
    by_class = clone(model).set_params(class_weight="balanced").fit(X, y)
    by_sample = clone(model).fit(X, y, sample_weight=compute_sample_weight("balanced", y))
    np.testing.assert_allclose(by_class.predict_proba(X), by_sample.predict_proba(X), rtol=1e-4)
    plain = clone(model).fit(X, y)
    rare = list(plain.classes_).index("b")
    assert by_class.predict_proba(X)[:, rare].mean() > plain.predict_proba(X)[:, rare].mean()


def test_one_class_is_warned_about_and_predicted():
    X, _ = make_data(GraphClassifier)
    with pytest.warns(UserWarning, match="one class only"):
        model = GraphClassifier(**SMALL).fit(X, ["rest"] * 200)
    assert set(model.predict(X)) == {"rest"}


def test_windows_without_any_neuron_are_warned_about_and_still_predicted():
    X, y = make_data(GraphClassifier)
    X[:3] = np.nan
    with pytest.warns(UserWarning, match="3 of 200 windows have no recorded neuron"):
        model = GraphClassifier(**SMALL).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    with pytest.raises(ValueError, match="no neuron is recorded"):
        GraphClassifier(**SMALL).fit(np.full_like(X, np.nan), y)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"hidden_size": 0}, "hidden_size"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"neuron_dropout": 1.0}, "neuron_dropout"),
        ({"edge_model": "tree"}, "edge_model"),
        ({"device": "toaster"}, "device"),
    ],
)
def test_wrong_parameters_are_named(parameters, name):
    X, y = make_data(GraphClassifier)
    with pytest.raises(ValueError, match=name):
        GraphClassifier(**{**SMALL, **parameters}).fit(X, y)


def test_regression_predicts_in_the_units_of_the_target():
    X, y = make_data(GraphRegressor, n_windows=500)
    small = GraphRegressor(random_state=0, n_members=1).fit(X, y)
    scaled = GraphRegressor(random_state=0, n_members=1).fit(X, 1e-3 * y + 5)
    np.testing.assert_allclose(scaled.predict(X), 1e-3 * small.predict(X) + 5, rtol=1e-3)
    several = GraphRegressor(**SMALL).fit(X, np.stack([y, -y, 2 * y], axis=1))
    assert several.predict(X).shape == (500, 3)


def test_large_recordings_are_fitted_and_predicted_without_cutting_all_windows():
    rng = np.random.default_rng(0)
    recordings = [
        Recording(
            rng.standard_normal((4000, 100), dtype=np.float32),
            3.0,
            neurons=[f"N{i:03d}" for i in range(100)],
            behavior=np.where(np.arange(4000) // 50 % 2, "a", "b"),
            organism=f"worm-{index}",
        )
        for index in range(3)
    ]
    all_windows = 3 * 4000 * 100 * 16 * 4
    model = GraphClassifier(
        max_epochs=1, n_members=1, hidden_size=4, batch_size=256, random_state=0
    )
    tracemalloc.start()
    windows = sliding_windows(recordings, 16, lazy=True)
    model.fit(windows.X, windows.y)
    model.score(windows.X, windows.y)
    assert model.infer_graphs(windows.X[:10]).shape == (10, 100, 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The cost beside the recordings: a few chunks of windows, not all of them.
    assert peak < all_windows


def test_fits_in_threads_give_what_fits_in_turn_give():
    X, y = make_data(GraphClassifier)

    def fitted(_):
        return GraphClassifier(**SMALL).fit(X, y).predict_proba(X)

    expected = fitted(0)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(fitted, range(4)):
            np.testing.assert_array_equal(found, expected)


def test_held_out_windows_tell_nothing_about_the_scale_of_the_target():
    X, _ = make_data(GraphRegressor)
    y = np.where(np.arange(200) < 160, np.arange(200) % 2, 100.0)
    model = GraphRegressor(patience=2, **SMALL).fit(X, y)
    np.testing.assert_allclose(model.y_mean_, y[:156].mean())


def test_a_second_fit_forgets_the_graph_of_the_first():
    X, y = make_data(GraphClassifier)
    model = GraphClassifier(**SMALL).fit(X, y)
    assert model.graph_.shape == (6, 6)
    model.set_params(n_rounds=0).fit(X, y)
    assert not hasattr(model, "graph_")


def test_a_column_with_an_identity_trained_elsewhere_is_read_at_predict():
    X, y = make_data(GraphClassifier)
    hidden = X.copy()
    hidden[:, 1] = np.nan
    model = GraphClassifier(identities=[0, 0, 1, 2, 3, 4], **SMALL).fit(hidden, y)
    swapped = hidden.copy()
    swapped[:, [0, 1]] = swapped[:, [1, 0]]
    np.testing.assert_allclose(
        model.predict_proba(swapped), model.predict_proba(hidden), rtol=1e-4, atol=1e-6
    )


def test_neurons_missing_now_and_then_are_counted_alike_in_lazy_and_eager_windows():
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(60, 3))
    activity[::3, 1] = np.nan
    activity[:30, 2] = np.nan
    activity[40:50] = np.nan
    recording = Recording(activity, 2.0, neurons=["A", "B", "C"], behavior=["f", "r"] * 30)
    eager, lazy = (sliding_windows(recording, 4, lazy=lazy) for lazy in (False, True))
    models = []
    for windows in (eager, lazy):
        with pytest.warns(UserWarning, match="windows have no recorded neuron"):
            models.append(GraphClassifier(**SMALL).fit(windows.X, windows.y))
    assert models[0].recorded_neurons_.tolist() == models[1].recorded_neurons_.tolist() == [0, 2]
    np.testing.assert_array_equal(models[0].predict_proba(eager.X), models[1].predict_proba(lazy.X))


def test_a_fitted_model_decodes_an_animal_that_lacks_some_of_its_neurons():
    rng = np.random.default_rng(0)
    labels = ["f", "r"] * 15
    train = sliding_windows(
        Recording(rng.normal(size=(30, 4)), 2.0, neurons=["A", "B", "C", ""], behavior=labels),
        4,
        neurons="all",
    )
    model = GraphClassifier(identities=train.identities, **SMALL).fit(train.X, train.y)
    other = Recording(rng.normal(size=(30, 4)), 2.0, neurons=["B", "D", "", ""], behavior=labels)
    with pytest.warns(UserWarning, match="no recording has A, C") as caught:
        test = sliding_windows(other, 4, neurons=list(train.neurons))
    messages = " ".join(str(warning.message) for warning in caught)
    assert "1 anonymous columns" in messages
    assert test.neurons.tolist() == train.neurons.tolist()
    assert np.isnan(test.X[:, [0, 2]]).all()
    assert model.predict(test.X).shape == (27,)


def test_windows_that_make_the_output_infinite_are_refused_by_name():
    X, y = make_data(GraphRegressor)
    fitted = GraphRegressor(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"^X: values as large as .* output of the net NaN"):
        fitted.predict(np.where(np.arange(200)[:, None, None] == 7, np.float32(3e38), X))
    with pytest.raises(ValueError, match=r"^X: got values as large as 1e\+200"):
        fitted.fit(np.full(X.shape, 1e200), y)


@pytest.mark.parametrize("weights", [[1, 2], "heavy"], ids=str)
@pytest.mark.parametrize("model", [GraphClassifier, RecurrentClassifier])
def test_class_weights_are_checked_as_parameters_are(model, weights):
    X, y = make_data(model)
    with pytest.raises(ValueError, match=r"class_weight.* must be"):
        model(class_weight=weights, **SMALL).fit(X, y)


def test_class_weights_that_are_of_no_use_are_warned_of():
    X, y = make_data(GraphClassifier)
    with pytest.warns(UserWarning, match=r"zero for \['b'\].*weights for \['c'\], which no window"):
        model = GraphClassifier(class_weight={"a": 1, "b": 0, "c": 2}, **SMALL).fit(X, y)
    assert set(model.predict(X)) == {"a"}


def test_class_weights_of_bytes_are_those_of_labels_of_bytes():
    X, y = make_data(GraphClassifier)
    weights = {"a": 3.0, "b": 1.0}
    expected = GraphClassifier(class_weight=weights, **SMALL).fit(X, y)
    as_bytes = {label.encode(): weight for label, weight in weights.items()}
    found = GraphClassifier(class_weight=as_bytes, **SMALL).fit(X, y.astype("S"))
    assert found.classes_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    assert found.score(X, y.astype("S").astype(object)) == expected.score(X, y)


@pytest.mark.parametrize("unit", [1e-200, 3e5])
def test_a_constant_target_is_predicted_as_it_is(unit):
    X, _ = make_data(GraphRegressor)
    for constant in (unit, -0.1 * unit):
        rounded = constant * (1 + np.finfo(float).eps * np.tile([0, 1], 100))
        predicted = GraphRegressor(**SMALL).fit(X, rounded).predict(X)
        np.testing.assert_allclose(predicted, constant, rtol=1e-14)


@pytest.mark.parametrize("unit", [1e-200, 3e5])
def test_a_target_may_have_any_units(unit):
    X, y = make_data(RecurrentRegressor)
    y = y.astype(np.float64)
    expected = RecurrentRegressor(**SMALL).fit(X, y).predict(X)
    found = RecurrentRegressor(**SMALL).fit(X, y * unit).predict(X)
    np.testing.assert_allclose(found / unit, expected, rtol=1e-4, atol=1e-5)


def test_one_constant_output_among_others_does_not_disturb_them():
    X, y = make_data(GraphRegressor)
    both = np.stack([y, np.full(200, 7e5)], axis=1)
    model = GraphRegressor(**SMALL).fit(X, both)
    assert model.y_scale_[1] == 0
    np.testing.assert_allclose(model.predict(X)[:, 1], 7e5)
    assert model.predict(X)[:, 0].std() > 0


@pytest.mark.parametrize("model", DECODERS)
def test_unscaled_fluorescence_is_warned_of_in_fit_and_in_predict(model):
    X, y = make_data(model)
    with pytest.warns(UserWarning, match=r"X: got large numbers .*Recording.zscore"):
        model(**SMALL).fit(3e5 + 2e4 * X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = model(**SMALL).fit(X, y)
        fitted.predict(X[:1])
        fitted.predict(5 * X)
    with pytest.warns(UserWarning, match=r"X: got large numbers .* unlike the windows of fit"):
        fitted.predict((3e5 + 2e4 * X)[:1])


@pytest.mark.parametrize("model", DECODERS)
def test_scores_read_masks_and_indices(model):
    X, y = make_data(model, n_windows=60)
    fitted = model(**SMALL).fit(X, y)
    assert fitted.score(X, list(y)) == fitted.score(X, y)
    with pytest.raises(ValueError, match=r"^y: got"):
        fitted.score(X, np.ma.masked_array(y, np.arange(60) == 3))
    with pytest.raises(ValueError, match="sample_weight"):
        fitted.score(X, y, sample_weight=np.ma.masked_array(np.ones(60), np.arange(60) == 3))
    weight = pd.Series(np.ones(60))
    with pytest.raises(ValueError, match="sample_weight: got rows whose index is that of y"):
        fitted.score(X, pd.Series(y), sample_weight=weight[::-1])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", np.ma.masked], ids=repr)
def test_a_missing_label_is_no_class(missing):
    X, y = make_data(GraphClassifier, n_windows=60)
    labels = [missing if k in (3, 40) else label for k, label in enumerate(y)]
    with pytest.raises(ValueError, match=r"y: got no label for 2 of 60 windows .* position 3"):
        GraphClassifier(**SMALL).fit(X, labels)


def test_a_class_in_the_gap_of_early_stopping_is_known_and_said_to_be_never_learnt():
    X = np.random.default_rng(0).normal(size=(60, 4, 8))
    y = np.array(["a", "b"] * 30, dtype=object)
    y[42] = "gap"
    model = GraphClassifier(patience=2, max_epochs=2, class_weight={"a": 1, "b": 1, "gap": 2})
    with pytest.warns(UserWarning, match="of gap, or leaves it out") as told:
        model.fit(X, y)
    assert len(told) == 1
    assert model.classes_.tolist() == ["a", "b", "gap"]
    assert model.predict_proba(X).shape == (60, 3)


@pytest.mark.parametrize("missing_neurons", ["both", "inferred", "masked"])
def test_a_graph_classifier_infers_as_the_imputer_does(missing_neurons):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 1, 4)) + 0.5 * rng.normal(size=(120, 6, 4))
    y = np.where(X[:, :3, -1].mean(axis=1) > 0, "forward", "reversal")
    X[:40, 0] = np.nan
    X[40:80, 5] = np.nan
    groups = np.repeat(["one", "two", "three"], 40)
    model = GraphClassifier(missing_neurons=missing_neurons, **SMALL).fit(X, y, groups=groups)
    filled = NeuronImputer().fit(X, groups=groups).transform(X)
    module = model.net_.module_.eval()
    found, of_filled = (
        torch.softmax(module(torch.tensor(Z)), dim=-1).detach().numpy() for Z in (X, filled)
    )
    n_inferring = {"both": 1, "inferred": 2, "masked": 0}[missing_neurons]
    alike = [np.allclose(*pair, atol=1e-6) for pair in zip(found, of_filled)]
    assert alike == [member >= 2 - n_inferring for member in range(2)]
    np.testing.assert_allclose(model.predict_proba(X), found.mean(axis=0), atol=1e-6)


def test_neurons_that_share_an_identity_are_not_inferred():
    X, y = make_data(GraphClassifier)
    X[:10, 0] = np.nan
    shared = GraphClassifier(identities=[0, 0, *range(1, X.shape[1] - 1)], **SMALL).fit(X, y)
    assert shared.net_.module_.missing is None
    distinct = GraphClassifier(**SMALL).fit(X, y)
    assert distinct.net_.module_.missing is not None
