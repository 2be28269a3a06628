"""Ridge regression of changes: agreement with a simple implementation, and what it must not see."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from skneurograph import sliding_windows
from skneurograph.forecasting import RidgeForecaster
from skneurograph.forecasting._changes import ramps, roughness

N_NEURONS, N_TIMES, N_STEPS = 4, 6, 3


def mixed(n_times=260, seed=0):
    """Neurons that share two slow signals, some noisier than others, in units of their own."""
    rng = np.random.default_rng(seed)
    slow = np.zeros((n_times, 2))
    for step in range(1, n_times):
        slow[step] = 0.95 * slow[step - 1] + 0.3 * rng.normal(size=2)
    traces = slow @ rng.normal(size=(2, N_NEURONS))
    traces += np.array([0.05, 0.2, 0.5, 1.0]) * rng.normal(size=traces.shape)
    return traces * [1.0, 20.0, 1e-3, 5.0] + [0.0, 7.0, 1.0, -3.0]


@pytest.fixture(scope="module")
def cut():
    windows = sliding_windows(mixed(), N_TIMES, target="next", horizon=N_STEPS)
    return windows.X.astype(np.float64), windows.y.astype(np.float64)


def by_scikit_learn(X, y, own_alpha, alpha):
    """The three stages, row by row, with a penalty written as further rows."""
    n_windows = len(X)
    mean, scale = X.mean(axis=(0, 2))[:, None], X.std(axis=(0, 2))[:, None]
    Z, change = (X - mean) / scale, (y - X[:, :, -1:]) / scale
    level = Z.mean(axis=2, keepdims=True)
    inputs = np.concatenate([Z[:, :, :-1] - Z[:, :, -1:], level], axis=2)
    rough = roughness(Z)
    knots = np.quantile(rough, [0.1, 0.5, 0.9], method="inverted_cdf")
    rows = np.concatenate(
        [inputs, *(ramp[:, :, None] * inputs for ramp in ramps(rough, knots))], axis=2
    ).reshape(n_windows * N_NEURONS, -1)
    shared = Ridge(alpha=1e-3 * len(rows), fit_intercept=False)
    shared.fit(rows, change.reshape(len(rows), -1))
    found = shared.predict(rows).reshape(change.shape)
    pull = np.sqrt(own_alpha / N_NEURONS) * inputs.reshape(len(rows), -1)
    for neuron in range(N_NEURONS):
        left = change[:, neuron] - found[:, neuron]
        stacked = np.concatenate([left, np.zeros((len(pull), N_STEPS))])
        own = LinearRegression(fit_intercept=False)
        own.fit(np.concatenate([inputs[:, neuron], pull]), stacked)
        found[:, neuron] += own.predict(inputs[:, neuron])
    last = Z[:, :, -1:]
    told = np.concatenate([last - level, last - level, level], axis=1)[:, :, 0].clip(-3, 3)
    told /= np.sqrt((told**2).mean(axis=0))
    ridge = Ridge(alpha=alpha * n_windows, fit_intercept=False)
    ridge.fit(told, (change - found).reshape(n_windows, -1))
    found += ridge.predict(told).reshape(found.shape)
    return X[:, :, -1:] + scale * found


@pytest.mark.parametrize(("own_alpha", "alpha"), [(3.0, 5.0), (0.3, 0.1)])
def test_agrees_with_a_simple_implementation_of_the_three_stages(cut, own_alpha, alpha):
    X, y = cut
    model = RidgeForecaster(own_alpha=own_alpha, alpha=alpha, allow_drift=False).fit(X, y)
    expected = by_scikit_learn(X, y, own_alpha, alpha)
    scale = X.std(axis=(0, 2))[:, None]
    np.testing.assert_allclose((model.forecast(X, N_STEPS) - expected) / scale, 0, atol=2e-4)


def test_a_constant_added_to_a_neuron_is_added_to_its_forecast_and_nothing_else(cut):
    X, y = cut
    shift = np.array([0.0, 300.0, -0.01, 12.0])[:, None]
    plain = RidgeForecaster().fit(X, y).forecast(X, 5)
    shifted = RidgeForecaster().fit(X + shift, y + shift).forecast(X + shift, 5)
    unit = X.std(axis=(0, 2))[:, None]
    np.testing.assert_allclose((shifted - shift - plain) / unit, 0, atol=1e-7)


def test_neurons_in_another_order_have_their_forecasts_in_that_order(cut):
    X, y = cut
    order = [2, 0, 3, 1]
    plain = RidgeForecaster().fit(X, y).forecast(X, 5)
    other = RidgeForecaster().fit(X[:, order], y[:, order]).forecast(X[:, order], 5)
    unit = X.std(axis=(0, 2))[order, None]
    np.testing.assert_allclose((other - plain[:, order]) / unit, 0, atol=1e-7)


def test_without_the_level_a_shift_of_any_size_is_added_to_the_forecast(cut):
    X, y = cut
    model = RidgeForecaster(allow_drift=False).fit(X, y)
    model.reversion_ = 0.0
    model._changes.shared[:, -1] = model._changes.own[:, -1] = model._changes.directions[2] = 0
    shift = 0.7 * X.std(axis=(0, 2))[:, None]
    moved = model.forecast(X + shift, N_STEPS) - shift
    np.testing.assert_allclose(moved, model.forecast(X, N_STEPS), rtol=1e-9, atol=1e-9)


def test_every_step_is_forecast_directly_as_if_it_were_alone(cut):
    X, y = cut
    several = RidgeForecaster(allow_drift=False).fit(X, y).forecast(X, N_STEPS)
    for n_steps in (1, 2):
        fewer = RidgeForecaster(allow_drift=False).fit(X, y[:, :, :n_steps])
        np.testing.assert_allclose(several[:, :, :n_steps], fewer.forecast(X, n_steps), rtol=1e-6)


def test_what_is_forecast_directly_is_fed_back_for_more_steps(cut):
    X, y = cut
    model = RidgeForecaster(allow_drift=False).fit(X, y)
    steps = model.forecast(X, 2 * N_STEPS)
    np.testing.assert_array_equal(steps[:, :, :N_STEPS], model.forecast(X, N_STEPS))
    later = np.concatenate([X, steps], axis=2)[:, :, N_STEPS : N_STEPS + N_TIMES]
    # Fed-back frames are smooth, but the window is as rough as it was.
    scaler, lags = model._scaler, later.shape[2]
    frames = scaler.standardise(later)[:, :, -lags:]
    rough = roughness(scaler.standardise(X))
    ahead = frames[:, :, -1:] + model._changes.ahead(frames, rough)
    np.testing.assert_allclose(scaler.standardise(steps)[:, :, N_STEPS:], ahead, atol=1e-9)


def test_a_rough_window_is_averaged_and_a_smooth_one_continues_from_its_last_frame():
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(600, 3)).cumsum(axis=0)
    smooth -= np.linspace(0, 1, 600)[:, None] * smooth[-1]
    noise = rng.normal(size=(600, 3))
    windows = sliding_windows(np.hstack([smooth / smooth.std(axis=0), noise]), 12, target="next")
    X = windows.X.astype(np.float64)
    model = RidgeForecaster(allow_drift=False).fit(X, windows.y)
    change = np.square(model.predict(X) - X[:, :, -1]).mean(axis=0)
    assert change[:3].max() < 0.05
    assert change[3:].min() > 0.7
    np.testing.assert_allclose(roughness(X)[:, 3:].mean(), 2 / 3, atol=0.03)


def test_a_window_of_weight_two_stands_there_twice(cut):
    X, y = cut
    weight = 1.0 + (np.arange(len(X)) % 3 == 0)
    rows = np.repeat(np.arange(len(X)), weight.astype(int))
    weighed = RidgeForecaster(allow_drift=False).fit(X, y, sample_weight=weight).forecast(X, 4)
    repeated = RidgeForecaster(allow_drift=False).fit(X[rows], y[rows]).forecast(X, 4)
    np.testing.assert_allclose(weighed, repeated, rtol=1e-6, atol=1e-6)


def test_steps_that_are_nowhere_known_together_leave_the_first(cut):
    X, y = cut
    y = y.copy()
    y[:, :, 1] = np.nan
    gaps = RidgeForecaster(allow_drift=False).fit(X, y).forecast(X, 4)
    first = RidgeForecaster(allow_drift=False).fit(X, y[:, :, 0]).forecast(X, 4)
    np.testing.assert_array_equal(gaps, first)


def test_single_and_double_precision_agree(cut):
    X, y = cut
    double = RidgeForecaster().fit(X, y).forecast(X, 5)
    single = RidgeForecaster().fit(X.astype(np.float32), y.astype(np.float32))
    unit = X.std(axis=(0, 2))[:, None]
    np.testing.assert_allclose((single.forecast(X, 5) - double) / unit, 0, atol=1e-2)
