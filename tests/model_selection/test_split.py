import itertools

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_validate

from skneurograph import Recording, sliding_windows
from skneurograph.model_selection import TemporalSplit


def windows_of_two(n_times, step, *, lazy=False, gap=False):
    """Windows of two organisms of different length, the second in two sessions."""
    rng = np.random.default_rng(0)
    sessions = []
    for organism, length in (("one", 60), ("two", 90), ("two", 45)):
        time = np.arange(float(length))
        if gap:
            time[length // 2 :] += 100
        sessions.append(
            Recording(
                rng.normal(size=(length, 2)), 1.0, neurons=["A", "B"], organism=organism, time=time
            )
        )
    return sliding_windows(sessions, n_times, step=step, target=None, lazy=lazy)


def frames_of(windows, row, n_times):
    start = windows.starts[row]
    return {(int(windows.recording[row]), int(start + t)) for t in range(n_times)}


@pytest.mark.parametrize("gap_in_time", [False, True])
@pytest.mark.parametrize("test_size", [0.2, 0.5])
@pytest.mark.parametrize(("n_times", "step"), [(1, 1), (8, 1), (8, 3), (7, 7), (5, 9)])
def test_a_gap_of_a_window_keeps_frames_apart(n_times, step, test_size, gap_in_time):
    windows = windows_of_two(n_times, step, gap=gap_in_time)
    splitter = TemporalSplit(test_size=test_size, gap=-(-n_times // step))
    ((train, test),) = splitter.split(windows.X, groups=windows.groups)
    trained = set().union(*(frames_of(windows, row, n_times) for row in train))
    tested = set().union(*(frames_of(windows, row, n_times) for row in test))
    assert trained
    assert tested
    assert not trained & tested


def test_without_a_gap_windows_on_both_sides_share_frames():
    windows = windows_of_two(8, 1)
    ((train, test),) = TemporalSplit(gap=0).split(windows.X, groups=windows.groups)
    trained = set().union(*(frames_of(windows, row, 8) for row in train))
    assert trained & frames_of(windows, test[0], 8)


@pytest.mark.parametrize("test_size", [0.1, 0.3, 0.77])
@pytest.mark.parametrize("gap", [0, 1, 6])
def test_each_organism_is_split_in_its_own_time(test_size, gap):
    windows = windows_of_two(3, 1)
    ((train, test),) = TemporalSplit(test_size=test_size, gap=gap).split(
        windows.X, groups=windows.groups
    )
    for organism in ("one", "two"):
        rows = np.flatnonzero(windows.groups == organism)
        n_test = round(test_size * len(rows))
        assert test[windows.groups[test] == organism].tolist() == rows[-n_test:].tolist()
        assert (
            train[windows.groups[train] == organism].tolist()
            == rows[: len(rows) - n_test - gap].tolist()
        )


def test_interleaved_organisms_are_told_apart():
    groups = np.array(list("abbaab" * 10))
    ((train, test),) = TemporalSplit(test_size=0.25, gap=2).split(np.zeros(60), groups=groups)
    for organism in "ab":
        own_train, own_test = train[groups[train] == organism], test[groups[test] == organism]
        assert own_train.max() < own_test.min()
        between = np.flatnonzero(groups == organism)
        between = between[(between > own_train.max()) & (between < own_test.min())]
        assert len(between) == 2


def test_without_groups_all_windows_are_one_sequence():
    for X in (np.zeros((20, 2)), list(range(20)), windows_of_two(3, 9, lazy=True).X):
        ((train, test),) = TemporalSplit(test_size=0.5, gap=1).split(X)
        n_windows = len(X)
        n_test = round(n_windows / 2)
        assert train.tolist() == list(range(n_windows - n_test - 1))
        assert test.tolist() == list(range(n_windows - n_test, n_windows))


def test_at_least_one_window_is_tested():
    ((train, test),) = TemporalSplit(test_size=0.01, gap=0).split(np.zeros(5))
    assert (train.tolist(), test.tolist()) == ([0, 1, 2, 3], [4])


@pytest.mark.parametrize("gap", [-1, 1.5, 2.0, "1", None, True, np.nan, [1]], ids=str)
def test_a_gap_is_a_whole_number_of_windows(gap):
    with pytest.raises(ValueError, match=r"gap: got .*; expected a whole number of windows"):
        next(TemporalSplit(gap=gap).split(np.zeros(10)))


@pytest.mark.parametrize("test_size", [0, 1, -0.1, "a", None, True, np.nan, [0.3]], ids=str)
def test_the_tested_part_is_between_nothing_and_everything(test_size):
    with pytest.raises(ValueError, match=r"test_size: got .*; expected a part .* between 0 and 1"):
        next(TemporalSplit(gap=0, test_size=test_size).split(np.zeros(10)))


def test_numbers_of_numpy_are_numbers():
    ((train, test),) = TemporalSplit(gap=np.int32(1), test_size=np.float32(0.5)).split(np.zeros(10))
    assert (len(train), len(test)) == (4, 5)


@pytest.mark.parametrize(
    "groups",
    [
        [np.nan] * 5 + [1.0] * 15,
        [None] * 5 + ["a"] * 15,
        np.array(["NaT"] * 5 + ["2020-01-01"] * 15, "M8[D]"),
        [1] * 5 + ["a"] * 15,
        np.ma.array(["a"] * 20, mask=[True] + [False] * 19),
        ["a"] * 19,
        [["a"]] * 20,
    ],
    ids=["nan", "None", "NaT", "mixed", "masked", "short", "2-D"],
)
def test_groups_that_tell_no_organism_are_refused(groups):
    with pytest.raises(ValueError, match=r"^groups: got"):
        next(TemporalSplit(gap=1).split(np.zeros((20, 1)), None, groups))


def test_groups_as_bytes_or_objects_are_the_same_organisms():
    names = np.array(list("abbaab" * 5))
    (expected,) = TemporalSplit(gap=1).split(np.zeros(30), None, names)
    for groups in (names.astype("S"), names.astype(object), names.tolist()):
        (given,) = TemporalSplit(gap=1).split(np.zeros(30), None, groups)
        np.testing.assert_array_equal(given[0], expected[0])
        np.testing.assert_array_equal(given[1], expected[1])


@pytest.mark.parametrize("parameters", [{"gap": 7}, {"test_size": 0.99}], ids=str)
def test_an_organism_without_training_windows_is_named(parameters):
    groups = ["long"] * 100 + ["short"] * 10
    with pytest.raises(ValueError, match="10 windows of 'short' leave none to train on"):
        next(
            TemporalSplit(**{"test_size": 0.3, "gap": 0} | parameters).split(
                np.zeros(110), groups=groups
            )
        )


def test_it_behaves_like_a_splitter_of_scikit_learn():
    splitter = TemporalSplit(test_size=0.4, gap=3)
    assert splitter.get_n_splits() == len(list(splitter.split(np.zeros(30)))) == 1
    assert "test_size=0.4" in repr(splitter)
    assert "gap=3" in repr(clone(splitter, safe=False))
    folds = list(itertools.chain(*splitter.split(np.zeros(30))))
    again = list(itertools.chain(*splitter.split(np.zeros(30))))
    for one, other in zip(folds, again, strict=True):
        np.testing.assert_array_equal(one, other)
    windows = windows_of_two(4, 1, lazy=True)
    scores = cross_validate(
        DummyClassifier(), windows.X, windows.starts % 2, groups=windows.groups, cv=splitter
    )["test_score"]
    assert scores.shape == (1,)
