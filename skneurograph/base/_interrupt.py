"""Keyboard interrupts (Ctrl-C) that also end an enclosing search or comparison.

A net that is interrupted keeps what it has learnt, and its ``fit`` returns: that is right where
the user called it. Where something further up would go on with other fits, the interrupt has to
end them as well, or the half-trained net is scored as if it had been finished.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["noticing_interrupts", "pass_on_interrupt"]

# Callers that fit many estimators, or one that the user never sees ...
_MANY_FITS = ("sklearn.", "joblib.", "skneurograph.model_selection.")
# ... but for those that fit what they were given, once.
_ONE_FIT = (
    "sklearn.base",
    "sklearn.utils.",
    "sklearn.pipeline",
    "sklearn.compose.",
    "joblib.memory",
)
# Of these modules, what fits several things, or stores what was fitted for the next time.
_MANY_FITS_IN = ("FeatureUnion.", "ColumnTransformer.", "MemorizedFunc.")


def pass_on_interrupt() -> None:
    """Raise KeyboardInterrupt if the net being fitted is part of a search or the like."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.startswith(_MANY_FITS) and (
            not module.startswith(_ONE_FIT) or frame.f_code.co_qualname.startswith(_MANY_FITS_IN)
        ):
            raise KeyboardInterrupt
        frame = frame.f_back


@contextmanager
def noticing_interrupts() -> Iterator[list[int]]:
    """Collect the interrupts from the keyboard in the block, also those that a fit swallows.

    scikit-learn's and skorch's networks end their training on an interrupt and say nothing to
    their caller. Outside the main thread, which alone is interrupted, nothing is collected.
    """
    noticed: list[int] = []
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield noticed
        return

    def notice(number: int, frame: FrameType | None) -> None:
        noticed.append(number)
        previous(number, frame)

    signal.signal(signal.SIGINT, notice)
    try:
        yield noticed
    finally:
        signal.signal(signal.SIGINT, previous)
