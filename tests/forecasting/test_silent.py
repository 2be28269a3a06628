"""Neurons that never move: their forecast is what they are, in whatever units."""

import numpy as np
import pytest

from skneurograph import sliding_windows
from skneurograph.forecasting import (
    GraphForecaster,
    MLPForecaster,
    PersistenceForecaster,
    RecurrentForecaster,
    RidgeForecaster,
    VARForecaster,
)
from tests.discovery import cheap

NETS = [GraphForecaster, MLPForecaster, RecurrentForecaster]
LEARNERS = [*NETS, RidgeForecaster, VARForecaster]
SILENT = 2


def name(value):
    return getattr(value, "__name__", None)


def make(model, **parameters):
    return cheap(model, **{"max_epochs": 1, "hidden_size": 4, **parameters})


def windows(silent, n_times=90, n_frames=6, horizon=2, unit=1.0, offset=0.0, dtype=np.float64):
    """Two neurons that walk, and one that does what it is told, in some units."""
    walk = np.random.default_rng(0).normal(size=(n_times, 2)).cumsum(axis=0)
    trace = np.insert(walk, SILENT, np.broadcast_to(silent, n_times), axis=1)
    trace = (trace * unit + offset).astype(dtype)
    rows = np.arange(n_times - n_frames - horizon + 1)[:, None]
    X = trace[rows + np.arange(n_frames)].transpose(0, 2, 1)
    y = trace[rows + n_frames + np.arange(horizon)].transpose(0, 2, 1)
    return X, y


@pytest.mark.parametrize("model", LEARNERS, ids=name)
@pytest.mark.parametrize(
    ("unit", "offset", "dtype"),
    [
        (1.0, 0.0, np.float64),
        (1.0, 0.0, np.float32),
        (1e-30, 0.0, np.float32),
        (1e-30, 0.0, np.float64),
        (1.0, 1e8, np.float64),
        (1e9, -3e8, np.float32),
    ],
)
def test_a_constant_neuron_is_forecast_exactly_in_any_unit(model, unit, offset, dtype):
    X, y = windows(2.5, unit=unit, offset=offset, dtype=dtype)
    steps = make(model).fit(X, y).forecast(X, 7)
    np.testing.assert_array_equal(steps[:, SILENT], np.repeat(X[:, SILENT, -1:], 7, axis=1))
    assert np.isfinite(steps).all()
    assert (steps[:, :SILENT, 0] != X[:, :SILENT, -1]).any()


@pytest.mark.parametrize("model", LEARNERS, ids=name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_of_rounding_is_no_movement(model, dtype):
    noise = np.random.default_rng(1).integers(-1, 2, size=90) * np.finfo(dtype).eps
    X, y = windows(0.0, dtype=dtype)
    X, y = X.copy(), y.copy()
    trace = (1.1 * (1 + noise)).astype(dtype)
    for start in range(len(X)):
        X[start, SILENT], y[start, SILENT] = trace[start : start + 6], trace[start + 6 : start + 8]
    steps = make(model).fit(X, y).forecast(X, 3)
    np.testing.assert_array_equal(steps[:, SILENT], np.repeat(X[:, SILENT, -1:], 3, axis=1))


@pytest.mark.parametrize("model", LEARNERS, ids=name)
def test_forecasts_of_nothing_but_constant_neurons_repeat_them(model):
    X = np.broadcast_to(np.array([0.0, -3.0, 1e8])[:, None], (40, 3, 6)).copy()
    fitted = make(model).fit(X, X[:, :, :2])
    np.testing.assert_array_equal(fitted.forecast(X, 4), X[:, :, :4])


@pytest.mark.parametrize("model", LEARNERS, ids=name)
def test_a_neuron_may_be_constant_at_another_level_in_every_organism(model):
    parts = [windows(level) for level in (2.5, -7.0, 2.75)]
    X, y = (np.concatenate(part) for part in zip(*parts))
    fitted = make(model).fit(X, y)
    new, _ = windows(40.0)
    for tried in (X, new):
        steps = fitted.forecast(tried, 3)
        np.testing.assert_array_equal(steps[:, SILENT], np.repeat(tried[:, SILENT, -1:], 3, axis=1))


@pytest.mark.parametrize("model", LEARNERS, ids=name)
def test_a_constant_neuron_that_moves_later_is_copied_and_tells_the_others_nothing(model):
    X, y = windows(2.5)
    fitted = make(model).fit(X, y)
    moving = X.copy()
    moving[:, SILENT] *= np.random.default_rng(0).normal(size=(len(X), 6)) * 1e6
    steps = fitted.forecast(moving, 5)
    np.testing.assert_array_equal(steps[:, SILENT], np.repeat(moving[:, SILENT, -1:], 5, axis=1))
    np.testing.assert_array_equal(steps[:, :SILENT], fitted.forecast(X, 5)[:, :SILENT])


@pytest.mark.parametrize("model", LEARNERS, ids=name)
def test_the_level_of_a_constant_neuron_changes_no_bit_of_the_others(model):
    forecasts = []
    for level in (0.0, 1e12):
        X, y = windows(level)
        forecasts.append(make(model).fit(X, y).forecast(X, 4)[:, :SILENT])
    np.testing.assert_array_equal(*forecasts)


@pytest.mark.parametrize("model", LEARNERS, ids=name)
def test_a_neuron_that_is_still_for_a_while_is_not_taken_for_silent(model):
    """Still windows that were followed by movement say nothing about the next frame."""
    trace = np.where(np.arange(90) % 30 < 15, 0.0, np.sin(np.arange(90)))
    X, y = windows(trace)
    steps = make(model).fit(X, y).forecast(X, 1)
    assert (steps[:, SILENT, 0] != X[:, SILENT, -1]).all()


@pytest.mark.parametrize("level", [2.5, 1e6])
def test_constant_anonymous_neurons_stay_as_they_are(level):
    X, y = windows(level)
    fitted = make(GraphForecaster, identities="none").fit(X, y)
    other_order = X[:, [SILENT, 0, 1]]
    for tried, column in ((X, SILENT), (other_order, 0)):
        steps = fitted.forecast(tried, 3)
        expected = np.repeat(tried[:, column, -1:], 3, axis=1)
        np.testing.assert_array_equal(steps[:, column], expected)
    assert np.isfinite(fitted.forecast(windows(np.arange(90.0))[0], 3)).all()


@pytest.mark.parametrize("model", [*LEARNERS, PersistenceForecaster], ids=name)
def test_a_constant_neuron_that_training_has_not_seen_is_forecast_near_itself(model):
    X, y = windows(5e4)
    X[:, SILENT], y[:, SILENT] = np.nan, np.nan
    fitted = make(model).fit(X, y)
    tried, _ = windows(5e4)
    steps = fitted.forecast(tried, 10)
    # Nothing is known of it; it may move by what the others do, not to where they are.
    assert np.abs(steps[:, SILENT] - 5e4).max() < 10 * np.abs(tried[:, :SILENT]).max()


@pytest.mark.parametrize("model", LEARNERS, ids=name)
def test_a_constant_neuron_tells_nothing_about_another_target_either(model):
    X, _ = windows(2.5)
    y = X[:, 0, -1]
    fitted = make(model, max_epochs=2).fit(X, y)
    moving = X.copy()
    moving[:, SILENT] = np.random.default_rng(0).normal(size=(len(X), 6)) * 1e6
    np.testing.assert_array_equal(fitted.predict(moving), fitted.predict(X))


def test_the_sliding_windows_of_a_recording_keep_a_constant_neuron_too():
    walk = np.random.default_rng(0).normal(size=(80, 3)).cumsum(axis=0)
    walk[:, 1] = 1 / 3
    cut = sliding_windows(walk, 8, target="next")
    forecast = VARForecaster().fit(cut.X, cut.y).predict(cut.X)
    np.testing.assert_array_equal(forecast[:, 1], cut.X[:, 1, -1])
