"""Forecasts in a comparison: scored by horizon, one organism held out at a time."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skneurograph import Recording, compare, default_models, sliding_windows
from skneurograph.forecasting import PersistenceForecaster
from skneurograph.metrics import masked_mean_squared_error, masked_r2_score
from skneurograph.model_selection import ForecastScorer, forecast_scorers


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(0)
    worms = [
        Recording(
            np.cumsum(rng.normal(size=(60, 3)), axis=0), 2.0, neurons=list(names), organism=organism
        ).zscore()
        for organism, names in (("one", "ABC"), ("two", "ABD"), ("three", "ABC"))
    ]
    return sliding_windows(worms, 6, target="next", horizon=5)


def test_scores_are_those_of_the_forecasts_of_the_held_out_organism(windows):
    models = default_models("forecaster", names=["persistence", "var"])
    result = compare(
        models, windows.X, windows.y, groups=windows.groups, scoring=forecast_scorers((1, 5))
    )
    assert result.metrics == ("r2@1", "r2@5", "neg_mse@1", "neg_mse@5")
    test = windows.groups == "two"
    fitted = models["var"].fit(windows.X[~test], windows.y[~test])
    forecast = fitted.forecast(windows.X[test], 5)
    truth = windows.y[test]
    expected = {
        "r2@1": masked_r2_score(truth[..., 0], forecast[..., 0]),
        "r2@5": masked_r2_score(truth[..., 4], forecast[..., 4]),
        "neg_mse@1": -masked_mean_squared_error(truth[..., 0], forecast[..., 0]),
        "neg_mse@5": -masked_mean_squared_error(truth[..., 4], forecast[..., 4]),
    }
    for metric, score in expected.items():
        assert result.by_fold(metric).loc["two", "var"] == pytest.approx(score)
    assert "difference in r2@5" in result.to_text("r2@5")


def test_nets_that_hold_out_organisms_get_groups_beside_such_scorers(windows):
    models = default_models("forecaster", names=["graph"])
    models["graph"].set_params(max_epochs=2, n_members=1, patience=1)
    result = compare(
        models, windows.X, windows.y, groups=windows.groups, scoring=forecast_scorers((1,))
    )
    assert (result.scores["error"] == "").all()


def test_too_few_frames_to_score_are_an_error_that_says_what_to_cut(windows):
    models = default_models("forecaster", names=["persistence"])
    options = {"groups": windows.groups, "scoring": forecast_scorers((9,))}
    with pytest.raises(ValueError, match=r"target='next', horizon=9"):
        compare(models, windows.X, windows.y, **options)


def test_a_forecaster_cannot_choose_what_it_is_scored_on(windows):
    class Picky(PersistenceForecaster):
        def forecast(self, X, n_steps):
            steps = super().forecast(X, n_steps)
            steps[:, 0] = np.nan
            return steps

    fitted = Picky().fit(windows.X, windows.y)
    with pytest.raises(ValueError, match="NaN for neurons that the windows hold"):
        forecast_scorers((1,))["r2@1"](fitted, windows.X, windows.y)


def test_scorers_are_pickled_and_bad_horizons_refused():
    scorers = forecast_scorers((1, 16))
    assert pickle.loads(pickle.dumps(scorers)) == scorers
    for horizons in ((), (0, 1)):
        with pytest.raises(ValueError, match="horizons: got"):
            forecast_scorers(horizons)


def test_horizons_and_metrics_of_forecasts_are_refused_by_name():
    for horizons in ((1.5,), (True,), ("2",), 3, (1, 1), (0,), ()):
        with pytest.raises(ValueError, match="horizons: got"):
            forecast_scorers(horizons)
    with pytest.raises(ValueError, match="metric: got 'mse'"):
        ForecastScorer("mse", 1)
    with pytest.raises(ValueError, match="horizon: got '2'"):
        ForecastScorer("r2", "2")
    assert list(forecast_scorers(np.array([2]))) == ["r2@2", "neg_mse@2"]


def test_a_model_that_cannot_forecast_is_said_not_to(windows):
    class Ridge(BaseEstimator):
        """Predicts, but has no forecast."""

    with pytest.raises(ValueError, match="estimator: got Ridge, which has no forecast"):
        forecast_scorers((1,))["r2@1"](Ridge(), windows.X, windows.y)
