"""Forecast errors that skip missing neurons: masked mean squared error and R²."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight

from skneurograph.data._inputs import unmasked

__all__ = ["masked_mean_squared_error", "masked_r2_score"]

# A sum of n numbers is wrong by fewer roundings than this many times n.
_ROUNDINGS = 4

By = Literal["neuron", "horizon", "both"] | None


def masked_mean_squared_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    by: By = None,
) -> float | NDArray[np.float64]:
    """Compute the mean squared error over the neurons that were recorded.

    The error of each neuron at each horizon is averaged over the windows in which it was
    recorded; the mean over neurons and horizons then counts each of them once.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_windows, n_neurons) or \
(n_windows, n_neurons, n_horizons)
        Frames that followed, and their forecasts. Entries where either is NaN do not count.
    sample_weight : array-like of shape (n_windows,), optional
    by : {"neuron", "horizon", "both"} or None, default=None
        What is not averaged over; None averages over everything.

    Returns
    -------
    float, or ndarray of shape (n_neurons,), (n_horizons,) or (n_neurons, n_horizons)
        NaN for what no window holds. Two-dimensional input has one horizon.

    Raises
    ------
    ValueError
        If the shapes differ, or if no entry is left.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.metrics import masked_mean_squared_error
    >>> y_true = np.array([[1.0, np.nan], [3.0, 2.0]])
    >>> masked_mean_squared_error(y_true, np.zeros((2, 2)), by="neuron").tolist()
    [5.0, 4.0]
    """
    _, error, weight = _errors(y_true, y_pred, sample_weight)
    return _average(_divide((weight * error).sum(axis=0), weight.sum(axis=0)), by)


def masked_r2_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    by: By = None,
) -> float | NDArray[np.float64]:
    """Compute the coefficient of determination (R²) over the neurons that were recorded.

    Each neuron at each horizon is held against its own mean over the windows in which it
    was recorded; the mean over neurons and horizons then counts each of them once.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_windows, n_neurons) or \
(n_windows, n_neurons, n_horizons)
        Frames that followed, and their forecasts. Entries where either is NaN do not count.
    sample_weight : array-like of shape (n_windows,), optional
    by : {"neuron", "horizon", "both"} or None, default=None
        What is not averaged over; None averages over everything.

    Returns
    -------
    float, or ndarray of shape (n_neurons,), (n_horizons,) or (n_neurons, n_horizons)
        1 is perfect, 0 is as good as the mean. NaN for neurons that fewer than two windows
        hold. A neuron that is constant up to rounding has 1 if its forecast is exact up to
        rounding, else 0.

    Raises
    ------
    ValueError
        If the shapes differ, or if no entry is left.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.metrics import masked_r2_score
    >>> y_true = np.array([[1.0, np.nan], [3.0, 2.0], [5.0, 4.0]])
    >>> y_pred = np.array([[1.0, 0.0], [3.0, 3.0], [5.0, 3.0]])
    >>> masked_r2_score(y_true, y_pred, by="neuron").tolist()
    [1.0, 0.0]
    """
    truth, error, weight = _errors(y_true, y_pred, sample_weight)
    total = weight.sum(axis=0)
    centre = _divide((weight * truth).sum(axis=0), total)
    spread = (weight * (truth - centre) ** 2).sum(axis=0)
    unexplained = (weight * error).sum(axis=0)
    score = 1 - _divide(unexplained, spread)
    # As scikit-learn does it for a target that is constant; a mean of equal numbers is rounded.
    accuracy = _ROUNDINGS * len(truth) * np.finfo(np.float64).eps
    rounding = accuracy**2 * (weight * truth**2).sum(axis=0)
    score = np.where(spread <= rounding, np.where(unexplained <= rounding, 1.0, 0.0), score)
    n_windows = (weight > 0).sum(axis=0)
    return _average(np.where(n_windows < 2, np.nan, score), by)


def _errors(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Truth, squared error and weight of each entry, all (n_windows, n_neurons, n_horizons)."""
    truth, forecast = (
        np.asarray(unmasked(values), dtype=np.float64) for values in (y_true, y_pred)
    )
    if truth.shape != forecast.shape or truth.ndim not in (2, 3):
        raise ValueError(
            f"y_true and y_pred: got shapes {truth.shape} and {forecast.shape}; expected the same "
            "shape, (n_windows, n_neurons) or (n_windows, n_neurons, n_horizons)"
        )
    truth, forecast = (values.reshape(*values.shape[:2], -1) for values in (truth, forecast))
    counted = ~(np.isnan(truth) | np.isnan(forecast))
    if not counted.any():
        raise ValueError("y_true and y_pred: no entry is recorded in both, every one is NaN")
    weight = _check_sample_weight(sample_weight, truth, dtype=np.float64)[:, None, None] * counted
    truth = np.where(counted, truth, 0)
    return truth, np.where(counted, truth - np.where(counted, forecast, 0), 0) ** 2, weight


def _divide(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _average(table: NDArray[np.float64], by: By) -> float | NDArray[np.float64]:
    """Average a table (n_neurons, n_horizons) over what is not asked for."""
    if by not in (None, "neuron", "horizon", "both"):
        raise ValueError(f"by: got {by!r}; expected 'neuron', 'horizon', 'both' or None")
    if by == "both":
        return table
    with warnings.catch_warnings():
        # A neuron that no window holds has no mean: NaN, as documented.
        warnings.simplefilter("ignore", RuntimeWarning)
        if by is None:
            return float(np.nanmean(table))
        return np.nanmean(table, axis=1 if by == "neuron" else 0)
