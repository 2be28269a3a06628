"""Baselines that drift: no forecast may be worse than the frame that it starts from."""

import numpy as np
import pytest

from skneurograph import Recording, sliding_windows
from skneurograph.forecasting import (
    GraphForecaster,
    MLPForecaster,
    RecurrentForecaster,
    RidgeForecaster,
    VARForecaster,
)
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.forecasting._trust import FULL_TRUST, measure_trust, roll_out_within
from tests.discovery import cheap

NETS = [GraphForecaster, MLPForecaster, RecurrentForecaster]
LEARNERS = [*NETS, RidgeForecaster, VARForecaster]


def name(value):
    return getattr(value, "__name__", None)


def drifting(n_neurons=12, n_times=400, drift=0.15, seed=0):
    """Fast fluctuations on random walks; without drift, on a fixed level."""
    rng = np.random.default_rng(seed)
    slow = drift * rng.normal(size=(n_times, n_neurons)).cumsum(axis=0)
    fast = np.zeros((n_times, n_neurons))
    for step in range(1, n_times):
        fast[step] = 0.9 * fast[step - 1] + 0.3 * rng.normal(size=n_neurons)
    return slow + fast


def halves(trace, n_frames=16, horizon=8, first=0.6):
    """Windows of the first part, and of the last fifth, in units of the first."""
    split, last = int(first * len(trace)), int(0.8 * len(trace))
    trace = (trace - trace[:split].mean(axis=0)) / trace[:split].std(axis=0)
    train = sliding_windows(trace[:split], n_frames, target="next", horizon=horizon)
    test = sliding_windows(trace[last - n_frames :], n_frames, target="next", horizon=horizon)
    return train, test


def ratio(model, train, test, n_given=None):
    """Squared error over all steps, relative to that of the last frame."""
    steps = model.fit(train.X, train.y[:, :, :n_given]).forecast(test.X, test.y.shape[2])
    return ((steps - test.y) ** 2).mean() / ((test.X[:, :, -1:] - test.y) ** 2).mean()


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (VARForecaster, {"n_lags": 0}),
        (VARForecaster, {}),
        (RidgeForecaster, {}),
        (MLPForecaster, {}),
        (RecurrentForecaster, {}),
        (GraphForecaster, {}),
        (GraphForecaster, {"identities": "none"}),
    ],
    ids=["ar", "var", "ridge", "mlp", "recurrent", "graph", "anonymous"],
)
@pytest.mark.parametrize("n_given", [8, 1])
def test_under_drift_no_forecast_is_worse_than_the_last_frame(model, parameters, n_given):
    train, test = halves(drifting())
    learner = cheap(model, max_epochs=2, hidden_size=8, **parameters)
    assert ratio(learner, train, test, n_given) < 1.0


def test_the_pull_to_a_mean_that_is_gone_is_what_made_it_worse():
    train, test = halves(drifting())
    assert ratio(VARForecaster(n_lags=0, allow_drift=False), train, test) > 1.05


@pytest.mark.parametrize("model", LEARNERS, ids=name)
def test_a_baseline_far_from_that_of_training_shifts_the_forecast_and_nothing_else(model):
    train, test = halves(drifting(n_neurons=4, drift=0.0))
    fitted = cheap(model, max_epochs=1).fit(train.X.astype(float), train.y)
    X = test.X.astype(float)
    moves = [fitted.forecast(X + shift, 6) - (X + shift)[:, :, -1:] for shift in (100.0, 3000.0)]
    np.testing.assert_allclose(*moves, atol=1e-6)
    assert np.abs(moves[0]).max() < 10


def test_stationary_activity_is_trusted_fully():
    train, _ = halves(drifting(n_times=900, drift=0.0))
    fitted = VARForecaster().fit(train.X, train.y)
    assert fitted.reversion_ == 1
    np.testing.assert_array_equal(fitted.kept_, [1.0])
    never = VARForecaster(allow_drift=False).fit(train.X, train.y)
    np.testing.assert_array_equal(fitted.forecast(train.X, 3), never.forecast(train.X, 3))


@pytest.mark.parametrize("model", [*NETS, RidgeForecaster], ids=name)
def test_the_more_baselines_drift_the_less_forecasts_return_to_the_mean(model):
    found = []
    for drift in (0.0, 0.15):
        train, _ = halves(drifting(n_times=900, drift=drift))
        fitted = cheap(model, max_epochs=1).fit(train.X, train.y)
        found.append(fitted.reversion_)
    assert found[0] > 0.7
    assert found[1] < 0.4
    never = cheap(model, max_epochs=1, allow_drift=False).fit(train.X, train.y)
    assert never.reversion_ == 1


@pytest.mark.parametrize("model", LEARNERS, ids=name)
def test_a_jump_far_out_of_the_range_of_training_is_not_cut_off(model):
    train, test = halves(drifting(n_neurons=4, drift=0.0))
    fitted = cheap(model, max_epochs=1).fit(train.X, train.y)
    X = test.X[:5].copy()
    X[:, 1, -4:] += 300
    steps = fitted.forecast(X, 1)[:, 1, 0]
    limit = fitted._scaler.limit
    assert limit < 50
    assert (steps > 200).all()


@pytest.mark.parametrize("model", LEARNERS, ids=name)
def test_long_forecasts_of_drifting_baselines_stay_finite(model):
    train, test = halves(drifting(n_neurons=4))
    fitted = cheap(model, max_epochs=1).fit(train.X, train.y)
    steps = fitted.forecast(100 * test.X[:3], 1000)
    assert np.isfinite(steps).all()
    assert np.abs(steps).max() < 1e4


@pytest.mark.parametrize("model", [GraphForecaster, RidgeForecaster, VARForecaster], ids=name)
def test_trust_comes_from_training_windows_alone_whatever_else_is_there(model):
    """Lazy windows hold the whole recording: poisoning what is not given changes no bit."""
    trace = drifting(n_neurons=4)
    found = []
    for end in (400, 330):
        spoilt = trace.copy()
        spoilt[end:] = np.nan
        cut = sliding_windows(
            Recording(spoilt, 1.0, neurons=list("abcd")), 16, target="next", horizon=8, lazy=True
        )
        rows = np.flatnonzero(cut.starts < 300)
        fitted = cheap(model, max_epochs=1).fit(cut.X[rows], np.asarray(cut.y)[rows])
        found.append(fitted.reversion_)
    assert found[0] == found[1]
    assert found[0] < 1.0


class TestTrust:
    def trust(self, trace, n_frames=16, horizon=8, n_lags=8):
        cut = sliding_windows(trace, n_frames, target="next", horizon=horizon)
        following = np.asarray(cut.y).reshape(len(cut.X), trace.shape[1], -1)
        return measure_trust(cut.X, following, np.ones(len(cut.X)), n_lags)

    def test_is_less_where_baselines_drift_and_never_more_than_full(self):
        trust = self.trust(drifting())
        assert trust.reversion < 1
        assert len(trust.kept) == 16
        assert (trust.kept >= 0).all()
        assert (trust.kept <= 1).all()
        assert trust.kept[-1] < 0.8

    def test_reads_the_end_of_the_windows_where_the_target_is_short(self):
        trust = self.trust(drifting(), horizon=1)
        assert len(trust.kept) == 9
        assert trust.kept[-1] < 0.9

    def test_does_not_depend_on_units_and_counts_neurons_alike(self):
        trace = drifting(seed=3)
        plain = self.trust(trace)
        scaled = self.trust(trace * np.geomspace(1e-4, 1e4, trace.shape[1]) + 7)
        assert plain.reversion == scaled.reversion
        np.testing.assert_allclose(plain.kept, scaled.kept, rtol=0.02)

    def test_is_full_with_too_few_windows_to_tell(self):
        assert self.trust(drifting(n_times=45)) is FULL_TRUST

    def test_is_found_for_neurons_that_come_and_go(self):
        trace = drifting()
        trace[:200, :6] = np.nan
        trace[200:, 6:] = np.nan
        trust = self.trust(trace)
        assert np.isfinite(trust.kept).all()

    def test_holds_its_last_value_for_all_further_steps(self):
        trust = FULL_TRUST._replace(kept=np.array([1.0, 0.5]))
        np.testing.assert_array_equal(trust.at(1), [1.0])
        np.testing.assert_array_equal(trust.at(4), [1.0, 0.5, 0.5, 0.5])


def test_rollouts_stay_within_the_limit_or_the_frames_themselves():
    frames = np.array([[[0.0, 1.0], [0.0, 30.0]]])
    steps = roll_out_within(frames, lambda lags: np.full((1, 2), 6.0), 4, 10.0)
    np.testing.assert_array_equal(steps[0], [[7, 10, 10, 10], [30, 30, 30, 30]])


def test_levels_within_one_and_a_half_of_the_range_of_training_are_trusted():
    windows = np.repeat(np.array([-1.0, 1.0, 3.0])[:, None, None], 4, axis=2)
    windows = windows + np.tile([-0.1, 0.1], 2)
    scaler = FrameScaler(windows, np.ones(3))
    ends = np.array([scaler.low, scaler.high]) * scaler.scale + scaler.mean
    np.testing.assert_allclose(ends[:, 0], [-3, 5])
