"""Behaviour from NWB files: labels and covariates at the frames of a recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._inputs import read_labels
from skneurograph.datasets.nwb._file import NWBContents, is_a, is_text, list_names, text_of
from skneurograph.datasets.nwb._series import (
    Frames,
    Placement,
    at_frames,
    events_at_frames,
    intervals_at_frames,
    kind_of,
    lacks_unit_of_angles,
    values_in_units,
)

__all__ = ["read_behavior", "read_covariates"]

_NOT_LABELS = {"start_time", "stop_time", "tags", "tags_index", "timeseries", "timeseries_index"}
_REFERENCES = ("DynamicTableRegion", "TimeSeriesReferenceVectorData")


def read_behavior(file: NWBContents, name: str | None, frames: Frames) -> NDArray | None:
    """Read a label per frame from the table or series of this name, or the only one there is."""
    tables = file.of(lambda content: is_a(content, "TimeIntervals"))
    columns = {
        f"{path}/{column}": table for path, table in tables.items() for column in _columns(table)
    }
    series = {
        path: content
        for path, content in file.series.items()
        if kind_of(content) in ("values", "step")
    }
    if name is None:
        texts = [path for path, table in tables.items() if _text_columns(table)]
        texts += [p for p, s in series.items() if s.data.ndim == 1 and is_text(s.data[:1])]
        found = [path for path in texts if "behav" in path.lower()]
        if len(found) > 1:
            raise ValueError(
                f"behavior: several could be meant; name one of {list_names(found)}, or give False"
            )
        if not found:
            return None
        path = found[0]
    else:
        path = file.named("behavior", name, [*tables, *columns, *series])
    if path in columns:
        return _labels_of_intervals(file, path, columns[path], path.split("/")[-1], frames)
    if path in tables:
        names = _text_columns(tables[path])
        if len(names) != 1:
            own = (column for column in columns if columns[column] is tables[path])
            raise ValueError(
                f"behavior: {path} has {len(names)} columns of text; name the one that holds "
                f"the labels, one of {list_names(own)}"
            )
        return _labels_of_intervals(file, path, tables[path], names[0], frames)
    values = np.asarray(series[path].data[:])
    if values.ndim != 1:
        raise ValueError(f"behavior: got {path} of shape {values.shape}; expected (n_times,)")
    placement = Placement.of(path, series[path], len(values), frames)
    return _labels(f"behavior {path}", values, placement.nearest, placement.known)


def _columns(table: Any) -> list[str]:
    """Columns with one entry per interval, references to other objects excepted."""
    return [
        name
        for name in table.colnames
        if name not in _NOT_LABELS
        and not is_a(getattr(table[name], "target", table[name]), *_REFERENCES)
        and len(np.shape(table[name].data)) == 1
    ]


def _text_columns(table: Any) -> list[str]:
    return [name for name in _columns(table) if is_text(table[name][:])]


def _labels_of_intervals(
    file: NWBContents, path: str, table: Any, column: str, frames: Frames
) -> NDArray:
    given = [text_of(value) if is_text([value]) else value for value in table[column][:]]
    if not given:
        return np.full(len(frames.time), "")
    if any(np.ndim(value) for value in given):
        raise ValueError(
            f"behavior: got several values in an interval of {path}; expected one label in each"
        )
    values = read_labels(given, f"behavior {path}")
    starts, stops = (
        np.asarray(table[name][:], dtype=float) for name in ("start_time", "stop_time")
    )
    valid = stops >= starts
    if not valid.all():
        file.notes.append(
            f"behavior: {(~valid).sum()} of {len(valid)} intervals of {path} have no start, no "
            "stop or stop before they start; they label no frame"
        )
    missing = values == "" if values.dtype.kind == "U" else values != values
    first = np.searchsorted(frames.time, starts - frames.slack)
    last = np.searchsorted(frames.time, stops - frames.slack)
    row = np.full(len(frames.time), -1)
    for i in np.flatnonzero(valid & ~missing):
        before = row[first[i] : last[i]]
        if (values[before[before >= 0]] != values[i]).any():
            raise ValueError(
                f"behavior: intervals of {path} with different labels overlap at "
                f"{frames.time[first[i]]:g} s; expected one label per frame"
            )
        row[first[i] : last[i]] = i
    return _labels(f"behavior {path}", values, row, row >= 0)


def _labels(
    what: str, values: NDArray, index: NDArray[np.intp], known: NDArray[np.bool_]
) -> NDArray:
    """Label of each frame; ``''``, or NaN among numbers, where none is known."""
    values = read_labels(values, what)
    if known.all():
        return values[index]
    missing = "" if values.dtype.kind == "U" else np.nan
    if not known.any():
        return np.full(len(index), missing)
    return np.where(known, values[index], missing)


def read_covariates(
    file: NWBContents, wanted: Iterable[str] | Mapping[str, str] | None, frames: Frames
) -> dict[str, NDArray[np.float64]]:
    """Read the series of these names, or all in containers of behavioural series."""
    covariates: dict[str, NDArray[np.float64]] = {}
    chosen = _chosen(file, wanted)
    for name, path in chosen:
        for part, column in _covariate(file, path, frames).items():
            key = name + part
            if key in covariates:
                both = [p for n, p in chosen if n == name]
                raise ValueError(
                    f"covariates: {key!r} occurs more than once; name the ones to read, as in "
                    f"covariates={{'{name}': '{both[0]}'}}, among {list_names(both)}"
                )
            covariates[key] = column
    return covariates


def _chosen(
    file: NWBContents, wanted: Iterable[str] | Mapping[str, str] | None
) -> list[tuple[str, str]]:
    """Name and path of each series to read."""
    readable = {p: s for p, s in file.series.items() if kind_of(s) != "annotations"}
    if wanted is None:
        return [
            (path.split("/")[-1], path)
            for path, series in file.series.items()
            if is_a(series.parent, "BehavioralTimeSeries") and not is_text(series.data[:1])
        ]
    if isinstance(wanted, Mapping):
        return [(str(n), file.named("covariates", p, readable)) for n, p in wanted.items()]
    if not isinstance(wanted, Iterable):
        raise ValueError(
            f"covariates: got {wanted!r}; expected names of series, a mapping of names to them, "
            "or () to read none"
        )
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    paths = [file.named("covariates", name, readable) for name in names]
    return [(path.split("/")[-1], path) for path in paths]


def _covariate(file: NWBContents, path: str, frames: Frames) -> dict[str, NDArray[np.float64]]:
    """Columns of a series at the frames, by what follows its name: nothing if it has but one."""
    series = file.series[path]
    kind = kind_of(series)
    if kind == "events":
        return {"": events_at_frames(path, series, len(series.data), frames)}
    if kind == "intervals":
        inside = intervals_at_frames(path, series, frames)
        if len(inside) > 1:
            return {f"_{number}": column for number, column in inside.items()}
        return {"": next(iter(inside.values()), np.zeros(len(frames.time)))}
    values = values_in_units(path, series)
    if values.dtype.kind not in "buif":
        raise ValueError(
            f"covariates: got {path} of dtype {values.dtype}; expected numbers (behavior= reads "
            "a series of labels)"
        )
    if lacks_unit_of_angles(series):
        file.notes.append(
            f"covariates: {path} holds directions in {series.unit!r}; expected radians or degrees. "
            "Frames take the nearest sample, as directions cannot be averaged without their unit"
        )
    placement = Placement.of(path, series, len(values), frames)
    if values.ndim == 1:
        return {"": at_frames(series, values, placement)}
    return {f"_{i}": at_frames(series, column, placement) for i, column in enumerate(values.T)}
