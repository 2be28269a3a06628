"""Whether windows are in units that a net can read without scaling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skneurograph.base._units import power_of_two
from skneurograph.data._lazy import LazyWindows, cut_windows

__all__ = ["describe_scale", "scale_fault"]

# What a net can read without scaling: activity that is z-scored, or relative to a baseline.
_LARGEST, _SMALLEST = 100.0, 1e-3
# An offset hides changes that are so many times smaller.
_OFFSET = 10.0
# Frames of a neuron that differ by so many roundings are the same.
_ROUNDINGS = 8


def scale_fault(windows: NDArray | LazyWindows, most: int, *, glance: bool = False) -> str:
    """Say what is wrong with the units of some windows for a net; nothing if they are ordinary.

    Parameters
    ----------
    windows : ndarray or LazyWindows
    most : int
        Windows to look at, evenly spaced.
    glance : bool, default=False
        Whether small numbers are ordinary: of windows to predict there may be one at a time.
    """
    some = _some(windows, most)
    if glance and not np.fmax.reduce(np.abs(some), axis=None) > _OFFSET:
        return ""
    return describe_scale(some)


def _some(windows: NDArray | LazyWindows, most: int) -> NDArray:
    """Take at most so many windows, evenly spaced: a batch is all that is held at a time."""
    if len(windows) > most:
        rows = np.linspace(0, len(windows) - 1, most).astype(np.intp)
        return cut_windows(windows, rows, None)
    return np.asarray(windows)


def describe_scale(windows: NDArray) -> str:
    """Say what is wrong with the units of windows for a net; nothing if they are ordinary."""
    values = windows.transpose(1, 0, 2).reshape(windows.shape[1], -1).astype(np.float64)
    values = values[~np.isnan(values).all(axis=1)]
    if not len(values):
        return ""
    unit = float(power_of_two(np.nanmax(np.abs(values))))
    values /= unit
    level = float(np.median(np.abs(np.nanmean(values, axis=1)))) * unit
    spreads = np.nanstd(values, axis=1) * unit
    # What rounding leaves of a constant is no spread.
    rounding = _ROUNDINGS * np.finfo(windows.dtype).eps * np.nanmax(np.abs(values), axis=1) * unit
    varying = spreads[spreads > rounding]
    spread = float(np.median(varying)) if len(varying) else 0.0
    if max(level, spread) > _LARGEST or level > _OFFSET * max(spread, 1.0):
        word = "large numbers"
    elif 0 < spread < _SMALLEST:
        word = "small numbers"
    else:
        return ""
    return f"got {word} (a neuron's mean is about {level:.2g}, its standard deviation {spread:.2g})"
