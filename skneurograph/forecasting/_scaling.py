"""Standardise neurons by the training frames, and read windows relative to their level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._lazy import LazyWindows, chunks_of_windows

__all__ = ["FrameScaler"]

# Frames that differ by at most so many roundings of their precision are the same.
_ROUNDINGS = 8
# A window's level is told from drift only this far beyond those of training, in units of
# their range.
_MARGIN = 0.5


class FrameScaler:
    """Mean, spread and levels of each neuron over the training frames.

    Anonymous neurons, which are exchangeable, share the mean and spread of all of them
    together; neurons that were never recorded get those of all neurons.

    Parameters
    ----------
    windows : ndarray or LazyWindows of shape (n_windows, n_neurons, n_times)
    weight : ndarray of shape (n_windows,)
    anonymous : ndarray of bool of shape (n_neurons,), optional
    following : ndarray of shape (n_windows, n_neurons, n_steps), optional
        The frames that follow, for forecasts of them. A neuron that is constant in every
        window, at levels that may differ between organisms, is then silent, too.

    Attributes
    ----------
    recorded : ndarray of bool of shape (n_neurons,)
        Whether any window holds the neuron.
    mean, scale : ndarray of shape (n_neurons,)
        A neuron that is constant, up to rounding, is silent: its scale is zero.
    low, high : ndarray of shape (n_neurons,)
        Standardised levels (means of a window) that are within those of training.
    rests : ndarray of bool of shape (n_neurons,)
        Whether a neuron that is constant within a window stayed so, whenever it was.
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
        following: NDArray | None = None,
    ) -> None:
        n_neurons = windows.shape[1]
        total, sums, squares, largest, size = (np.zeros(n_neurons) for _ in range(5))
        lowest, highest = np.full(n_neurons, np.inf), np.full(n_neurons, -np.inf)
        moves, rested, left = (np.zeros(n_neurons, dtype=bool) for _ in range(3))
        for rows, part in chunks_of_windows(windows):
            recorded, frames = _separate(part)
            counted = recorded * weight[rows, None]
            level = frames.mean(axis=2)
            total += counted.sum(axis=0)
            sums += (counted * level).sum(axis=0)
            size = np.maximum(size, np.abs(frames).max(axis=(0, 2)))
            lowest = np.minimum(lowest, np.where(recorded, level, np.inf).min(axis=0))
            highest = np.maximum(highest, np.where(recorded, level, -np.inf).max(axis=0))
            still = recorded & is_still(part)
            stays = recorded & (still if following is None else _stays(part, following[rows]))
            moves |= (recorded & ~stays).any(axis=0)
            rested |= (still & stays).any(axis=0)
            left |= (still & ~stays).any(axis=0)
        self.recorded = recorded = total > 0
        if not recorded.any():
            raise ValueError("X: no neuron is recorded in any window, every value is NaN")
        self.mean = np.divide(sums, total, out=np.zeros(n_neurons), where=recorded)
        for rows, part in chunks_of_windows(windows):
            is_recorded, frames = _separate(part)
            centred = np.where(is_recorded[:, :, None], frames - self.mean[:, None], 0)
            squares += (is_recorded * weight[rows, None] * (centred**2).mean(axis=2)).sum(axis=0)
            largest = np.maximum(largest, np.abs(centred).max(axis=(0, 2)))
        variance = np.divide(squares, total, out=np.zeros(n_neurons), where=recorded)
        precision = np.float32 if windows.dtype == np.float32 else np.float64
        rounding = _ROUNDINGS / 2 * np.finfo(precision).eps * size
        variance[variance <= rounding**2] = 0
        if following is not None:
            variance[~moves] = 0
        self.rests = rested & ~left
        given = recorded.copy()
        if anonymous is not None:
            pool = recorded & anonymous
            self._share(np.flatnonzero(anonymous), pool, total, variance, (lowest, highest))
            self.rests[anonymous] = rested[pool].any() and not left[pool].any()
            given |= anonymous & pool.any()
        self._share(np.flatnonzero(~given), recorded, total, variance, (lowest, highest))
        self.rests[~given] = rested[recorded].any() and not left[recorded].any()
        self.scale = np.sqrt(variance)
        margin = _MARGIN * (highest - lowest)
        ends = np.stack([lowest - margin, highest + margin], axis=1)
        self.low, self.high = self.standardise(ends).T
        self.limit = 2 * float(max(self._divide(largest).max(), 1.0))

    def _share(
        self,
        columns: NDArray[np.intp],
        sources: NDArray[np.bool_],
        total: NDArray[np.float64],
        variance: NDArray[np.float64],
        ends: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> None:
        """Set mean, variance and levels of columns to those of all frames of the sources."""
        if len(columns) and sources.any():
            weight = total[sources] / total[sources].sum()
            mean = (weight * self.mean[sources]).sum()
            around = variance[sources] + (self.mean[sources] - mean) ** 2
            self.mean[columns], variance[columns] = mean, (weight * around).sum()
            ends[0][columns], ends[1][columns] = ends[0][sources].min(), ends[1][sources].max()

    def _divide(
        self, values: NDArray, columns: NDArray[np.intp] | slice = slice(None)
    ) -> NDArray[np.float64]:
        """Divide (..., n_neurons) by the scale; what is silent is zero."""
        scale = self.scale[columns]
        return np.divide(values, scale, out=np.zeros(values.shape), where=scale > 0)

    def standardise(
        self, frames: NDArray, columns: NDArray[np.intp] | slice = slice(None)
    ) -> NDArray[np.float64]:
        """Standardise (..., n_neurons, n_frames), of these columns; silent ones are zero."""
        centred = np.swapaxes(frames - self.mean[columns, None], -1, -2)
        return np.swapaxes(self._divide(centred, columns), -1, -2)

    def moved(self, windows: NDArray, distance: NDArray[np.float64]) -> NDArray[np.floating]:
        """Move on from the last frame by standardised distances, (..., n_neurons, n_steps).

        Added to the last frame as it is given: exact for neurons that do not move.
        """
        last = windows[:, :, -1:]
        rests = is_still(windows) & self.rests
        return np.where(rests[:, :, None], last, last + self.scale[:, None] * distance)

    def flat(
        self, windows: NDArray, columns: NDArray[np.intp], n_frames: int
    ) -> NDArray[np.float64]:
        """Return the last frames of these neurons, within the limit, as features."""
        frames = self.standardise(windows[:, columns, -n_frames:], columns)
        frames[np.isnan(windows[:, columns]).any(axis=2)] = 0
        return np.clip(frames, -self.limit, self.limit).reshape(len(windows), -1)


def is_still(windows: NDArray) -> NDArray[np.bool_]:
    """Return which neurons are constant, up to rounding, within each window."""
    return _equal(windows.max(axis=2), windows.min(axis=2), windows)


def _stays(windows: NDArray, following: NDArray) -> NDArray[np.bool_]:
    """Return which neurons are constant in each window and in what follows it, where known."""
    last = windows[:, :, -1:]
    ahead = np.where(np.isnan(following), last, following)
    highest = np.maximum(windows.max(axis=2), ahead.max(axis=2))
    return _equal(highest, np.minimum(windows.min(axis=2), ahead.min(axis=2)), windows)


def _equal(highest: NDArray, lowest: NDArray, windows: NDArray) -> NDArray[np.bool_]:
    size = np.maximum(np.abs(highest), np.abs(lowest))
    equal: NDArray[np.bool_] = highest - lowest <= _ROUNDINGS * np.finfo(windows.dtype).eps * size
    return equal


def _separate(windows: NDArray) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which neurons are recorded in each window, and the frames, zero where missing."""
    recorded: NDArray[np.bool_] = ~np.isnan(windows).any(axis=2)
    return recorded, np.where(recorded[:, :, None], windows, 0).astype(np.float64)
