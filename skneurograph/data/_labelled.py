"""Tables of pandas, xarray and pynapple: their values, names and order of rows.

Neither xarray nor pynapple is imported: their objects are told by where their classes come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skneurograph.data._clock import CLOCKS, is_default, label_kind, plain_labels
from skneurograph.data._inputs import InputError, read_names, read_numbers

__all__ = ["Frames", "as_pandas", "column_names", "read_table"]

_TIME_DIMENSIONS = {"time", "t", "frame", "sample", "bin", "timestamp", "timepoint"}
_NEURON_DIMENSIONS = {"neuron", "unit", "cell", "roi", "channel", "node", "electrode"}
# Columns that hold the clock if their values increase: no neuron is called so.
_CLOCK_COLUMNS = _TIME_DIMENSIONS | {"index", "second", "sec", "unnamed: 0", "time_s", "time (s)"}
_SECONDS_PER_UNIT = {"ms": 1e-3, "millisecond": 1e-3, "us": 1e-6, "microsecond": 1e-6, "min": 60.0}
_REMEDY = (
    "series.reindex(activity.index) fills gaps, series.to_numpy() gives values that stand in "
    "the order of the frames already"
)
# Two clocks mean the same frame if they differ by less than this part of an interval.
_SAME_FRAME = 1e-3


def as_pandas(value: Any, what: str) -> Any:
    """Return a labelled array as a Series or DataFrame, frames as rows; anything else as it is.

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
        """Return one value per frame, in the order of the frames, if the value has an index.

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
        own = plain_labels(value.index)
        known = self._labels(label_kind(own))
        if known is None or label_kind(known) != label_kind(own):
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
            rows = plain_labels(self.activity.index)
        if (
            kind == "seconds"
            and self.seconds is not None
            and (rows is None or label_kind(rows) != kind)
        ):
            return pd.Index(self.seconds)
        return rows

    def _check_order(self, own: pd.Index, known: pd.Index | None, what: str) -> None:
        """Refuse an index that cannot be compared with the frames and may mean another order."""
        unlabelled = known is None or is_default(known)
        if is_default(own) or (unlabelled and (own.is_monotonic_increasing or not _can_order(own))):
            return
        other = "has none" if known is None else f"has one of {label_kind(known)}"
        raise InputError(
            what,
            f"an index of {label_kind(own)}, while activity {other}",
            f"the same index; {_REMEDY}",
        )

    def _positions(self, own: pd.Index, known: pd.Index) -> NDArray[np.intp]:
        if label_kind(own) not in CLOCKS or label_kind(own) == "numbers":
            return own.get_indexer(known)
        slack = _SAME_FRAME / self.rate
        order = own.argsort()
        tolerance = slack if label_kind(own) == "seconds" else pd.Timedelta(seconds=slack)
        found = own[order].get_indexer(known, method="nearest", tolerance=tolerance)
        return np.where(found < 0, -1, order[found])


def _can_order(rows: pd.Index) -> bool:
    return label_kind(rows) in CLOCKS
