"""Shared parts of the neural-network forecasters: rollouts in training, plain targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from torch import nn

from skneurograph.base._columns import Columns
from skneurograph.base._fit_net import fit_net
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._net_estimator import NetEstimator
from skneurograph.base._split import TrainingSplit
from skneurograph.base._targets import Continuous
from skneurograph.data._lazy import LazyWindows
from skneurograph.forecasting._base import ForecasterPart
from skneurograph.forecasting._fit_changes import Examples
from skneurograph.forecasting._following import FollowingFrames
from skneurograph.forecasting._scaling import FrameScaler, is_still
from skneurograph.forecasting._start import LinearStart
from skneurograph.nn import RolloutModel, Standardised

__all__ = ["NetForecaster"]

# Steps of an epoch of forecasts, at least: training starts at a linear forecast, so few
# windows need not be visited as often as for another target.
_FRAME_STEPS = 8
# Weight decay for a target other than the following frames.
_PLAIN_DECAY = 0.01


class NetForecaster(ForecasterPart, NetEstimator, ABC):
    """Fit a net to windows and what follows them; the nets are up to the class."""

    # Weight decay of forecasts, by default: it pulls a net back to the linear forecast that
    # training starts from, so much is right that would be far too much for another target.
    _frame_decay = 10.0

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
        n_ahead = (1 if target.ndim == 2 else target.shape[2]) if self.forecasts_frames_ else 0
        n_frames = self.n_times_in_ + n_ahead
        split = TrainingSplit.of(self, windows, target, sample_weight, groups, n_frames=n_frames)
        self.recorded_neurons_ = split.columns
        self._columns = self._identify(split)
        if self.forecasts_frames_:
            self._fit_rollout(split, n_ahead)
        else:
            self._fit_plain(split)
        self._keep(split)
        return self

    def _fit_rollout(self, split: TrainingSplit, n_ahead: int) -> None:
        """Train rollouts, which start from a linear forecast."""
        for name in ("y_mean_", "y_scale_", "_target"):
            self.__dict__.pop(name, None)
        windows, following, weight = split.train[:3]
        following = following.reshape(*following.shape[:2], -1)
        anonymous = self._columns.anonymous
        self._scaler = FrameScaler(windows, weight, anonymous, following)
        target = FollowingFrames(self._scaler, split.columns, n_ahead, self.horizon)
        # Frames at the end of a window are forecast from those before, too.
        n_inside = min(self.horizon - target.n_outputs, max(0, self.n_times_in_ - self.n_lags))
        start = LinearStart(
            Examples(windows, following, weight, n_inside),
            self._scaler,
            anonymous=anonymous,
            allow_drift=self.allow_drift,
            # A graph net without messages forecasts each neuron by itself.
            couples=getattr(self, "n_rounds", 1) > 0,
        )
        self.reversion_ = start.reversion
        self._columns = self._identify(split, start)

        def build() -> RolloutModel:
            frames = self._build_rollout(start, n_inside, target.n_outputs)
            # One batch of all windows is never in another order.
            frames.thins, frames.reversion = len(windows) > self.batch_size, self.reversion_
            return frames

        decay = self._frame_decay if self.weight_decay is None else float(self.weight_decay)
        fit_net(
            self,
            build,
            target.loss,
            *split.encoded(target, self._columns.trained, _FRAME_STEPS),
            seed=split.seed,
            dtype=split.dtype,
            weight_decay=decay,
        )

    def _fit_plain(self, split: TrainingSplit) -> None:
        """Train a regression of any other target."""
        self.__dict__.pop("reversion_", None)
        self._scaler = FrameScaler(split.train.windows, split.train.weight, self._columns.anonymous)
        self._target = Continuous(split.train.y, split.train.weight)
        self.y_mean_, self.y_scale_ = self._target.mean, self._target.scale

        def build() -> Standardised:
            mean, scale = self._scaler.mean[split.columns], self._scaler.scale[split.columns]
            # Divided by infinity, what was constant tells nothing, whatever it does later.
            scale = np.where(scale > 0, scale, np.inf)
            plain = self._build_plain(self._target.n_outputs)
            return Standardised(plain, torch.from_numpy(mean), torch.from_numpy(scale))

        fit_net(
            self,
            build,
            self._target.loss,
            *split.encoded(self._target, self._columns.trained),
            seed=split.seed,
            dtype=split.dtype,
            weight_decay=_PLAIN_DECAY if self.weight_decay is None else float(self.weight_decay),
        )

    @abstractmethod
    def _build_rollout(self, start: LinearStart, n_inside: int, n_ahead: int) -> RolloutModel:
        """Make the module that rolls out frames; called under a seed."""

    @abstractmethod
    def _build_plain(self, n_outputs: int) -> nn.Module:
        """Make the module for any other target; called under a seed."""

    def _identify(self, split: TrainingSplit, start: LinearStart | None = None) -> Columns:
        """Say which columns the net reads, and what it knows of them; rollouts have a start."""
        return Columns(split.columns, self.n_features_in_)

    def _keep(self, split: TrainingSplit) -> None:
        """Set fitted attributes that need the trained net."""

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
        return self._predict_continuous(windows, self._target)
