"""Cut recordings into self-contained windows, aligned on the neurons' names."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skneurograph.lazy import LazyWindows
from skneurograph.recordings import Recording

__all__ = ["LazyWindows", "Windows", "average_classes", "sliding_windows"]


@dataclass(frozen=True, eq=False, repr=False)
class Windows:
    """Windows of several recordings with what scikit-learn needs beside them.

    Attributes
    ----------
    X : ndarray of float32 or LazyWindows, shape (n_windows, n_neurons, n_times)
        Activity. A neuron that an organism lacks is a row of NaN.
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

    X: NDArray[np.float32] | LazyWindows
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
    neurons: Literal["union", "shared", "all"] | Sequence[str] = "union",
    by: Literal["name", "class"] = "name",
    drop: Any = None,
    lag: int = 0,
    horizon: int = 1,
    lazy: bool = False,
) -> Windows:
    """Cut recordings into overlapping windows, aligned on the neurons' names.

    A window never crosses recordings or gaps in time, and its target is read at its
    last frame (or after it, for ``target="next"``), so nothing of the future is used.

    Parameters
    ----------
    recordings : Recording, iterable of Recording, or array-like (n_frames, n_features)
        A plain array is read as one recording whose columns are all identified
        (named ``x0``, ``x1``, ...), without behaviour.
    n_times : int
        Frames of a window.
    step : int, default=1
        Frames from the start of a window to the start of the next.
    target : str or None, default="behavior"
        ``"behavior"`` gives the label at the last frame, ``"next"`` the activity that
        follows the window, the name of a covariate its value at the last frame, and
        None (or ``"behavior"`` of a plain array) no target. Windows whose label is
        empty or whose covariate is NaN are left out.
    neurons : {"union", "shared", "all"} or sequence of str, default="union"
        Columns: neurons identified in any recording, in every recording, the union
        followed by as many anonymous columns as needed for unidentified neurons, or
        the names given. Give the ``neurons`` of the training windows to cut windows of
        other animals for a fitted model: what they lack is NaN.
    by : {"name", "class"}, default="name"
        ``"class"`` first averages the neurons that share a class (left and right).
    drop : label or iterable of labels, optional
        Labels whose windows are left out.
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
        ``X, y, groups, neurons, starts, recording`` and ``sampling_rate``.

    Raises
    ------
    ValueError
        If a recording is shorter than a window or lacks the target, or if no neuron or
        window remains.

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
    if not isinstance(lag, (int, np.integer)) or not 0 <= lag < n_times:
        raise ValueError(f"lag: got {lag!r}; expected frames from 0 to n_times - 1 = {n_times - 1}")
    if lag and target in (None, "next"):
        raise ValueError(f"lag: got {lag} with target={target!r}; it needs labels or a covariate")
    if horizon > 1 and target != "next":
        raise ValueError(f"horizon: got {horizon} with target={target!r}; it needs target='next'")
    if by not in ("name", "class"):
        raise ValueError(f"by: got {by!r}; expected 'name' or 'class'")
    parts, is_plain_array = _as_recordings(recordings)
    if is_plain_array and target == "behavior":
        target = None
    if is_plain_array and neurons in ("union", "shared", "all"):
        # In the order of the array, not of their names, in which x10 comes before x2.
        neurons = parts[0].neurons.tolist()
    if target != "next":
        horizon = 1
    if by == "class":
        parts = average_classes(parts)
    names, columns = _align(parts, neurons)
    ahead = horizon if target == "next" else 0
    starts, recording = _cut_points(parts, n_times, step, ahead)

    sources = [_source(part, keep) for part, (keep, _) in zip(parts, columns)]
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


def average_classes(parts: Sequence[Recording]) -> list[Recording]:
    """Average the neurons of each class in every recording (`Recording.average_classes`).

    Raises
    ------
    ValueError
        If no recording has classes.
    """
    if not any((part.neuron_classes != "").any() for part in parts):
        raise ValueError("by='class': no recording has neuron_classes; give them, or use by='name'")
    named = [((part.neurons != "") & (part.neuron_classes == "")).sum() for part in parts]
    if any(named):
        warnings.warn(
            f"by='class': {sum(named)} named neurons have no class and become anonymous",
            UserWarning,
            stacklevel=3,
        )
    return [part.average_classes() for part in parts]


def _dropped(y: NDArray | None, target: str | None, drop: Any) -> NDArray[np.bool_]:
    if y is None or target != "behavior":
        raise ValueError(f"drop: labels can be dropped only with labels, not target={target!r}")
    labels = [drop] if np.ndim(drop) == 0 else list(drop)
    unknown = [label for label in labels if label not in y]
    if unknown:
        warnings.warn(
            f"drop: {', '.join(map(str, unknown))} occurs in no window; the labels are "
            f"{', '.join(map(str, np.unique(y)))}",
            UserWarning,
            stacklevel=3,
        )
    return np.isin(y, labels)


def _as_recordings(recordings: Any) -> tuple[list[Recording], bool]:
    if isinstance(recordings, Recording):
        return [recordings], False
    if not hasattr(recordings, "__array__"):
        recordings = list(recordings)
        if recordings and all(isinstance(part, Recording) for part in recordings):
            return recordings, False
        if any(isinstance(part, Recording) for part in recordings):
            raise ValueError("recordings: got a mixture of Recording and other objects")
        if not recordings:
            raise ValueError("recordings: got none; expected at least one Recording")
    array = np.asarray(recordings)
    if array.ndim != 2:
        raise ValueError(
            f"recordings: got an array of shape {array.shape}; expected Recording objects or "
            "one array of shape (n_frames, n_features)"
        )
    names = [f"x{i}" for i in range(array.shape[1])]
    # A plain array brings no clock: one frame is one unit of time.
    return [Recording(array, sampling_rate=1.0, neurons=names)], True


def _align(
    parts: list[Recording], neurons: str | Sequence[str]
) -> tuple[NDArray[np.str_], list[tuple[NDArray[np.intp], NDArray[np.intp]]]]:
    """Names of the columns and, per recording, which of its neurons go where."""
    identified = [{name for name in part.neurons.tolist() if name} for part in parts]
    if isinstance(neurons, str):
        if neurons not in ("union", "shared", "all"):
            raise ValueError(
                f"neurons: got {neurons!r}; expected 'union', 'shared', 'all' or a list of names"
            )
        combine = set.intersection if neurons == "shared" else set.union
        names = sorted(combine(*identified))
    else:
        names, n_wanted = _given_names(list(neurons), set.union(*identified))
    n_anonymous = int(max((part.neurons == "").sum() for part in parts))
    if not isinstance(neurons, str):
        if n_anonymous > n_wanted > 0:
            warnings.warn(
                f"neurons: {n_wanted} anonymous columns hold only as many of the up to "
                f"{n_anonymous} unidentified neurons",
                UserWarning,
                stacklevel=3,
            )
        n_anonymous = n_wanted
    elif neurons != "all":
        n_anonymous = 0
    if not names and not n_anonymous:
        raise ValueError(
            f"neurons={neurons!r}: no neuron is identified in "
            f"{'every' if neurons == 'shared' else 'any'} recording; "
            f"use neurons={'union' if neurons == 'shared' and any(identified) else 'all'!r}"
        )
    place = {name: i for i, name in enumerate(names)}
    columns = []
    for part in parts:
        labels = part.neurons.tolist()
        keep = [i for i, name in enumerate(labels) if name in place]
        position = [place[labels[i]] for i in keep]
        if n_anonymous:
            unnamed = [i for i, name in enumerate(labels) if not name][:n_anonymous]
            keep += unnamed
            position += range(len(names), len(names) + len(unnamed))
        columns.append((np.array(keep, dtype=np.intp), np.array(position, dtype=np.intp)))
    return np.array(names + [""] * n_anonymous, dtype=str), columns


def _given_names(neurons: list[str], identified: set[str]) -> tuple[list[str], int]:
    """Split a list such as `Windows.neurons` into names and a number of anonymous columns.

    Names that no recording has are allowed, since a fitted model must be applied to animals
    that lack some of its neurons.
    """
    names = [name for name in neurons if name]
    if not neurons:
        raise ValueError("neurons: got an empty list; expected names of identified neurons")
    if neurons[: len(names)] != names:
        raise ValueError("neurons: got '' before a name; anonymous columns stand at the end")
    if len(set(names)) < len(names):
        raise ValueError("neurons: got a name given twice; expected each name once")
    unknown = [name for name in names if name not in identified]
    if names and len(unknown) == len(names):
        raise ValueError(
            f"neurons: got {', '.join(unknown[:5])}, in no recording; expected names of "
            "identified neurons"
        )
    # A few are no surprise: animals differ. Most of them suggest names of another kind.
    if 2 * len(unknown) > len(names):
        warnings.warn(
            f"neurons: no recording has {', '.join(unknown[:5])}"
            f"{' and others' if len(unknown) > 5 else ''}; these columns are all NaN",
            UserWarning,
            stacklevel=4,
        )
    return names, len(neurons) - len(names)


def _source(part: Recording, keep: NDArray[np.intp]) -> NDArray[np.float32]:
    """Activity of the columns to keep, without a copy where all are kept as they are."""
    if np.array_equal(keep, np.arange(part.n_neurons)):
        return np.ascontiguousarray(part.activity, dtype=np.float32)
    return np.ascontiguousarray(part.activity[:, keep], dtype=np.float32)


def _cut_points(
    parts: list[Recording], n_times: int, step: int, ahead: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    starts, recording = [], []
    for index, part in enumerate(parts):
        own = [
            np.arange(start, stop - n_times - ahead + 1, step) for start, stop in part.segments()
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
    y = np.concatenate(values)
    if y.dtype.kind == "f":
        return y, ~np.isnan(y)
    return y, (y != "") if y.dtype.kind == "U" else np.ones(len(y), dtype=bool)


def _next_frames(
    sources: list[NDArray[np.float32]],
    columns: list[NDArray[np.intp]],
    recording: NDArray[np.intp],
    frames: NDArray[np.intp],
    n_neurons: int,
    horizon: int,
) -> NDArray[np.float32]:
    following = LazyWindows(sources, columns, recording, frames, n_neurons, horizon).cut()
    return following[:, :, 0] if horizon == 1 else following


def _common_rate(parts: list[Recording]) -> float:
    rates = np.array([part.sampling_rate for part in parts])
    if rates.max() > 1.02 * rates.min():
        warnings.warn(
            f"recordings were sampled at {rates.min():.4g} to {rates.max():.4g} Hz: windows of "
            "equal frames span unequal times; resample them to one rate to compare animals",
            UserWarning,
            stacklevel=3,
        )
    return float(rates.mean())
