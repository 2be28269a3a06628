"""Time of each frame of a recording: validation, conversion to seconds, gaps."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skneurograph.data._inputs import InputError, read_numbers, unmasked

__all__ = [
    "CLOCKS",
    "GAP_IN_INTERVALS",
    "check_clock",
    "is_default",
    "label_kind",
    "plain_labels",
    "read_clock",
    "read_seconds",
    "stretches",
]

# A pause longer than this many sampling intervals is a gap that no window may cross.
GAP_IN_INTERVALS = 2.5
# A clock whose median interval is shorter than that contradicts the sampling rate.
_SHORTEST_INTERVAL = 0.4
# Kinds of row labels that can be a clock.
CLOCKS = ("numbers", "seconds", "dates", "dates with a time zone")


def check_clock(time: NDArray[np.float64], rate: float, what: str) -> None:
    """Check that times increase and agree with the sampling rate.

    Raises
    ------
    InputError
        If they do not.
    """
    intervals = np.diff(time) * rate
    if (intervals <= 0).any():
        raise InputError(what, "times that do not increase", "increasing seconds, one per frame")
    if len(intervals) and (
        intervals.min() > GAP_IN_INTERVALS or np.median(intervals) < _SHORTEST_INTERVAL
    ):
        raise InputError(
            what,
            f"frames {np.median(np.diff(time)):.4g} s apart at {rate:g} Hz",
            "seconds that agree with the sampling rate",
        )


def stretches(time: NDArray[np.float64], rate: float) -> list[tuple[int, int]]:
    """Stretches of frames without a gap between them, as ``(start, stop)``."""
    breaks = np.flatnonzero(np.diff(time) * rate > GAP_IN_INTERVALS) + 1
    return list(itertools.pairwise([0, *breaks.tolist(), len(time)]))


def read_clock(
    value: Any, rate: float | None, what: str
) -> tuple[NDArray[np.float64] | None, float | None]:
    """Seconds of each row of a Series or DataFrame, and its rate; None where it has none.

    Dates count from the first row, durations and floats are seconds as they stand, and
    integers number the frames: a missing number is a frame that was taken out. The
    default index 0, 1, 2, ... is no clock.

    Parameters
    ----------
    value : Series, DataFrame or array-like
        What was given; an array has no clock.
    rate : float or None
        Rows per second (Hz), if known. Without it numbered frames are 1 s apart, and the
        rate that comes back is None.
    what : str
        What the value is for, for the message of an error.

    Raises
    ------
    InputError
        If the index is no clock, or does not increase.
    """
    if not isinstance(value, (pd.Series, pd.DataFrame)):
        return None, rate
    rows = plain_labels(value.index)
    if is_default(rows):
        return None, rate
    expected = (
        "rows in the order of time; sort_index() orders them, reset_index(drop=True) leaves out "
        "an index that is no clock, and several trials are one Recording each"
    )
    kind = label_kind(rows)
    if kind not in CLOCKS:
        orientation = "; if its rows are neurons, give table.T" if kind == "text" else ""
        raise InputError(what, f"an index of {kind}", expected + orientation)
    missing = np.asarray(rows.isna())
    if missing.any():
        raise InputError(what, f"an index with {int(missing.sum())} missing entries", expected)
    if not rows.is_monotonic_increasing or not rows.is_unique:
        row = int(np.argmin(rows[1:] > rows[:-1])) + 1
        raise InputError(what, f"an index that does not increase at row {row}", expected)
    if kind == "numbers":
        return _numbered_frames(rows, rate, what), rate
    seconds = read_seconds(rows, what)
    if rate is None and len(seconds) > 1:
        # Twelve digits, so that thirds of a second give 3 Hz and not 2.9999999999999996.
        rate = float(f"{1 / np.median(np.diff(seconds)):.12g}")
    return seconds, rate


def _numbered_frames(rows: pd.Index, rate: float | None, what: str) -> NDArray[np.float64]:
    frames = rows.to_numpy().astype(np.float64)
    step = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    if rate is not None and step != 1 and not isinstance(rows, pd.RangeIndex):
        if 0.9 < step * rate < 1.1:
            return frames
        raise InputError(
            what,
            f"an index of integers {step:g} apart at {rate:g} Hz",
            "seconds, or the numbers of the frames; reset_index(drop=True) leaves the index out",
        )
    return frames / step / (rate or 1.0)


def read_seconds(value: Any, what: str) -> NDArray[np.float64]:
    """Read times as seconds: dates (with a time zone or without) count from the first.

    Raises
    ------
    InputError
        If the values are neither numbers, dates nor durations, or if one is missing.
    """
    expected = "increasing seconds, one per frame"
    if isinstance(value, pd.PeriodIndex):
        value = value.to_timestamp()
    array = np.asarray(unmasked(value)) if not _is_ragged(value) else value
    dates = _as_dates(array) if isinstance(array, np.ndarray) else None
    if dates is None:
        seconds = read_numbers(array, what, expected).astype(np.float64)
    elif dates.isna().any():
        seconds = np.where(dates.isna(), np.nan, 0.0)
    elif isinstance(dates, pd.TimedeltaIndex):
        seconds = dates.total_seconds().to_numpy()
    else:
        seconds = (dates - dates[0]).total_seconds().to_numpy()
    if np.isnan(seconds).any():
        raise InputError(what, f"{int(np.isnan(seconds).sum())} missing times", expected)
    return seconds


def _is_ragged(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len({np.shape(item) for item in value}) > 1


def _as_dates(array: NDArray) -> pd.DatetimeIndex | pd.TimedeltaIndex | None:
    """Dates or durations in an array; None if it holds anything else."""
    if array.ndim != 1 or not len(array):
        return None
    if array.dtype.kind == "M":
        return pd.DatetimeIndex(array)
    if array.dtype.kind == "m":
        return pd.TimedeltaIndex(array)
    present = array[~pd.isna(array)] if array.dtype.kind == "O" else ()
    if len(present) and all(isinstance(item, (datetime.date, np.datetime64)) for item in present):
        return pd.DatetimeIndex(pd.to_datetime(array, utc=True))
    if len(present) and all(
        isinstance(item, (datetime.timedelta, np.timedelta64)) for item in present
    ):
        return pd.TimedeltaIndex(pd.to_timedelta(array))
    return None


def plain_labels(index: pd.Index) -> pd.Index:
    """Labels of rows in a form that can be compared with those of another table."""
    if isinstance(index, pd.CategoricalIndex):
        index = pd.Index(index.to_numpy())
    if index.dtype == object and not isinstance(index, pd.MultiIndex):
        index = index.infer_objects()
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    if isinstance(index, pd.TimedeltaIndex):
        return pd.Index(index.total_seconds())
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        return index.tz_convert("UTC")
    return index


def is_default(rows: pd.Index) -> bool:
    """Whether rows are labelled 0, 1, 2, ..., which says nothing about them."""
    return label_kind(rows) == "numbers" and np.array_equal(rows, np.arange(len(rows)))


def label_kind(rows: pd.Index) -> str:
    """Name what labels of rows are; those of `CLOCKS` can be a clock."""
    if isinstance(rows, pd.MultiIndex):
        return f"{rows.nlevels} levels"
    if isinstance(rows, pd.DatetimeIndex):
        return "dates" if rows.tz is None else "dates with a time zone"
    if pd.api.types.is_bool_dtype(rows):
        return "booleans"
    if pd.api.types.is_integer_dtype(rows):
        return "numbers"
    if pd.api.types.is_float_dtype(rows):
        return "seconds"
    return "text" if pd.api.types.is_string_dtype(rows) else f"dtype {rows.dtype}"
