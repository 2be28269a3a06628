"""What forecasters with a net share: rollouts in training, and plain targets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from torch import nn

from skneurograph._net_estimator import NetEstimator
from skneurograph.forecasting._base import ForecasterPart
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.lazy import LazyWindows
from skneurograph.nn import FrameModel, rollout_error, squared_error

__all__ = ["NetForecaster"]


class NetForecaster(ForecasterPart, NetEstimator):
    """Fit a net to windows and what follows them; the nets are up to the class."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | LazyWindows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train on windows and the frames that follow them.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            Windows of activity. Neurons are standardised by the training windows; a neuron
            with NaN in a window is missing in it. Two dimensions are read as windows of one
            frame. float32 windows, as `sliding_windows` gives them, are trained in single
            precision, all others in double precision.
        y : array-like of shape (n_windows, n_neurons) or (n_windows, n_neurons, n_steps)
            The following frame, or several, as ``sliding_windows(..., target="next")``
            gives them; NaN where a neuron was not recorded. Any target of another shape,
            ``(n_windows,)`` or ``(n_windows, n_outputs)``, is regressed as it is.
        sample_weight : array-like of shape (n_windows,), optional
            A weight of two counts as the window standing there twice.
        groups : array-like of shape (n_windows,), optional
            Organism of each window. With ``patience``, whole organisms are held out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit; the message names the argument.
        """
        windows, target = self._check_fit(X, y)
        return self._fit_windows(windows, target, sample_weight, groups)

    @abstractmethod
    def _build_frames(self, n_inside: int, n_ahead: int) -> FrameModel:
        """Make the module that forecasts frames; called under a seed."""

    @abstractmethod
    def _build_plain(self, n_outputs: int) -> nn.Module:
        """Make the module for any other target; called under a seed."""

    @abstractmethod
    def _n_inside(self) -> int:
        """Frames at the end of a window that training forecasts from those before."""

    def _exchangeable(self) -> NDArray[np.bool_] | None:
        """Columns that hold other neurons in every organism; None if there are none."""
        return None

    def _prepare(self, windows: NDArray | LazyWindows, weight: NDArray[np.float64]) -> None:
        self._scaler = FrameScaler(windows, weight, self._exchangeable())

    def _encode_target(
        self, y: NDArray, weight: NDArray[np.float64], kept: slice | NDArray[np.intp]
    ) -> tuple[NDArray, NDArray[np.float64], int]:
        if self.forecasts_frames_:
            frames = self._scaler.standardise(y.reshape(*y.shape[:2], -1))
            return np.ascontiguousarray(frames[:, self.columns_]), weight, frames.shape[2]
        return self._encode_continuous(y, weight, kept)

    def _build_module(self, n_outputs: int) -> nn.Module:
        if not self.forecasts_frames_:
            return self._build_plain(n_outputs)
        module = self._build_frames(self._n_inside(), n_outputs)
        mean, scale = (
            torch.from_numpy(values[self.columns_])
            for values in (self._scaler.mean, self._scaler.scale)
        )
        module.set_scale(mean, scale, self._scaler.limit)
        return module

    def _loss(self) -> Any:
        return rollout_error if self.forecasts_frames_ else squared_error

    def _roll_out(self, windows: NDArray | LazyWindows, n_steps: int) -> NDArray[np.floating]:
        parts = []
        for rows, forecast, columns in self._evaluate(windows, "forecast", n_steps):
            part = np.ascontiguousarray(np.asarray(windows[rows]))
            # Neurons that training has not seen stay as they are.
            steps = np.repeat(part[:, :, -1:], n_steps, axis=2)
            steps[:, slice(None) if columns is None else columns] = forecast.cpu().numpy()
            steps[np.isnan(part).any(axis=2)] = np.nan
            parts.append(steps)
        return np.concatenate(parts)

    def _predict_plain(self, windows: NDArray | LazyWindows) -> NDArray[np.floating]:
        return self._predict_continuous(windows)
