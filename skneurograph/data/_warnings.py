"""Warnings that point at the line of the user, however deep in the package they arise."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

__all__ = ["warn"]

# Callers between a user's line and a warning: this package, and what calls it.
_BETWEEN = (
    "skneurograph.",
    "sklearn.",
    "joblib.",
    "skorch.",
    "torch.",
    "contextlib",
    "multiprocessing.",
    "concurrent.",
    "threading",
)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line up the stack that is neither ours nor of a library that calls us."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (frame.f_globals.get("__name__") or "").startswith(_BETWEEN):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level + (frame is not None))
