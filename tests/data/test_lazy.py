"""Lazy windows behave like the array that they stand for, and cut no more than they have to."""

import copy
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneGroupOut,
    cross_validate,
    train_test_split,
)

from skneurograph import LazyWindows, Recording, sliding_windows
from skneurograph.data._lazy import chunks_of_windows, cut_windows
from skneurograph.decoding import GraphClassifier
from tests.data.animals import animal, animals


def both(n_times=4, **options):
    eager = sliding_windows(animals(), n_times, **options)
    return eager.X, sliding_windows(animals(), n_times, lazy=True, **options).X


@pytest.mark.parametrize(
    "key",
    [
        slice(None),
        slice(2, 17, 3),
        slice(None, None, -1),
        slice(5, 5),
        slice(-4, None),
        [3, 3, -2, 0],
        np.array([], dtype=int),
        [],
        np.arange(10, dtype=np.int32),
        np.arange(10, dtype=np.uint8),
        "mask",
        "nothing",
        pd.Series([2, 1]),
    ],
    ids=str,
)
def test_lazy_selection_equals_eager_selection(key):
    eager, lazy = both()
    if isinstance(key, str):
        key = np.arange(len(eager)) % 4 == (1 if key == "mask" else 9)
    part = lazy[key]
    assert isinstance(part, LazyWindows)
    rows = np.arange(len(eager))[key]
    assert part.shape == eager[rows].shape
    assert len(part) == len(rows)
    np.testing.assert_array_equal(np.asarray(part), eager[rows])


@pytest.mark.parametrize("index", [0, 7, -1, -5, np.int64(3), np.uint8(3)])
def test_a_lazy_integer_index_gives_one_window_as_an_array(index):
    eager, lazy = both()
    assert isinstance(lazy[index], np.ndarray)
    np.testing.assert_array_equal(lazy[index], eager[index])


def test_lazy_selections_of_selections_add_up():
    eager, lazy = both()
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(len(eager))[: rng.integers(1, len(eager))]
        mask = rng.random(len(order)) < 0.7
        np.testing.assert_array_equal(np.asarray(lazy[order][mask][::-1]), eager[order][mask][::-1])


def test_lazy_windows_can_be_iterated_like_an_array():
    eager, lazy = both()
    pieces = list(lazy)
    assert len(pieces) == len(eager)
    np.testing.assert_array_equal(pieces, eager)


@pytest.mark.parametrize("index", [10**6, -(10**6), [10**6], [0.5], "a", None])
def test_lazy_windows_refuse_an_index_that_means_nothing(index):
    with pytest.raises((IndexError, ValueError)):
        both()[1][index]


def test_lazy_windows_are_indexed_by_window_only():
    eager, lazy = both()
    np.testing.assert_array_equal(lazy[2, ...], eager[2])
    np.testing.assert_array_equal(np.asarray(lazy[2:5, :, :]), eager[2:5])
    for key in [(0, 1), (slice(None), 0), (slice(None), slice(1, 2))]:
        with pytest.raises(IndexError, match="by window only"):
            lazy[key]


def test_lazy_windows_convert_to_the_type_asked_for():
    eager, lazy = both()
    assert np.asarray(lazy).dtype == np.float32
    assert np.asarray(lazy, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.asarray(lazy, dtype=np.float64), eager.astype(np.float64))
    assert (lazy.ndim, lazy.dtype) == (eager.ndim, eager.dtype)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(lazy, copy=False)


def test_changing_a_cut_window_does_not_change_the_recording():
    _, lazy = both()
    cut = np.asarray(lazy)
    before = cut.copy()
    cut[:] = 7
    np.testing.assert_array_equal(np.asarray(lazy), before)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_lazy_windows_can_be_copied_and_pickled(duplicate):
    _, lazy = both()
    np.testing.assert_array_equal(np.asarray(duplicate(lazy)), np.asarray(lazy))


def test_recorded_columns_are_those_that_some_window_holds():
    windows = sliding_windows(animals(), 4, lazy=True)
    for recording in (0, 1, 2):
        part = windows[windows.recording == recording].X
        recorded = ~np.isnan(np.asarray(part)).any(axis=2)
        expected = recorded.any(axis=0)
        assert part.recorded()[0].tolist() == expected.tolist()
    assert windows.X.recorded()[0].all()


def test_lazy_windows_take_the_memory_of_the_recording():
    rng = np.random.default_rng(0)
    made = Recording(
        rng.normal(size=(20_000, 10)).astype(np.float32), 1.0, neurons=list("abcdefghij")
    )
    n_bytes = made.activity.nbytes
    tracemalloc.start()
    windows = sliding_windows(made, 100, target=None, lazy=True)
    half = windows.X[np.arange(0, len(windows), 2)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert half.shape == (9951, 10, 100)
    # Eager windows would take 100 times the recording, half of them 50 times.
    assert peak < 6 * n_bytes


@pytest.fixture
def cut_sizes(monkeypatch):
    """How many windows each call of `LazyWindows.cut` cut."""
    sizes = []
    original = LazyWindows.cut

    def cut(self, indices=None):
        result = original(self, indices)
        sizes.append(len(result))
        return result

    monkeypatch.setattr(LazyWindows, "cut", cut)
    return sizes


@pytest.fixture
def long_windows():
    made = [animal(seed, ["A", "B", "C"], n_times=200, gaps=(), missing=False) for seed in range(3)]
    return sliding_windows(made, 4, drop=["turn"], lazy=True)


def quick_classifier(**parameters):
    return GraphClassifier(
        **{"max_epochs": 1, "n_members": 1, "hidden_size": 4, "random_state": 0} | parameters
    )


def test_splitters_cut_no_window(long_windows, cut_sizes):
    X, y, groups = long_windows.X, long_windows.y, long_windows.groups
    for splitter, given in ((KFold(3), None), (LeaveOneGroupOut(), groups)):
        folds = list(splitter.split(X, y, given))
        expected = list(splitter.split(np.zeros(len(X)), y, given))
        for fold, other in zip(folds, expected, strict=True):
            np.testing.assert_array_equal(fold[0], other[0])
            np.testing.assert_array_equal(fold[1], other[1])
    train, test, _, _ = train_test_split(X, y, random_state=0)
    assert isinstance(train, LazyWindows)
    assert len(train) + len(test) == len(X)
    assert cut_sizes == []


def test_training_on_lazy_windows_cuts_a_batch_at_a_time(long_windows, cut_sizes):
    model = quick_classifier(batch_size=16, n_rounds=0, missing_neurons="masked", linear_share=0)
    model.fit(long_windows.X, long_windows.y)
    assert sum(cut_sizes) >= len(long_windows)
    assert max(cut_sizes) <= 16


def test_what_neurons_tell_of_each_other_is_learnt_from_some_windows_at_a_time(
    long_windows, cut_sizes, monkeypatch
):
    monkeypatch.setattr("skneurograph.base._missing.CHUNK_ELEMENTS", 12 * 30)
    monkeypatch.setattr("skneurograph.base._missing._FRAMES", 200)
    model = quick_classifier(batch_size=16).fit(long_windows.X, long_windows.y)
    assert max(cut_sizes[:7]) == 30
    assert sum(cut_sizes[:7]) == 200
    assert model.net_.module_.missing is not None


def test_an_estimator_learns_the_same_from_lazy_windows(long_windows):
    eager = np.asarray(long_windows.X)
    one = quick_classifier().fit(long_windows.X, long_windows.y)
    other = quick_classifier().fit(eager, long_windows.y)
    np.testing.assert_array_equal(one.predict_proba(long_windows.X), other.predict_proba(eager))


@pytest.mark.parametrize("cv", [KFold(2), LeaveOneGroupOut()], ids=["KFold", "LeaveOneGroupOut"])
def test_cross_validation_gives_the_same_scores_with_lazy_windows(long_windows, cv):
    groups = long_windows.groups if isinstance(cv, LeaveOneGroupOut) else None
    scores = [
        cross_validate(
            quick_classifier(),
            X,
            long_windows.y,
            groups=groups,
            cv=cv,
            error_score="raise",
        )["test_score"]
        for X in (long_windows.X, np.asarray(long_windows.X))
    ]
    np.testing.assert_array_equal(*scores)


def test_grid_search_works_with_lazy_windows(long_windows):
    search = GridSearchCV(
        quick_classifier(),
        {"learning_rate": [1e-3, 1e-2]},
        cv=LeaveOneGroupOut(),
        error_score="raise",
    )
    search.fit(long_windows.X, long_windows.y, groups=long_windows.groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(long_windows.X[:5]).shape == (5,)


def test_estimators_that_ignore_the_data_accept_lazy_windows(long_windows):
    scores = cross_validate(DummyClassifier(), long_windows.X, long_windows.y, cv=3)
    assert np.isfinite(scores["test_score"]).all()


# What estimators read of them


def ragged():
    """Windows of several recordings, of which each lacks neurons, in no order."""
    windows = sliding_windows(animals(), 4, neurons="all", lazy=True).X
    return windows[np.random.default_rng(0).permutation(len(windows))]


@pytest.mark.parametrize("columns", [None, np.array([4, 0, 2]), np.array([], dtype=int)], ids=str)
@pytest.mark.parametrize("rows", [slice(2, 9), np.array([7, 1, 1]), slice(0, 0)], ids=str)
def test_some_windows_and_neurons_are_cut_alike_and_contiguous(rows, columns):
    lazy = ragged()
    eager = np.asarray(lazy)
    expected = eager[rows] if columns is None else eager[rows][:, columns]
    for windows in (lazy, eager, np.asfortranarray(eager)):
        cut = cut_windows(windows, rows, columns)
        np.testing.assert_array_equal(cut, expected)
        assert cut.flags.c_contiguous


@pytest.mark.parametrize("columns", [None, np.array([5, 1])], ids=["all", "some"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_chunks_are_the_windows_in_order_and_no_larger_than_asked_for(size, columns):
    lazy = ragged()
    eager = np.asarray(lazy)
    n_elements = size * eager[0].size
    for windows in (lazy, eager):
        found = list(chunks_of_windows(windows, n_elements=n_elements, columns=columns))
        assert max(len(part) for _, part in found) == min(size, len(eager))
        order = np.concatenate([np.arange(len(eager))[rows] for rows, _ in found])
        np.testing.assert_array_equal(order, np.arange(len(eager)))
        expected = eager if columns is None else eager[:, columns]
        for rows, part in found:
            np.testing.assert_array_equal(part, expected[rows])


def test_chunks_count_the_largest_array_of_their_reader_and_hold_one_window_at_least():
    lazy = ragged()
    by_pair = [rows for rows, _ in chunks_of_windows(lazy, 10, n_elements=70)]
    assert {rows.stop - rows.start for rows in by_pair[:-1]} == {7}
    too_large = [rows for rows, _ in chunks_of_windows(lazy, 1000, n_elements=70)]
    assert len(too_large) == len(lazy)
    assert list(chunks_of_windows(lazy[:0])) == []
    assert len(list(chunks_of_windows(lazy))) == 1


def test_what_is_recorded_is_counted_without_cutting_a_window(cut_sizes):
    lazy = ragged()
    parts = [lazy, lazy[::5], lazy[:1]]
    found = [part.recorded() for part in parts]
    has_nan = [part.has_nan() for part in parts]
    assert cut_sizes == []
    for part, (present, n_empty), nan in zip(parts, found, has_nan, strict=True):
        recorded = ~np.isnan(np.asarray(part)).any(axis=2)
        np.testing.assert_array_equal(present, recorded.any(axis=0))
        assert n_empty == (~recorded.any(axis=1)).sum()
        assert nan == np.isnan(np.asarray(part)).any()


def test_windows_of_which_a_recording_holds_no_column_are_empty():
    sources = [np.ones((9, 2), np.float32), np.ones((9, 0), np.float32)]
    columns = [np.array([2, 0]), np.array([], dtype=int)]
    windows = LazyWindows(sources, columns, np.array([0, 1, 1]), np.array([0, 0, 3]), 3, 4)
    present, n_empty = windows.recorded()
    assert (present.tolist(), n_empty) == ([True, False, True], 2)
    assert np.isnan(np.asarray(windows)[1:]).all()


def test_gaps_count_where_a_window_reads_them_only():
    activity = np.ones((20, 2), np.float32)
    activity[8, 1] = np.nan
    windows = LazyWindows([activity], [np.arange(2)], np.zeros(17, int), np.arange(17), 2, 4)
    expected = np.isnan(np.asarray(windows)).any(axis=(1, 2))
    assert [windows[k : k + 1].has_nan() for k in range(17)] == expected.tolist()
    recorded = [windows[k : k + 1].recorded()[0].tolist() for k in range(17)]
    assert recorded == [[True, not gap] for gap in expected]
    assert expected.sum() == 4
    wider = LazyWindows([activity], [np.arange(2)], np.zeros(1, int), np.zeros(1, int), 3, 4)
    assert wider.has_nan()


def test_infinity_counts_in_the_recordings_that_windows_are_cut_from():
    sources = [np.ones((9, 2)), np.full((9, 2), -np.inf)]
    windows = LazyWindows(sources, [np.arange(2)] * 2, np.array([0, 1]), np.array([2, 2]), 2, 4)
    assert windows.has_infinity()
    assert windows[1:].has_infinity()
    assert not windows[:1].has_infinity()


def test_windows_are_double_if_one_recording_is():
    single, double = np.ones((9, 2), np.float32), np.ones((9, 2))
    for sources, dtype in (([single] * 2, np.float32), ([single, double], np.float64)):
        windows = LazyWindows(sources, [np.arange(2)] * 2, np.array([0]), np.array([1]), 2, 4)
        assert windows.dtype == windows[0].dtype == np.asarray(windows).dtype == dtype


def test_windows_know_where_they_are_from():
    windows = sliding_windows(animals(), 4, lazy=True)
    recording, starts = windows.X[::3].places()
    np.testing.assert_array_equal(recording, windows.recording[::3])
    np.testing.assert_array_equal(starts, windows.starts[::3])
    assert repr(windows.X[:2]) == "<LazyWindows of shape (2, 5, 4) over 3 recordings>"
