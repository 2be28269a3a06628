"""Standardise neurons by the training frames, and keep forecasts from running away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from skneurograph.forecasting._base import in_chunks
from skneurograph.lazy import LazyWindows

__all__ = ["FrameScaler"]


class FrameScaler:
    """Mean, spread and range of each neuron over the training frames.

    Anonymous neurons, which are exchangeable, share the mean and spread of all of them
    together; neurons that were never recorded get those of all neurons.

    Parameters
    ----------
    windows : ndarray or LazyWindows of shape (n_windows, n_neurons, n_times)
    weight : ndarray of shape (n_windows,)
    anonymous : ndarray of bool of shape (n_neurons,), optional

    Attributes
    ----------
    mean, scale : ndarray of shape (n_neurons,)
    limit : float
        Twice the largest distance of a training frame from the mean of its neuron, in
        units of its spread. Forecasts are kept within it, so that they stay finite for any
        number of steps.
    """

    def __init__(
        self,
        windows: NDArray | LazyWindows,
        weight: NDArray[np.float64],
        anonymous: NDArray[np.bool_] | None = None,
    ) -> None:
        n_neurons = windows.shape[1]
        total, sums, squares = (np.zeros(n_neurons) for _ in range(3))
        for frames, counted in self._counted(windows, weight):
            total += counted.sum(axis=0)
            sums += (counted * frames.mean(axis=2)).sum(axis=0)
        recorded = total > 0
        if not recorded.any():
            raise ValueError("X: no neuron is recorded in any window, every value is NaN")
        self.mean = np.divide(sums, total, out=np.zeros(n_neurons), where=recorded)
        largest = np.zeros(n_neurons)
        for frames, counted in self._counted(windows, weight):
            centred = np.where((counted > 0)[:, :, None], frames - self.mean[:, None], 0)
            squares += (counted * (centred**2).mean(axis=2)).sum(axis=0)
            largest = np.maximum(largest, np.abs(centred).max(axis=(0, 2)))
        variance = np.divide(squares, total, out=np.zeros(n_neurons), where=recorded)
        given = recorded.copy()
        if anonymous is not None:
            self._share(np.flatnonzero(anonymous), recorded & anonymous, total, variance)
            given |= anonymous & (recorded & anonymous).any()
        self._share(np.flatnonzero(~given), recorded, total, variance)
        spread = np.sqrt(variance)
        self.scale = np.where(spread > 1e-10 * np.abs(self.mean), spread, 1.0)
        self.limit = 2 * float(max((largest / self.scale).max(), 1.0))

    def _share(
        self,
        columns: NDArray[np.intp],
        sources: NDArray[np.bool_],
        total: NDArray[np.float64],
        variance: NDArray[np.float64],
    ) -> None:
        """Give columns the mean and variance of all frames of the sources together."""
        if len(columns) and sources.any():
            weight = total[sources] / total[sources].sum()
            mean = (weight * self.mean[sources]).sum()
            around = variance[sources] + (self.mean[sources] - mean) ** 2
            self.mean[columns], variance[columns] = mean, (weight * around).sum()

    @staticmethod
    def _counted(
        windows: NDArray | LazyWindows, weight: NDArray[np.float64]
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Frames in chunks, zero where missing, and the weight of each neuron in each window."""
        start = 0
        for part in in_chunks(windows):
            missing = np.isnan(part).any(axis=2)
            frames = np.where(missing[:, :, None], 0, part).astype(np.float64)
            yield frames, ~missing * weight[start : start + len(part), None]
            start += len(part)

    def standardise(
        self, frames: NDArray, columns: NDArray[np.intp] | slice = slice(None)
    ) -> NDArray[np.float64]:
        """Standardise (n_windows, n_neurons, n_frames), of these columns."""
        return (frames - self.mean[columns, None]) / self.scale[columns, None]

    def restore(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give standardised frames in the units of the activity."""
        return frames * self.scale[:, None] + self.mean[:, None]

    def bound(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Keep standardised frames within the limit."""
        return np.clip(frames, -self.limit, self.limit)
