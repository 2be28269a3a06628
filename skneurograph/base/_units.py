"""Units in which squares of data neither overflow nor vanish."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["mean_and_scale", "power_of_two"]


def power_of_two(largest: ArrayLike) -> NDArray[np.float64]:
    """Return the power of two at or below each magnitude, and 1 for zero.

    Dividing by a power of two, and multiplying by it again, changes no bit of an ordinary number.
    """
    fraction, exponent = np.frexp(np.asarray(largest, dtype=np.float64))
    # Short of the ends of the range, so that the inverse of a unit is in it, too.
    unit = np.ldexp(1.0, np.clip(exponent - 1, -1000, 1000))
    return np.where(fraction == 0, 1.0, unit)


def mean_and_scale(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each row; zero and one for rows without a value.

    Parameters
    ----------
    values : ndarray of shape (n_neurons, n_values)
        NaN does not count.

    Returns
    -------
    mean, scale : ndarray of shape (n_neurons,)
        The scale of a constant row is one.
    """
    recorded = ~np.isnan(values)
    count = np.maximum(recorded.sum(axis=1), 1)
    values = np.where(recorded, values, 0)
    unit = power_of_two(np.abs(values).max(axis=1))
    values /= unit[:, None]
    mean = values.sum(axis=1) / count
    centred = np.where(recorded, values - mean[:, None], 0)
    deviation = np.sqrt((centred**2).sum(axis=1) / count)
    constant = deviation <= 1e-10 * np.abs(mean)
    return mean * unit, np.where(constant, 1.0, deviation * unit)
