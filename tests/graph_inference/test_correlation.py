import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from skneurograph import sliding_windows
from skneurograph.graph_inference import CorrelationGraph


@pytest.fixture
def X():  # noqa: N802
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    return 5 + np.einsum("ij,wjt->wit", mixing, rng.normal(size=(40, 6, 10)))


def frames(X):
    return X.transpose(0, 2, 1).reshape(-1, X.shape[1])


def without_diagonal(matrix):
    return matrix - np.diag(np.diag(matrix))


def test_the_pooled_graph_is_the_correlation_over_all_frames(X):
    graph = CorrelationGraph().fit(X).graph_
    np.testing.assert_allclose(graph, without_diagonal(np.corrcoef(frames(X).T)), atol=1e-12)


def test_each_pair_is_correlated_over_the_windows_that_hold_both(X):
    X[:15, 2] = np.nan
    X[10:30, 4] = np.nan
    expected = pd.DataFrame(frames(X)).corr().to_numpy()
    np.testing.assert_allclose(
        CorrelationGraph().fit(X).graph_, without_diagonal(expected), atol=1e-12
    )


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_agrees_with_scipy(X, ties):
    X = np.round(X) if ties else X
    graph = CorrelationGraph(method="spearman").fit(X)
    expected = spearmanr(frames(X)).statistic
    np.testing.assert_allclose(graph.graph_, without_diagonal(expected), atol=1e-12)
    expected = spearmanr(X[3].T).statistic
    np.testing.assert_allclose(graph.infer_graphs(X)[3], without_diagonal(expected), atol=1e-12)


def test_the_graph_of_a_window_is_its_own_correlation(X):
    graphs = CorrelationGraph().fit(X).infer_graphs(X)
    for window, graph in zip(X, graphs):
        np.testing.assert_allclose(graph, without_diagonal(np.corrcoef(window)), atol=1e-12)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_products_of_z_scores_average_to_the_pooled_graph(X, method):
    graph = CorrelationGraph(method=method, baseline="training").fit(X)
    np.testing.assert_allclose(graph.infer_graphs(X).mean(axis=0), graph.graph_, atol=1e-12)


def test_one_frame_has_the_products_of_its_z_scores(X):
    table = frames(X)
    z = (table - table.mean(axis=0)) / table.std(axis=0)
    graphs = CorrelationGraph().fit(table).infer_graphs(table)
    np.testing.assert_allclose(graphs[7], without_diagonal(np.outer(z[7], z[7])), atol=1e-10)


def test_a_lag_gives_direction_and_never_reaches_across_windows():
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(3000, 2))
    activity[2:, 1] += activity[:-2, 0]
    windows = sliding_windows(activity, 6, step=6)
    model = CorrelationGraph(lag=2, neurons=["sends", "receives"]).fit(windows.X)
    assert model.graph_[1, 0] > 0.6
    assert abs(model.graph_[0, 1]) < 0.1
    assert model.get_feature_names_out().tolist() == ["receives->sends", "sends->receives"]
    receiver, sender = windows.X[:, 1, 2:].ravel(), windows.X[:, 0, :-2].ravel()
    np.testing.assert_allclose(model.graph_[1, 0], np.corrcoef(receiver, sender)[0, 1], atol=1e-6)
    window = windows.X[5]
    expected = np.corrcoef(window[1, 2:], window[0, :-2])[0, 1]
    np.testing.assert_allclose(model.infer_graphs(windows.X)[5, 1, 0], expected, atol=1e-5)


def test_a_constant_neuron_is_correlated_with_none(X):
    X[:, 2] = 0.1
    X[4, 1] = 7.3
    model = CorrelationGraph().fit(X)
    assert (model.graph_[2] == 0).all()
    assert (model.infer_graphs(X)[4, 1] == 0).all()


@pytest.mark.parametrize("slowness", [0.0, 0.9])
def test_the_noise_filter_leaves_next_to_nothing_of_independent_neurons(slowness):
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(2000, 40))
    for t in range(1, len(activity)):
        activity[t] += slowness * activity[t - 1]
    X = sliding_windows(activity, 8).X
    plain = CorrelationGraph().fit(X).graph_
    filtered = CorrelationGraph(noise_filter=True).fit(X).graph_
    assert (filtered**2).sum() < 0.2 * (plain**2).sum()


def test_the_noise_filter_keeps_what_many_neurons_share():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 40, 30))
    X[:, :20] += rng.normal(size=(60, 1, 30))
    planted = np.zeros((40, 40), dtype=bool)
    planted[:20, :20] = True
    np.fill_diagonal(planted, False)
    model = CorrelationGraph(noise_filter=True).fit(X)
    assert abs(model.graph_[planted].mean() - 0.5) < 0.06
    assert abs(model.graph_[~planted]).max() < 0.05
    inside = model.infer_graphs(X)[:, planted].mean()
    plain = CorrelationGraph().fit(X).infer_graphs(X)[:, ~planted]
    assert abs(inside - 0.5) < 0.05
    assert (model.infer_graphs(X)[:, ~planted] ** 2).mean() < 0.5 * (plain**2).mean()


def test_the_noise_filter_is_the_same_whether_frames_or_neurons_are_fewer():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 12, 9)) + 2 * rng.normal(size=(20, 1, 9))
    graphs = CorrelationGraph(noise_filter=True).fit(X).infer_graphs(X)
    for window, graph in zip(X, graphs):
        values, vectors = np.linalg.eigh(np.corrcoef(window))
        kept = values > (1 + np.sqrt(12 / 9)) ** 2
        expected = (vectors[:, kept] * values[kept]) @ vectors[:, kept].T
        np.testing.assert_allclose(graph, without_diagonal(expected), atol=1e-10)


def test_overlapping_windows_do_not_make_noise_significant():
    activity = np.random.default_rng(0).normal(size=(300, 50))
    apart = sliding_windows(activity, 10, step=10).X
    overlapping = sliding_windows(activity, 10).X
    for X in (apart, overlapping):
        assert abs(CorrelationGraph(noise_filter=True).fit(X).graph_).mean() < 0.02


def test_a_noise_filter_of_a_directed_graph_is_refused(X):
    with pytest.raises(ValueError, match="noise_filter: got True with lag=1"):
        CorrelationGraph(noise_filter=True, lag=1).fit(X)


def test_windows_that_are_too_short_for_their_own_mean_are_refused(X):
    with pytest.raises(ValueError, match="windows of 2 frames, but CorrelationGraph needs at"):
        CorrelationGraph(baseline="window").fit(X[:, :, :2])
