"""An autoregression of each neuron, shrunk to that of all neurons, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_own", "recorded_together"]

# Pull of a neuron's own coefficients towards those of all neurons together, in units of the
# windows in which it was recorded: a few animals tell neurons apart only so far.
_OWN_PENALTY = 0.1


def fit_own(
    frames: NDArray[np.float64],
    change: NDArray[np.float64],
    known: NDArray[np.bool_],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit an autoregression to the change of each neuron, shrunk to that of all neurons.

    Parameters
    ----------
    frames : ndarray of shape (n_windows, n_neurons, n_lags)
        Standardised, zero where missing.
    change, known : ndarray of shape (n_windows, n_neurons)
        Change to the following frame, and whether it and the frames were recorded.
    weight : ndarray of shape (n_windows,)

    Returns
    -------
    coef : ndarray of shape (n_neurons, n_lags)
        Neurons that no window holds have the coefficients of all neurons together.
    intercept : ndarray of shape (n_neurons,)
    pooled : ndarray of shape (n_lags,)
        Coefficients of all neurons together.
    """
    n_windows, n_neurons, n_lags = frames.shape
    inputs = np.concatenate([frames, np.ones((n_windows, n_neurons, 1))], axis=2)
    counted = known * weight[:, None]
    weighed = inputs * counted[:, :, None]
    products = np.einsum("wnk,wnl->nkl", weighed, inputs, optimize=True)
    sums = np.einsum("wnk,wn->nk", weighed, change)
    total = counted.sum(axis=0)
    recorded = total > 0
    tiny = 1e-6 * weight.sum() * np.eye(n_lags + 1)
    pooled = np.linalg.solve(products[recorded].sum(axis=0) + tiny, sums[recorded].sum(axis=0))
    centre = np.append(pooled[:-1], 0.0)
    pull = _OWN_PENALTY * total[:, None] * np.append(np.ones(n_lags), 0.0)
    system = products + tiny + pull[:, :, None] * np.eye(n_lags + 1)
    solved = np.linalg.solve(system, (sums + pull * centre)[:, :, None])[:, :, 0]
    solved[~recorded] = centre
    return solved[:, :-1], solved[:, -1], pooled[:-1]


def recorded_together(
    known: NDArray[np.bool_],
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Group neurons that are recorded in the same windows: (windows, neurons) of each group."""
    patterns, belongs = np.unique(known, axis=1, return_inverse=True)
    groups = (
        (np.flatnonzero(rows), np.flatnonzero(belongs.ravel() == index))
        for index, rows in enumerate(patterns.T)
    )
    return [(rows, neurons) for rows, neurons in groups if len(rows)]
