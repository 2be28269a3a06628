"""Which windows a net is trained on, and which early stopping looks at."""

from types import SimpleNamespace

import numpy as np
import pytest

from skneurograph import sliding_windows
from skneurograph.base._split import TrainingSplit
from skneurograph.base._targets import Continuous


def options(patience=None, fraction=0.2, random_state=0):
    """What a split reads of an estimator."""
    return SimpleNamespace(
        patience=patience, validation_fraction=fraction, random_state=random_state
    )


def split(X, y=None, weight=None, groups=None, n_frames=None, **chosen):
    y = np.arange(len(X), dtype=float) if y is None else y
    n_frames = X.shape[2] if n_frames is None else n_frames
    return TrainingSplit.of(options(**chosen), X, y, weight, groups, n_frames=n_frames)


def windows(n_windows=40, n_times=4, n_neurons=3):
    """Overlapping windows whose activity is the number of the frame."""
    frames = np.arange(n_windows)[:, None] + np.arange(n_times)
    return np.repeat(frames[:, None], n_neurons, axis=1).astype(float)


def test_without_patience_all_windows_are_trained_on():
    X = windows()
    made = split(X)
    assert made.held_out is None
    np.testing.assert_array_equal(made.train.windows, X)
    np.testing.assert_array_equal(made.train.y, np.arange(40))
    np.testing.assert_array_equal(made.train.weight, np.ones(40))


@pytest.mark.parametrize("patience", [None, 3])
@pytest.mark.parametrize("grouped", [False, True])
def test_windows_of_weight_zero_are_as_if_they_were_not_there(patience, grouped):
    X, groups = windows(), np.repeat(list("abcde"), 8)
    weight = np.linspace(0.5, 2, 40)
    weight[5:13] = 0
    kept = weight > 0
    given = split(X, np.arange(40), weight, groups if grouped else None, patience=patience)
    groups = groups[kept] if grouped else None
    expected = split(X[kept], np.arange(40)[kept], weight[kept], groups, patience=patience)
    assert (expected.held_out is None) == (given.held_out is None) == (patience is None)
    for found, part in zip(given[:2], expected[:2], strict=True):
        for one, other in zip(found or (), part or (), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_following", [0, 3])
def test_held_out_windows_share_no_frame_with_those_of_training_nor_with_their_targets(n_following):
    X = windows()
    made = split(X, patience=2, n_frames=4 + n_following)
    last_read = made.train.windows.max() + n_following
    assert last_read < made.held_out.windows.min()
    assert len(made.held_out.y) == 8
    # No more is left out than has to be.
    assert last_read == made.held_out.windows.min() - 1


def test_with_groups_whole_organisms_are_held_out_whatever_their_order():
    groups = np.tile(list("abcde"), 8)
    made = split(windows(), groups, groups=groups, patience=2, fraction=0.4)
    trained, held = set(made.train.y), set(made.held_out.y)
    assert (len(trained), len(held)) == (3, 2)
    assert trained | held == set("abcde")


def test_seeds_differ_for_choosing_and_training_and_follow_from_the_random_state():
    groups = np.repeat(np.arange(20), 2)

    def made(random_state):
        return split(windows(), groups, groups=groups, patience=2, random_state=random_state)

    assert made(0).seed == made(0).seed
    np.testing.assert_array_equal(made(0).held_out.y, made(0).held_out.y)
    assert made(0).seed != made(1).seed
    assert len({tuple(np.unique(made(seed).held_out.y)) for seed in range(5)}) > 1
    # Whether windows are held out does not change the initial values.
    assert made(0).seed == split(windows()).seed


def test_columns_are_those_of_the_training_windows_alone():
    X = windows()
    X[:20, 1] = np.nan
    X[:33, 2] = np.nan
    assert split(X).columns.tolist() == [0, 1, 2]
    # Only windows that are held out hold neuron 2, which training so never sees.
    assert split(X, patience=2).columns.tolist() == [0, 1]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(("unit", "expected"), [(1.0, np.float32), (1e-30, np.float64)])
def test_targets_have_the_precision_of_the_windows(lazy, unit, expected):
    activity = unit * np.random.default_rng(0).normal(size=(60, 3))
    X = sliding_windows(activity, 4, lazy=lazy).X
    made = split(X, patience=2)
    train, held_out = made.encoded(Continuous(made.train.y, made.train.weight), None)
    assert made.dtype == train.y.dtype == held_out.y.dtype == expected


def test_class_numbers_stay_integers_and_the_weights_of_classes_count():
    class Classes:
        def encode(self, y, weight):
            return y.astype(np.int64), 2 * weight

    train, held_out = split(windows(), patience=2).encoded(Classes(), np.array([1]), 5)
    assert train.y.dtype == held_out.y.dtype == np.int64
    assert (train.weight == 2).all()
    assert train.columns.tolist() == held_out.columns.tolist() == [1]
    assert train.min_steps_per_epoch == held_out.min_steps_per_epoch == 5


class Worthless:
    """A target that takes the weight of windows from a number on, or up to it."""

    def __init__(self, first, last):
        self.first, self.last = first, last

    def encode(self, y, weight):
        return y, np.where((y >= self.first) & (y < self.last), 0.0, weight)


def test_weights_that_vanish_once_the_target_is_counted_are_an_error():
    made = split(windows(), patience=2)
    with pytest.raises(ValueError, match="windows to train on all have weight zero"):
        made.encoded(Worthless(0, 32), None)
    with pytest.raises(ValueError, match=r"holds out windows that all .*use patience=None"):
        made.encoded(Worthless(32, 40), None)
    made.encoded(Worthless(1, 39), None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weight": np.zeros(40)}, "all weights are zero|one non-zero number"),
        ({"weight": -np.ones(40)}, "Negative values in data passed to `sample_weight`"),
        ({"weight": np.ones(39)}, "sample_weight.shape == "),
        ({"groups": np.zeros(39)}, "groups: got"),
        ({"weight": np.arange(40) > 38, "patience": 2}, "leaves none to train on"),
        (
            {"weight": np.arange(40) < 8, "groups": np.repeat(list("abcde"), 8), "patience": 2},
            "groups names 1",
        ),
    ],
    ids=["zero", "negative", "short", "short groups", "one window", "one organism"],
)
def test_weights_and_groups_that_do_not_fit_or_leave_nothing_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        split(windows(), **given)


def test_windows_that_hold_nothing_are_refused_in_training():
    X = windows()
    X[:32] = np.nan
    with pytest.raises(ValueError, match="no neuron is recorded in any window"):
        split(X, patience=2)


def test_without_a_target_y_and_weights_are_given_as_they_are():
    made = split(windows())
    train, held_out = made.encoded(None, None)
    assert held_out is None
    np.testing.assert_array_equal(train.y, made.train.y)
    np.testing.assert_array_equal(train.weight, made.train.weight)


def test_the_gap_before_the_held_out_part_is_in_neither_but_its_targets_are_known():
    y = np.arange(40.0)
    made = split(windows(), y, patience=2)
    parts = np.concatenate([made.train.y, made.held_out.y])
    assert len(parts) < 40
    np.testing.assert_array_equal(made.y, y)


def test_a_target_beyond_single_precision_is_refused_by_name():
    X = windows().astype("f4")
    made = split(X, np.full(40, 1e39))
    with pytest.raises(ValueError, match="y: got values that single precision does not hold"):
        made.encoded(None, None)
    double, _ = split(X.astype(float), np.full(40, 1e39)).encoded(None, None)
    assert double.y.max() == 1e39
