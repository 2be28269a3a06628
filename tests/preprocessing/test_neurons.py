import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skneurograph import make_worms, sliding_windows
from skneurograph.preprocessing import FlattenWindows, NeuronImputer, WindowImputer


@pytest.fixture(scope="module")
def worms():
    recordings = make_worms(4, duration=120, recorded_fraction=0.7, random_state=0).recordings
    scaled = [recording.zscore() for recording in recordings]
    return sliding_windows(scaled, 4, step=4, neurons=sorted({*np.concatenate(names(scaled))}))


def names(recordings):
    return [[name for name in recording.neurons if name] for recording in recordings]


def plain_expectation(frames, shrinkage, n_iterations=10):
    """Expectation maximisation with one frame at a time; mean and scale are zero and one."""
    n_neurons = frames.shape[1]

    def shrink(products):
        scale = np.sqrt(np.diag(products))
        matrix = (1 - shrinkage) * products / np.outer(scale, scale)
        np.fill_diagonal(matrix, 1)
        return matrix

    def complete(x, matrix):
        r, a = np.flatnonzero(~np.isnan(x)), np.flatnonzero(np.isnan(x))
        gain = matrix[np.ix_(a, r)] @ np.linalg.inv(matrix[np.ix_(r, r)])
        filled = x.copy()
        filled[a] = gain @ x[r]
        return filled, matrix[np.ix_(a, a)] - gain @ matrix[np.ix_(r, a)], a

    pairs = np.eye(n_neurons)
    for i in range(n_neurons):
        for j in range(n_neurons):
            both = ~np.isnan(frames[:, [i, j]]).any(axis=1)
            pairs[i, j] = (frames[both, i] * frames[both, j]).mean() if both.any() else 0
    values, vectors = np.linalg.eigh(pairs / np.sqrt(np.outer(np.diag(pairs), np.diag(pairs))))
    matrix = shrink(vectors @ np.diag(np.maximum(values, 0)) @ vectors.T)
    for _ in range(n_iterations):
        total = np.zeros_like(matrix)
        for x in frames:
            filled, left, a = complete(x, matrix)
            total += np.outer(filled, filled)
            total[np.ix_(a, a)] += left
        matrix = shrink(total)
    return np.array([complete(x, matrix)[0] for x in frames]), matrix


def standardised(frames):
    return (frames - np.nanmean(frames, axis=0)) / np.nanstd(frames, axis=0)


@parametrize_with_checks([NeuronImputer()])
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_agrees_with_a_plain_expectation_maximisation():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(90, 2)) @ rng.normal(size=(2, 6)) + rng.normal(size=(90, 6))
    for start, missing in ((0, [0, 1]), (30, [2]), (60, [4, 5])):
        frames[start : start + 30, missing] = np.nan
    frames = standardised(frames)
    filled, matrix = plain_expectation(frames, 0.3)
    imputer = NeuronImputer(shrinkage=0.3).fit(frames)
    np.testing.assert_allclose(imputer.correlation_, matrix, atol=1e-10)
    np.testing.assert_allclose(imputer.transform(frames), filled, atol=1e-10)


def test_one_absent_neuron_is_its_ridge_regression_on_the_others():
    rng = np.random.default_rng(1)
    x = standardised(rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4)))
    imputer = NeuronImputer(shrinkage=0.2).fit(x)
    # Shrunk correlations are those of a ridge regression with penalty 0.2 / 0.8 n.
    A, b = x[:, 1:], x[:, 0]
    slope = np.linalg.solve(A.T @ A + 0.25 * len(x) * np.eye(3), A.T @ b)
    hidden = x.copy()
    hidden[:, 0] = np.nan
    np.testing.assert_allclose(imputer.transform(hidden)[:, 0], A @ slope, atol=1e-10)


def test_recorded_neurons_stay_and_absent_ones_follow_their_scale(worms):
    X, groups = worms.X.astype(float), worms.groups
    filled = NeuronImputer().fit(X, groups=groups).transform(X)
    recorded = ~np.isnan(X)
    np.testing.assert_array_equal(filled[recorded], X[recorded])
    assert np.isfinite(filled).all()
    gain, offset = np.linspace(-2, 3, X.shape[1])[:, None], np.arange(X.shape[1])[:, None]
    other = NeuronImputer().fit(gain * X + offset, groups=groups).transform(gain * X + offset)
    np.testing.assert_allclose(other, gain * filled + offset, rtol=1e-6, atol=1e-8)


def test_the_order_of_neurons_and_of_windows_does_not_matter(worms):
    X = worms.X.astype(float)
    rng = np.random.default_rng(0)
    neurons, rows = rng.permutation(X.shape[1]), rng.permutation(len(X))
    filled = NeuronImputer(shrinkage=0.3).fit(X).transform(X)
    other = NeuronImputer(shrinkage=0.3).fit(X[rows][:, neurons]).transform(X[:, neurons])
    np.testing.assert_allclose(other, filled[:, neurons], atol=1e-8)


def test_windows_are_filled_one_by_one_and_frame_by_frame(worms):
    X = worms.X
    imputer = NeuronImputer(shrinkage=0.3).fit(X)
    filled = imputer.transform(X)
    np.testing.assert_allclose(imputer.transform(X[5:6]), filled[5:6], atol=1e-6)
    later = X.copy()
    later[:, :, -1] += 1
    np.testing.assert_allclose(imputer.transform(later)[:, :, :-1], filled[:, :, :-1], atol=1e-6)


def test_hidden_neurons_of_an_unseen_worm_are_told_better_than_by_their_mean(worms):
    for worm in np.unique(worms.groups):
        test = worms.groups == worm
        X, truth = worms.X[~test], worms.X[test]
        hidden = truth.copy()
        hidden[:, ::4] = np.nan
        imputer = NeuronImputer().fit(X, groups=worms.groups[~test])
        known = ~np.isnan(truth) & np.isnan(hidden) & imputer.recorded_[:, None]
        error = [
            ((filler.transform(hidden) - truth)[known] ** 2).mean()
            for filler in (imputer, WindowImputer().fit(X))
        ]
        assert error[0] < 0.85 * error[1]
        assert imputer.explained_ > 0.1


def test_unrelated_neurons_take_their_mean():
    X = np.random.default_rng(0).normal(3, 2, size=(800, 12, 1))
    X[:400, :3] = np.nan
    X[400:, 9:] = np.nan
    imputer = NeuronImputer().fit(X, groups=np.repeat([0, 1, 2, 3], 200))
    assert imputer.shrinkage_ >= 0.9
    expected = WindowImputer().fit(X).transform(X)
    np.testing.assert_allclose(imputer.transform(X), expected, atol=0.3)


def test_neurons_that_training_lacks_are_zero_in_every_window(worms):
    X = worms.X.copy()
    X[:, 2] = np.nan
    imputer = NeuronImputer().fit(X)
    other = worms.X.copy()
    other[:, 2] = 7
    filled = imputer.transform(other)
    assert not imputer.recorded_[2]
    assert (filled[:, 2] == 0).all()
    np.testing.assert_array_equal(filled, imputer.transform(X))


def test_anonymous_columns_tell_nothing_of_others(worms):
    X = worms.X.astype(float)
    identities = np.arange(X.shape[1])
    identities[-5:] = -1
    imputer = NeuronImputer(identities=identities).fit(X, groups=worms.groups)
    alone = NeuronImputer().fit(X[:, :-5], groups=worms.groups)
    filled = imputer.transform(X)
    np.testing.assert_allclose(filled[:, :-5], alone.transform(X[:, :-5]), atol=1e-10)
    np.testing.assert_allclose(filled[:, -5:], WindowImputer().fit(X).transform(X)[:, -5:])


def test_one_complete_animal_and_many_sets_of_neurons_are_read():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1, 2)) + 0.3 * rng.normal(size=(300, 6, 2))
    complete = NeuronImputer().fit(X)
    hidden = X.copy()
    hidden[:, 0] = np.nan
    assert ((complete.transform(hidden) - X) ** 2)[:, 0].mean() < 0.3
    scattered = X.copy()
    scattered[rng.random(X.shape[:2]) < 0.4] = np.nan  # nearly every window has its own set
    fitted = NeuronImputer().fit(scattered)
    assert ((fitted.transform(hidden) - X) ** 2)[:, 0].mean() < 0.3


def test_lazy_windows_and_single_precision(worms):
    recordings = [r.zscore() for r in make_worms(2, duration=60, random_state=1).recordings]
    lazy = sliding_windows(recordings, 4, step=4, lazy=True)
    eager = sliding_windows(recordings, 4, step=4)
    filled = NeuronImputer().fit(lazy.X, groups=lazy.groups).transform(lazy.X)
    assert filled.dtype == np.float32
    expected = NeuronImputer().fit(eager.X, groups=eager.groups).transform(eager.X)
    np.testing.assert_array_equal(filled, expected)


def test_groups_come_by_metadata_routing(worms):
    classifier = LogisticRegression(C=1e-2, max_iter=500)
    model = make_pipeline(NeuronImputer(), FlattenWindows(), classifier)
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            model,
            worms.X,
            worms.y,
            cv=LeaveOneGroupOut(),
            params={"groups": worms.groups},
            error_score="raise",
        )
    assert np.isfinite(scores).all()


def test_what_cannot_be_is_refused(worms):
    with pytest.raises(ValueError, match="shrinkage"):
        NeuronImputer(shrinkage=0).fit(worms.X)
    with pytest.raises(ValueError, match="identities"):
        NeuronImputer(identities=[0, 1]).fit(worms.X)
    with pytest.raises(ValueError, match="group"):
        NeuronImputer().fit(worms.X, groups=[0, 1])
