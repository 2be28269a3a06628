"""The linear decoder beside a graph network: what it is, and where there is none."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from skneurograph import make_worms, sliding_windows
from skneurograph.base._columns import Identities
from skneurograph.base._split import Part
from skneurograph.base._targets import Continuous
from skneurograph.decoding import WANG_2021, GraphClassifier, GraphRegressor, _linear_path
from skneurograph.decoding._linear_path import fit_linear_path
from skneurograph.nn import LinearPath
from skneurograph.preprocessing import NeuronImputer, WindowImputer, make_baseline

SMALL = {"max_epochs": 1, "n_members": 2, "hidden_size": 4, "random_state": 0}
# The net has next to nothing to say.
LINEAR = {**SMALL, "linear_share": 1 - 1e-9}


@pytest.fixture(scope="module")
def windows():
    worms = make_worms(3, duration=120, n_neurons=30, random_state=0).recordings
    cut = sliding_windows([worm.zscore() for worm in worms], 6, step=3)
    named = [name for name in cut.neurons.tolist() if name]
    kept = np.isin(cut.neurons, named)
    return cut.X[:, kept].astype(np.float64), cut.y, cut.groups


def in_units_of_spread(X, imputer):
    """Windows in which the mean variance of neurons is one."""
    filled = imputer.transform(X)
    return X / np.sqrt(filled.transpose(1, 0, 2).reshape(X.shape[1], -1).var(axis=1).mean())


@pytest.mark.parametrize("missing_neurons", ["both", "masked"])
def test_a_classifier_joins_what_the_baseline_of_ten_components_predicts(windows, missing_neurons):
    X, y, groups = windows
    imputer = WindowImputer().fit(X)
    if missing_neurons == "both":
        imputer = NeuronImputer().fit(X, groups=groups)
    X = in_units_of_spread(X, imputer)
    logistic = LogisticRegression(C=30 / len(y), class_weight="balanced", max_iter=3000)
    baseline = make_baseline(logistic, n_components=10, imputer=imputer)
    baseline.fit(X, y, **({"neuronimputer__groups": groups} if missing_neurons == "both" else {}))
    options = {**LINEAR, "missing_neurons": missing_neurons, "class_weight": "balanced"}
    model = GraphClassifier(**options).fit(X, y, groups=groups)
    expected = baseline.predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=2e-3)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_a_regressor_joins_what_the_baseline_of_ten_components_predicts(windows, n_outputs):
    X, _, groups = windows
    imputer = NeuronImputer().fit(X, groups=groups)
    X = in_units_of_spread(X, imputer)
    y = imputer.transform(X)[:, :n_outputs, -1]
    y = 3 + 5 * (y[:, 0] if n_outputs == 1 else y)
    baseline = make_baseline(Ridge(alpha=len(y) / 3), n_components=10, imputer=imputer)
    baseline.fit(X, y, neuronimputer__groups=groups)
    model = GraphRegressor(**LINEAR).fit(X, y, groups=groups)
    np.testing.assert_allclose(model.predict(X), baseline.predict(X), atol=1e-4)


def test_the_share_weighs_the_logits(windows):
    X, y, _ = windows
    models = {
        share: GraphClassifier(**{**SMALL, "n_members": 1, "linear_share": share}).fit(X, y)
        for share in (0.0, 0.4, 1 - 1e-9)
    }
    net, both, linear = (np.log(model.predict_proba(X)) for model in models.values())
    joined = 0.6 * net + 0.4 * linear
    joined -= np.log(np.exp(joined).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(both, joined, atol=1e-6)


def path_from(fit):
    return LinearPath(*map(torch.from_numpy, fit), share=0.5)


def path_of(windows, y, weight=None):
    """The linear decoder of a continuous target."""
    weight = np.ones(len(y)) if weight is None else weight
    part = Part(windows, y, weight)
    n_neurons = windows.shape[1]
    identities = Identities("all", np.arange(n_neurons), n_neurons)
    return path_from(fit_linear_path(part, Continuous(y, weight), identities, None))


def outputs(path, X):
    present = torch.from_numpy(~np.isnan(X).any(axis=2))
    return path(torch.from_numpy(np.nan_to_num(X)), present, torch.arange(X.shape[1])).numpy()


@pytest.fixture
def velocity(windows):
    return np.random.default_rng(0).normal(size=len(windows[0])) + 0.1 * np.arange(len(windows[0]))


@pytest.mark.parametrize("unit", [1e-30, 1e-3, 1e30])
def test_units_of_the_activity_do_not_matter(windows, velocity, unit):
    X = windows[0]
    expected = outputs(path_of(X, velocity), X)
    np.testing.assert_allclose(outputs(path_of(unit * X, velocity), unit * X), expected, atol=1e-8)


def test_a_weight_of_two_is_a_window_that_stands_there_twice(windows, velocity):
    X, some = windows[0], np.arange(len(velocity)) % 3 == 0
    expected = outputs(path_of(np.r_[X, X[some]], np.r_[velocity, velocity[some]]), X)
    found = outputs(path_of(X, velocity, 1.0 + some), X)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_windows_may_be_lazy_and_come_in_chunks(velocity, monkeypatch):
    worms = [worm.zscore() for worm in make_worms(2, duration=60, random_state=0).recordings]
    whole, lazy = (sliding_windows(worms, 6, lazy=lazy).X for lazy in (False, True))
    y = np.random.default_rng(0).normal(size=len(whole))
    expected = outputs(path_of(whole, y), whole)
    monkeypatch.setattr(_linear_path, "_CHUNK", 1000)
    np.testing.assert_allclose(outputs(path_of(lazy, y), whole), expected, atol=1e-6)


def test_of_very_many_windows_some_are_fitted(windows, velocity, monkeypatch):
    X = windows[0]
    monkeypatch.setattr(_linear_path, "_WINDOWS", 20)
    rows = np.linspace(0, len(X) - 1, 20).astype(int)
    expected = outputs(path_of(X[rows], velocity[rows]), X)
    weight = np.ones(len(X))
    part = Part(X, velocity, weight)
    identities = Identities("all", np.arange(X.shape[1]), X.shape[1])
    target = Continuous(velocity[rows], weight[rows])
    found = outputs(path_from(fit_linear_path(part, target, identities, None)), X)
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("limit", ["_MANY", "_PRODUCTS"])
def test_many_neurons_take_a_way_that_is_shorter(windows, velocity, monkeypatch, limit):
    X = windows[0]
    expected = outputs(path_of(X, velocity), X)
    _, n_neurons, n_times = X.shape
    few = 120 * n_neurons**2 * n_times  # of some 350 windows
    monkeypatch.setattr(_linear_path, limit, 15 if limit == "_MANY" else few)
    found = outputs(path_of(X, velocity), X)
    if limit == "_MANY":
        np.testing.assert_allclose(found, expected, atol=1e-6)
    else:
        assert np.corrcoef(found[:, 0], expected[:, 0])[0, 1] > 0.9


def test_activity_that_never_varies_gives_the_mean_target():
    path = path_of(np.ones((20, 3, 4)), np.arange(20.0))
    np.testing.assert_allclose(outputs(path, np.ones((2, 3, 4))), 0, atol=1e-12)


def module_of(model, X, y):
    return model.fit(X, y).net_.module_


def test_there_is_none_where_neurons_are_not_told_apart_or_a_class_is_not_seen(windows):
    X, y, _ = windows
    assert module_of(GraphClassifier(**SMALL), X, y).linear is not None
    assert module_of(GraphClassifier(**SMALL, linear_share=0), X, y).linear is None
    assert module_of(GraphClassifier(**SMALL, identities="none"), X, y).linear is None
    assert module_of(GraphClassifier(**SMALL | WANG_2021 | {"hidden_size": 4}), X, y).linear is None
    with pytest.warns(UserWarning, match="one class only"):
        assert module_of(GraphClassifier(**SMALL), X, np.full(len(y), "dwell")).linear is None
    labels = np.where(np.arange(len(y)) < len(y) - 3, y, "rare")
    model = GraphClassifier(**SMALL, patience=1)
    with pytest.warns(UserWarning, match="holds out every window of rare"):
        assert module_of(model, X, labels).linear is None
