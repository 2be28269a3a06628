"""Activity is single precision, unless that would lose the signal of a neuron."""

import dataclasses

import numpy as np
import pytest

from skneurograph import Recording, sliding_windows
from skneurograph.data._precision import needs_double
from tests.data.animals import animal


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    "transform",
    [
        lambda x: x + 1e8,
        lambda x: x - 1e11,
        lambda x: x + 1e6,
        lambda x: x * 1e-40,
        lambda x: x * 1e-200,
        lambda x: x * 1e30,
        lambda x: x * 1e200,
        lambda x: (x * 10).astype(np.int64) + 2**40,
        lambda x: x + 1e8 + 2e4 * np.sin(np.arange(len(x)) / 1000),
        lambda x: np.where(np.arange(len(x)) % 7, x + 1e8, np.nan),
    ],
)
def test_double_precision_is_kept_where_single_would_lose_the_signal(transform, lazy):
    signal = np.random.default_rng(0).normal(size=300)
    activity = np.stack([transform(signal), signal], axis=1)
    made = [
        Recording(np.stack([signal[:50], signal[50:100]], axis=1), 1.0, neurons=["A", "B"]),
        Recording(activity, 1.0, neurons=["A", "B"]),
    ]
    for target in (None, "next"):
        windows = sliding_windows(made, 4, target=target, lazy=lazy)
        own = windows[windows.recording == 1]
        assert windows.X.dtype == np.asarray(own.X).dtype == own.X[0].dtype == np.float64
        expected = np.stack([activity[start : start + 4].T for start in own.starts])
        np.testing.assert_array_equal(own.X, expected)
        if target == "next":
            assert windows.y.dtype == np.float64
            np.testing.assert_array_equal(own.y, activity[own.starts + 4])


@pytest.mark.parametrize(
    "activity",
    [
        np.random.default_rng(0).normal(size=(300, 2)),
        np.random.default_rng(0).normal(3e5, 1e4, size=(300, 2)),
        np.random.default_rng(0).poisson(3.0, size=(300, 2)),
        1e-12 * np.random.default_rng(0).normal(size=(300, 2)),
        np.full((300, 2), 0.1),
        0.1 + 1e-17 * np.random.default_rng(0).normal(size=(300, 2)),
        np.full((300, 2), np.nan),
        np.sin(np.arange(600).reshape(300, 2) / 1e4) + 5,
        (1e8 + np.random.default_rng(0).normal(size=(300, 2))).astype(np.float32),
    ],
    ids=[
        "unit",
        "fluorescence",
        "counts",
        "ampere",
        "constant",
        "rounding",
        "nan",
        "slow",
        "float32",
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_ordinary_data_become_single_precision(activity, lazy):
    windows = sliding_windows(activity, 4, target="next", lazy=lazy)
    assert windows.X.dtype == windows.y.dtype == windows.X[0].dtype == np.float32


def test_real_worms_are_single_precision_in_double_too(real_worms):
    for worm in real_worms:
        doubled = dataclasses.replace(worm, activity=worm.activity.astype(np.float64))
        assert sliding_windows([doubled], 8, lazy=True).X.dtype == np.float32


def test_a_column_that_is_left_out_does_not_decide_on_the_precision():
    activity = np.random.default_rng(0).normal([0, 1e9], size=(30, 2))
    made = Recording(activity, 1.0, neurons=["A", "B"])
    assert sliding_windows(made, 4, target=None).X.dtype == np.float64
    assert sliding_windows(made, 4, target=None, neurons=["A"]).X.dtype == np.float32


def test_covariates_keep_their_precision_as_targets():
    covariate = 1e9 + np.arange(37) / 8
    made = dataclasses.replace(animal(1, ["A"], gaps=()), covariates={"position": covariate})
    np.testing.assert_array_equal(sliding_windows(made, 4, target="position").y, covariate[3:])


# The rule itself

UNIT = np.random.default_rng(0).normal(size=(300, 1))
# Small and fast, on a large drift that is slow or not so slow.
FAST = 5e6 + np.random.default_rng(0).normal(size=(3000, 1))
DRIFT = np.arange(3000)[:, None]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (UNIT, False),
        (UNIT + 1e4, False),
        (UNIT + 1e6, True),
        (FAST + 0.5 * DRIFT, True),
        (FAST + 5 * DRIFT, False),
        (1e-17 * UNIT, False),
        (1e-20 * UNIT, True),
        (1e17 * UNIT, False),
        (1e20 * UNIT, True),
        (np.zeros((300, 1)), False),
        (np.full((300, 1), 1e6 + 0.1), False),
        (np.full((300, 1), np.nan), False),
        (np.ones((1, 1)), False),
        (np.zeros((0, 2)), False),
        (np.zeros((300, 0)), False),
    ],
)
def test_a_column_needs_double_precision_if_rounding_hides_its_signal(values, expected):
    assert needs_double(values) is expected
    assert needs_double(-values) is expected
    gaps = np.where(np.arange(len(values))[:, None] % 5 == 2, np.nan, values)
    assert needs_double(gaps) is expected


@pytest.mark.parametrize("n_columns", [2, 64, 65, 200])
def test_one_column_among_many_decides(n_columns):
    values = np.repeat(UNIT, n_columns, axis=1)
    assert not needs_double(values)
    for column in (0, n_columns - 1):
        one = values.copy()
        one[:, column] += 1e8
        assert needs_double(one)
        assert not needs_double(one.astype(np.float32))


def test_values_that_single_precision_holds_as_they_are_lose_nothing():
    # Whole numbers up to 2 ** 24, at an offset that would round other values.
    counts = 2.0**23 + np.random.default_rng(0).integers(0, 4, size=(300, 1))
    assert not needs_double(counts)
    assert needs_double(counts + 0.3 * UNIT)
