"""What forecasters do beyond the batteries: rollouts, missing neurons, no look ahead."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.neighbors import KNeighborsRegressor

from skneurograph import Recording, sliding_windows
from skneurograph.forecasting import (
    GraphForecaster,
    MLPForecaster,
    PersistenceForecaster,
    RecurrentForecaster,
    RidgeForecaster,
    VARForecaster,
)
from skneurograph.forecasting._linear import fit_own
from skneurograph.metrics import masked_mean_squared_error, masked_r2_score
from tests.discovery import cheap

NETS = [GraphForecaster, MLPForecaster, RecurrentForecaster]
LINEAR = [RidgeForecaster, VARForecaster]
LEARNERS = [*NETS, *LINEAR]
FORECASTERS = [*LEARNERS, PersistenceForecaster]
NAMES = "ABCDE"


def rotating_worm(organism, n_times=160, neurons=NAMES, seed=0):
    """Neurons that share a damped rotation driven by noise: each needs the others."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(5, 2))
    angle = 0.5
    step = 0.98 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    state, states = np.zeros(2), []
    for _ in range(n_times + 50):
        state = step @ state + 0.2 * rng.normal(size=2)
        states.append(state)
    activity = np.array(states[50:]) @ mixing.T
    kept = [NAMES.index(name) for name in neurons]
    return Recording(activity[:, kept], 2.0, neurons=list(neurons), organism=organism).zscore()


@pytest.fixture(scope="module")
def worms():
    return [
        rotating_worm("one", seed=1),
        rotating_worm("two", neurons="ABCE", seed=2),
        rotating_worm("three", seed=3),
    ]


@pytest.fixture(scope="module")
def windows(worms):
    return sliding_windows(worms, 8, target="next", horizon=4)


@pytest.fixture(scope="module", params=FORECASTERS, ids=lambda model: model.__name__)
def fitted(request, windows):
    return cheap(request.param).fit(windows.X, windows.y[:, :, 0])


def test_the_first_step_is_the_prediction_and_missing_neurons_are_nan(fitted, windows):
    steps = fitted.forecast(windows.X, 5)
    assert steps.shape == (len(windows), 5, 5)
    assert steps.dtype == windows.X.dtype
    np.testing.assert_allclose(fitted.predict(windows.X), steps[:, :, 0], rtol=1e-5, atol=1e-6)
    missing = np.isnan(windows.X).any(axis=2)
    assert missing.any()
    np.testing.assert_array_equal(np.isnan(steps).all(axis=2), missing)
    np.testing.assert_array_equal(np.isnan(steps).any(axis=2), missing)


def test_long_forecasts_begin_like_short_ones_and_stay_finite_for_1000_steps(fitted, windows):
    few = windows.X[::60]
    steps = fitted.forecast(few, 1000)
    recorded = ~np.isnan(few).any(axis=2)
    assert np.isfinite(steps[recorded]).all()
    assert np.abs(steps[recorded]).max() < 100
    np.testing.assert_allclose(
        steps[:, :, :3], fitted.forecast(few, 3), rtol=1e-4, atol=1e-5, equal_nan=True
    )


def poisoned(worm, first):
    """The worm with NaN from that frame on."""
    activity = worm.activity.copy()
    activity[first:] = np.nan
    return Recording(activity, 2.0, neurons=list(NAMES), organism="one")


def test_forecasts_never_use_frames_after_the_window(fitted, worms):
    """Lazy windows hold the whole recording; what follows the window is poisoned with NaN."""
    forecasts = []
    for worm in (worms[0], poisoned(worms[0], 108)):
        cut = sliding_windows(worm, 8, target=None, neurons=list(NAMES), lazy=True)
        forecasts.append(fitted.forecast(cut.X[[100]], 16))
    assert np.isfinite(forecasts[1]).all()
    np.testing.assert_array_equal(*forecasts)


@pytest.mark.parametrize("model", FORECASTERS, ids=lambda model: model.__name__)
def test_training_never_uses_frames_after_the_targets(model, worms):
    """Poison what follows the last training target: the fit stays the same to the bit."""
    forecasts = []
    for worm in (worms[0], poisoned(worms[0], 101)):
        cut = sliding_windows(worm, 8, target="next", lazy=True)
        train = np.flatnonzero(cut.starts + 8 <= 100)
        fitted = cheap(model, max_epochs=2).fit(cut.X[train], cut.y[train])
        forecasts.append(fitted.forecast(cut.X[:5], 6))
    assert np.isfinite(forecasts[1]).all()
    np.testing.assert_array_equal(*forecasts)


@pytest.mark.parametrize("model", NETS, ids=lambda model: model.__name__)
def test_early_stopping_shares_no_frame_between_training_and_held_out(model, monkeypatch):
    class StartedError(Exception):
        pass

    def stop(estimator, build, loss, data, held_out, **options):
        raise StartedError(data, held_out)

    monkeypatch.setattr("skneurograph.forecasting._net.fit_net", stop)
    # Windows of six frames that say when they were, and four frames that follow.
    frames = np.arange(200)[:, None, None] + np.zeros((3, 1)) + np.arange(10)
    with pytest.raises(StartedError) as started:
        cheap(model, patience=3, max_epochs=1).fit(frames[:, :, :6], frames[:, :, 6:])
    data, held_out = started.value.args
    last_read = data.X.max() + 4
    assert last_read < held_out.X.min()
    assert len(data) + len(held_out) == 200 - 9


def test_the_score_is_the_masked_r2_at_the_horizons_given(fitted, windows):
    one_step = masked_r2_score(windows.y[:, :, 0], fitted.predict(windows.X))
    assert fitted.score(windows.X, windows.y[:, :, 0]) == pytest.approx(one_step)
    several = masked_r2_score(windows.y, fitted.forecast(windows.X, 4))
    assert fitted.score(windows.X, windows.y) == pytest.approx(several)


@pytest.mark.parametrize("model", LEARNERS, ids=lambda model: model.__name__)
def test_learns_dynamics_that_persistence_misses(model, worms):
    train = sliding_windows(worms[:2], 8, target="next", horizon=4)
    test = sliding_windows(worms[2:], 8, target="next", horizon=4)
    learned = model() if model in LINEAR else model(n_members=1, random_state=0)
    learned.fit(train.X, train.y)
    errors = masked_mean_squared_error(test.y, learned.forecast(test.X, 4), by="horizon")
    still = PersistenceForecaster().fit(train.X, train.y).forecast(test.X, 4)
    assert (errors < 0.5 * masked_mean_squared_error(test.y, still, by="horizon")).all()


@pytest.mark.parametrize("model", FORECASTERS, ids=lambda model: model.__name__)
def test_a_neuron_that_training_has_not_seen_is_forecast_all_the_same(model, worms):
    train = sliding_windows([worms[1]], 8, target="next", neurons=list(NAMES))
    test = sliding_windows([worms[0]], 8, target="next", neurons=list(NAMES))
    assert np.isnan(train.X[:, 3]).all()
    forecast = cheap(model).fit(train.X, train.y).forecast(test.X, 3)
    assert np.isfinite(forecast).all()
    if model in (GraphForecaster, *LINEAR):
        # By the dynamics that neurons share, better than by standing still.
        errors = [
            ((found - test.y[:, 3]) ** 2).mean() for found in (forecast[:, 3, 0], test.X[:, 3, -1])
        ]
        assert errors[0] < errors[1]
    else:
        np.testing.assert_array_equal(forecast[:, 3], np.repeat(test.X[:, 3, -1:], 3, axis=1))


@pytest.mark.parametrize("model", FORECASTERS, ids=lambda model: model.__name__)
def test_units_do_not_matter(model, worms):
    cut = sliding_windows(worms[:1], 8, target="next")
    X, y = cut.X.astype(np.float64), cut.y.astype(np.float64)
    plain = cheap(model, max_epochs=4).fit(X, y).forecast(X, 4)
    scaled = cheap(model, max_epochs=4).fit(1000 * X + 50, 1000 * y + 50)
    np.testing.assert_allclose(
        scaled.forecast(1000 * X + 50, 4), 1000 * plain + 50, rtol=1e-6, atol=1e-3
    )


@pytest.mark.parametrize("model", NETS, ids=lambda model: model.__name__)
def test_windows_without_any_recorded_following_frame_teach_nothing(model, windows):
    kept = cheap(model, max_epochs=2, batch_size=10_000)
    X, y = windows.X.astype(np.float64), windows.y[:, :, 0].astype(np.float64)
    y = np.concatenate([y, np.full((1, 5), np.nan)])
    fitted = kept.set_params(horizon=1).fit(np.concatenate([X, X[:1]]), y)
    assert np.isfinite(fitted.net_.history[-1, "train_loss"])
    without = clone(kept).fit(X, windows.y[:, :, 0].astype(np.float64))
    np.testing.assert_allclose(
        fitted.forecast(X[:50], 3), without.forecast(X[:50], 3), rtol=0.05, atol=0.02
    )


@pytest.mark.parametrize("model", LEARNERS, ids=lambda model: model.__name__)
def test_units_do_not_matter_for_other_targets_either(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 4, 5))
    y = X[:, 0, -1] + 0.1 * rng.normal(size=150)
    plain = cheap(model, max_epochs=3).fit(X, y).predict(X)
    scaled = cheap(model, max_epochs=3).fit(1000 * X + 50, y).predict(1000 * X + 50)
    np.testing.assert_allclose(scaled, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", LEARNERS, ids=lambda model: model.__name__)
def test_a_neuron_missing_in_a_part_of_the_window_is_missing(model, windows):
    X = windows.X[:60].copy()
    X[:, 1, 0] = np.nan
    whole = X.copy()
    whole[:, 1] = np.nan
    fitted = cheap(model, max_epochs=2).fit(windows.X, windows.y)
    np.testing.assert_array_equal(fitted.forecast(X, 3), fitted.forecast(whole, 3))


@pytest.mark.parametrize("model", FORECASTERS, ids=lambda model: model.__name__)
def test_any_other_target_is_regressed_as_it_is(model, windows):
    rng = np.random.default_rng(0)
    complete = ~np.isnan(windows.X).any(axis=(1, 2))
    X = windows.X[complete]
    y = X[:, 0, -1] + 0.1 * rng.normal(size=len(X))
    for target in (y, np.column_stack([y, -y])):
        fitted = cheap(model).fit(X, target)
        assert fitted.predict(X).shape == target.shape
        with pytest.raises(ValueError, match="only a fit to the following frame"):
            fitted.forecast(X, 2)
        if model is not PersistenceForecaster:
            assert fitted.score(X, target) > 0.3
    with pytest.raises(ValueError, match="Input y contains NaN"):
        cheap(model).fit(X, np.where(y > 0, np.nan, y))
    with pytest.raises(ValueError, match=r"y: got shape \(\d+, 2, 3\)"):
        cheap(model).fit(X, np.zeros((len(X), 2, 3)))


def test_bad_numbers_of_steps_are_refused(fitted, windows):
    for n_steps in (0, -1, 1.5, True, "many"):
        with pytest.raises(ValueError, match="horizon: got"):
            fitted.forecast(windows.X, n_steps)


def test_a_search_over_organisms_runs_with_the_masked_score(windows):
    search = GridSearchCV(
        VARForecaster(), {"alpha": [0.1, 1.0]}, cv=LeaveOneGroupOut(), error_score="raise"
    )
    search.fit(windows.X, windows.y, groups=windows.groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


class TestVARForecaster:
    def make(self, n_times=400, seed=0):
        rng = np.random.default_rng(seed)
        trace = np.cumsum(rng.normal(size=(n_times, 4)), axis=0)
        trace -= 0.05 * np.cumsum(trace, axis=0)
        return sliding_windows(trace - trace.mean(axis=0), 4, target="next")

    def test_agrees_with_a_ridge_regression_of_the_change(self):
        cut = self.make()
        X, y = cut.X.astype(np.float64), cut.y.astype(np.float64)
        mean = X.mean(axis=(0, 2))
        scale = X.transpose(1, 0, 2).reshape(4, -1).std(axis=1)
        Z, z = (X - mean[:, None]) / scale[:, None], (y - mean) / scale
        inputs = Z[:, :, -2:].reshape(len(Z), -1)
        ridge = Ridge(alpha=0.1 * len(Z)).fit(inputs, z - Z[:, :, -1])
        expected = (Z[:, :, -1] + ridge.predict(inputs)) * scale + mean
        ours = VARForecaster(n_lags=2, n_own_lags=0, alpha=0.1, allow_drift=False).fit(X, y)
        np.testing.assert_allclose(ours.predict(X), expected, rtol=1e-8, atol=1e-8)
        assert ours.coef_.shape == (4, 4, 2)

    def test_own_frames_alone_are_an_autoregression_between_its_own_and_that_of_all(self):
        cut = self.make(n_times=2000)
        X, y = cut.X.astype(np.float64), cut.y.astype(np.float64)
        ours = VARForecaster(n_lags=0, n_own_lags=3).fit(X, y)
        scale = X.transpose(1, 0, 2).reshape(4, -1).std(axis=1)
        for neuron in range(4):
            own = X[:, neuron, -3:]
            expected = LinearRegression().fit(own, y[:, neuron]).predict(own)
            distance = (ours.predict(X)[:, neuron] - expected) / scale[neuron]
            assert np.sqrt((distance**2).mean()) < 0.02

    def test_with_little_data_own_coefficients_are_pulled_to_those_of_all(self):
        rng = np.random.default_rng(0)
        frames = rng.normal(size=(500, 3, 2))
        change = np.einsum("wnl,nl->wn", frames, np.array([[0.5, 0], [0, 0.5], [0.2, 0.2]]))
        known = np.ones((500, 3), dtype=bool)
        known[20:, 0] = False
        known[:, 2] = False
        coef, _, pooled = fit_own(frames, change, known, np.ones(500))
        assert np.abs(coef[1] - [0, 0.5]).max() < 0.1
        np.testing.assert_array_equal(coef[2], pooled)
        assert np.linalg.norm(coef[0] - pooled) < np.linalg.norm([0.5, 0] - pooled)

    def test_steps_feed_back_what_was_predicted(self):
        cut = self.make()
        model = VARForecaster(n_lags=2, allow_drift=False).fit(cut.X, cut.y)
        X = cut.X[:7].astype(np.float64)
        for step in range(4):
            frame = model.predict(X)
            np.testing.assert_allclose(model.forecast(cut.X[:7], 4)[:, :, step], frame, rtol=1e-3)
            X = np.concatenate([X[:, :, 1:], frame[:, :, None]], axis=2)

    @pytest.mark.parametrize(
        "regressor", [KNeighborsRegressor(5), RandomForestRegressor(5, random_state=0)]
    )
    def test_any_regressor_can_stand_inside(self, regressor, windows):
        model = VARForecaster(regressor=regressor).fit(windows.X, windows.y)
        assert model.forecast(windows.X[:5], 3).shape == (5, 5, 3)
        assert not hasattr(model, "coef_")
        if isinstance(regressor, KNeighborsRegressor):
            with pytest.raises(ValueError, match="takes none"):
                clone(model).fit(windows.X, windows.y, sample_weight=np.ones(len(windows)))

    def test_only_the_first_of_several_frames_is_used(self, windows):
        one = VARForecaster().fit(windows.X, windows.y[:, :, 0])
        several = VARForecaster().fit(windows.X, windows.y)
        np.testing.assert_array_equal(one.predict(windows.X), several.predict(windows.X))

    def test_an_order_of_nothing_is_refused(self, windows):
        with pytest.raises(ValueError, match="one of them has to be positive"):
            VARForecaster(n_lags=0, n_own_lags=0).fit(windows.X, windows.y)


def test_persistence_repeats_the_last_frame(windows):
    model = PersistenceForecaster().fit(windows.X, windows.y)
    steps = model.forecast(windows.X, 3)
    for step in range(3):
        np.testing.assert_array_equal(steps[:, :, step], windows.X[:, :, -1])


def test_a_refit_to_another_target_forgets_the_dynamics_of_the_first():
    X = np.random.default_rng(0).normal(size=(40, 3, 6))
    model = MLPForecaster(max_epochs=1, n_members=1, hidden_size=4).fit(X[:, :, :5], X[:, :, 5])
    held = set(vars(model))
    model.fit(X, X[:, 0, 0])
    kept = {"reversion_"} | {name for name in held if "start" in name}
    assert not kept & set(vars(model))
