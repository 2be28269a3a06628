"""Validation of the parameters of simulators."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["generator", "integer", "number"]


def integer(name: str, value: Any, low: int) -> int:
    """Read an integer of at least `low`."""
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))
    if not is_integer or value < low:
        raise ValueError(f"{name}: got {value!r}; expected an integer of at least {low}")
    return int(value)


def number(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, above: bool = False
) -> float:
    """Read a finite number of at least `low`, or `above` it, and at most `high`."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    number = float(value) if is_number else math.nan
    if not math.isfinite(number) or number > high or (number <= low if above else number < low):
        lower = f" {'above' if above else 'at least'} {low:g}" if math.isfinite(low) else ""
        upper = f" and at most {high:g}" if math.isfinite(high) else ""
        expected = f"a number{lower}{upper}" if lower or upper else "a finite number"
        raise ValueError(f"{name}: got {value!r}; expected {expected}")
    return number


def generator(random_state: int | np.random.RandomState | None) -> np.random.Generator:
    """Return a generator of our own: ``None`` must not advance numpy's global one."""
    try:
        seed = None if random_state is None else check_random_state(random_state).randint(2**31 - 1)
    except ValueError as error:
        raise ValueError(
            f"random_state: got {random_state!r}; expected an integer from 0 to 2**32 - 1, a "
            "RandomState or None"
        ) from error
    return np.random.default_rng(seed)
