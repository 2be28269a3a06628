"""Units in which squares of data neither overflow nor vanish."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["power_of_two"]


def power_of_two(largest: ArrayLike) -> NDArray[np.float64]:
    """Return the power of two at or below each magnitude, and 1 for zero.

    Dividing by a power of two, and multiplying by it again, changes no bit of an ordinary number.
    """
    fraction, exponent = np.frexp(np.asarray(largest, dtype=np.float64))
    # Short of the ends of the range, so that the inverse of a unit is in it, too.
    unit = np.ldexp(1.0, np.clip(exponent - 1, -1000, 1000))
    return np.where(fraction == 0, 1.0, unit)
