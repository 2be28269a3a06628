"""Following frames as a target: in units of each neuron, and of those that move."""

import numpy as np
import pytest

from skneurograph.forecasting._following import FollowingFrames
from skneurograph.forecasting._scaling import FrameScaler

SILENT = 2


def frames(n_windows=30, n_steps=5):
    """Windows and what follows of four neurons in units of their own, one of which never moves."""
    rng = np.random.default_rng(0)
    unit = np.array([1.0, 50.0, 0.0, 1e-3])[:, None]
    trace = 7 * unit + 3 + unit * rng.normal(size=(n_windows, 4, 6 + n_steps))
    return trace[:, :, :6], trace[:, :, 6:]


def following(columns, n_steps=5, horizon=3):
    X, y = frames(n_steps=n_steps)
    scaler = FrameScaler(X, np.ones(len(X)), following=y)
    return scaler, FollowingFrames(scaler, np.array(columns), n_steps, horizon), y


def test_frames_are_in_units_of_each_neuron_up_to_the_horizon():
    scaler, target, y = following([0, 1, 3])
    weight = np.random.default_rng(1).random(30)
    encoded, counted = target.encode(y, weight)
    assert encoded.shape == (30, 3, 3)
    assert target.n_outputs == 3
    for place, neuron in enumerate((0, 1, 3)):
        expected = (y[:, neuron, :3] - scaler.mean[neuron]) / scaler.scale[neuron]
        np.testing.assert_allclose(encoded[:, place], expected)
    np.testing.assert_array_equal(counted, weight)
    assert encoded.flags.c_contiguous


@pytest.mark.parametrize(("n_steps", "horizon", "expected"), [(5, 3, 3), (2, 8, 2), (1, 1, 1)])
def test_no_more_steps_are_learnt_than_follow(n_steps, horizon, expected):
    _, target, y = following([0, 1], n_steps, horizon)
    assert target.n_outputs == expected
    assert target.encode(y, np.ones(30))[0].shape == (30, 2, expected)


def test_a_single_following_frame_needs_no_third_dimension():
    _, target, y = following([1, 3], n_steps=1, horizon=1)
    flat, _ = target.encode(y[:, :, 0], np.ones(30))
    np.testing.assert_array_equal(flat, target.encode(y, np.ones(30))[0])


def test_what_never_moves_and_what_is_missing_teaches_nothing():
    _, target, y = following([0, SILENT, 3])
    y[4, 0, 1] = np.nan
    encoded, _ = target.encode(y, np.ones(30))
    expected = np.zeros(encoded.shape, dtype=bool)
    expected[:, 1] = True
    expected[4, 0, 1] = True
    np.testing.assert_array_equal(np.isnan(encoded), expected)
