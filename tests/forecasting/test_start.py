"""Nets start from the forecast of a ridge regression: before they have learnt, it is theirs."""

import numpy as np
import pytest
import torch

from skneurograph import sliding_windows
from skneurograph.forecasting import RidgeForecaster
from skneurograph.forecasting._fit_changes import Examples
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.forecasting._start import LinearStart
from skneurograph.nn import PerceptronRollout

N_NEURONS = 4


def traces(n_times=300, seed=0):
    """Neurons that follow two slow signals, with noise."""
    rng = np.random.default_rng(seed)
    slow = np.zeros((n_times, 2))
    for step in range(1, n_times):
        slow[step] = 0.95 * slow[step - 1] + 0.3 * rng.normal(size=2)
    return slow @ rng.normal(size=(2, N_NEURONS)) + 0.3 * rng.normal(size=(n_times, N_NEURONS))


def windows(n_times=9, horizon=3, **options):
    cut = sliding_windows(traces(), n_times, target="next", horizon=horizon, **options)
    return cut.X, np.asarray(cut.y).reshape(len(cut.X), N_NEURONS, -1)


def start(X, y, *, anonymous=None, allow_drift=False, couples=True, n_inside=0):
    weight = np.ones(len(X))
    scaler = FrameScaler(X, weight, anonymous, y)
    return scaler, LinearStart(
        Examples(X, y, weight, n_inside), scaler, anonymous=anonymous,
        allow_drift=allow_drift, couples=couples,
    )  # fmt: skip


def untrained(X, y, **options):
    """A perceptron whose readout is zero still."""
    columns = np.flatnonzero(~np.isnan(X).any(axis=(0, 2)))
    scaler, made = start(X, y, **options)
    net = PerceptronRollout(
        2, made.dynamics(columns, columns), scaler.limit, n_lags=min(4, X.shape[2]),
        hidden_size=3, dropout=0.0, n_inside=0, n_ahead=1, neuron_dropout=0.0,
    )  # fmt: skip
    net.reversion = made.reversion
    return net.double().eval().requires_grad_(False), made


@pytest.mark.parametrize("allow_drift", [False, True])
@pytest.mark.parametrize("n_times", [1, 2, 9])
def test_a_net_that_has_learnt_nothing_forecasts_as_the_ridge_regression(n_times, allow_drift):
    X, y = (part.astype(np.float64) for part in windows(n_times))
    X[5, 2, 0] = np.nan
    net, made = untrained(np.where(np.isnan(X), 0, X), y, allow_drift=allow_drift)
    ridge = RidgeForecaster(allow_drift=allow_drift).fit(np.where(np.isnan(X), 0, X), y)
    assert made.reversion == ridge.reversion_
    found = net.forecast(torch.from_numpy(X), 8).numpy()
    present = ~np.isnan(X).any(axis=2)
    np.testing.assert_allclose(found[present], ridge.forecast(X, 8)[present], atol=1e-9)


def test_lazy_windows_give_the_same_start():
    X, y = windows()
    lazy, _ = windows(lazy=True)
    (_, one), (_, other) = start(X, y), start(lazy, y)
    columns = np.arange(N_NEURONS)
    for mine, theirs in zip(one.dynamics(columns, columns), other.dynamics(columns, columns)):
        np.testing.assert_array_equal(mine, theirs)


def test_anonymous_neurons_know_what_all_share_alone_and_tell_nothing():
    X, y = windows()
    anonymous = np.array([False, True, True, False])
    columns = np.arange(N_NEURONS)
    dynamics = start(X, y, anonymous=anonymous)[1].dynamics(columns, columns)
    assert not dynamics.own[1:3].any()
    assert not dynamics.directions[:, 1:3].any()
    assert not dynamics.coupling[:, 1:3].any()
    assert dynamics.own[[0, 3]].all(dim=(1, 2)).all()
    assert dynamics.directions[:, [0, 3]].any()


def test_a_net_that_reads_no_others_starts_without_the_population():
    X, y = windows()
    columns = np.arange(N_NEURONS)
    dynamics = start(X, y, couples=False)[1].dynamics(columns, columns)
    assert dynamics.directions.numel() == dynamics.coupling.numel() == 0
    assert dynamics.own.any()


def test_columns_that_no_window_holds_change_nothing():
    X, y = windows()
    columns = np.arange(N_NEURONS)
    plain = start(X, y)[1].dynamics(columns, columns)
    wider = [np.insert(part, 1, np.nan, axis=1) for part in (X, y)]
    columns = np.array([0, 2, 3, 4])
    padded = start(*wider)[1].dynamics(columns, columns)
    for name in ("knots", "shared", "own", "directions", "coupling", "mean", "scale"):
        np.testing.assert_array_equal(getattr(padded, name), getattr(plain, name))


def test_frames_at_the_end_of_a_window_may_count_as_following():
    X, y = windows(n_times=12, horizon=1)
    columns = np.arange(N_NEURONS)
    found = start(X, y, n_inside=2)[1].dynamics(columns, columns)
    assert found.own.shape == (N_NEURONS, 10, 3)
    whole = np.concatenate([X, y], axis=2)
    expected = start(whole[:, :, :10], whole[:, :, 10:])[1].dynamics(columns, columns)
    # The scaler has seen other frames.
    np.testing.assert_allclose(found.shared, expected.shared, atol=0.05)
