"""Scorers of forecasts, by horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from skneurograph.data._inputs import InputError, unmasked
from skneurograph.metrics import masked_mean_squared_error, masked_r2_score
from skneurograph.model_selection._numbers import is_integer

__all__ = ["ForecastScorer", "forecast_scorers"]

Metric = Literal["r2", "neg_mse"]


@dataclass(frozen=True)
class ForecastScorer:
    """Score a forecaster at one horizon; higher is better.

    Parameters
    ----------
    metric : {"r2", "neg_mse"}
        `masked_r2_score`, or `masked_mean_squared_error` with its sign turned.
    horizon : int
        Frames after the window, from 1.
    """

    metric: Metric
    horizon: int

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise InputError("metric", repr(self.metric), "'r2' or 'neg_mse'")
        _check_horizon("horizon", self.horizon)

    def __call__(self, estimator: BaseEstimator, X: Any, y: ArrayLike) -> float:
        """Forecast windows and score the last step.

        Parameters
        ----------
        estimator : forecaster
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows, n_neurons, n_steps)
            At least ``horizon`` steps; with two dimensions one.
        """
        if not hasattr(estimator, "forecast"):
            raise InputError(
                "estimator",
                f"{type(estimator).__name__}, which has no forecast",
                "a forecaster (skneurograph.forecasting)",
            )
        truth = np.asarray(unmasked(y))
        truth = truth[:, :, None] if truth.ndim == 2 else truth
        if truth.ndim != 3 or truth.shape[2] < self.horizon:
            raise ValueError(
                f"y: got shape {truth.shape} for the score at {self.horizon} steps; cut windows "
                f"with target='next', horizon={self.horizon}"
            )
        forecast = estimator.forecast(X, self.horizon)[:, :, -1]
        following = truth[:, :, self.horizon - 1]
        left_out = np.isnan(forecast) & ~np.isnan(following)
        # A forecaster must not choose what it is scored on.
        if left_out.any() and (left_out & ~np.isnan(np.asarray(X)).any(axis=2)).any():
            raise ValueError(
                f"{type(estimator).__name__}.forecast is NaN for neurons that the windows hold"
            )
        if self.metric == "r2":
            return float(masked_r2_score(following, forecast))
        return -float(masked_mean_squared_error(following, forecast))


def forecast_scorers(horizons: Sequence[int] = (1, 16)) -> dict[str, ForecastScorer]:
    """Return scorers of forecasts by name, for ``scoring`` in `compare` and grid searches.

    Parameters
    ----------
    horizons : sequence of int, default=(1, 16)
        Frames after the window that are scored.

    Returns
    -------
    dict of str to scorer
        ``r2@1, r2@16, neg_mse@1, neg_mse@16``, each averaged over neurons.

    Raises
    ------
    ValueError
        If horizons are not different positive integers.

    Examples
    --------
    >>> from skneurograph.model_selection import forecast_scorers
    >>> list(forecast_scorers((1, 8)))
    ['r2@1', 'r2@8', 'neg_mse@1', 'neg_mse@8']
    """
    try:
        steps = list(horizons)
    except TypeError as error:
        raise InputError(
            "horizons", repr(horizons), "positive integers, such as (1, 16)"
        ) from error
    for step in steps:
        _check_horizon("horizons", step)
    if not steps or len(set(steps)) < len(steps):
        raise InputError("horizons", repr(steps), "different positive integers")
    metrics: tuple[Metric, ...] = get_args(Metric)
    return {
        f"{metric}@{horizon}": ForecastScorer(metric, int(horizon))
        for metric in metrics
        for horizon in steps
    }


def _check_horizon(what: str, horizon: Any) -> None:
    if not is_integer(horizon) or horizon < 1:
        raise InputError(what, repr(horizon), "a positive number of frames")
