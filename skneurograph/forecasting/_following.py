"""The frames that follow as a target of nets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.nn import rollout_error

__all__ = ["FollowingFrames"]


class FollowingFrames:
    """Following frames in units of each neuron's spread, learnt by the error of rollouts.

    Parameters
    ----------
    scaler : FrameScaler
        Of the windows to train on.
    columns : ndarray of int
        Neurons that the net forecasts.
    n_steps : int
        Frames that follow each window; those after the first ``horizon`` are not used.
    horizon : int
    """

    loss = staticmethod(rollout_error)

    def __init__(
        self, scaler: FrameScaler, columns: NDArray[np.intp], n_steps: int, horizon: int
    ) -> None:
        self._scaler = scaler
        self._columns = columns
        self.n_outputs = min(n_steps, horizon)

    def encode(
        self, y: NDArray, weight: NDArray[np.float64]
    ) -> tuple[NDArray, NDArray[np.float64]]:
        """Standardise the frames (n_windows, n_neurons[, n_steps])."""
        frames = self._scaler.standardise(y.reshape(*y.shape[:2], -1)[:, :, : self.n_outputs])
        # What never moves teaches nothing.
        frames[:, self._scaler.scale == 0] = np.nan
        return np.ascontiguousarray(frames[:, self._columns]), weight
