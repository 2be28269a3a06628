"""One organism, one session: the validated container that everything starts from."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

__all__ = ["Recording"]

_COVARIATE_PREFIX = "covariate_"
# A pause longer than this many sampling intervals is a gap that no window may cross.
_GAP_IN_INTERVALS = 2.5


def _fail(field_name: str, given: str, expected: str) -> ValueError:
    return ValueError(f"Recording.{field_name}: got {given}; expected {expected}.")


def _read_only(array: NDArray) -> NDArray:
    view = array.view()
    view.flags.writeable = False
    return view


def _names(field_name: str, value: Iterable[str] | None, n_neurons: int) -> NDArray[np.str_]:
    if value is None:
        return np.full(n_neurons, "", dtype="U1")
    try:
        names = np.asarray(value if isinstance(value, np.ndarray) else list(value))
    except (TypeError, ValueError) as error:
        raise _fail(field_name, type(value).__name__, "one string per neuron") from error
    if names.dtype.kind == "O" and all(isinstance(name, str) for name in names.ravel()):
        names = names.astype(str)
    if names.dtype.kind != "U" and names.size:
        raise _fail(field_name, f"values of dtype {names.dtype}", "one string per neuron")
    if names.shape != (n_neurons,):
        raise _fail(
            field_name,
            f"shape {names.shape}",
            f"one name per column of activity, shape ({n_neurons},); use '' for unidentified",
        )
    return names


def _per_frame(field_name: str, value: ArrayLike, n_times: int) -> NDArray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise _fail(field_name, "a ragged sequence", "one value per frame of activity") from error
    if array.shape != (n_times,):
        raise _fail(
            field_name,
            f"shape {array.shape}",
            f"one value per frame of activity, shape ({n_times},)",
        )
    return array


@dataclass(frozen=True, eq=False)
class Recording:
    """Neural activity of one organism in one session, with its behaviour.

    Parameters
    ----------
    activity : array-like of shape (n_times, n_neurons)
        One column per neuron: fluorescence, rates or spike counts. NaN marks a frame
        in which a neuron was not recorded; infinity is an error. Kept as float32 or
        float64, other types become float64.
    sampling_rate : float
        Frames per second (Hz).
    neurons : sequence of str, shape (n_neurons,), optional
        Unique names; ``''`` stands for a neuron that was not identified. By default
        no neuron is identified.
    neuron_classes : sequence of str, shape (n_neurons,), optional
        Class of each neuron, shared by its left and right member; ``''`` if unknown.
    behavior : array-like of shape (n_times,), optional
        A label per frame. Frames labelled ``''`` (or NaN, or None) count as unlabelled.
    covariates : mapping of str to array-like of shape (n_times,), optional
        Continuous behaviour, such as ``{"velocity": ...}``; NaN where not measured.
    time : array-like of shape (n_times,), optional
        Seconds from the start, increasing. By default ``arange(n_times) / sampling_rate``.
    organism : str, default="organism"
        Who was recorded: the group in cross-validation.
    description : str, default=""
        Source and citation.

    Raises
    ------
    ValueError
        If a field does not fit. The message names the field, what was given and what
        was expected.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import Recording
    >>> rng = np.random.default_rng(0)
    >>> worm = Recording(
    ...     rng.normal(size=(100, 3)), sampling_rate=2.0, neurons=["AVAL", "AVAR", ""],
    ...     behavior=["forward"] * 60 + ["reversal"] * 40, organism="worm-1")
    >>> worm.n_times, worm.n_neurons, worm.duration
    (100, 3, 50.0)
    >>> worm.between(10, 20).n_times
    20
    """

    activity: NDArray[np.floating]
    sampling_rate: float
    # Any: given as lists or None, held as arrays.
    neurons: Any = None
    neuron_classes: Any = None
    behavior: Any = None
    covariates: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    time: Any = None
    organism: str = "organism"
    description: str = ""

    def __post_init__(self) -> None:
        validated = {
            "activity": self._valid_activity(),
            "sampling_rate": self._valid_rate(),
        }
        for name, value in validated.items():
            object.__setattr__(self, name, value)
        n_times, n_neurons = self.activity.shape
        neurons = _names("neurons", self.neurons, n_neurons)
        identified = neurons[neurons != ""]
        unique, counts = np.unique(identified, return_counts=True)
        if (counts > 1).any():
            repeated = ", ".join(unique[counts > 1][:5])
            raise _fail(
                "neurons",
                f"names that occur more than once ({repeated})",
                "unique names; use '' for unidentified neurons",
            )
        classes = _names("neuron_classes", self.neuron_classes, n_neurons)
        behavior = self.behavior
        if behavior is not None:
            try:
                behavior = _labels(behavior, n_times)
            except (TypeError, ValueError) as error:
                if str(error).startswith("Recording."):
                    raise
                raise _fail("behavior", "a ragged sequence", "one label per frame") from error
        if not isinstance(self.organism, str) or not self.organism:
            raise _fail("organism", repr(self.organism), "a name that is not empty")
        for name, value in {
            "neurons": _read_only(neurons),
            "neuron_classes": _read_only(classes),
            "behavior": None if behavior is None else _read_only(behavior),
            "covariates": self._valid_covariates(n_times),
            "time": self._valid_time(n_times),
            "description": str(self.description),
        }.items():
            object.__setattr__(self, name, value)

    def _valid_activity(self) -> NDArray[np.floating]:
        expected = "numbers of shape (n_times, n_neurons)"
        try:
            activity = np.asarray(self.activity)
            if activity.dtype not in (np.float32, np.float64):
                if activity.dtype.kind not in "buif":
                    raise _fail("activity", f"dtype {activity.dtype}", expected)
                activity = activity.astype(np.float64)
        except (TypeError, ValueError) as error:
            if str(error).startswith("Recording."):
                raise
            raise _fail("activity", type(self.activity).__name__, expected) from error
        if activity.ndim != 2 or 0 in activity.shape:
            raise _fail("activity", f"shape {activity.shape}", expected)
        infinite = np.isinf(activity)
        if infinite.any():
            frame, column = np.argwhere(infinite)[0]
            raise _fail(
                "activity",
                f"infinity at frame {frame}, column {column}",
                "finite numbers, or NaN where a neuron was not recorded",
            )
        return _read_only(activity)

    def _valid_rate(self) -> float:
        try:
            rate = float(self.sampling_rate)
        except (TypeError, ValueError) as error:
            raise _fail("sampling_rate", repr(self.sampling_rate), "Hz, a number") from error
        if not (np.isfinite(rate) and rate > 0):
            raise _fail("sampling_rate", repr(self.sampling_rate), "Hz, a positive number")
        return rate

    def _valid_covariates(self, n_times: int) -> dict[str, NDArray[np.floating]]:
        if not isinstance(self.covariates, Mapping):
            raise _fail(
                "covariates",
                type(self.covariates).__name__,
                "a mapping from name to one value per frame",
            )
        covariates = {}
        for name, value in self.covariates.items():
            array = _per_frame(f"covariates[{name!r}]", value, n_times)
            if array.dtype.kind not in "buif":
                raise _fail(f"covariates[{name!r}]", f"dtype {array.dtype}", "numbers")
            if array.dtype.kind != "f":
                array = array.astype(np.float64)
            if np.isinf(array).any():
                raise _fail(f"covariates[{name!r}]", "infinity", "finite numbers or NaN")
            covariates[str(name)] = _read_only(array)
        return _ReadOnlyDict(covariates)

    def _valid_time(self, n_times: int) -> NDArray[np.float64]:
        if self.time is None:
            return _read_only(np.arange(n_times) / self.sampling_rate)
        try:
            time = _per_frame("time", self.time, n_times).astype(np.float64)
        except ValueError as error:
            if str(error).startswith("Recording."):
                raise
            raise _fail("time", "values that are not numbers", "increasing seconds") from error
        if not np.isfinite(time).all() or (np.diff(time) <= 0).any():
            raise _fail("time", "times that do not increase", "increasing seconds, one per frame")
        intervals = np.diff(time) * self.sampling_rate
        if n_times > 1 and (intervals.min() > _GAP_IN_INTERVALS or np.median(intervals) < 0.4):
            raise _fail(
                "time",
                f"frames {np.median(np.diff(time)):.4g} s apart at {self.sampling_rate:g} Hz",
                "seconds that agree with the sampling rate",
            )
        return _read_only(time)

    def __repr__(self) -> str:
        identified = int((self.neurons != "").sum())
        parts = [
            f"{self.organism!r}",
            f"{self.n_times} frames at {self.sampling_rate:.4g} Hz",
            f"{self.n_neurons} neurons ({identified} identified)",
        ]
        if self.behavior is not None:
            parts.append(f"behavior: {', '.join(map(str, np.unique(self.behavior)))}")
        if self.covariates:
            parts.append(f"covariates: {', '.join(self.covariates)}")
        return f"<Recording {'; '.join(parts)}>"

    @property
    def n_times(self) -> int:
        """Number of frames."""
        return int(self.activity.shape[0])

    @property
    def n_neurons(self) -> int:
        """Number of neurons, identified or not."""
        return int(self.activity.shape[1])

    @property
    def duration(self) -> float:
        """Length in seconds, at the nominal sampling rate."""
        return self.n_times / self.sampling_rate

    def segments(self) -> list[tuple[int, int]]:
        """Uninterrupted stretches as ``(start, stop)`` frames.

        A pause of more than 2.5 sampling intervals is a gap; windows do not cross it.
        """
        breaks = np.flatnonzero(np.diff(self.time) * self.sampling_rate > _GAP_IN_INTERVALS) + 1
        edges = [0, *breaks.tolist(), self.n_times]
        return list(itertools.pairwise(edges))

    def zscore(self, *, until: float | None = None) -> Recording:
        """Scale each neuron to zero mean and unit variance over this recording.

        The statistics are those of the animal's own traces, no label is used. A
        constant neuron becomes zero; NaN stays NaN.

        Parameters
        ----------
        until : float, optional
            Take the statistics from the frames before that time, in seconds, so that a
            split in time does not leak what comes later. A neuron that is constant before
            it is centred but not scaled; one that is NaN before it becomes NaN throughout.

        Raises
        ------
        ValueError
            If no frame lies before ``until``.
        """
        activity = self.activity.astype(np.float64)
        recorded = ~np.isnan(activity)
        if until is not None:
            before = self.time < until - 5e-4 / self.sampling_rate
            if not before.any():
                raise ValueError(
                    f"Recording.zscore: no frame before until={until:g} s; {self.organism!r} "
                    f"starts at {self.time[0]:g} s."
                )
            recorded &= before[:, None]
        n_recorded = np.maximum(recorded.sum(axis=0), 1)
        centred = activity - np.where(recorded, activity, 0).sum(axis=0) / n_recorded
        variance = np.where(recorded, centred, 0) ** 2
        deviation = np.sqrt(variance.sum(axis=0) / n_recorded)
        scale = np.abs(np.where(recorded, activity, 0)).max(axis=0, initial=0)
        constant = deviation <= 1e-10 * scale
        if until is None:
            centred[:, constant] *= 0
        # Without a frame to go by before `until`, a neuron counts as not recorded.
        centred[:, ~recorded.any(axis=0)] = np.nan
        scaled = centred / np.where(constant, 1, deviation)
        return replace(self, activity=scaled.astype(self.activity.dtype))

    def select(self, neurons: Iterable[str]) -> Recording:
        """Keep the named neurons, in the order given.

        Raises
        ------
        ValueError
            If a name is not among the identified neurons of this recording.
        """
        wanted = [neurons] if isinstance(neurons, str) else list(neurons)
        column = {name: i for i, name in enumerate(self.neurons.tolist()) if name}
        unknown = [name for name in wanted if name not in column]
        if unknown or not wanted:
            given = f"unknown neurons {', '.join(map(repr, unknown[:5]))}" if unknown else "no name"
            raise ValueError(
                f"Recording.select: got {given}; expected names among the {len(column)} "
                f"identified neurons of {self.organism!r}."
            )
        return self._with_columns([column[name] for name in wanted])

    def between(self, start: float, stop: float) -> Recording:
        """Keep the frames with ``start <= time < stop``, in seconds.

        The times of the frames are kept, so several calls refer to the same clock.

        Raises
        ------
        ValueError
            If no frame lies in that interval.
        """
        # Half a thousandth of a frame absorbs the rounding of times such as 0.1 * 3.
        slack = 5e-4 / self.sampling_rate
        keep = (self.time >= start - slack) & (self.time < stop - slack)
        if not keep.any():
            raise ValueError(
                f"Recording.between: no frame between {start:g} and {stop:g} s; "
                f"{self.organism!r} spans {self.time[0]:g} to {self.time[-1]:g} s."
            )
        return replace(
            self,
            activity=self.activity[keep],
            time=self.time[keep],
            behavior=None if self.behavior is None else self.behavior[keep],
            covariates={name: value[keep] for name, value in self.covariates.items()},
        )

    def average_classes(self) -> Recording:
        """Average the neurons that share a class, such as left and right.

        Each class becomes one neuron named after it; in a frame, members that were not
        recorded (NaN) are left out of the mean. Neurons without a class keep their own
        trace, but lose their name: they have no counterpart in other organisms.
        """
        classes = sorted({name for name in self.neuron_classes.tolist() if name})
        columns, names = [], []
        for name in classes:
            members = self.activity[:, self.neuron_classes == name]
            recorded = ~np.isnan(members)
            total = np.where(recorded, members, 0).sum(axis=1, dtype=np.float64)
            count = recorded.sum(axis=1)
            columns.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
            names.append(name)
        anonymous = np.flatnonzero(self.neuron_classes == "")
        columns += [self.activity[:, i] for i in anonymous]
        return replace(
            self,
            activity=np.stack(columns, axis=1).astype(self.activity.dtype),
            neurons=np.array(names + [""] * len(anonymous)),
            neuron_classes=np.array(names + [""] * len(anonymous)),
        )

    def _with_columns(self, columns: list[int]) -> Recording:
        return replace(
            self,
            activity=self.activity[:, columns],
            neurons=self.neurons[columns],
            neuron_classes=self.neuron_classes[columns],
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a plain ``.npz`` file (arrays only, no pickle) and return its path."""
        target = Path(path)
        if target.suffix != ".npz":
            target = target.with_name(target.name + ".npz")
        arrays: dict[str, Any] = {
            "activity": self.activity,
            "sampling_rate": np.float64(self.sampling_rate),
            "time": self.time,
            "neurons": self.neurons,
            "neuron_classes": self.neuron_classes,
            "organism": np.str_(self.organism),
            "description": np.str_(self.description),
        }
        if self.behavior is not None:
            arrays["behavior"] = self.behavior
        for name, value in self.covariates.items():
            arrays[_COVARIATE_PREFIX + name] = value
        np.savez_compressed(target, **arrays)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recording:
        """Read a recording that `save` wrote, or any ``.npz`` with the same keys.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is not an ``.npz`` of plain arrays, or lacks ``activity`` or
            ``sampling_rate``.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as archive:
                if not hasattr(archive, "files"):
                    raise ValueError("a single array")
                arrays = {key: archive[key] for key in archive.files}
        except FileNotFoundError:
            raise FileNotFoundError(f"no recording at {path}") from None
        except Exception as error:
            raise ValueError(
                f"{path} is not a recording: expected an .npz of plain arrays "
                f"as Recording.save writes it ({error})"
            ) from error
        missing = [key for key in ("activity", "sampling_rate") if key not in arrays]
        if missing:
            raise ValueError(
                f"{path} is not a recording: it lacks {' and '.join(missing)} "
                f"(it holds {', '.join(arrays) or 'nothing'})"
            )
        rate = arrays["sampling_rate"]
        try:
            return cls._from_arrays(arrays, rate.item() if rate.size == 1 else rate, path)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray], rate: Any, path: Path) -> Recording:
        return cls(
            activity=arrays["activity"],
            sampling_rate=rate,
            neurons=arrays.get("neurons"),
            neuron_classes=arrays.get("neuron_classes"),
            behavior=arrays.get("behavior"),
            covariates={
                key.removeprefix(_COVARIATE_PREFIX): value
                for key, value in arrays.items()
                if key.startswith(_COVARIATE_PREFIX)
            },
            time=arrays.get("time"),
            organism=str(arrays.get("organism", path.stem)),
            description=str(arrays.get("description", "")),
        )


def _labels(behavior: Any, n_times: int) -> NDArray:
    """Read a label per frame; missing ones become '' among strings, NaN among numbers."""
    if not isinstance(behavior, np.ndarray):
        # As objects first: numpy would turn a NaN among strings into the string 'nan'.
        given = list(behavior)
        _per_frame("behavior", given, n_times)
        behavior = np.empty(len(given), dtype=object)
        behavior[:] = given
    labels = _per_frame("behavior", behavior, n_times)
    if labels.dtype.kind == "S":
        return labels.astype(str)
    if labels.dtype.kind != "O":
        return labels
    missing = np.asarray(pd.isna(labels))
    if any(isinstance(label, str) for label in labels[~missing]):
        return np.asarray(["" if gone else str(label) for label, gone in zip(labels, missing)])
    present = np.asarray(labels[~missing].tolist())
    if not missing.any():
        return present
    filled = np.full(n_times, np.nan)
    filled[~missing] = present
    return filled


class _ReadOnlyDict(dict[str, NDArray[np.floating]]):
    """A mapping that cannot be changed, but compared, copied and pickled like a dict."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Recording.covariates cannot be changed; make a new Recording")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)
