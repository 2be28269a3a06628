"""Sliding windows over recordings, aligned by neuron name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from skneurograph.data._alignment import CHOICES, align, as_recordings, average_all_classes
from skneurograph.data._inputs import InputError, read_labels, read_text
from skneurograph.data._lazy import LazyWindows
from skneurograph.data._precision import needs_double
from skneurograph.data._recording import Recording
from skneurograph.data._warnings import warn

__all__ = ["LazyWindows", "Windows", "sliding_windows"]


@dataclass(frozen=True, eq=False, repr=False)
class Windows:
    """Windows of several recordings, with targets, groups and neuron names.

    Attributes
    ----------
    X : ndarray or LazyWindows, shape (n_windows, n_neurons, n_times)
        Activity, float32 unless that would lose a signal. A neuron that an organism lacks
        is a row of NaN.
    y : ndarray or None
        Label or covariate of each window, shape ``(n_windows,)``, or the following
        frame(s), shape ``(n_windows, n_neurons)`` or ``(n_windows, n_neurons, horizon)``.
    groups : ndarray of str, shape (n_windows,)
        Organism of each window.
    neurons : ndarray of str, shape (n_neurons,)
        Names of the columns; ``''`` for anonymous ones, which stand at the end.
    starts : ndarray of int, shape (n_windows,)
        First frame of each window in its recording.
    recording : ndarray of int, shape (n_windows,)
        Index of the recording that each window is cut from.
    sampling_rate : float
        Frames per second (Hz).
    """

    X: NDArray[np.floating] | LazyWindows
    y: NDArray | None
    groups: NDArray[np.str_]
    neurons: NDArray[np.str_]
    starts: NDArray[np.intp]
    recording: NDArray[np.intp]
    sampling_rate: float

    def __len__(self) -> int:
        return len(self.starts)

    def __repr__(self) -> str:
        _, n_neurons, n_times = self.X.shape
        n_organisms = len(np.unique(self.groups))
        return (
            f"<Windows: {len(self)} of {n_neurons} neurons and {n_times} frames at "
            f"{self.sampling_rate:.4g} Hz, {n_organisms} organism{'s' * (n_organisms > 1)}>"
        )

    def __getitem__(self, key: Any) -> Windows:
        """Select windows by slice, mask or indices."""
        if isinstance(key, (int, np.integer)):
            key = [int(key)]
        return replace(
            self,
            X=self.X[key],
            y=None if self.y is None else self.y[key],
            groups=self.groups[key],
            starts=self.starts[key],
            recording=self.recording[key],
        )

    @property
    def identities(self) -> NDArray[np.intp]:
        """One integer per column for the ``identities`` of a graph estimator.

        Identified neurons are numbered from 0; anonymous ones are -1, exchangeable.
        """
        named = self.neurons != ""
        return np.where(named, np.cumsum(named) - 1, -1)


def sliding_windows(
    recordings: Recording | Iterable[Recording] | ArrayLike,
    n_times: int,
    *,
    step: int = 1,
    target: str | None = "behavior",
    neurons: Literal["union", "intersection", "all"] | Sequence[str] = "union",
    average_classes: bool = False,
    drop: Any = None,
    lag: int = 0,
    horizon: int = 1,
    lazy: bool = False,
) -> Windows:
    """Cut recordings into sliding windows, aligned by neuron name.

    A window never crosses recordings or gaps in time, and its target is read at its
    last frame (or after it, for ``target="next"``), so nothing of the future is used.

    Parameters
    ----------
    recordings : Recording, iterable of Recording, or array-like (n_frames, n_features)
        A plain array is read as one recording whose columns are all identified
        (named ``x0``, ``x1``, ...), without behaviour. A table (DataFrame,
        ``xarray.DataArray``, ``pynapple.TsdFrame``) gives the names of its columns and, if
        its index is no default one, its clock: rows taken out are a gap.
    n_times : int
        Frames of a window.
    step : int, default=1
        Frames from the start of a window to the start of the next.
    target : str or None, default="behavior"
        ``"behavior"`` gives the label at the last frame, ``"next"`` the activity that
        follows the window, the name of a covariate its value at the last frame, and
        None (or ``"behavior"`` of a plain array) no target. Windows whose label is
        empty or whose covariate is NaN are left out.
    neurons : {"union", "intersection", "all"} or sequence of str, default="union"
        Columns: neurons identified in any recording, in every recording, the union
        followed by as many anonymous columns as needed for unidentified neurons, or
        the names given. Give the ``neurons`` of the training windows to cut windows of
        other animals for a fitted model: what they lack is NaN.
    average_classes : bool, default=False
        First average the neurons that share a class, such as left and right
        (`Recording.average_classes`): columns are then classes.
    drop : label or iterable of labels, optional
        Labels whose windows are left out; missing ones always are.
    lag : int, default=0
        Read the label or covariate that many frames before the last frame. Calcium lags
        behaviour, so a lag decodes better, but the decoder is then not causal.
    horizon : int, default=1
        Frames that follow the window for ``target="next"``; more than one adds a third
        dimension to ``y``.
    lazy : bool, default=False
        Give ``X`` as `LazyWindows`, which copies nothing, instead of an array of
        ``n_times`` times the size of the data.

    Returns
    -------
    Windows
        ``X, y, groups, neurons, starts, recording`` and ``sampling_rate``. ``X`` and the
        ``y`` of ``target="next"`` are float32; they are float64 if a recording is and
        float32 would lose the signal of a neuron, as that of a small one on a large offset.

    Raises
    ------
    ValueError
        If a recording is given twice, is shorter than a window or lacks the target, or if
        no neuron or window remains.

    Warns
    -----
    UserWarning
        If recordings differ in sampling rate, if two organisms have the same activity or
        share names that are numbers, or if an array has more columns than rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import Recording, sliding_windows
    >>> rng = np.random.default_rng(0)
    >>> worms = [
    ...     Recording(rng.normal(size=(50, 2)), 2.0, neurons=names, organism=organism,
    ...               behavior=["forward"] * 25 + ["reversal"] * 25)
    ...     for organism, names in [("one", ["AVAL", "RIML"]), ("two", ["AVAL", "AIBR"])]]
    >>> windows = sliding_windows(worms, 8)
    >>> windows
    <Windows: 86 of 3 neurons and 8 frames at 2 Hz, 2 organisms>
    >>> windows.neurons.tolist()
    ['AIBR', 'AVAL', 'RIML']
    """
    n_times = _positive("n_times", n_times)
    step = _positive("step", step)
    horizon = _positive("horizon", horizon)
    target = _read_target(target)
    if isinstance(lag, bool) or not isinstance(lag, (int, np.integer)) or not 0 <= lag < n_times:
        raise ValueError(f"lag: got {lag!r}; expected frames from 0 to n_times - 1 = {n_times - 1}")
    if lag and target in (None, "next"):
        raise ValueError(f"lag: got {lag} with target={target!r}; it needs labels or a covariate")
    if horizon > 1 and target != "next":
        raise ValueError(f"horizon: got {horizon} with target={target!r}; it needs target='next'")
    if not isinstance(average_classes, (bool, np.bool_)):
        raise ValueError(f"average_classes: got {average_classes!r}; expected True or False")
    parts, is_plain_array = as_recordings(recordings)
    if is_plain_array and target == "behavior":
        target = None
    if is_plain_array and isinstance(neurons, str) and neurons in CHOICES:
        # In the order of the array, not of their names, in which x10 comes before x2.
        neurons = parts[0].neurons.tolist()
    if target != "next":
        horizon = 1
    if average_classes:
        parts = average_all_classes(parts)
    names, columns = align(parts, neurons)
    ahead = horizon if target == "next" else 0
    starts, recording = _cut_points(parts, n_times, step, ahead)

    sources = _sources(parts, [keep for keep, _ in columns])
    positions = [position for _, position in columns]
    X = LazyWindows(sources, positions, recording, starts, len(names), n_times)
    y: NDArray | None = None
    kept = np.ones(len(starts), dtype=bool)
    if target == "next":
        y = _next_frames(sources, positions, recording, starts + n_times, len(names), horizon)
    elif target is not None:
        y, kept = _frame_targets(parts, target, recording, starts + n_times - 1 - lag)
    if drop is not None:
        kept &= ~_dropped(y, target, drop)
    if not kept.all():
        X, starts, recording = X[kept], starts[kept], recording[kept]
        y = None if y is None else y[kept]
    if len(starts) == 0:
        raise ValueError("no window is left: every frame is unlabelled or dropped")
    groups = np.array([part.organism for part in parts])[recording]
    return Windows(
        X=X if lazy else X.cut(),
        y=y,
        groups=groups,
        neurons=names,
        starts=starts,
        recording=recording,
        sampling_rate=_common_rate(parts),
    )


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}: got {value!r}; expected a positive integer")
    return int(value)


def _read_target(target: Any) -> str | None:
    expected = "'behavior', 'next', the name of a covariate, or None"
    if target is None:
        return None
    name = read_text(target, "target", expected)
    if not name:
        raise InputError("target", repr(target), expected)
    return name


def _dropped(y: NDArray | None, target: str | None, drop: Any) -> NDArray[np.bool_]:
    if y is None or target != "behavior":
        raise ValueError(f"drop: labels can be dropped only with labels, not target={target!r}")
    if isinstance(drop, (str, bytes)) or not np.iterable(drop):
        drop = [drop]
    # Missing labels are left out in any case.
    labels = read_labels(list(drop), "drop").ravel()
    labels = labels[~pd.isna(labels) & (labels != "")]
    occurs = np.array([_kind(labels) == _kind(y) and label in y for label in labels], dtype=bool)
    if not occurs.all():
        warn(
            f"drop: {', '.join(map(str, labels[~occurs]))} occurs in no window; the labels are "
            f"{', '.join(map(str, np.unique(y)))}"
        )
    return np.isin(y, labels[occurs]) if occurs.any() else np.zeros(len(y), dtype=bool)


def _kind(labels: NDArray) -> str:
    return {"U": "text", "b": "booleans"}.get(labels.dtype.kind, "numbers")


def _sources(parts: list[Recording], kept: list[NDArray[np.intp]]) -> list[NDArray[np.floating]]:
    """Activity of the columns to keep, without a copy where all are kept as they are.

    In single precision, unless that would lose the signal of some neuron.
    """
    sources = [
        part.activity if np.array_equal(keep, np.arange(part.n_neurons)) else part.activity[:, keep]
        for part, keep in zip(parts, kept)
    ]
    dtype = np.float64 if any(map(needs_double, sources)) else np.float32
    return [np.ascontiguousarray(source, dtype=dtype) for source in sources]


def _cut_points(
    parts: list[Recording], n_times: int, step: int, ahead: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    starts, recording = [], []
    for index, part in enumerate(parts):
        own = [
            np.arange(start, max(start, stop - n_times - ahead + 1), step)
            for start, stop in part.segments()
        ]
        count = sum(map(len, own))
        if count == 0:
            needed = f"{n_times} frames" + (f" and the {ahead} that follow" if ahead else "")
            raise ValueError(
                f"{part.organism!r} has no uninterrupted stretch of {needed}: it has "
                f"{part.n_times} frames; use a shorter window"
            )
        starts += own
        recording.append(np.full(count, index, dtype=np.intp))
    return np.concatenate(starts).astype(np.intp), np.concatenate(recording)


def _frame_targets(
    parts: list[Recording], target: str, recording: NDArray[np.intp], frames: NDArray[np.intp]
) -> tuple[NDArray, NDArray[np.bool_]]:
    """Target at the given frames, and which of them have one."""
    values = []
    for index, part in enumerate(parts):
        series = part.behavior if target == "behavior" else part.covariates.get(target)
        if series is None:
            has = (["behavior"] if part.behavior is not None else []) + list(part.covariates)
            raise ValueError(
                f"target={target!r}: {part.organism!r} does not have it; "
                f"it has {', '.join(has) or 'no behaviour at all'}"
            )
        values.append(series[frames[recording == index]])
    missing = [np.asarray(pd.isna(labels) | (labels == "")) for labels in values]
    # A recording without any label says nothing of their kind.
    kinds = {
        _kind(labels): part.organism
        for labels, part, gone in zip(values, parts, missing)
        if not gone.all()
    }
    if len(kinds) > 1:
        raise InputError(
            f"target={target!r}",
            " and ".join(f"{kind} ({organism!r})" for kind, organism in kinds.items()),
            "labels of one kind in all recordings",
        )
    dtype = np.result_type(*[own for own, gone in zip(values, missing) if not gone.all()] or "U1")
    y = np.concatenate(
        [np.zeros(len(own), dtype) if gone.all() else own for own, gone in zip(values, missing)]
    )
    return y, ~np.concatenate(missing)


def _next_frames(
    sources: list[NDArray[np.floating]],
    columns: list[NDArray[np.intp]],
    recording: NDArray[np.intp],
    frames: NDArray[np.intp],
    n_neurons: int,
    horizon: int,
) -> NDArray[np.floating]:
    following = LazyWindows(sources, columns, recording, frames, n_neurons, horizon).cut()
    return following[:, :, 0] if horizon == 1 else following


def _common_rate(parts: list[Recording]) -> float:
    rates = np.array([part.sampling_rate for part in parts])
    if rates.max() > 1.02 * rates.min():
        warn(
            f"recordings were sampled at {rates.min():.4g} to {rates.max():.4g} Hz: windows of "
            "equal frames span unequal times; resample them to one rate to compare animals"
        )
    return float(rates.mean())
