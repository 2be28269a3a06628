"""Read a recording from an NWB file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._recording import Recording
from skneurograph.data._warnings import warn
from skneurograph.datasets.nwb._behavior import read_behavior, read_covariates
from skneurograph.datasets.nwb._file import (
    NWBContents,
    is_a,
    is_text,
    list_names,
    nwb_path,
    open_nwb,
    text_of,
)
from skneurograph.datasets.nwb._series import (
    Frames,
    kind_of,
    sampling_rate,
    times_of,
    values_in_units,
)

__all__ = ["read_nwb"]

# Columns that hold identities, the first that fits is taken. The last two are used for much else
# too (cell types, "soma"), so they count only if no name occurs twice.
_IDENTITY_COLUMNS = (
    r"id_?labels?",
    r"(neuron|cell)_?names?",
    r"(neuron|cell)_?(ids?|labels?)",
    r"neurons?|identit(y|ies)",
    r"\w+_id_?labels?",
    r"names?",
    r"labels?",
)
_GENERIC_COLUMNS = _IDENTITY_COLUMNS[-2:]
_UNIDENTIFIED = {"", "nan", "<na>", "none", "n/a", "unknown", "?"}
_REGIONS_OF_INTEREST = ("rois", "table_region")  # table_region: extensions for microscopy


def read_nwb(
    path: str | os.PathLike[str],
    *,
    activity: str | None = None,
    neurons: str | None = None,
    behavior: str | Literal[False] | None = None,
    covariates: Iterable[str] | Mapping[str, str] | None = None,
    organism: str | None = None,
) -> Recording:
    """Read the recording of one organism from a Neurodata Without Borders (NWB) file.

    Nothing has to be named where the file leaves no choice; where it does, an error lists
    the candidates. Whatever is named is given by its name in the file, or by as much of
    the end of its path as makes it unique: ``"Fluorescence/Red"`` or
    ``"processing/ophys/Fluorescence/Red"``. Needs pynwb: ``pip install skneurograph[nwb]``.

    Parameters
    ----------
    path : path-like
        An HDF5 file of NWB 2.
    activity : str, optional
        Time series of shape (n_times, n_neurons), such as ``"DfOverF/RoiResponseSeries"``
        or, of electrodes, ``"LFP/ElectricalSeries"``. By default the only series of regions
        of interest (`RoiResponseSeries`, in `Fluorescence`, `DfOverF` or by itself) among
        the processing modules, or, if they have none, in the file.
    neurons : str, optional
        What names the neurons: a column of the table of regions of interest, or of
        electrodes, or an object of the file whose ``labels`` are one per neuron. By default
        a column of text called like ``ID_labels``, ``neuron name``, ``cell_id``, ``name`` or
        ``label``, then an object with ``labels`` next to the series, such as the
        ``NeuronIDs`` of C. elegans files; else no neuron is identified. Missing and empty
        names, ``nan``, ``None``, ``unknown`` and, among text, mere numbers stand for
        unidentified neurons.
    behavior : str or False, optional
        A table of intervals (`TimeIntervals`) with a column of text, one of its columns
        (``"states/label"``), or a time series with one label per sample. By default the
        only one of these with "behav" in its path, if any; a series counts if its labels
        are text. Intervals and events that are marks in a series are no labels, but
        covariates. False reads none.
    covariates : iterable of str or mapping of str to str, optional
        Time series to read; a mapping gives them other names, as
        ``{"velocity": "behavior/Speed"}``. By default all in `BehavioralTimeSeries`
        containers, text excepted; ``()`` reads none. A series of several columns gives
        ``name_0``, ``name_1`` and so on, intervals of several types ``name_1``, ``name_2``.
    organism : str, optional
        By default the subject's ``subject_id``, or the file's ``identifier``.

    Returns
    -------
    Recording
        ``time`` is the clock of the file, in seconds. ``sampling_rate`` is that of the
        series or one over the median interval between its timestamps, which are kept
        as they are. Values are in the unit of the series: ``data * channel_conversion *
        conversion + offset``. ``description`` holds the session's description and related
        publications.

    Raises
    ------
    ImportError
        If pynwb is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not NWB 2, holds no such time series (but spike times, or single
        cells), if something named is not in it, if several series or tables could be meant
        (the message lists them), or if their shapes or times do not fit. The message names
        the file, and what to do instead.

    Warns
    -----
    UserWarning
        If several neurons have the same name, which then identifies none of them, if a
        series is stored as (n_neurons, n_times) and has to be turned, if intervals have no
        start or end, or if directions have no unit of angles.

    Notes
    -----
    Behaviour is brought to the frames of the activity without filtering.

    Labels:

    - an interval labels the frames with ``start_time <= time < stop_time``; frames in no
      interval, or in one without a label, are unlabelled;
    - a series of labels gives each frame the label of the nearest sample.

    Covariates:

    - measured values are interpolated linearly between samples; angles (in radians or
      degrees, all within one turn) along the shorter arc;
    - states take the nearest sample: booleans, integers that have neither ``conversion`` nor
      ``offset``, and series of nothing but 0 and 1, unless their ``continuity`` is
      ``"continuous"``;
    - an `IntervalSeries` is 1 inside its intervals, from the start until before the end, and
      0 outside; an interval without a start began before the recording, one without an end
      outlasts it;
    - events are counted: each belongs to the nearest frame. Events are series whose
      ``continuity`` is ``"instantaneous"``, and those in `BehavioralEvents` with timestamps
      and without a ``continuity``. Their values are not read.

    Frames farther than half a sampling interval outside a series of behaviour, or in a
    pause of more than 2.5 of its intervals, are unlabelled or NaN; a missing sample makes NaN
    of the frames next to it. A series whose ``continuity`` is ``"step"``, and an
    `IndexSeries`, keep each value until the next sample instead, the last one for one
    interval if there is a ``rate``, else to the end.

    Spike times (`Units`), tables of events and series of three dimensions are not read.
    ``control``, ``resolution`` and ``reference_frame`` are left aside.

    References
    ----------
    .. [1] Rübel et al. (2022). The Neurodata Without Borders ecosystem for neurophysiological
       data science. eLife 11, e78362. doi:10.7554/eLife.78362
    .. [2] Sprague et al. (2024). Unifying community-wide whole-brain imaging datasets
       enables robust automated neuron identification and reveals determinants of neuron
       positioning in C. elegans. PMC11092512. (NWB for C. elegans)

    Examples
    --------
    >>> from skneurograph.datasets import read_nwb
    >>> worm = read_nwb("sub-1.nwb", activity="SignalRawFluor")  # doctest: +SKIP
    >>> worm  # doctest: +SKIP
    <Recording 'sub-1'; 1600 frames at 1.667 Hz; 143 neurons (82 identified); covariates: velocity>
    """
    try:
        import pynwb  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"read_nwb needs pynwb to read {path}, which is not installed: "
            "pip install skneurograph[nwb]"
        ) from error
    source = nwb_path(path)
    io, file = open_nwb(source)
    with io:
        try:
            recording = _recording(file, activity, neurons, behavior, covariates, organism)
        except (ValueError, OSError) as error:
            raise ValueError(f"{source}: {error}") from error
    for note in file.notes:
        warn(f"{source}: {note}")
    return recording


def _recording(
    file: NWBContents,
    activity: str | None,
    neurons: str | None,
    behavior: str | Literal[False] | None,
    covariates: Iterable[str] | Mapping[str, str] | None,
    organism: str | None,
) -> Recording:
    path, series = _choose_activity(file, activity)
    values = _oriented(file, path, series)
    time = times_of(path, series, len(values))
    frames = Frames(time, sampling_rate(path, series, time))
    subject = getattr(file.nwb.subject, "subject_id", None)
    return Recording(
        activity=values,
        sampling_rate=frames.rate,
        neurons=_neuron_names(file, path, series, neurons, values.shape[1]),
        behavior=None if behavior is False else read_behavior(file, behavior, frames),
        covariates=read_covariates(file, covariates, frames),
        time=time,
        organism=organism or subject or file.nwb.identifier,
        description=_description(file.nwb),
    )


def _region(series: Any) -> Any:
    """Rows of a table of regions of interest or electrodes, one per column, if there are any."""
    for attribute in (*_REGIONS_OF_INTEREST, "electrodes"):
        region = getattr(series, attribute, None)
        if getattr(region, "table", None) is not None:
            return region
    return None


def _choose_activity(file: NWBContents, name: str | None) -> tuple[str, Any]:
    numeric = {
        path: series
        for path, series in file.series.items()
        if kind_of(series) in ("values", "step")
        and not is_a(series, "IndexSeries")
        and np.dtype(series.data.dtype).kind in "buif"
    }
    if name is not None:
        path = file.named("activity", name, numeric)
        return path, numeric[path]
    traces = {
        path: series
        for path, series in numeric.items()
        if any(getattr(series, attribute, None) is not None for attribute in _REGIONS_OF_INTEREST)
    }
    processed = {path: s for path, s in traces.items() if path.startswith("processing/")}
    traces = processed or traces
    if len(traces) > 1:
        raise ValueError(
            "activity: several series of regions of interest in this file; name the one to read, "
            f"one of {list_names(traces)}"
        )
    if not traces:
        raise ValueError(
            f"activity: no series of regions of interest in this file; {_instead(file, numeric)}"
        )
    return next(iter(traces.items()))


def _instead(file: NWBContents, numeric: Mapping[str, Any]) -> str:
    """Say what a file without traces holds, and what can be done with it."""
    n_units = sum(len(units) for units in file.of(lambda content: is_a(content, "Units")).values())
    if n_units:
        others = f"; or name a series to read, one of {list_names(numeric)}" if numeric else ""
        return (
            f"it holds {n_units} sorted unit{'s' * (n_units > 1)}, and spike times are not read: "
            "bin them with numpy.histogram, one column per unit, and give the counts to "
            "skneurograph.Recording" + others
        )
    if numeric and all(is_a(series, "PatchClampSeries") for series in numeric.values()):
        return (
            f"it holds {len(numeric)} patch-clamp series of single cells, such as "
            f"{min(numeric)}, and no population; activity= reads one of them as one neuron"
        )
    if numeric:
        return f"name the one to read, one of {list_names(numeric)}"
    if file.of(lambda content: is_a(content, "ImageSeries")):
        return "it holds images: extract the traces of neurons first, for instance with suite2p"
    kinds = {type(content).__name__ for content in file.contents.values()}
    return f"it holds no time series at all, only {list_names(kinds)}"


def _oriented(file: NWBContents, path: str, series: Any) -> NDArray:
    """Read the activity as (n_times, n_neurons)."""
    region = _region(series)
    n_times, n_columns = (*series.data.shape, 1)[:2]
    n_rows = n_columns if region is None else len(region.data)
    turned = n_rows == n_times != n_columns
    if n_rows not in (n_columns, n_times) and not is_a(series, "ElectricalSeries"):
        raise ValueError(
            f"activity: {path} has shape {(n_times, n_columns)}, but refers to {n_rows} regions of "
            "interest; expected one column for each"
        )
    values = values_in_units(path, series, channel_axis=0 if turned else 1)
    if not turned:
        return values.reshape(n_times, n_columns)
    file.notes.append(f"activity: {path} is stored as (n_neurons, n_times) and was turned")
    return values.reshape(n_times, n_columns).T


def _identities(values: Iterable[Any]) -> list[str]:
    values = list(values)
    names = [text_of(value).strip() for value in values]
    # Numbers among text count the regions; a column of numbers may register them across sessions.
    counts = r"[\d.]+" if is_text(values) else "nan"
    return [
        "" if name.lower() in _UNIDENTIFIED or re.fullmatch(counts, name) else name
        for name in names
    ]


def _neuron_names(
    file: NWBContents, path: str, series: Any, wanted: str | None, n_neurons: int
) -> list[str] | None:
    region = _region(series)
    columns = () if region is None else region.table.colnames
    # Labelled events have labels too, one for each kind of event.
    labelled = file.of(
        lambda content: (
            getattr(content, "labels", None) is not None and not hasattr(content, "timestamps")
        )
    )
    names: list[str] | None
    if wanted is None:
        module = path.split("/")[:2]
        beside = [c for p, c in labelled.items() if p.split("/")[:2] == module]
        is_traces = not is_a(series, "ElectricalSeries")  # an electrode is no neuron
        names = _identity_column(path, region) if is_traces else None
        names = names or _identity_object(beside, n_neurons)
    elif wanted in columns:
        names = _identities(_rows(path, region, wanted))
        if len(names) != n_neurons:
            raise ValueError(
                f"neurons: {path} refers to {len(names)} rows of its table; expected one for each "
                f"of its {n_neurons} columns"
            )
    else:
        holder = file.named("neurons", wanted, [*columns, *labelled])
        names = _identities(labelled[holder].labels[:])
        if len(names) != n_neurons:
            raise ValueError(
                f"neurons: {holder} has {len(names)} labels; expected one for each of the "
                f"{n_neurons} neurons of {path}"
            )
    if names is None:
        return None
    repeated = {name for name in names if name and names.count(name) > 1}
    if repeated:
        file.notes.append(
            f"neurons: several are called {list_names(repeated)}; they count as unidentified"
        )
    return ["" if name in repeated else name for name in names]


def _rows(path: str, region: Any, column: str) -> list[Any]:
    """Entries of a column for the rows that a series refers to."""
    rows, n_rows = np.asarray(region.data[:]), len(region.table)
    if len(rows) and not (rows.min() >= 0 and rows.max() < n_rows):
        raise ValueError(
            f"neurons: {path} refers to row {rows.max()}, but its table has {n_rows} rows"
        )
    values = region.table[column][:]
    entries = [values[row] for row in rows]
    if not is_text(entries) and any(np.ndim(entry) for entry in entries):
        raise ValueError(f"neurons: got the column {column}; expected one text or number per row")
    return entries


def _identity_column(path: str, region: Any) -> list[str] | None:
    for pattern in _IDENTITY_COLUMNS if region is not None else ():
        for column in region.table.colnames:
            if not re.fullmatch(pattern, re.sub(r"[^0-9a-z]+", "_", column.lower())):
                continue
            values = _rows(path, region, column)
            names = [name for name in _identities(values) if name]
            unique = len(set(names)) == len(names) or pattern not in _GENERIC_COLUMNS
            if names and unique and is_text(values):
                return _identities(values)
    return None


def _identity_object(holders: list[Any], n_neurons: int) -> list[str] | None:
    fitting = [list(holder.labels[:]) for holder in holders if len(holder.labels) == n_neurons]
    return _identities(fitting[0]) if len(fitting) == 1 and is_text(fitting[0]) else None


def _description(nwb: Any) -> str:
    publications = nwb.related_publications
    if publications is None:
        publications = []
    elif isinstance(publications, (str, bytes)):
        publications = [publications]
    parts = [nwb.session_description, *publications]
    return "\n".join(text_of(part).strip() for part in parts if part)
