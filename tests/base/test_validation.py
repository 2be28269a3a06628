"""Windows, names, groups and weights are validated in one place."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from skneurograph import LazyWindows, Recording, sliding_windows
from skneurograph.base._validation import (
    check_groups,
    check_identities,
    check_weights,
    check_windows,
    groups_needed,
    neuron_names,
    recorded_columns,
)


class Plain(BaseEstimator):
    """What is fitted, in a test of nothing but validation."""


class Target(RegressorMixin, BaseEstimator):
    pass


X = np.random.default_rng(0).normal(size=(12, 3, 4))


def lazy(activity, n_times=4):
    return sliding_windows(activity, n_times, target=None, lazy=True).X


def test_the_shape_of_windows_is_remembered_and_then_checked():
    model = Plain()
    windows, target = check_windows(model, X, reset=True)
    np.testing.assert_array_equal(windows, X)
    assert target is None
    assert (model.n_features_in_, model.n_times_in_) == (3, 4)
    check_windows(model, X[:1], reset=False)
    with pytest.raises(ValueError, match="X has 2 neurons, but Plain was fitted with 3; align"):
        check_windows(model, X[:, :2], reset=False)
    with pytest.raises(ValueError, match="X has windows of 3 frames, but Plain was fitted with"):
        check_windows(model, X[:, :, :3], reset=False)
    assert (model.n_features_in_, model.n_times_in_) == (3, 4)


def test_lazy_windows_stay_lazy_and_are_checked_alike():
    activity = np.random.default_rng(0).normal(size=(20, 3))
    model = Plain()
    windows, _ = check_windows(model, lazy(activity), reset=True)
    assert windows.shape == (17, 3, 4)
    assert (model.n_features_in_, model.n_times_in_) == (3, 4)
    with pytest.raises(ValueError, match="X has 2 neurons"):
        check_windows(model, lazy(activity[:, :2]), reset=False)
    with pytest.raises(ValueError, match="windows of 5 frames"):
        check_windows(model, lazy(activity, 5), reset=False)
    with pytest.raises(ValueError, match=r"0 sample\(s\) .* required by Plain"):
        check_windows(model, windows[:0], reset=False)


def test_lazy_windows_after_a_table_forget_its_names():
    table = pd.DataFrame(X[:, :, 0], columns=list("abc"))
    model = Plain()
    check_windows(model, table, reset=True)
    assert model.feature_names_in_.tolist() == list("abc")
    check_windows(model, lazy(np.ones((9, 3))), reset=True)
    assert not hasattr(model, "feature_names_in_")


def test_infinity_is_seen_where_a_lazy_window_may_read_it():
    sources = [np.ones((20, 3)), np.ones((20, 3))]
    sources[0][19, 1] = np.inf
    windows = LazyWindows(
        sources, [np.arange(3)] * 2, np.array([0, 0, 1]), np.array([0, 16, 3]), 3, 4
    )
    with pytest.raises(ValueError, match="Input X contains infinity"):
        check_windows(Plain(), windows, reset=True)
    check_windows(Plain(), windows[2:], reset=True)


def test_two_dimensions_are_windows_of_one_frame_unless_more_are_needed():
    windows, _ = check_windows(Plain(), X[:, :, 0], reset=True)
    assert windows.shape == (12, 3, 1)
    with pytest.raises(
        ValueError,
        match=r"windows of 1 frame, but Plain needs at least 3: .*sliding_windows\(recordings, 8\)",
    ):
        check_windows(Plain(), X[:, :, 0], reset=True, min_times=3)
    with pytest.raises(ValueError, match=r"of 4 frames, .*sliding_windows\(recordings, 20\)"):
        check_windows(Plain(), X, reset=True, min_times=20)


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (X[:, :, :0], "windows of 0 frames|0 feature"),
        (X[:, :0], "X has 0 neurons|0 feature"),
        (X[0, 0], "Expected 2D array|dim 1"),
        (np.where(X > 1, 1e150, X), r"X: got values as large as 1e\+150"),
        (np.where(X > 1, -1e150, X), r"X: got values as large as 1e\+150"),
        (np.where(X > 1, np.inf, X), "infinity"),
    ],
    ids=["frames", "neurons", "dimensions", "large", "negative", "infinity"],
)
def test_windows_that_make_no_sense_are_refused(windows, message):
    with pytest.raises(ValueError, match=message):
        check_windows(Plain(), windows, reset=True)


@pytest.mark.parametrize(("dtype", "kept"), [("f4", "f4"), ("f8", "f8"), ("i8", "f8"), ("?", "f8")])
def test_windows_keep_their_precision_and_whole_numbers_become_double(dtype, kept):
    assert check_windows(Plain(), X.astype(dtype), reset=True)[0].dtype == kept


def test_targets_are_numbers_labels_or_frames_with_gaps_as_the_estimator_says():
    numbers = np.arange(12)
    assert check_windows(Target(), X, list(numbers), reset=True)[1].tolist() == list(numbers)
    with pytest.raises(ValueError, match="y: got"):
        check_windows(Target(), X, ["a", "b"] * 6, reset=True)
    assert check_windows(Plain(), X, ["a", "b"] * 6, reset=True)[1].tolist() == ["a", "b"] * 6
    gaps = np.where(X > 1, np.nan, X)
    np.testing.assert_array_equal(
        check_windows(Target(), X, gaps, reset=True, nan_in_y=True)[1], gaps
    )
    for y, message in ((numbers[1:], "inconsistent numbers"), (None, "requires y to be passed")):
        with pytest.raises(ValueError, match=message):
            check_windows(Target(), X, y, reset=True)
    with pytest.raises(ValueError, match="NaN"):
        check_windows(Target(), X, np.where(numbers == 3, np.nan, 1.0), reset=True)


def test_identities_are_numbers_of_neurons_and_minus_one_for_strangers():
    assert check_identities("all", 3).tolist() == [0, 1, 2]
    assert check_identities("none", 3).tolist() == [-1, -1, -1]
    given = check_identities(np.array([5, -1, 5], dtype=np.int8), 3)
    assert given.tolist() == [5, -1, 5]
    assert given.dtype == np.intp


def test_groups_and_weights_have_one_entry_per_window():
    assert check_groups(None, 3) is None
    assert check_groups(["a", "b", "a"], 3).tolist() == ["a", "b", "a"]
    with pytest.raises(ValueError, match="groups: got shape"):
        check_groups(["a", "b"], 3)
    assert check_weights(None, 3).tolist() == [1, 1, 1]
    weights = check_weights([0, 2, 1], 3)
    assert weights.tolist() == [0, 2, 1]
    assert weights.dtype == np.float64
    for given in ([1, 2], [1, 2, -1], [0, 0, 0], [1, np.nan, 1], ["a", "b", "c"]):
        with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
            check_weights(given, 3)


def test_the_error_for_missing_groups_says_how_to_hand_them_on():
    error = groups_needed(Plain(), "3 groups", "those of X")
    assert "groups: not given, but Plain was fitted with 3 groups; give those of X" in str(error)
    assert "enable_metadata_routing=True" in str(error)


def test_names_of_neurons_are_given_or_seen_or_numbered():
    model = Plain()
    check_windows(model, X, reset=True)
    assert neuron_names(model, None) == ["x0", "x1", "x2"]
    assert neuron_names(model, ["AVAL", "", "RIML"]) == ["AVAL", "x1", "RIML"]
    with pytest.raises(ValueError, match=r"number of features \(neurons\) \(3\), got 2"):
        neuron_names(model, ["AVAL", "RIML"])
    check_windows(model, pd.DataFrame(X[:, :, 0], columns=list("abc")), reset=True)
    assert neuron_names(model, None) == neuron_names(model, list("abc")) == list("abc")
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        neuron_names(model, list("acb"))


@pytest.mark.parametrize("is_lazy", [False, True])
def test_recorded_columns_are_those_without_a_gap_in_some_window(is_lazy):
    activity = np.ones((20, 4))
    activity[::3, 1] = np.nan
    activity[:12, 2] = np.nan
    given = Recording(activity, 1.0, neurons=list("abcd"))
    windows = sliding_windows(given, 4, target=None, lazy=is_lazy).X
    assert recorded_columns(windows).tolist() == [0, 2, 3]
    activity[8:10] = np.nan
    windows = sliding_windows(
        Recording(activity, 1.0, neurons=list("abcd")), 4, target=None, lazy=is_lazy
    ).X
    with pytest.warns(UserWarning, match="5 of 17 windows have no recorded neuron"):
        assert recorded_columns(windows).tolist() == [0, 2, 3]
    with pytest.raises(ValueError, match="no neuron is recorded in any window"):
        recorded_columns(windows[6:7])


def test_weights_that_are_all_zero_are_named():
    with pytest.raises(ValueError, match="sample_weight: all weights are zero"):
        check_weights(np.zeros(4), 4)
