import numpy as np
import pytest
from sklearn.linear_model import Lasso

from skneurograph import sliding_windows
from skneurograph.graph_inference import CorrelationGraph, VARGraph
from skneurograph.metrics import edge_auroc


@pytest.fixture
def X():  # noqa: N802
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(400, 5))
    weights = 0.6 * np.eye(5) + 0.2 * rng.normal(size=(5, 5))
    for t in range(2, 400):
        activity[t] += weights @ activity[t - 1] - 0.2 * activity[t - 2]
    return np.stack([activity[start : start + 7].T for start in range(0, 393, 7)])


def design(X, order):
    """Following frames and the frames before each, z-scored, one row per transition."""
    table = X.transpose(0, 2, 1).reshape(-1, X.shape[1])
    z = (X - table.mean(axis=0)[:, None]) / table.std(axis=0)[:, None]
    following, past = [], []
    for window in z:
        for t in range(order, window.shape[1]):
            following.append(window[:, t])
            past.append(np.concatenate([window[:, t - lag] for lag in range(1, order + 1)]))
    return np.array(following), np.array(past)


def ridge(following, past, alpha):
    """Coefficients and penalised mean squared residual by stacking rows for the penalty."""
    n, p = past.shape
    rows = np.vstack([past, np.sqrt(n * alpha) * np.eye(p)])
    values = np.vstack([following, np.zeros((p, following.shape[1]))])
    coefficients, *_ = np.linalg.lstsq(rows, values, rcond=None)
    return coefficients.T, ((values - rows @ coefficients) ** 2).sum(axis=0) / n


@pytest.mark.parametrize("order", [1, 2])
def test_coefficients_are_those_of_ridge_regression_on_all_transitions(X, order):
    model = VARGraph(n_lags=order, alpha=0.1, strength="coefficient").fit(X)
    expected, _ = ridge(*design(X, order), 0.1)
    expected = expected.reshape(5, order, 5).transpose(1, 0, 2)
    np.testing.assert_allclose(model.coef_, expected, atol=1e-10)
    total = expected.sum(axis=0)
    np.fill_diagonal(total, 0)
    np.testing.assert_allclose(model.graph_, total, atol=1e-10)


@pytest.mark.parametrize("order", [1, 2])
def test_granger_strength_is_what_a_second_fit_without_the_sender_loses(X, order):
    graph = VARGraph(n_lags=order, alpha=0.1).fit(X).graph_
    following, past = design(X, order)
    _, full = ridge(following, past, 0.1)
    for sender in range(5):
        reduced = np.delete(past, np.arange(order) * 5 + sender, axis=1)
        _, without = ridge(following, reduced, 0.1)
        expected = np.log(without / full)
        expected[sender] = 0
        np.testing.assert_allclose(graph[:, sender], expected, atol=1e-10)


def test_the_lasso_on_covariances_is_the_lasso_on_frames(X):
    model = VARGraph(penalty="lasso", alpha=0.05).fit(X)
    following, past = design(X, 1)
    expected = Lasso(0.05, fit_intercept=False, tol=1e-8).fit(past, following).coef_
    np.testing.assert_allclose(model.coef_[0], expected, atol=2e-3)
    selected = expected != 0
    np.fill_diagonal(selected, False)
    assert 0 < selected.sum() < 20
    np.testing.assert_array_equal(model.graph_ > 0, selected)


@pytest.mark.parametrize("n_times", [3, 40])
@pytest.mark.parametrize("missing", [[], [1]])
def test_a_window_updates_the_training_coefficients_as_more_rows_would(n_times, missing):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5, n_times)).cumsum(axis=2)
    order, prior = 2, 9.0
    kept = np.setdiff1d(np.arange(5), missing)
    models = {
        strength: VARGraph(n_lags=order, alpha=0.1, prior_frames=prior, strength=strength).fit(X)
        for strength in ("coefficient", "granger")
    }
    following, past = design(X[:, kept], order)
    table = X.transpose(0, 2, 1).reshape(-1, 5)
    z = (X[4] - table.mean(axis=0)[:, None]) / table.std(axis=0)[:, None]
    own_following, own_past = [], []
    for t in range(order, n_times):
        own_following.append(z[kept, t])
        own_past.append(np.concatenate([z[kept, t - lag] for lag in range(1, order + 1)]))

    def refit(columns):
        """Training transitions with the weight of the prior, then those of the window."""
        weight = np.sqrt(prior / len(past))
        rows = [weight * past, np.sqrt(prior * 0.1) * np.eye(past.shape[1]), np.array(own_past)]
        values = [weight * following, np.zeros((past.shape[1], len(kept))), own_following]
        rows, values = np.vstack(rows)[:, columns], np.vstack(values)
        coefficients, *_ = np.linalg.lstsq(rows, values, rcond=None)
        return coefficients.T, ((values - rows @ coefficients) ** 2).sum(axis=0)

    coefficients, full = refit(np.arange(past.shape[1]))
    total = coefficients.reshape(len(kept), order, len(kept)).sum(axis=1)
    np.fill_diagonal(total, 0)
    granger = np.zeros_like(total)
    for sender in range(len(kept)):
        drop = np.arange(order) * len(kept) + sender
        _, without = refit(np.setdiff1d(np.arange(past.shape[1]), drop))
        granger[:, sender] = np.log(without / full)
    np.fill_diagonal(granger, 0)
    window = X[4:5].copy()
    window[:, missing] = np.nan
    for strength, expected in (("coefficient", total), ("granger", granger)):
        inferred = models[strength].infer_graphs(window)[0]
        np.testing.assert_allclose(inferred[np.ix_(kept, kept)], expected, atol=1e-8)
        assert np.isnan(inferred[missing]).all()


def linear_network(seed, run=0, n_frames=3000):
    """Slow neurons, sparse weights and an input that all share: correlation tells little."""
    rng = np.random.default_rng(seed)
    n_neurons = 20
    sparse = rng.random((n_neurons, n_neurons)) < 0.1
    weights = sparse * rng.choice([-1, 1], sparse.shape) * rng.uniform(0.15, 0.3, sparse.shape)
    np.fill_diagonal(weights, 0.8)
    weights *= min(1, 0.97 / np.abs(np.linalg.eigvals(weights)).max())
    sensitivity, common = 1.5 * rng.normal(size=n_neurons), 0.0
    rng = np.random.default_rng(run)
    activity = np.zeros((n_frames, n_neurons))
    for t in range(1, n_frames):
        common = 0.9 * common + 0.4 * rng.normal()
        drive = rng.normal(size=n_neurons) + sensitivity * common
        activity[t] = weights @ activity[t - 1] + drive
    return weights, activity


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_edges_that_correlation_cannot_see_are_found(seed):
    weights, activity = linear_network(seed)
    X = np.stack([activity[start : start + 8].T for start in range(0, 2992, 4)])
    assert edge_auroc(weights, VARGraph(alpha=0.01).fit(X).graph_) > 0.95
    assert edge_auroc(weights, VARGraph(penalty="lasso", alpha=0.003).fit(X).graph_) > 0.9
    assert edge_auroc(weights, CorrelationGraph().fit(X).graph_) < 0.75


def test_edges_are_found_from_animals_that_each_lack_neurons():
    rng = np.random.default_rng(0)
    windows = []
    for animal in range(6):
        weights, activity = linear_network(0, run=animal, n_frames=500)
        activity = (activity - activity.mean(axis=0)) / activity.std(axis=0)
        activity[:, rng.choice(20, 3, replace=False)] = np.nan
        windows += [activity[start : start + 8].T for start in range(0, 492, 4)]
    X = np.stack(windows)
    assert edge_auroc(weights, VARGraph(alpha=0.03).fit(X).graph_) > 0.75
    assert edge_auroc(weights, CorrelationGraph().fit(X).graph_) < 0.6


def test_one_frame_is_refused_with_the_line_that_makes_windows(X):
    with pytest.raises(ValueError, match="needs at least 3: consecutive frames, as sliding_wind"):
        VARGraph(n_lags=2).fit(X[:, :, :2])


def test_a_plain_array_becomes_windows_by_that_line():
    activity = np.random.default_rng(0).normal(size=(50, 3))
    X = sliding_windows(activity, 8).X
    assert VARGraph().fit_transform(X).shape == (43, 6)
