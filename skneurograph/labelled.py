"""Take tables of pandas, xarray and pynapple apart: values, names and the clock of the rows.

Neither xarray nor pynapple is imported: their objects are told by where their classes come from.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skneurograph.inputs import InputError, read_names, read_numbers, unmasked

__all__ = ["Frames", "as_pandas", "column_names", "read_clock", "read_seconds", "read_table"]

_TIME_DIMENSIONS = {"time", "t", "frame", "sample", "bin", "timestamp", "timepoint"}
_NEURON_DIMENSIONS = {"neuron", "unit", "cell", "roi", "channel", "node", "electrode"}
# Columns that hold the clock if their values increase: no neuron is called so.
_CLOCK_COLUMNS = _TIME_DIMENSIONS | {"index", "second", "sec", "unnamed: 0", "time_s", "time (s)"}
_SECONDS_PER_UNIT = {"ms": 1e-3, "millisecond": 1e-3, "us": 1e-6, "microsecond": 1e-6, "min": 60.0}
# Kinds of row labels that can be a clock.
_CLOCKS = ("numbers", "seconds", "dates", "dates with a time zone")
# Two clocks mean the same frame if they differ by less than this part of an interval.
_SAME_FRAME = 1e-3


def as_pandas(value: Any, what: str) -> Any:
    """Give a labelled array as a Series or DataFrame, frames as rows; anything else as it is.

    Raises
    ------
    InputError
        If it holds spike times or several variables, or if its dimensions contradict each other.
    """
    if _comes_from(value, "xarray") and hasattr(value, "dims"):
        return _of_xarray(value, what)
    if _comes_from(value, "pynapple"):
        return _of_pynapple(value, what)
    if not isinstance(value, (pd.Series, pd.DataFrame)) and hasattr(value, "to_pandas"):
        return value.to_pandas()
    return value


def _comes_from(value: Any, package: str) -> bool:
    return any(cls.__module__.partition(".")[0] == package for cls in type(value).__mro__)


def _of_pynapple(value: Any, what: str) -> Any:
    if hasattr(value, "count") and not hasattr(value, "d"):
        raise InputError(
            what,
            f"spike times (pynapple.{type(value).__name__})",
            "one value per frame; bin them first, as with .count(bin_size)",
        )
    if not hasattr(value, "d"):
        return value
    values = np.asarray(value.values)
    if values.ndim == 1:
        return pd.Series(values, index=np.asarray(value.t), copy=False)
    if values.ndim == 2:
        return pd.DataFrame(values, np.asarray(value.t), value.columns, copy=False)
    return values


def _of_xarray(value: Any, what: str) -> Any:
    if not hasattr(value, "to_numpy"):
        raise InputError(
            what, f"xarray.{type(value).__name__}", "one of its variables, such as dataset['rates']"
        )
    if value.ndim == 2 and _is_turned(value, what):
        value = value.transpose()
    values = np.asarray(value.to_numpy())
    if value.ndim not in (1, 2):
        return values
    rows = _coordinate(value, value.dims[0], what)
    if value.ndim == 1:
        return pd.Series(values, index=rows, copy=False)
    columns = _coordinate(value, value.dims[1], what)
    return pd.DataFrame(values, index=rows, columns=columns, copy=False)


def _coordinate(value: Any, dimension: Any, what: str) -> pd.Index | None:
    """Labels along a dimension of a DataArray, times in seconds."""
    along = [name for name, coordinate in value.coords.items() if coordinate.dims == (dimension,)]
    if dimension in along:
        along = [dimension]
    if len(along) > 1:
        raise InputError(
            what,
            f"several coordinates along {dimension!r}: {', '.join(map(str, along))}",
            f"one; array.swap_dims({{{dimension!r}: {along[0]!r}}}) chooses it",
        )
    if not along:
        return None
    coordinate = value.coords[along[0]]
    labels = pd.Index(coordinate.to_numpy())
    unit = str(coordinate.attrs.get("units", "")).lower()
    scale = _SECONDS_PER_UNIT.get(unit) or _SECONDS_PER_UNIT.get(unit.removesuffix("s"))
    if scale is not None and labels.dtype.kind in "iuf":
        return pd.Index(labels.to_numpy() * scale)
    return labels


def _is_turned(value: Any, what: str) -> bool:
    """Whether the second dimension of a DataArray is time, by names and coordinates."""
    kinds = [_kind_of_dimension(value, name) for name in value.dims]
    if kinds[0] and kinds[0] == kinds[1]:
        raise InputError(
            what, f"two dimensions of {kinds[0]}, {value.dims}", "dimensions (time, neuron)"
        )
    return kinds[0] == "neurons" or kinds[1] == "time"


def _kind_of_dimension(value: Any, name: Any) -> str:
    words = str(name).lower().removesuffix("s").split("_")
    index = value.indexes.get(name)
    if words[0].removesuffix("s") in _TIME_DIMENSIONS:
        return "time"
    if words[0].removesuffix("s") in _NEURON_DIMENSIONS:
        return "neurons"
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        return "time"
    if index is not None and len(index) and pd.api.types.is_string_dtype(index):
        return "neurons"
    return ""


def read_table(value: Any, what: str, expected: str) -> NDArray[np.floating]:
    """Read the numbers of an array or table; an error names the column that holds none."""
    if isinstance(value, pd.DataFrame):
        for position, name in enumerate(value.columns):
            column = value.iloc[:, position]
            if not pd.api.types.is_numeric_dtype(column.dtype):
                _refuse_text(column, name, what)
            _refuse_clock(column, name, what)
    return read_numbers(value, what, expected)


def _refuse_text(column: pd.Series, name: Any, what: str) -> None:
    try:
        read_numbers(column, what)
    except InputError as error:
        raise InputError(
            what,
            f"column {name!r} of dtype {column.dtype}",
            "numbers in every column; labels go to behavior=, dates into the index",
        ) from error


def _refuse_clock(column: pd.Series, name: Any, what: str) -> None:
    word = str(name).strip().lower()
    if word.removesuffix("s") not in _CLOCK_COLUMNS and word not in _CLOCK_COLUMNS:
        return
    values = read_numbers(column, what)
    if len(values) > 2 and (np.diff(values) > 0).all():
        raise InputError(
            what,
            f"column {name!r}, whose values increase from frame to frame",
            f"a column per neuron; table.set_index({name!r}) makes it the clock, "
            f"table.drop(columns={name!r}) leaves it out",
        )


def column_names(value: Any, what: str) -> NDArray[np.str_] | None:
    """Names that the columns of a DataFrame give; None for an array, or columns 0, 1, 2, ...

    Other integers are taken for identifiers of cells, and become text.

    Raises
    ------
    InputError
        If columns are neither text nor integers.
    """
    if not isinstance(value, pd.DataFrame):
        return None
    columns = value.columns
    remedy = "text; set table.columns, or turn a table that has neurons as rows with table.T"
    if isinstance(columns, pd.MultiIndex):
        raise InputError(f"{what}'s columns", f"{columns.nlevels} levels of names", remedy)
    columns = columns.infer_objects()
    if columns.dtype.kind in "iu":
        is_default = np.array_equal(columns, np.arange(len(columns)))
        return None if is_default else np.array(columns.astype(str), dtype=str)
    if columns.dtype.kind in "fcmMb":
        raise InputError(f"{what}'s columns", f"names of dtype {columns.dtype}", remedy)
    return read_names(columns.to_numpy(dtype=object), f"{what}'s columns")


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
    rows = _plain_labels(value.index)
    if _is_default(rows):
        return None, rate
    expected = (
        "rows in the order of time; sort_index() orders them, reset_index(drop=True) leaves out "
        "an index that is no clock, and several trials are one Recording each"
    )
    kind = _kind(rows)
    if kind not in _CLOCKS:
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


def _plain_labels(index: pd.Index) -> pd.Index:
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


def _is_default(rows: pd.Index) -> bool:
    return _kind(rows) == "numbers" and np.array_equal(rows, np.arange(len(rows)))


def _kind(rows: pd.Index) -> str:
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


@dataclass(frozen=True)
class Frames:
    """The frames of a recording, to which labels and covariates with an index are aligned.

    Parameters
    ----------
    activity : Series, DataFrame or array-like
        What was given; its index labels the frames.
    rate : float
        Frames per second (Hz).
    seconds : ndarray of shape (n_times,), optional
        The clock, to align what has times for an index.
    """

    activity: Any
    rate: float
    seconds: NDArray[np.float64] | None = None

    def align(self, value: Any, what: str) -> Any:
        """Give one value per frame, in the order of the frames, if the value has an index.

        Equal labels are one frame (times: within a thousandth of an interval). Where the
        activity has no index, or the value the default one and the activity another kind
        of label, values stand in order already.

        Raises
        ------
        InputError
            If the index does not hold each frame, or if there is nothing to compare it with
            and it does not increase.
        """
        value = as_pandas(value, what)
        if not isinstance(value, pd.Series):
            return value
        own = _plain_labels(value.index)
        known = self._labels(_kind(own))
        if known is None or _kind(known) != _kind(own):
            self._check_order(own, known, what)
            return value
        if own.equals(known):
            return value
        if not own.is_unique:
            raise InputError(what, "an index that repeats a label", "one label per frame")
        found = self._positions(own, known)
        if (found < 0).any():
            raise InputError(
                what,
                f"an index that lacks {int((found < 0).sum())} of {len(known)} frames of activity "
                f"(the first is {known[int(np.argmin(found))]!r})",
                f"the index of activity; {_REMEDY}",
            )
        return value.iloc[found]

    def _labels(self, kind: str) -> pd.Index | None:
        rows = None
        if isinstance(self.activity, (pd.Series, pd.DataFrame)):
            rows = _plain_labels(self.activity.index)
        if kind == "seconds" and self.seconds is not None and (rows is None or _kind(rows) != kind):
            return pd.Index(self.seconds)
        return rows

    def _check_order(self, own: pd.Index, known: pd.Index | None, what: str) -> None:
        """Refuse an index that cannot be compared with the frames and may mean another order."""
        unlabelled = known is None or _is_default(known)
        if _is_default(own) or (
            unlabelled and (own.is_monotonic_increasing or not _can_order(own))
        ):
            return
        other = "has none" if known is None else f"has one of {_kind(known)}"
        raise InputError(
            what, f"an index of {_kind(own)}, while activity {other}", f"the same index; {_REMEDY}"
        )

    def _positions(self, own: pd.Index, known: pd.Index) -> NDArray[np.intp]:
        if _kind(own) not in _CLOCKS or _kind(own) == "numbers":
            return own.get_indexer(known)
        slack = _SAME_FRAME / self.rate
        order = own.argsort()
        tolerance = slack if _kind(own) == "seconds" else pd.Timedelta(seconds=slack)
        found = own[order].get_indexer(known, method="nearest", tolerance=tolerance)
        return np.where(found < 0, -1, order[found])


_REMEDY = (
    "series.reindex(activity.index) fills gaps, series.to_numpy() gives values that stand in "
    "the order of the frames already"
)


def _can_order(rows: pd.Index) -> bool:
    return _kind(rows) in _CLOCKS
