"""Graphs that are given to graph networks: as a prior, or as they are."""

import numpy as np
import pandas as pd
import pytest

from skneurograph import make_worms, sliding_windows
from skneurograph.datasets import Connectome
from skneurograph.decoding import GraphClassifier, GraphRegressor
from skneurograph.forecasting import GraphForecaster

SMALL = {"max_epochs": 2, "n_members": 2, "hidden_size": 8, "random_state": 0}
MODELS = [GraphClassifier, GraphRegressor, GraphForecaster]


@pytest.fixture(scope="module")
def worms():
    everything = {"recorded_fraction": 1.0, "identified_fraction": 1.0}
    return make_worms(2, duration=60, n_neurons=20, random_state=0, **everything)


@pytest.fixture(scope="module")
def windows(worms):
    return sliding_windows([w.zscore() for w in worms.recordings], 14, step=4)


@pytest.fixture(scope="module")
def wiring(worms, windows):
    order = [worms.neurons.tolist().index(name) for name in windows.neurons]
    return np.abs(worms.graph[np.ix_(order, order)])


def target(model, windows):
    if model is GraphClassifier:
        return windows.y
    return windows.X[:, :, -1] if model is GraphForecaster else windows.X[:, 0, -1]


def fitted(model, windows, **parameters):
    return model(**{**SMALL, **parameters}).fit(windows.X, target(model, windows))


@pytest.mark.parametrize("model", MODELS)
def test_training_starts_near_the_prior_and_may_leave_it(model, windows, wiring):
    near, free = (fitted(model, windows, prior_graph=g, max_epochs=1) for g in (wiring, None))
    off = ~np.eye(len(wiring), dtype=bool)
    expected = np.where(off, wiring / wiring[off].mean() + 0.1, 0)
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.corrcoef(near.graph_[off], expected[off])[0, 1] > 0.8
    assert np.corrcoef(free.graph_[off], expected[off])[0, 1] < 0.4
    scale = next(p for n, p in near.net_.module_.named_parameters() if n.endswith("prior.scale"))
    assert not (scale == 1).any()


@pytest.mark.parametrize("model", MODELS)
def test_a_fixed_graph_stays_as_it_is_with_unit_weight_for_each_receiver(model, windows, wiring):
    graph = fitted(model, windows, edge_model="fixed", prior_graph=wiring).graph_
    known = ~np.isnan(graph)
    np.testing.assert_array_equal((graph > 0)[known], (wiring > 0)[known])
    sums = np.nansum(graph, axis=1)
    assert ((np.abs(sums - 1) < 1e-5) | (sums == 0)).all()


@pytest.mark.parametrize("model", MODELS)
def test_uniform_edges_give_every_sender_the_same_weight(model, windows):
    graph = fitted(model, windows, edge_model="uniform").graph_
    off = ~np.eye(len(graph), dtype=bool) & ~np.isnan(graph)
    assert np.ptp(graph[off]) < 0.02
    assert graph[off].min() > 0


@pytest.mark.parametrize("edge_model", ["identity", "bilinear", "fixed"])
def test_a_prior_moves_with_the_neurons(windows, wiring, edge_model):
    n_neurons = len(wiring)
    order = np.random.default_rng(0).permutation(n_neurons)
    options = {**SMALL, "edge_model": edge_model, "neuron_dropout": 0.0}
    X = windows.X.astype(np.float64)
    one = GraphClassifier(**options, identities=np.arange(n_neurons), prior_graph=wiring)
    other = GraphClassifier(**options, identities=order, prior_graph=wiring[np.ix_(order, order)])
    expected = one.fit(X, windows.y).predict_proba(X)
    found = other.fit(X[:, order], windows.y).predict_proba(X[:, order])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    other.set_params(prior_graph=wiring).fit(X[:, order], windows.y)
    assert np.abs(other.predict_proba(X[:, order]) - expected).max() > 1e-3


def test_a_table_is_joined_with_the_names_of_the_columns():
    rng = np.random.default_rng(0)
    names = ["AVAL", "AVEL", "RIML", "RIBL"]
    X = pd.DataFrame(rng.normal(size=(80, 4)), columns=names)
    y = np.where(X["AVAL"] > X["RIML"], "a", "b")
    graph = pd.DataFrame(rng.random((4, 4)), index=names, columns=names)
    turned = graph.loc[names[::-1], names[::-1]]
    model = GraphClassifier(**SMALL, prior_graph=turned).fit(X, y)
    array = GraphClassifier(**SMALL, prior_graph=graph.to_numpy()).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), array.predict_proba(X))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"edge_model": "fixed", "prior_graph": None}, "edge_model='fixed' needs a graph"),
        ({"edge_model": "uniform"}, "prior_graph: given, but edge_model='uniform' does not use"),
        ({"n_rounds": 0}, "prior_graph: given, but n_rounds=0 does not use it"),
        ({"identities": "none"}, "prior_graph: has no edge between neurons with an identity"),
        ({"prior_graph": np.ones((2, 2))}, r"prior_graph: got shape \(2, 2\)"),
    ],
)
def test_a_prior_that_would_not_be_used_is_refused(windows, wiring, parameters, message):
    with pytest.raises(ValueError, match=message):
        fitted(GraphClassifier, windows, **{"prior_graph": wiring, **parameters})


def test_a_connectome_is_joined_with_the_names_of_a_labelled_array(windows, wiring):
    xarray = pytest.importorskip("xarray")
    names = windows.neurons.tolist()
    order = np.random.default_rng(0).permutation(len(names))
    counts = wiring[np.ix_(order, order)]
    connectome = Connectome(windows.neurons[order], counts, np.zeros_like(counts))
    X = xarray.DataArray(windows.X, dims=("window", "neuron", "time"), coords={"neuron": names})
    model = GraphClassifier(**SMALL, prior_graph=connectome).fit(X, windows.y)
    expected = fitted(GraphClassifier, windows, prior_graph=wiring)
    np.testing.assert_array_equal(model.graph_, expected.graph_)
