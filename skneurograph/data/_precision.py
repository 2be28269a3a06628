"""Choice between single and double precision for activity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["needs_double"]

# What single precision may cost: this part of a neuron's standard deviation, and this part of
# its typical change from frame to frame.
_LOSS_OF_SPREAD = 1e-3
_LOSS_OF_CHANGE = 0.05
# Values between these have squares that single precision holds.
_SINGLE_RANGE = (1e-18, 1e18)
# A spread that is a smaller part of the values than that is rounding of doubles, no signal.
_NOISE_OF_DOUBLE = 1e-13
# Columns that are looked at together.
_COLUMNS = 64


def needs_double(values: NDArray[np.floating]) -> bool:
    """Whether single precision would lose the signal of some column of ``(n_frames, n_columns)``.

    It would if rounding the values errs by more than a thousandth of the column's standard
    deviation (a small signal on a large offset) or a twentieth of its root mean squared change
    from frame to frame (a small signal on a large drift), or if values or their squares lie
    beyond its range. Values that are single already, and constant columns, lose nothing.
    """
    if values.dtype != np.float64:
        return False
    blocks = range(0, values.shape[1], _COLUMNS)
    return any(_block_needs_double(values[:, start : start + _COLUMNS]) for start in blocks)


def _block_needs_double(values: NDArray[np.floating]) -> bool:
    low, high = _SINGLE_RANGE
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        size = np.nanmax(np.abs(values), axis=0, initial=0)
        spread, change = _spread(values), _spread(np.diff(values, axis=0), centred=False)
        varies = spread > _NOISE_OF_DOUBLE * size
        too_small = ((size > 0) & (size < low)) | (varies & (spread < low))
        if (too_small | (size > high)).any():
            return True
        # What rounding may cost at most, and where that is much what it does cost.
        doubtful = varies & _is_lost(size * 2.0**-24, spread, change)
        rounding = values[:, doubtful] - values[:, doubtful].astype(np.float32)
    lost = _is_lost(_spread(rounding), spread[doubtful], change[doubtful])
    return bool(lost.any())


def _is_lost(
    error: NDArray[np.floating], spread: NDArray[np.floating], change: NDArray[np.floating]
) -> NDArray[np.bool_]:
    lost: NDArray[np.bool_] = error > _LOSS_OF_SPREAD * spread
    return lost | ((change > 0) & (error > _LOSS_OF_CHANGE * change))


def _spread(values: NDArray[np.floating], *, centred: bool = True) -> NDArray[np.floating]:
    """Root mean square of each column, about its mean or not, over what is not NaN."""
    count = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    if centred:
        values = values - np.nansum(values, axis=0) / count
    spread: NDArray[np.floating] = np.sqrt(np.nansum(np.square(values), axis=0) / count)
    return spread
