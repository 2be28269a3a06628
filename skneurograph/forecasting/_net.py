"""What forecasters with a net share: rollouts in training, and plain targets."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval
from torch import nn

from skneurograph.base._batches import TrainingData
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._net_estimator import NetEstimator
from skneurograph.data._lazy import LazyWindows
from skneurograph.forecasting._base import ForecasterPart, in_chunks
from skneurograph.forecasting._linear import fit_coupling, fit_own
from skneurograph.forecasting._scaling import FrameScaler, is_still
from skneurograph.forecasting._trust import (
    FULL_TRUST,
    StandardFrames,
    known_frames,
    measure_trust,
)
from skneurograph.nn import FrameModel, Neurons, Standardised, rollout_error, squared_error

__all__ = ["NetForecaster"]

# Steps of an epoch of forecasts, at least: training starts at the linear dynamics, so few
# windows need not be visited as often as for another target.
_FRAME_STEPS = 8

# The linear part is fitted to at most this many windows, evenly spaced.
_LINEAR_WINDOWS = 16_384
# Ridge penalty between neurons, relative to the number of windows: that of VARForecaster.
_COUPLING_PENALTY = 10.0


class NetForecaster(ForecasterPart, NetEstimator):
    """Fit a net to windows and what follows them; the nets are up to the class."""

    # Weight decay of forecasts, by default: it pulls a net back to the linear dynamics that
    # training starts from, so much is right that would be far too much for another target.
    _frame_decay = 10.0

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012
        **NetEstimator._parameter_constraints,
        "weight_decay": [None, Interval(Real, 0, None, closed="left")],
        "n_lags": [Interval(Integral, 1, None, closed="left")],
        "n_rollout": [Interval(Integral, 1, None, closed="left")],
        "allow_drift": ["boolean"],
    }

    @all_or_nothing
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
        # Targets of held-out windows must not be targets of training windows, too.
        self._n_following = 0
        if self.forecasts_frames_:
            self._n_following = 1 if target.ndim == 2 else target.shape[2]
        return self._fit_windows(windows, target, sample_weight, groups)

    @abstractmethod
    def _build_frames(self, n_inside: int, n_ahead: int) -> FrameModel:
        """Make the module that forecasts frames; called under a seed."""

    @abstractmethod
    def _build_plain(self, n_outputs: int) -> nn.Module:
        """Make the module for any other target; called under a seed."""

    def _n_inside(self, n_ahead: int) -> int:
        """Frames at the end of a window that training forecasts from those before."""
        return min(self.n_rollout - n_ahead, max(0, self.n_times_in_ - self.n_lags))

    def _exchangeable(self) -> NDArray[np.bool_] | None:
        """Columns that hold other neurons in every organism; None if there are none."""
        return None

    def _prepare(
        self, windows: NDArray | LazyWindows, labels: NDArray, weight: NDArray[np.float64]
    ) -> None:
        for name in ("reversion_", "kept_"):
            self.__dict__.pop(name, None)
        anonymous = self._exchangeable()
        if not self.forecasts_frames_:
            self._scaler = FrameScaler(windows, weight, anonymous)
            return
        following = labels.reshape(*labels.shape[:2], -1)
        # One batch of all windows is never in another order.
        self._thins = len(windows) > self.batch_size
        self._scaler = FrameScaler(windows, weight, anonymous, following)
        trust = FULL_TRUST
        if self.allow_drift:
            trust = measure_trust(windows, following, weight, self.n_lags)
        self.reversion_, self.kept_ = trust
        self._fit_linear(windows, weight, anonymous)

    def _fit_linear(
        self,
        windows: NDArray | LazyWindows,
        weight: NDArray[np.float64],
        anonymous: NDArray[np.bool_] | None,
    ) -> None:
        """Fit, in closed form, what the net starts from: the last change within each window."""
        n_lags = min(self.n_lags, self.n_times_in_)
        n_read = min(n_lags, self.n_times_in_ - 1)
        shape = (self.n_features_in_, n_lags)
        self._own, self._offset = np.zeros(shape), np.zeros(shape[0])
        couples = self._couples()
        # A matrix of all pairs is not for those that read none.
        self._coupling = np.zeros((shape[0], shape[0]) if couples else (0, 0))
        if n_read == 0:
            return
        rows = np.unique(np.linspace(0, len(windows) - 1, _LINEAR_WINDOWS).astype(np.intp))
        weight, columns = weight[rows], self.columns_
        read = [self._last_change(part, n_read) for part in in_chunks(windows[rows])]
        lags, change, known = (np.concatenate(parts)[:, columns] for parts in zip(*read))
        own, offset, pooled = fit_own(lags, change, known, weight)
        self._own[:, n_lags - n_read :] = pooled
        named = np.ones(len(columns), bool) if anonymous is None else ~anonymous[columns]
        self._own[columns[named], n_lags - n_read :] = own[named]
        self._offset[columns[named]] = offset[named]
        if couples and named.any():
            explained = np.einsum("wnl,nl->wn", lags, own) + offset
            remaining = np.where(known, change - explained, 0)[:, named]
            coupling = fit_coupling(
                lags[:, named, -1], remaining, known[:, named], weight, _COUPLING_PENALTY
            )
            self._coupling[np.ix_(columns[named], columns[named])] = coupling

    def _last_change(
        self, windows: NDArray, n_read: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Frames before the last one, the change to it, and where both are known."""
        last = windows[:, :, -1:]
        known = known_frames(windows, last[:, :, 0], self._scaler)
        read = StandardFrames.of(windows[:, :, :-1], self._scaler)
        lags, level = read.relative(n_read, self._scaler, self.reversion_)
        ahead = self._scaler.standardise(last)[:, :, 0] - level
        lags = np.where(known[:, :, None], lags, 0)
        return lags, np.where(known, ahead - lags[:, :, -1], 0), known

    def _couples(self) -> bool:
        """Whether the linear part reads the other neurons, too."""
        return False

    def _neurons(self, columns: NDArray[np.intp], identities: NDArray[np.intp]) -> Neurons:
        """Give what the module is told of these columns."""
        given = (
            self._scaler.mean[columns],
            self._scaler.scale[columns],
            self._scaler.low[columns],
            self._scaler.high[columns],
            self._own[columns],
            self._offset[columns],
            self._coupling[np.ix_(columns, columns)] if self._couples() else self._coupling,
        )
        return Neurons(*(torch.from_numpy(part) for part in (*given, identities)))

    def _encode_target(
        self, y: NDArray, weight: NDArray[np.float64], kept: slice | NDArray[np.intp]
    ) -> tuple[NDArray, NDArray[np.float64], int]:
        if self.forecasts_frames_:
            following = y.reshape(*y.shape[:2], -1)[:, :, : self.n_rollout]
            frames = self._scaler.standardise(following)
            # What never moves teaches nothing.
            frames[:, self._scaler.scale == 0] = np.nan
            return np.ascontiguousarray(frames[:, self.columns_]), weight, frames.shape[2]
        return self._encode_continuous(y, weight, kept)

    def _build_module(self, n_outputs: int) -> nn.Module:
        if not self.forecasts_frames_:
            mean, scale = self._scaler.mean[self.columns_], self._scaler.scale[self.columns_]
            # Divided by infinity, what was constant tells nothing, whatever it does later.
            scale = np.where(scale > 0, scale, np.inf)
            plain = self._build_plain(n_outputs)
            return Standardised(plain, torch.from_numpy(mean), torch.from_numpy(scale))
        frames = self._build_frames(self._n_inside(n_outputs), n_outputs)
        frames.thins, frames.reversion = self._thins, self.reversion_
        frames.kept = torch.from_numpy(self.kept_)
        return frames

    def _training_data(
        self, windows: NDArray | LazyWindows, target: NDArray, weight: NDArray[np.float64]
    ) -> TrainingData:
        data = super()._training_data(windows, target, weight)
        least = _FRAME_STEPS if self.forecasts_frames_ else data.min_steps_per_epoch
        return replace(data, min_steps_per_epoch=least)

    def _weight_decay(self) -> float:
        if self.weight_decay is not None:
            return float(self.weight_decay)
        return self._frame_decay if self.forecasts_frames_ else 0.01

    def _n_ahead(self) -> int:
        return self._n_following

    def _loss(self) -> Any:
        return rollout_error if self.forecasts_frames_ else squared_error

    def _roll_out(self, windows: NDArray | LazyWindows, n_steps: int) -> NDArray[np.floating]:
        parts = []
        for rows, forecast, columns in self._evaluate(windows, "forecast", n_steps):
            part = np.ascontiguousarray(np.asarray(windows[rows]))
            # Neurons that training has not seen, or never seen to move, stay as they are.
            still = np.repeat(part[:, :, -1:], n_steps, axis=2)
            steps = still.copy()
            steps[:, slice(None) if columns is None else columns] = forecast.cpu().numpy()
            rests = (is_still(part) & self._scaler.rests) | (self._scaler.scale == 0)
            steps = np.where(rests[:, :, None], still, steps)
            steps[np.isnan(part).any(axis=2)] = np.nan
            parts.append(steps)
        return np.concatenate(parts)

    def _predict_plain(self, windows: NDArray | LazyWindows) -> NDArray[np.floating]:
        return self._predict_continuous(windows)
