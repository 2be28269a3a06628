"""Conversion of windows, targets and labels from any container to plain arrays.

xarray's and pynapple's objects are known by what they offer; neither is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse

from skneurograph.data._inputs import (
    InputError,
    no_numbers,
    plain_array,
    read_labels,
    read_numbers,
    unmasked,
)

__all__ = [
    "Labelled",
    "check_alignment",
    "column_names",
    "read_numeric_target",
    "read_target_labels",
    "read_windows",
]

_DATES = "mM"
_EXPECTED = "windows of shape (n_windows, n_neurons, n_times)"
# What tables, labelled arrays and recordings have, whose axes nobody can guess from a list.
_LABELLED = ("columns", "dims", "activity")
# What people call the dimensions, and where each may stand. The windows of a recording may be
# told by their time, so only the neurons' place is never that of time.
_PLACES = {
    "window windows trial trials epoch epochs case cases": {0},
    "neuron neurons unit units cell cells channel channels roi rois": {1},
    "time times frame frames timepoint timepoints t": {0, 2},
}


class Labelled(NamedTuple):
    """Windows that scikit-learn can validate, and the names of neurons that it does not see.

    Attributes
    ----------
    values : ndarray or DataFrame
    neurons : list of str or None
        None for a DataFrame, whose columns are the names, and where there are none.
    """

    values: Any
    neurons: list[str] | None = None


def read_windows(X: Any) -> Labelled:
    """Read windows: masks become NaN, names of neurons are kept, wrong containers explained.

    Raises
    ------
    InputError
        If windows differ in shape, or if named dimensions stand in another order.
    """
    X = unmasked(X)
    if isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 1:
        X = list(X)
    if isinstance(X, (list, tuple)):
        X = _stacked(X)
    if issparse(X):
        return Labelled(X)
    if isinstance(X, (Mapping, Set, Iterator)) or hasattr(X, "X") or hasattr(X, "activity"):
        remedy = "its X" if hasattr(X, "X") else "sliding_windows(recordings, n_times).X"
        raise InputError("X", type(X).__name__, f"{_EXPECTED}, such as {remedy}")
    if hasattr(X, "iloc"):
        dates = [name for name, dtype in X.dtypes.items() if dtype.kind in _DATES]
        if dates:
            raise InputError("X", f"dates in the columns {dates}", "numbers, one column per neuron")
        _refuse_columns(X)
        return Labelled(X.fillna(np.nan) if any(dtype.kind == "O" for dtype in X.dtypes) else X)
    if hasattr(X, "__dataframe__") or not hasattr(X, "__array__"):
        return Labelled(X)
    _check_dims(X)
    names = column_names(X)
    values = X if isinstance(X, np.ndarray) else plain_array(X, "X", _EXPECTED)
    if values.dtype.kind in _DATES:
        raise InputError("X", f"dtype {values.dtype}", _EXPECTED)
    what = no_numbers(values)
    if what:
        raise InputError("X", _in_full(what), f"numbers: {_EXPECTED}")
    if values.dtype.kind == "O":
        missing = np.asarray(pd.isna(values))
        values = np.where(missing, np.nan, values) if missing.any() else values
    if names is not None and values.ndim == 2:
        return Labelled(pd.DataFrame(values, columns=names))
    return Labelled(values, names)


def _refuse_columns(table: Any) -> None:
    """Refuse columns of a table that hold no numbers, by name."""
    for what in ("text", "complex numbers"):
        names = [
            name
            for name, column in table.items()
            if column.dtype.kind not in "biuf" and no_numbers(column.to_numpy()) == what
        ]
        if names:
            found = f"{_in_full(what)} in the columns {names}"
            raise InputError("X", found, "numbers, one column per neuron")


def _in_full(what: str) -> str:
    """Name complex numbers as scikit-learn does, too."""
    return f"{what} (Complex data not supported)" if what == "complex numbers" else what


def column_names(value: Any) -> list[str] | None:
    """Names of the neurons, if the container has them, all of them text, along its columns."""
    names: Any = None
    if hasattr(value, "columns"):
        names = value.columns
    elif hasattr(value, "dims") and hasattr(value, "indexes") and len(value.dims) > 1:
        names = value.indexes.get(value.dims[1])
    if names is None or not len(names) or not all(isinstance(name, str) for name in names):
        return None
    return [str(name) for name in names]


def read_numeric_target(y: Any, what: str = "y") -> Any:
    """Return numbers with NaN where they are masked or missing; others are left to the checks."""
    y = unmasked(y)
    if y is None or not (isinstance(y, (list, tuple)) or hasattr(y, "__array__")):
        return y
    array = plain_array(y, what, "numbers")
    if array.dtype.kind in "cOUSV" + _DATES:
        return read_numbers(y, what)
    return array


def read_target_labels(y: Any, what: str = "y") -> Any:
    """Return the label of each window as an array: none missing, bytes read as text.

    Raises
    ------
    InputError
        If a label is missing, or if labels are of several kinds.
    """
    y = unmasked(y)
    if y is None or not (isinstance(y, (list, tuple)) or hasattr(y, "__array__")):
        return y
    if hasattr(y, "__array__"):
        given = np.asarray(y)
        if given.dtype.kind in "buifc":
            return given
    labels = read_labels(y, what)
    if labels.dtype.kind == "U":
        missing = np.char.strip(labels) == ""
    else:
        missing = np.asarray(pd.isna(labels))
    if missing.any():
        raise InputError(
            what,
            f"no label for {int(missing.sum())} of {len(labels)} windows (the first at position "
            f"{int(np.argwhere(missing)[0][0])})",
            "a label for every window; leave out windows without one (sliding_windows leaves "
            "out those whose label is '')",
        )
    # Text that came as objects goes as objects.
    as_objects = hasattr(y, "__array__") and given.dtype.kind == "O"
    return given if as_objects and all(isinstance(label, str) for label in given.flat) else labels


def check_alignment(**given: Any) -> None:
    """Refuse arguments whose rows bear the same labels in another order.

    Parameters
    ----------
    **given
        Arguments by name, such as ``X=X, y=y``; what has no index is taken by position.

    Raises
    ------
    InputError
        If two of them have an index with the same labels in another order.
    """
    first: tuple[str, pd.Index] | None = None
    for name, value in given.items():
        labels = _row_labels(value)
        if labels is None:
            continue
        if first is None:
            first = name, labels
            continue
        other = first[1]
        if len(labels) != len(other) or labels.equals(other):
            continue
        if labels.isin(other).all() and other.isin(labels).all():
            raise InputError(
                name,
                f"rows whose index is that of {first[0]} in another order",
                f"the rows of {first[0]}, since rows belong together by position; use "
                f"{name}.loc[{first[0]}.index], or {name}.to_numpy() if the positions are right",
            )


def _row_labels(value: Any) -> pd.Index | None:
    if isinstance(value, (pd.Series, pd.DataFrame)):
        return value.index
    if hasattr(value, "dims") and hasattr(value, "indexes") and len(value.dims):
        found = value.indexes.get(value.dims[0])
        return found if isinstance(found, pd.Index) else None
    return None


def _stacked(windows: Sequence[Any]) -> NDArray:
    """Make one array of a list of windows."""
    if any(hasattr(window, name) for window in windows for name in _LABELLED):
        raise InputError(
            "X",
            f"a list of {type(windows[0]).__name__}",
            f"one array, {_EXPECTED}: that of sliding_windows(recordings, n_times).X, or np.stack "
            "of arrays (n_neurons, n_times)",
        )
    try:
        return np.asarray(windows)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        shapes: list[str] = []
        for window in windows:
            try:
                shape = str(np.shape(window))
            except ValueError:
                shape = "a ragged one"
            if shape not in shapes:
                shapes.append(shape)
        raise InputError(
            "X",
            f"windows of different shapes ({', '.join(shapes[:3])}"
            + (", ...)" if len(shapes) > 3 else ")"),
            f"{_EXPECTED}, all of one shape; cut trials of different length into windows with "
            "sliding_windows(trials, n_times), or pad them at their end with NaN for TAVRNN",
        ) from error


def _check_dims(X: Any) -> None:
    """Refuse named dimensions in another order than windows, neurons, frames."""
    dims = getattr(X, "dims", None)
    if not isinstance(dims, tuple) or len(dims) not in (2, 3):
        return
    kinds = [
        next((kind for kind, names in enumerate(_PLACES) if str(dim).lower() in names.split()), -1)
        for dim in dims
    ]
    places = list(_PLACES.values())
    if all(kind < 0 or place in places[kind] for place, kind in enumerate(kinds)):
        return
    remedy = ""
    if (len(dims) == 3 and sorted(kinds) == [0, 1, 2]) or (len(dims) == 2 and 1 in kinds):
        order = sorted(dims, key=lambda dim: kinds[dims.index(dim)])
        if len(dims) == 2:
            order = sorted(dims, key=lambda dim: kinds[dims.index(dim)] == 1)
        remedy = "; use X.transpose(" + ", ".join(repr(dim) for dim in order) + ")"
    raise InputError(
        "X",
        f"dimensions {dims}",
        "windows first, then neurons" + (", then frames" if len(dims) == 3 else "") + remedy,
    )
