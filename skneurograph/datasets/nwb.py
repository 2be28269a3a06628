"""Recordings from files of Neurodata Without Borders."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skneurograph.recordings import _GAP_IN_INTERVALS, Recording

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
_UNIDENTIFIED = {"", "nan", "none", "n/a", "unknown", "?"}
_NOT_LABELS = {"start_time", "stop_time", "tags", "tags_index", "timeseries", "timeseries_index"}


def read_nwb(
    path: str | os.PathLike[str],
    *,
    activity: str | None = None,
    neurons: str | None = None,
    behavior: str | Literal[False] | None = None,
    covariates: Iterable[str] | Mapping[str, str] | None = None,
    organism: str | None = None,
) -> Recording:
    """Read the recording of one organism from a Neurodata Without Borders file.

    Nothing has to be named where the file leaves no choice; where it does, an error lists
    the candidates. Whatever is named is given by its name in the file, or by as much of
    the end of its path as makes it unique: ``"Fluorescence/Red"`` or
    ``"processing/ophys/Fluorescence/Red"``. Needs pynwb: ``pip install skneurograph[nwb]``.

    Parameters
    ----------
    path : path-like
        An HDF5 file of NWB 2.
    activity : str, optional
        Time series of shape (n_times, n_neurons), such as ``"DfOverF/RoiResponseSeries"``.
        By default the only series of regions of interest (`RoiResponseSeries`, in
        `Fluorescence`, `DfOverF` or by itself) among the processing modules, or, if they
        have none, in the file.
    neurons : str, optional
        What names the neurons: a column of the table of regions of interest, or an object
        of the file whose ``labels`` are one per neuron. By default a column of text called
        like ``ID_labels``, ``neuron name``, ``cell_id``, ``name`` or ``label``, then an
        object with ``labels`` next to the series, such as the ``NeuronIDs`` of C. elegans
        files; else no neuron is identified. Empty names, ``nan`` and, among text, mere
        numbers stand for unidentified neurons.
    behavior : str or False, optional
        A table of intervals (`TimeIntervals`) with a column of text, one of its columns
        (``"states/label"``), or a time series with one label per sample. By default the
        only one of these with "behav" in its path, if any; a series counts if its labels
        are text. `IntervalSeries` and `AnnotationSeries` are not read. False reads none.
    covariates : iterable of str or mapping of str to str, optional
        Numeric time series to read; a mapping gives them other names, as
        ``{"velocity": "behavior/Speed"}``. By default all in `BehavioralTimeSeries`
        containers; ``()`` reads none. A series of several columns gives ``name_0``,
        ``name_1`` and so on.
    organism : str, optional
        By default the subject's ``subject_id``, or the file's ``identifier``.

    Returns
    -------
    Recording
        ``time`` is the clock of the file, in seconds. ``sampling_rate`` is that of the
        series or one over the median interval between its timestamps, which are kept
        as they are. ``conversion`` and ``offset`` of a series are applied.
        ``description`` holds the session's description and related publications.

    Raises
    ------
    ImportError
        If pynwb is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not NWB, if something named is not in it, if several series or
        tables could be meant (the message lists them), or if their shapes or times do
        not fit.

    Warns
    -----
    UserWarning
        If several neurons have the same name, which then identifies none of them, or if
        a series is stored as (n_neurons, n_times) and has to be turned.

    Notes
    -----
    Behaviour is brought to the frames of the activity without filtering:

    - an interval labels the frames with ``start_time <= time < stop_time``; frames in no
      interval are unlabelled;
    - a series of labels gives each frame the label of the nearest sample;
    - covariates are interpolated linearly between samples.

    Frames farther than half a sampling interval outside a series of behaviour, or in a
    pause of more than 2.5 of its intervals, are unlabelled or NaN.

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
        import pynwb
    except ImportError as error:
        raise ImportError(
            "read_nwb needs pynwb, which is not installed: pip install skneurograph[nwb]"
        ) from error
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"no NWB file at {source}")
    try:
        io = pynwb.NWBHDF5IO(str(source), mode="r", load_namespaces=True)
    except Exception as error:
        raise _not_nwb(source, error) from error
    with io:
        try:
            file = _File(io)
        except Exception as error:
            raise _not_nwb(source, error) from error
        series_path, series = _choose_activity(file, activity)
        values = _oriented(series_path, series)
        time = _times(series_path, series, len(values))
        rate = float(series.rate or 0) or _median_rate(series_path, time)
        return Recording(
            activity=values,
            sampling_rate=rate,
            neurons=_neuron_names(file, series_path, series, neurons, values.shape[1]),
            behavior=None if behavior is False else _behavior(file, behavior, time, rate),
            covariates=_covariates(file, covariates, time),
            time=time,
            organism=organism or getattr(file.nwb.subject, "subject_id", "") or file.nwb.identifier,
            description=_description(file.nwb),
        )


class _File:
    """An open file: what it holds by path, and which types those are."""

    def __init__(self, io: Any) -> None:
        import pynwb

        self.nwb = io.read()
        self.types = pynwb
        self.contents: dict[str, Any] = {}
        for content in self.nwb.objects.values():
            builder = io.manager.get_builder(content)
            if builder is not None:
                self.contents[builder.path.removeprefix("root").lstrip("/")] = content

    def of(self, wanted: Callable[[Any], bool]) -> dict[str, Any]:
        """Contents that are wanted, by path."""
        return {path: content for path, content in self.contents.items() if wanted(content)}

    def is_series(self, content: Any) -> bool:
        """Whether this is a time series, images excepted."""
        if not isinstance(content, self.types.TimeSeries):
            return False
        return getattr(content.data, "ndim", 0) in (1, 2)


def _not_nwb(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} could not be read as an NWB file ({error})")


def _list(candidates: Iterable[str]) -> str:
    return ", ".join(sorted(candidates)) or "none"


def _named(argument: str, name: str, candidates: Iterable[str]) -> str:
    """Return the one candidate whose path is or ends in the name."""
    candidates = list(candidates)
    parts = name.strip("/").split("/")
    found = [path for path in candidates if path.split("/")[-len(parts) :] == parts]
    # A container of a single series may stand for it, as Fluorescence often does.
    found = found or [path for path in candidates if path.split("/")[-len(parts) - 1 : -1] == parts]
    exact = name.strip("/")
    if exact in found:
        found = [exact]
    if len(found) != 1:
        problem = "which is ambiguous" if found else "which this file does not have"
        raise ValueError(
            f"{argument}: got {name!r}, {problem}; expected one of {_list(found or candidates)}"
        )
    return found[0]


def _region(series: Any) -> Any:
    """Rows of a table of regions of interest, one per neuron, if the series refers to any."""
    for attribute in ("rois", "table_region"):  # table_region: extensions for microscopy
        region = getattr(series, attribute, None)
        if getattr(region, "table", None) is not None:
            return region
    return None


def _choose_activity(file: _File, name: str | None) -> tuple[str, Any]:
    everything = file.of(file.is_series)
    if name is not None:
        path = _named("activity", name, everything)
        return path, everything[path]
    traces = {path: series for path, series in everything.items() if _region(series) is not None}
    processed = {path: s for path, s in traces.items() if path.startswith("processing/")}
    traces = processed or traces
    if len(traces) != 1:
        given = "several series" if traces else "no series"
        raise ValueError(
            f"activity: {given} of regions of interest in this file; name the one to read, one "
            f"of {_list(traces or everything)}"
        )
    return next(iter(traces.items()))


def _values(series: Any) -> NDArray:
    values = np.asarray(series.data[:])
    if values.dtype.kind in "buif" and (series.conversion != 1 or series.offset != 0):
        values = values * series.conversion + series.offset
    return values


def _oriented(path: str, series: Any) -> NDArray:
    values = _values(series)
    if values.ndim == 1:
        values = values[:, None]
    region = _region(series)
    if region is not None and len(region.data) != values.shape[1]:
        if len(region.data) != values.shape[0]:
            raise ValueError(
                f"activity: {path} has shape {values.shape}, but refers to {len(region.data)} "
                "regions of interest; expected one column for each"
            )
        _warn(f"activity: {path} is stored as (n_neurons, n_times) and was turned")
        values = values.T
    return values


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)  # where read_nwb was called


def _times(path: str, series: Any, n_samples: int) -> NDArray[np.float64]:
    if not n_samples:
        raise ValueError(f"{path}: got no sample; expected at least one")
    if series.timestamps is None:
        return (series.starting_time or 0.0) + np.arange(n_samples) / series.rate
    times = np.asarray(series.timestamps[:], dtype=np.float64)
    if len(times) != n_samples:
        raise ValueError(f"{path}: got {n_samples} samples, but {len(times)} timestamps")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError(f"{path}: expected timestamps that are finite and increase")
    return times


def _median_rate(path: str, times: NDArray[np.float64]) -> float:
    if len(times) < 2:
        raise ValueError(f"{path}: one timestamp tells no sampling rate; expected at least two")
    return float(1 / np.median(np.diff(times)))


def _text(value: Any) -> str:
    # Some converters write an indexed column of strings letter by letter.
    if not isinstance(value, (str, bytes)) and np.ndim(value):
        return "".join(_text(letter) for letter in value)
    return value.decode() if isinstance(value, bytes) else str(value)


def _is_text(values: Iterable[Any]) -> bool:
    return all(isinstance(v, (str, bytes)) or (np.ndim(v) and _is_text(v)) for v in values)


def _identities(values: Iterable[Any]) -> list[str]:
    values = list(values)
    names = [_text(value).strip() for value in values]
    # Numbers among text count the regions; a column of numbers may register them across sessions.
    counts = r"[\d.]+" if _is_text(values) else "nan"
    return [
        "" if name.lower() in _UNIDENTIFIED or re.fullmatch(counts, name) else name
        for name in names
    ]


def _neuron_names(
    file: _File, path: str, series: Any, wanted: str | None, n_neurons: int
) -> list[str] | None:
    region = _region(series)
    columns = () if region is None else region.table.colnames
    labelled = file.of(lambda content: getattr(content, "labels", None) is not None)
    names: list[str] | None
    if wanted is None:
        module = path.split("/")[:2]
        beside = [c for p, c in labelled.items() if p.split("/")[:2] == module]
        names = _identity_column(region) or _identity_object(beside, n_neurons)
    elif wanted in columns:
        names = _identities(_rows(region, wanted))
    else:
        holder = _named("neurons", wanted, [*columns, *labelled])
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
        _warn(f"neurons: several are called {_list(repeated)}; they count as unidentified")
    return ["" if name in repeated else name for name in names]


def _rows(region: Any, column: str) -> list[Any]:
    values = region.table[column][:]
    return [values[row] for row in np.asarray(region.data[:])]


def _identity_column(region: Any) -> list[str] | None:
    for pattern in _IDENTITY_COLUMNS if region is not None else ():
        for column in region.table.colnames:
            if not re.fullmatch(pattern, re.sub(r"[^0-9a-z]+", "_", column.lower())):
                continue
            values = _rows(region, column)
            names = [name for name in _identities(values) if name]
            unique = len(set(names)) == len(names) or pattern not in _GENERIC_COLUMNS
            if names and unique and _is_text(values):
                return _identities(values)
    return None


def _identity_object(holders: list[Any], n_neurons: int) -> list[str] | None:
    fitting = [list(holder.labels[:]) for holder in holders if len(holder.labels) == n_neurons]
    return _identities(fitting[0]) if len(fitting) == 1 and _is_text(fitting[0]) else None


def _label_columns(table: Any) -> list[str]:
    return [c for c in table.colnames if c not in _NOT_LABELS and _is_text(table[c][:])]


def _behavior(
    file: _File, name: str | None, time: NDArray[np.float64], rate: float
) -> NDArray | None:
    types = file.types
    tables = file.of(lambda content: isinstance(content, types.epoch.TimeIntervals))
    marks = (types.misc.IntervalSeries, types.misc.AnnotationSeries)
    series = file.of(lambda content: file.is_series(content) and not isinstance(content, marks))
    columns = {
        f"{path}/{column}": table
        for path, table in tables.items()
        for column in table.colnames
        if column not in _NOT_LABELS
    }
    if name is None:
        texts = [p for p, table in tables.items() if _label_columns(table)]
        texts += [p for p, s in series.items() if s.data.ndim == 1 and _is_text(s.data[:1])]
        found = [path for path in texts if "behav" in path.lower()]
        if len(found) > 1:
            raise ValueError(
                f"behavior: several could be meant; name one of {_list(found)}, or give False"
            )
        if not found:
            return None
        path = found[0]
    else:
        path = _named("behavior", name, [*tables, *columns, *series])
    if path in columns:
        return _labels_of_intervals(path, columns[path], path.split("/")[-1], time, rate)
    if path in tables:
        names = _label_columns(tables[path])
        if len(names) != 1:
            raise ValueError(
                f"behavior: {path} has {len(names)} columns of text; name the one that holds "
                f"the labels, one of {_list(c for c in columns if columns[c] is tables[path])}"
            )
        return _labels_of_intervals(path, tables[path], names[0], time, rate)
    values = np.asarray(series[path].data[:])
    if values.ndim != 1:
        raise ValueError(f"behavior: got {path} of shape {values.shape}; expected (n_times,)")
    _, nearest, known = _place(path, series[path], len(values), time)
    return _labels(values, nearest, known)


def _labels_of_intervals(
    path: str, table: Any, column: str, time: NDArray[np.float64], rate: float
) -> NDArray:
    values = np.asarray(table[column][:])
    slack = 5e-4 / rate  # as in Recording.between
    starts = np.searchsorted(time, np.asarray(table["start_time"][:]) - slack)
    stops = np.searchsorted(time, np.asarray(table["stop_time"][:]) - slack)
    row = np.full(len(time), -1)
    for i, (start, stop) in enumerate(zip(starts, stops)):
        before = row[start:stop]
        if (values[before[before >= 0]] != values[i]).any():
            raise ValueError(
                f"behavior: intervals of {path} with different labels overlap at "
                f"{time[start]:g} s; expected one label per frame"
            )
        row[start:stop] = i
    return _labels(values, row, row >= 0)


def _labels(values: NDArray, index: NDArray[np.intp], known: NDArray[np.bool_]) -> NDArray:
    """Label of each frame; ``''``, or NaN among numbers, where none is known."""
    if values.dtype.kind in "OSU":
        values = np.array([_text(value) for value in values], dtype=str)
    if known.all():
        return values[index]
    if not known.any():
        return np.full(len(index), "" if values.dtype.kind == "U" else np.nan)
    return np.where(known, values[index], "" if values.dtype.kind == "U" else np.nan)


def _place(
    path: str, series: Any, n_samples: int, time: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """Return the samples' times, the sample nearest to each frame, which frames they cover."""
    samples = _times(path, series, n_samples)
    interval = 1 / (series.rate or _median_rate(path, samples))
    after = np.searchsorted(samples, time).clip(0, n_samples - 1)
    before = (after - 1).clip(0)
    nearest = np.where(time - samples[before] <= samples[after] - time, before, after)
    # A thousandth more absorbs the rounding of times.
    close = np.abs(time - samples[nearest]) <= 0.501 * interval
    between = (samples[0] <= time) & (time <= samples[-1])
    between &= samples[after] - samples[before] <= _GAP_IN_INTERVALS * interval
    return samples, nearest, close | between


def _covariates(
    file: _File, wanted: Iterable[str] | Mapping[str, str] | None, time: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    everything = file.of(file.is_series)
    chosen: list[tuple[str, str]] = []
    if wanted is None:
        container = file.types.behavior.BehavioralTimeSeries
        chosen = [
            (path.split("/")[-1], path)
            for path, series in everything.items()
            if isinstance(series.parent, container) and not _is_text(series.data[:1])
        ]
    elif isinstance(wanted, Mapping):
        chosen = [(name, _named("covariates", p, everything)) for name, p in wanted.items()]
    else:
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        paths = [_named("covariates", name, everything) for name in names]
        chosen = [(path.split("/")[-1], path) for path in paths]
    covariates: dict[str, NDArray[np.float64]] = {}
    for name, path in chosen:
        values = _values(everything[path])
        if values.dtype.kind not in "buif":
            raise ValueError(f"covariates: got {path} of dtype {values.dtype}; expected numbers")
        samples, _, known = _place(path, everything[path], len(values), time)
        columns = values.reshape(len(values), -1).T
        for i, column in enumerate(columns):
            key = name if values.ndim == 1 else f"{name}_{i}"
            if key in covariates:
                both = [p for n, p in chosen if n == name]
                raise ValueError(
                    f"covariates: {key!r} occurs more than once; name the ones to read, as in "
                    f"covariates={{'{name}': '{both[0]}'}}, among {_list(both)}"
                )
            covariates[key] = np.where(known, np.interp(time, samples, column), np.nan)
    return covariates


def _description(nwb: Any) -> str:
    publications = nwb.related_publications
    if publications is None:
        publications = []
    elif isinstance(publications, (str, bytes)):
        publications = [publications]
    parts = [nwb.session_description, *publications]
    return "\n".join(_text(part).strip() for part in parts if part)
