"""Windows that share frames across a split are noticed, and nothing else is."""

import warnings

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit

from skneurograph import Recording, compare, make_worms, sliding_windows
from skneurograph.model_selection import TemporalSplit

SHARED = r"cv: \d+ of \d+ windows that are tested share frames .*TemporalSplit\(gap"


def told(X, cv, groups=None):
    """Whether a comparison warns of shared frames; of nothing else in any case."""
    y = np.resize(["forward", "reversal"], len(X))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compare({"chance": DummyClassifier()}, X, y, groups=groups, cv=cv, scoring="accuracy")
    messages = [str(warning.message) for warning in caught]
    assert all("share frames" in message for message in messages)
    assert len(messages) <= 1
    return bool(messages)


def recordings(kind, n_animals=3, n_times=150, n_neurons=12):
    """Traces of animals that share no frames; counts repeat by chance, gaps are NaN."""
    rng = np.random.default_rng(0)
    parts = []
    for animal in range(n_animals):
        activity = rng.normal(size=(n_times, n_neurons))
        if kind == "counts":
            activity = rng.poisson(0.7, size=activity.shape).astype(float)
            activity[40:80] = 0
        elif kind == "missing":
            activity[rng.random(activity.shape) < 0.3] = np.nan
            activity[60:64] = np.nan
        parts.append(
            Recording(
                activity,
                1.0,
                neurons=[f"N{i + 2 * animal}" for i in range(n_neurons)],
                organism=f"animal-{animal}",
            )
        )
    return parts


KINDS = ["traces", "counts", "missing"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lazy", [False, True], ids=["array", "lazy"])
@pytest.mark.parametrize(("n_times", "step"), [(8, 1), (8, 3), (8, 8), (8, 11), (1, 1)])
def test_random_folds_are_noticed_where_windows_overlap(kind, lazy, n_times, step):
    parts = recordings(kind)[:1]
    windows = sliding_windows(parts, n_times, step=step, target=None, lazy=lazy)
    # Long stretches that tell counts apart are not shared by windows that move on by three.
    if kind == "counts" and not lazy and step == 3:
        pytest.skip("cannot be told from chance")
    overlap = step < n_times
    assert told(windows.X, KFold(5, shuffle=True, random_state=0)) is overlap
    assert told(windows.X, ShuffleSplit(2, random_state=0), windows.groups) is overlap


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lazy", [False, True], ids=["array", "lazy"])
def test_whole_organisms_share_nothing(kind, lazy):
    windows = sliding_windows(recordings(kind), 8, target=None, lazy=lazy)
    assert not told(windows.X, None, windows.groups)
    splits = list(LeaveOneGroupOut().split(np.zeros(len(windows)), groups=windows.groups))
    assert not told(windows.X, splits)


@pytest.mark.parametrize("lazy", [False, True], ids=["array", "lazy"])
@pytest.mark.parametrize("step", [1, 2])
def test_a_split_in_time_needs_a_gap_that_is_long_enough(lazy, step):
    windows = sliding_windows(recordings("traces"), 8, step=step, target=None, lazy=lazy)
    gaps = range(12)
    found = [gap for gap in gaps if told(windows.X, TemporalSplit(gap=gap), windows.groups)]
    # Windows whose starts are less than a window apart overlap.
    assert found == [gap for gap in gaps if (gap + 1) * step < 8]


def test_a_recording_given_twice_is_noticed_under_two_names():
    (one,) = recordings("traces", n_animals=1)
    windows = sliding_windows([one], 8, target=None)
    X = np.concatenate([windows.X, windows.X])
    n_windows = len(windows)
    rows = np.arange(2 * n_windows)
    assert told(X, [(rows[:n_windows], rows[n_windows:])])


def test_trials_silence_and_held_values_are_no_overlap():
    rng = np.random.default_rng(0)
    trials = rng.normal(size=(60, 5, 8))
    still = np.repeat(rng.normal(size=(60, 5, 1)), 8, axis=2)
    silent = np.zeros((60, 5, 8))
    binary = rng.integers(0, 2, size=(60, 1, 8)).astype(float)
    missing = np.full((60, 5, 8), np.nan)
    missing[:, 0, 0] = rng.normal(size=60)
    for X in (trials, still, silent, binary, missing, trials[:, :, 0], trials[:, :, :1]):
        assert not told(X, KFold(5))


@pytest.mark.parametrize("cast", [np.float32, lambda X: (100 * X).astype(int), np.asfortranarray])
def test_any_numbers_are_looked_at(cast):
    windows = sliding_windows(recordings("traces")[:1], 8, target=None)
    assert told(cast(np.asarray(windows.X, dtype=float)), KFold(5))


def test_good_splits_of_worms_are_not_complained_about():
    worms = make_worms(3, duration=40.0, random_state=0).recordings
    windows = sliding_windows(list(worms), 8, target="behavior", neurons="all")
    assert not told(windows.X, TemporalSplit(gap=7), windows.groups)
    assert told(windows.X, TemporalSplit(gap=6), windows.groups)


def test_the_warning_counts_windows_and_folds_and_names_the_remedy():
    windows = sliding_windows(recordings("traces")[:1], 4, target=None)
    n_windows = len(windows)
    rows = np.arange(n_windows)
    y = np.resize(["forward", "reversal"], n_windows)
    splits = [(rows[10:], rows[:10]), (rows[:100], rows[120:])]
    with pytest.warns(UserWarning, match=SHARED) as caught:
        compare({"chance": DummyClassifier()}, windows.X, y, cv=splits)
    (message,) = {str(warning.message) for warning in caught}
    # The last three of the ten windows before row 10 share frames with it.
    assert message.startswith(f"cv: 3 of {10 + n_windows - 120} windows")
    assert "in 1 of 2 folds" in message
    assert "cv=None" in message
    assert "a gap of 3 windows" in message
