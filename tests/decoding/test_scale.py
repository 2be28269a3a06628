"""Units in which a net cannot train are told from those in which it can."""

import numpy as np
import pytest

from skneurograph import make_worms, sliding_windows
from skneurograph.decoding._scale import describe_scale, scale_fault


@pytest.mark.parametrize(
    ("level", "spread", "is_ordinary"),
    [
        (0, 1, True),  # z-scored
        (0.2, 0.05, True),  # dF/F
        (1.2, 0.02, True),  # F/F20 of quiet neurons
        (20, 30, True),  # dF/F in per cent
        (0.01, 0.1, True),  # spikes of a bin
        (3e5, 3e4, False),
        (800, 90, False),
        (50, 1, False),
        (0, 500, False),
        (-400, 1, False),
        (0, 1e-6, False),
        (3, 1e-5, False),
    ],
)
def test_only_units_in_which_a_net_cannot_train_are_called_so(level, spread, is_ordinary):
    windows = level + spread * np.random.default_rng(0).normal(size=(100, 20, 8))
    windows[:30, 3] = np.nan
    windows[:, 4] = np.nan
    windows[:, 5:7] = 0
    assert (describe_scale(windows) == "") is is_ordinary


def test_real_and_simulated_recordings_have_ordinary_units(real_worms):
    for recording in [*real_worms, *make_worms(2, random_state=0).recordings]:
        for prepared in (recording, recording.zscore()):
            X = sliding_windows(prepared, 8, target=None, neurons="all", step=4).X
            assert describe_scale(X) == ""
            assert describe_scale(X[:50]) == ""
            assert describe_scale(1e5 * (1 + X)) != ""


def test_the_fault_says_how_large_the_numbers_are():
    windows = 3e5 + 2e4 * np.random.default_rng(0).normal(size=(50, 4, 6))
    expected = r"got large numbers (a neuron's mean is about 3e+05, its standard deviation 2e+04)"
    assert describe_scale(windows) == expected
    assert describe_scale(1e-10 * windows - 3e-5).startswith("got small numbers")
    # As large as numbers can be: their squares are not needed.
    assert describe_scale(1e300 * windows).startswith("got large numbers")


@pytest.mark.parametrize("value", [np.nan, 0.0, 0.5])
def test_windows_that_hold_nothing_or_never_change_have_no_fault(value):
    assert describe_scale(np.full((5, 3, 4), value)) == ""


def test_a_fit_is_told_whether_its_units_are_ordinary_and_warned_if_not():
    windows = np.random.default_rng(0).normal(size=(50, 4, 6))
    assert scale_fault(windows, 20) == ""
    assert scale_fault(1e4 * windows, 20).startswith("got large numbers")


def test_other_units_than_in_fit_are_warned_of_and_large_values_of_ordinary_ones_are_not():
    windows = np.random.default_rng(0).normal(size=(50, 4, 6))
    for given in (windows, windows[:1], 20 * windows, windows[:1] + 9):
        assert scale_fault(given, 20, glance=True) == ""
    assert scale_fault(windows + 500, 20, glance=True).startswith("got large numbers")


def test_no_more_windows_are_looked_at_than_allowed_and_they_span_all(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "skneurograph.decoding._scale.describe_scale", lambda some: seen.append(some) or ""
    )
    activity = np.arange(1000.0)[:, None]
    for lazy in (False, True):
        scale_fault(sliding_windows(activity, 1, lazy=lazy).X, 7)
    for some in seen:
        assert some.shape == (7, 1, 1)
        assert some[[0, -1], 0, 0].tolist() == [0, 999]
    assert len(seen) == 2


def test_rounding_of_constant_neurons_is_no_spread():
    X = np.random.default_rng(0).normal(size=(50, 10, 8))
    X[:, :6] = 0.3
    assert describe_scale(X) == ""
    assert describe_scale(X[:, :6]) == ""
