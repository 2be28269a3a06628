"""Shared parts of the forecasters: targets with one column per neuron, rollouts, scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from skneurograph.base._validation import check_weights, check_windows
from skneurograph.data._inputs import unmasked
from skneurograph.data._lazy import LazyWindows, chunks_of_windows
from skneurograph.metrics import masked_r2_score

__all__ = ["ForecasterPart", "StepForecaster"]


class ForecasterPart(RegressorMixin, ABC):
    """The interface of forecasters; what a step is, is up to the class."""

    def predict(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Predict the frame that follows each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows, n_neurons)
            NaN for neurons that are missing in a window. After a fit to another target,
            predictions of it in its shape.
        """
        check_is_fitted(self)
        windows, _ = check_windows(self, X, reset=False)
        if not self.forecasts_frames_:
            return self._predict_plain(windows)
        return self._roll_out(windows, 1)[:, :, 0]

    def forecast(self, X: ArrayLike | LazyWindows, horizon: int) -> NDArray[np.floating]:
        """Forecast the frames that follow each window, feeding back what was predicted.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        horizon : int
            Frames to forecast.

        Returns
        -------
        ndarray of shape (n_windows, n_neurons, horizon)
            NaN for neurons that are missing in a window. The first step is ``predict(X)``.

        Raises
        ------
        ValueError
            If ``horizon`` is not a positive integer, or if the estimator was fitted to a
            target that is not the following frame.
        """
        check_is_fitted(self)
        if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)) or horizon < 1:
            raise ValueError(f"horizon: got {horizon!r}; expected a positive integer")
        if not self.forecasts_frames_:
            raise ValueError(
                f"{type(self).__name__} was fitted to a target without a column per neuron: only "
                "a fit to the following frame (sliding_windows(..., target='next')) can forecast"
            )
        windows, _ = check_windows(self, X, reset=False)
        return self._roll_out(windows, int(horizon))

    def score(
        self, X: ArrayLike | LazyWindows, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the coefficient of determination of the forecasts (`metrics.masked_r2_score`).

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows, n_neurons) or (n_windows, n_neurons, n_horizons)
            The following frame, or several, averaged over horizons.
        sample_weight : array-like of shape (n_windows,), optional

        Returns
        -------
        float
        """
        check_is_fitted(self)
        if not self.forecasts_frames_:
            return float(r2_score(unmasked(y), self.predict(X), sample_weight=sample_weight))
        truth = np.asarray(unmasked(y))
        found = self.predict(X) if truth.ndim < 3 else self.forecast(X, truth.shape[2])
        return float(masked_r2_score(truth, found, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags

    @abstractmethod
    def _roll_out(self, windows: NDArray | LazyWindows, n_steps: int) -> NDArray[np.floating]:
        """Forecast validated windows, (n_windows, n_neurons, n_steps), NaN where missing."""

    @abstractmethod
    def _predict_plain(self, windows: NDArray | LazyWindows) -> NDArray[np.floating]:
        """Predict a target that is not the following frame."""

    def _check_fit(self, X: Any, y: Any) -> tuple[NDArray | LazyWindows, NDArray]:
        """Validate windows and target, and see what the target is."""
        windows, target = check_windows(self, X, y, reset=True, nan_in_y=True)
        self.forecasts_frames_ = reads_frames(target, windows.shape[1])
        if target.ndim > 2 and not self.forecasts_frames_:
            raise ValueError(
                f"y: got shape {target.shape}; expected the following frame(s), shape "
                f"(n_windows, {windows.shape[1]}) or (n_windows, {windows.shape[1]}, n_steps), or "
                "another target of one or two dimensions"
            )
        if not self.forecasts_frames_ and np.isnan(target).any():
            raise ValueError(
                "Input y contains NaN: only a target with one column per neuron may, where the "
                "neuron was not recorded"
            )
        if self.forecasts_frames_ and np.isnan(target).all():
            raise ValueError("y: no neuron is recorded in any following frame, every value is NaN")
        return windows, target


class StepForecaster(ForecasterPart, BaseEstimator):
    """A forecaster without a net, which forecasts arrays of windows."""

    def _roll_out(self, windows: NDArray | LazyWindows, n_steps: int) -> NDArray[np.floating]:
        parts = []
        _, n_neurons, n_times = windows.shape
        for _, part in chunks_of_windows(windows, n_neurons * (n_times + n_steps)):
            steps = self._steps(part, n_steps)
            steps[np.isnan(part).any(axis=2)] = np.nan
            parts.append(steps.astype(part.dtype, copy=False))
        return np.concatenate(parts)

    @abstractmethod
    def _steps(self, windows: NDArray, n_steps: int) -> NDArray[np.floating]:
        """Forecast an array of windows; what is missing is set to NaN afterwards."""


def reads_frames(target: NDArray, n_neurons: int) -> bool:
    """Whether a target is the following frame(s): it has one column per neuron."""
    return target.ndim in (2, 3) and target.shape[1] == n_neurons


def counted_windows(
    sample_weight: ArrayLike | None, windows: NDArray | LazyWindows, target: NDArray
) -> tuple[NDArray[np.float64], NDArray | LazyWindows, NDArray]:
    """Validate weights, and leave out windows whose weight is zero."""
    weight = check_weights(sample_weight, len(windows))
    counted = weight > 0
    if counted.all():
        return weight, windows, target
    return weight[counted], windows[counted], target[counted]
