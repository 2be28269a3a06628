import numpy as np
import pytest
from sklearn.covariance import graphical_lasso, ledoit_wolf
from sklearn.linear_model import LinearRegression

from skneurograph import sliding_windows
from skneurograph.graph_inference import PartialCorrelationGraph
from skneurograph.graph_inference._moments import _count_new_frames, _frame_keys


@pytest.fixture
def X():  # noqa: N802
    rng = np.random.default_rng(0)
    mixing = np.eye(6) + 0.4 * rng.normal(size=(6, 6))
    return 2 + np.einsum("ij,wjt->wit", mixing, rng.normal(size=(60, 6, 4)))


def frames(X):
    return X.transpose(0, 2, 1).reshape(-1, X.shape[1])


def partial(covariance):
    precision = np.linalg.inv(covariance)
    scale = np.sqrt(np.diag(precision))
    graph = -precision / np.outer(scale, scale)
    np.fill_diagonal(graph, 0)
    return graph


def test_it_is_the_correlation_of_what_the_other_neurons_do_not_explain(X):
    table = frames(X)
    graph = PartialCorrelationGraph(alpha=1e-9).fit(X).graph_
    for i, j in [(0, 1), (2, 5), (4, 3)]:
        others = np.delete(table, [i, j], axis=1)
        left = table[:, [i, j]]
        left = left - LinearRegression().fit(others, left).predict(others)
        np.testing.assert_allclose(graph[i, j], np.corrcoef(left.T)[0, 1], atol=1e-6)


def test_the_shrinkage_of_independent_frames_is_that_of_scikit_learn(X):
    table = frames(X)
    z = (table - table.mean(axis=0)) / table.std(axis=0)
    covariance, shrinkage = ledoit_wolf(z)
    model = PartialCorrelationGraph().fit(table)
    np.testing.assert_allclose(model.shrinkage_, shrinkage, rtol=1e-8)
    np.testing.assert_allclose(model.graph_, partial(covariance), atol=1e-8)


def test_independent_frames_that_happen_to_be_equal_all_count():
    spikes = (np.random.default_rng(0).random((5000, 6)) < 0.2).astype(float)
    spikes[:, 1] = np.maximum(spikes[:, 0], spikes[:, 1])
    z = (spikes - spikes.mean(axis=0)) / spikes.std(axis=0)
    expected = ledoit_wolf(z)[1]
    assert expected < 0.02
    for table in (spikes, spikes[::-1]):
        model = PartialCorrelationGraph().fit(table)
        np.testing.assert_allclose(model.shrinkage_, expected, rtol=1e-8)


def count(X):
    return _count_new_frames(_frame_keys(X.astype(float)))


@pytest.mark.parametrize("n_times", [2, 4, 16])
@pytest.mark.parametrize("step", [1, 3, 16])
def test_overlapping_windows_count_each_frame_once_in_any_order(n_times, step):
    rng = np.random.default_rng(0)
    traces = [rng.normal(size=(n_frames, 5)) for n_frames in (200, 150)]
    X = np.concatenate([sliding_windows(trace, n_times, step=step).X for trace in traces])
    for rows in (slice(None), rng.permutation(len(X)), rng.integers(len(X), size=len(X))):
        assert count(X[rows]) == len(np.unique(frames(X[rows]), axis=0))


@pytest.mark.parametrize("rate", [0.01, 0.2])
@pytest.mark.parametrize("n_times", [2, 16])
def test_overlapping_windows_of_spikes_count_each_frame_about_once(rate, n_times):
    spikes = np.random.default_rng(0).random((2000, 6)) < rate
    for step in sorted({1, n_times // 2, n_times}):
        X = sliding_windows(spikes.astype(float), n_times, step=step).X
        assert 0.97 * 2000 < count(X) <= 2000


def test_spikes_in_shuffled_windows_count_once_if_runs_of_frames_tell_windows_apart():
    rng = np.random.default_rng(0)
    for rate, expected in ((0.2, 2000), (0.01, 16 * 1985)):
        spikes = (rng.random((2000, 6)) < rate).astype(float)
        assert count(rng.permutation(sliding_windows(spikes, 16).X)) == expected


def test_slow_activity_is_shrunk_more_and_repeated_frames_are_not_shrunk_less():
    rng = np.random.default_rng(0)
    fast = rng.normal(size=(1, 8, 400)) + 0.5 * rng.normal(size=(1, 1, 400))
    slow = fast.copy()
    for t in range(1, 400):
        slow[:, :, t] += 0.9 * slow[:, :, t - 1]

    def shrinkage(X):
        return PartialCorrelationGraph().fit(X).shrinkage_

    assert shrinkage(slow) > 3 * shrinkage(fast)
    np.testing.assert_allclose(shrinkage(np.repeat(fast, 5, axis=0)), shrinkage(fast))


def test_the_graphical_lasso_is_that_of_scikit_learn(X):
    model = PartialCorrelationGraph(estimator="graphical-lasso", alpha=0.1).fit(X)
    covariance, precision = graphical_lasso(np.corrcoef(frames(X).T), 0.1)
    np.testing.assert_allclose(model.graph_, partial(covariance), atol=1e-3)
    assert ((model.graph_ == 0) == (precision == 0) | np.eye(6, dtype=bool)).all()


@pytest.mark.parametrize("n_times", [1, 4, 20])
@pytest.mark.parametrize("missing", [[], [1, 4]])
def test_a_window_is_averaged_with_the_training_windows_without_its_missing_neurons(
    n_times, missing
):
    rng = np.random.default_rng(1)
    X = np.einsum("ij,wjt->wit", rng.normal(size=(6, 6)), rng.normal(size=(50, 6, n_times)))
    model = PartialCorrelationGraph(alpha=0.2, prior_frames=7).fit(X)
    table = frames(X)
    covariance = 0.8 * np.corrcoef(table.T) + 0.2 * np.eye(6)
    z = (X[3] - table.mean(axis=0)[:, None]) / table.std(axis=0)[:, None]
    mixed = (7 * covariance + z @ z.T) / (7 + n_times)
    kept = np.setdiff1d(np.arange(6), missing)
    expected = np.full((6, 6), np.nan)
    expected[np.ix_(kept, kept)] = partial(mixed[np.ix_(kept, kept)])
    window = X[3:4].copy()
    window[:, missing] = np.nan
    np.testing.assert_allclose(model.infer_graphs(window)[0], expected, atol=1e-9)


def test_with_a_strong_prior_a_window_has_the_graph_of_training(X):
    model = PartialCorrelationGraph(prior_frames=1e9).fit(X)
    np.testing.assert_allclose(model.infer_graphs(X[:1])[0], model.graph_, atol=1e-6)


def test_pairs_that_do_not_fit_together_still_have_an_inverse():
    """Correlations over different frames, of which no common covariance exists."""
    rng = np.random.default_rng(0)
    X = np.full((300, 3, 5), np.nan)
    common = rng.normal(size=(300, 5))
    for part, (i, j, sign) in enumerate([(0, 1, 1), (1, 2, 1), (0, 2, -1)]):
        rows = slice(100 * part, 100 * part + 100)
        X[rows, i], X[rows, j] = common[rows], sign * common[rows]
    for estimator in ("ledoit-wolf", "graphical-lasso"):
        model = PartialCorrelationGraph(estimator=estimator).fit(X)
        assert np.isfinite(model.transform(X)).all()
        assert np.abs(model.graph_).max() <= 1


def test_a_penalty_without_a_solution_is_refused_in_words(X, monkeypatch):
    def fail(covariance, alpha):
        raise FloatingPointError("Non SPD result")

    monkeypatch.setattr("skneurograph.graph_inference._partial.graphical_lasso", fail)
    with pytest.raises(ValueError, match=r"alpha: got 0.01.*use a larger alpha"):
        PartialCorrelationGraph(estimator="graphical-lasso", alpha=0.01).fit(X)


def test_a_shrinkage_above_one_is_refused(X):
    with pytest.raises(ValueError, match=r"alpha: got 3; expected a shrinkage"):
        PartialCorrelationGraph(alpha=3).fit(X)
