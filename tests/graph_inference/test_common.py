"""What all graph estimators promise, with every option that changes how they infer."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skneurograph.graph_inference import CorrelationGraph, PartialCorrelationGraph, VARGraph

VARIANTS = [
    CorrelationGraph(),
    CorrelationGraph(method="spearman"),
    CorrelationGraph(method="spearman", baseline="training"),
    CorrelationGraph(lag=2),
    CorrelationGraph(lag=1, baseline="training", method="spearman"),
    CorrelationGraph(noise_filter=True),
    CorrelationGraph(noise_filter=True, baseline="training"),
    PartialCorrelationGraph(),
    PartialCorrelationGraph(estimator="graphical-lasso", alpha=0.1),
    VARGraph(),
    VARGraph(strength="coefficient", n_lags=2),
    VARGraph(penalty="lasso"),
    VARGraph(penalty="lasso", n_lags=3, strength="coefficient"),
]


@pytest.fixture(params=VARIANTS, ids=repr)
def model(request):
    return request.param


@pytest.fixture
def X():  # noqa: N802
    """Neuron 1 is never recorded, 0 and 4 never together, 3 not in every window."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 6, 6)).cumsum(axis=2) + rng.normal(size=(60, 1, 6))
    X[:, 1] = np.nan
    X[:30, 0] = np.nan
    X[30:, 4] = np.nan
    X[10:40, 3] = np.nan
    return X


def test_graphs_are_zero_on_the_diagonal_and_nan_where_nothing_is_known(model, X):
    model.fit(X)
    known = np.ones((6, 6), dtype=bool)
    known[1] = known[:, 1] = False
    known[0, 4] = known[4, 0] = False
    np.testing.assert_array_equal(~np.isnan(model.graph_), known)
    assert (np.diag(model.graph_)[[0, 2, 3, 4, 5]] == 0).all()
    graphs = model.infer_graphs(X)
    recorded = ~np.isnan(X).any(axis=2)
    held = recorded[:, :, None] & recorded[:, None, :]
    np.testing.assert_array_equal(~np.isnan(graphs), held & known)
    assert (np.diagonal(graphs, axis1=1, axis2=2)[recorded] == 0).all()


def test_features_are_the_graphs_and_where_a_pair_is_missing_the_graph_of_training(model, X):
    features = model.fit(X).transform(X)
    names = model.get_feature_names_out(["A", "B", "C", "D", "E", "F"]).tolist()
    graphs = model.infer_graphs(X)
    separator = "->" if "->" in names[0] else "--"
    assert len(names) == {"->": 30, "--": 15}[separator] == features.shape[1]
    assert np.isfinite(features).all()
    for name, feature in zip(names, features.T):
        sender, receiver = ("ABCDEF".index(cell) for cell in name.split(separator))
        values = graphs[:, receiver, sender]
        fill = np.nan_to_num(model.graph_[receiver, sender])
        expected = np.where(np.isnan(values), fill, values)
        np.testing.assert_allclose(feature, expected, atol=1e-12)
        if separator == "--":
            np.testing.assert_allclose(values, graphs[:, sender, receiver], atol=1e-12)


def test_a_window_has_the_same_graph_in_any_company(model, X):
    model.fit(X)
    together = model.infer_graphs(X)
    for w in (3, 20, 45):
        np.testing.assert_allclose(model.infer_graphs(X[w : w + 1])[0], together[w], atol=1e-10)


def test_the_order_of_windows_does_not_matter_in_fit(model, X):
    order = np.random.default_rng(0).permutation(len(X))
    expected = model.fit(X).graph_
    np.testing.assert_allclose(model.fit(X[order]).graph_, expected, atol=1e-8)


def test_small_chunks_give_the_same_graphs(model, X, monkeypatch):
    expected, graph = model.fit(X).transform(X), model.graph_
    for module in ("_base", "_pooled"):
        monkeypatch.setattr(f"skneurograph.graph_inference.{module}.CHUNK_ELEMENTS", 100)
    np.testing.assert_allclose(model.fit(X).transform(X), expected, atol=1e-8)
    np.testing.assert_allclose(model.graph_, graph, atol=1e-8)


def test_small_blocks_of_pairs_give_the_same_graphs(model, X, monkeypatch):
    expected, graph = model.fit(X).infer_graphs(X), model.graph_
    for name, size in (("_BLOCK_ELEMENTS", 13), ("_PRODUCT_ROWS", 4), ("_MIRROR_ROWS", 4)):
        monkeypatch.setattr(f"skneurograph.graph_inference._blocks.{name}", size)
    np.testing.assert_allclose(model.fit(X).infer_graphs(X), expected, atol=1e-8)
    np.testing.assert_allclose(model.graph_, graph, atol=1e-8)


def test_scale_and_offset_of_a_neuron_do_not_matter(model, X):
    scale = np.array([0.1, 1, 20, 3, 0.5, 7])[:, None]
    expected = model.fit(X).transform(X)
    changed = X * scale + 3 * scale
    np.testing.assert_allclose(model.fit(changed).transform(changed), expected, atol=1e-6)


def test_a_constant_neuron_has_no_edges(model, X):
    X[:, 2] = 0.1
    model.fit(X)
    known = ~np.isnan(model.graph_[2])
    np.testing.assert_allclose(model.graph_[2, known], 0, atol=1e-9)
    np.testing.assert_allclose(model.graph_[known, 2], 0, atol=1e-9)
    features = model.transform(X)
    of_it = ["x2" in name for name in model.get_feature_names_out()]
    np.testing.assert_allclose(features[:, of_it], 0, atol=1e-9)


def test_a_single_neuron_has_no_graph(model, X):
    with pytest.raises(ValueError, match=r"n_features = 1 neuron.*a graph is made of pairs"):
        model.fit(X[:, 2:3])


def test_names_must_match_the_neurons(X):
    with pytest.raises(ValueError, match="should have length equal"):
        CorrelationGraph(neurons=["AVAL"]).fit(X)


def test_edge_features_tell_states_that_differ_only_in_their_connections():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5, 40))
    y = rng.integers(2, size=200)
    X[y == 1, 0] += X[y == 1, 1]
    X[y == 1, 0] /= np.sqrt(2)
    X[:50, 3] = np.nan
    for graphs in (CorrelationGraph(), PartialCorrelationGraph(prior_frames=10)):
        decoder = make_pipeline(graphs, LogisticRegression())
        assert cross_val_score(decoder, X, y).mean() > 0.95
