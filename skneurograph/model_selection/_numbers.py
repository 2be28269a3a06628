"""Checks for integers and numbers in arguments (numpy's too, booleans never)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

__all__ = ["is_integer", "is_number"]


def is_integer(value: Any) -> bool:
    """Whether a value is a whole number."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a real number."""
    return isinstance(value, Real) and not isinstance(value, bool)
