"""Linear forecasts of how far each neuron will be from the last frame of its window."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Changes", "population_inputs", "ramps", "roughness", "window_inputs"]

# Frames whose mean tells what a neuron has just done.
_RECENT = 8
# What one neuron tells the others counts up to so many of its standard deviations.
_LOUDEST = 3.0
# Ramps are not steeper than this, so that rounding does not decide where a window stands.
_NARROWEST = 1e-3


class Changes(NamedTuple):
    """Coefficients of a linear forecast of changes, of every step directly.

    A neuron's inputs are its frames relative to the last one (all but that one, oldest
    first) and the mean of the window. Their coefficients are those that all neurons share,
    which depend on how rough the window is, plus those of the neuron itself. The population
    adds what it tells along a few directions.

    Attributes
    ----------
    knots : ndarray of shape (n_ramps + 1,)
        Roughness between which coefficients change linearly.
    shared : ndarray of shape (n_ramps + 1, n_lags, n_steps)
        Coefficients below the first knot, and what each ramp adds.
    own : ndarray of shape (n_neurons, n_lags, n_steps)
    directions : ndarray of shape (3, n_neurons, n_directions)
        By which the neurons' recent changes, changes and levels are summed.
    coupling : ndarray of shape (n_directions, n_neurons, n_steps)
        Influence of the population on each neuron.
    """

    knots: NDArray[np.float64]
    shared: NDArray[np.float64]
    own: NDArray[np.float64]
    directions: NDArray[np.float64]
    coupling: NDArray[np.float64]

    def common(
        self, inputs: NDArray[np.float64], rough: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Forecast by what all neurons share, (n_windows, n_neurons, n_steps)."""
        steps = inputs @ self.shared[0]
        for ramp, coefficients in zip(ramps(rough, self.knots), self.shared[1:]):
            steps += (ramp[:, :, None] * inputs) @ coefficients
        return steps

    def ahead(
        self,
        frames: NDArray[np.float64],
        rough: NDArray[np.float64],
        columns: NDArray[np.intp] | slice = slice(None),
    ) -> NDArray[np.float64]:
        """Forecast changes from standardised frames.

        Parameters
        ----------
        frames : ndarray of shape (n_windows, n_neurons, n_lags)
            Zero where a neuron is missing.
        rough : ndarray of shape (n_windows, n_neurons)
        columns : ndarray of int, optional
            Where the fitted neurons are; all others are forecast by what all share.

        Returns
        -------
        ndarray of shape (n_windows, n_neurons, n_steps)
        """
        inputs = window_inputs(frames)
        steps = self.common(inputs, rough)
        own = inputs[:, columns].transpose(1, 0, 2) @ self.own
        steps[:, columns] += own.transpose(1, 0, 2)
        told = np.tensordot(population_inputs(frames[:, columns]), self.directions, axes=2)
        steps[:, columns] += np.tensordot(told, self.coupling, axes=1)
        return steps

    def roll_out(
        self,
        frames: NDArray[np.float64],
        n_steps: int,
        limit: float,
        columns: NDArray[np.intp] | slice = slice(None),
    ) -> NDArray[np.float64]:
        """Forecast any number of steps: what is forecast is fed back, all steps at a time.

        Parameters
        ----------
        frames, columns
            As in `ahead`.
        n_steps : int
        limit : float
            Forecasts stay within it, or within the range of the frames if that is wider.

        Returns
        -------
        ndarray of shape (n_windows, n_neurons, n_steps)
        """
        n_lags = frames.shape[2]
        bound = np.maximum(np.abs(frames).max(axis=2, keepdims=True), limit)
        rough = roughness(frames)
        whole = frames
        while whole.shape[2] < n_lags + n_steps:
            recent = whole[:, :, -n_lags:]
            steps = recent[:, :, -1:] + self.ahead(recent, rough, columns)
            whole = np.concatenate([whole, np.clip(steps, -bound, bound)], axis=2)
        return whole[:, :, n_lags : n_lags + n_steps]

    def blend(self, other: Changes, part: float) -> Changes:
        """Return the coefficients of a weighted mean of two forecasts, ``part`` of the other."""
        mine = 1 - part
        return Changes(
            self.knots,
            mine * self.shared + part * other.shared,
            mine * self.own + part * other.own,
            np.concatenate([self.directions, other.directions], axis=2),
            np.concatenate([mine * self.coupling, part * other.coupling]),
        )


def window_inputs(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return frames relative to the last one, and the mean in place of the last one."""
    inputs = frames - frames[:, :, -1:]
    inputs[:, :, -1] = frames.mean(axis=2)
    return inputs


def population_inputs(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what neurons tell each other, (n_windows, 3, n_neurons).

    The last frame relative to the mean of the last few and to that of the window, and the
    mean of the window.
    """
    last, level = frames[:, :, -1], frames.mean(axis=2)
    told = np.stack([last - frames[:, :, -_RECENT:].mean(axis=2), last - level, level], axis=1)
    return np.clip(told, -_LOUDEST, _LOUDEST, out=told)


def roughness(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how rough the frames of a window are: 0 if they are smooth, 2/3 if white noise.

    The mean squared difference of successive frames, over its sum with the variance.
    """
    if frames.shape[2] < 2:
        return np.zeros(frames.shape[:2])
    fast = np.square(np.diff(frames, axis=2)).mean(axis=2)
    total = fast + frames.var(axis=2)
    rough: NDArray[np.float64] = np.divide(fast, total, out=np.zeros_like(fast), where=total > 0)
    return rough


def ramps(rough: NDArray[np.float64], knots: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return how far windows are between each knot and the next: 0 below, 1 above."""
    return [
        np.clip((rough - low) / max(high - low, _NARROWEST), 0, 1) for low, high in pairwise(knots)
    ]
