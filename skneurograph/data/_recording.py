"""Recording: neural activity of one organism in one session, validated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skneurograph.data._clock import check_clock, read_clock, read_seconds, stretches
from skneurograph.data._fields import (
    ReadOnlyDict,
    check_columns,
    check_per_frame,
    classes_by_name,
    covariate_name,
    read_archive,
    read_description,
    read_neuron_names,
    read_only,
    read_time,
)
from skneurograph.data._inputs import (
    InputError,
    read_labels,
    read_names,
    read_number,
    read_numbers,
    read_text,
)
from skneurograph.data._labelled import Frames, as_pandas, column_names, read_table
from skneurograph.data._warnings import warn

__all__ = ["Recording"]

_TIME = "Recording.time"

_COVARIATE_PREFIX = "covariate_"
# A neuron whose standard deviation is a smaller part of its values is constant: rounding moves it.
_CONSTANT = 1e-13


@dataclass(frozen=True, eq=False)
class Recording:
    """Neural activity of one organism in one session, with its behaviour.

    Parameters
    ----------
    activity : array-like or table of shape (n_times, n_neurons)
        One column per neuron: fluorescence, rates or spike counts. NaN, a masked or a
        missing value marks a frame in which a neuron was not recorded; infinity is an
        error. Kept as float32 or float64, other types become float64. A table (DataFrame,
        ``xarray.DataArray``, ``pynapple.TsdFrame``) also gives ``neurons`` and ``time``.
    sampling_rate : float
        Frames per second (Hz).
    neurons : sequence of str, shape (n_neurons,), optional
        Unique names; ``''`` (or NaN, or None) stands for a neuron that was not identified.
        By default the columns of a table, if they are text or identifiers; else no neuron
        is identified. Names given beside a table's win; in another order than the columns
        they are an error.
    neuron_classes : sequence of str, shape (n_neurons,), or mapping, optional
        Class of each neuron, shared by its left and right member; ``''`` (or NaN, or None)
        if unknown. A mapping, or a Series with an index of names, gives them by name.
    behavior : array-like of shape (n_times,), optional
        A label per frame, all text, all numbers or all booleans. Frames labelled ``''`` (or
        NaN, or None) count as unlabelled. A Series is aligned to the index of ``activity``.
    covariates : mapping of str to array-like of shape (n_times,), or table, optional
        Continuous behaviour, such as ``{"velocity": ...}``; NaN where not measured. Each
        Series and each column of a table is aligned to the index of ``activity``.
    time : array-like of shape (n_times,), optional
        Seconds from the start, increasing; dates count from the first. By default the index
        of a table (seconds, dates, durations or numbers of frames), which has to increase
        and, if in seconds, to agree with the sampling rate; else, or if the index is the
        default one, ``arange(n_times) / sampling_rate``. Times given win over an index.
    organism : str, default="organism"
        Who was recorded: the group in cross-validation.
    description : str, default=""
        Source and citation.

    Raises
    ------
    ValueError
        If a field does not fit. The message names the field, what was given and what
        was expected.

    Warns
    -----
    UserWarning
        If there are more neurons than frames and no other field tells that activity is
        not turned.

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
        rate = self._valid_rate()
        given = as_pandas(self.activity, "Recording.activity")
        activity = self._valid_activity(given)
        n_times, n_neurons = activity.shape
        neurons = self._valid_neurons(given, n_neurons)
        time, has_clock = self._valid_time(given, rate, n_times)
        frames = Frames(given, rate, time if has_clock else None)
        settled = has_clock or (neurons != "").any()
        settled |= any(x is not None for x in (self.neurons, self.neuron_classes, self.behavior))
        for name, value in {
            "activity": read_only(activity),
            "sampling_rate": rate,
            "neurons": read_only(neurons),
            "neuron_classes": read_only(self._valid_classes(neurons)),
            "time": read_only(time),
            "behavior": self._valid_behavior(frames, n_times),
            "covariates": self._valid_covariates(frames, n_times),
            "organism": self._valid_organism(),
            "description": read_description(self.description),
        }.items():
            object.__setattr__(self, name, value)
        if n_neurons > n_times and not settled and not self.covariates:
            warn(
                f"Recording.activity: got {n_neurons} neurons (columns) and only {n_times} frames "
                "(rows); if neurons are its rows, give activity.T. Names of neurons, time or "
                "behavior settle it, and then nothing is said"
            )

    def _valid_activity(self, given: Any) -> NDArray[np.floating]:
        expected = "numbers of shape (n_times, n_neurons)"
        activity = read_table(given, "Recording.activity", expected)
        if activity.ndim != 2 or 0 in activity.shape:
            raise InputError("Recording.activity", f"shape {activity.shape}", expected)
        return activity

    def _valid_rate(self) -> float:
        expected = "Hz, a positive number"
        rate = read_number(self.sampling_rate, "Recording.sampling_rate", expected)
        if rate <= 0:
            raise InputError("Recording.sampling_rate", repr(self.sampling_rate), expected)
        return rate

    def _valid_neurons(self, given: Any, n_neurons: int) -> NDArray[np.str_]:
        if self.neurons is None:
            columns = column_names(given, "Recording.activity")
            neurons = np.full(n_neurons, "", dtype="U1") if columns is None else columns
        else:
            neurons = read_neuron_names("neurons", self.neurons, n_neurons)
            check_columns(given, neurons)
        unique, counts = np.unique(neurons[neurons != ""], return_counts=True)
        if (counts > 1).any():
            raise InputError(
                "Recording.neurons",
                f"names that occur more than once ({', '.join(unique[counts > 1][:5])})",
                "unique names; use '' for unidentified neurons",
            )
        return neurons

    def _valid_classes(self, neurons: NDArray[np.str_]) -> NDArray[np.str_]:
        if self.neuron_classes is None:
            return np.full(len(neurons), "", dtype="U1")
        classes = self.neuron_classes
        if isinstance(classes, (Mapping, pd.Series)):
            classes = classes_by_name(classes, neurons)
        return read_neuron_names("neuron_classes", classes, len(neurons))

    def _valid_time(
        self, given: Any, rate: float, n_times: int
    ) -> tuple[NDArray[np.float64], bool]:
        """Seconds of the frames, and whether they were given (as ``time`` or as an index)."""
        if self.time is None:
            clock, _ = read_clock(given, rate, "Recording.activity")
            if clock is None:
                return np.arange(n_times) / rate, False
            time = clock
        else:
            time = read_seconds(Frames(given, rate).align(self.time, _TIME), _TIME)
            check_per_frame(_TIME, time, n_times)
        check_clock(time, rate, _TIME)
        return time, True

    def _valid_behavior(self, frames: Frames, n_times: int) -> NDArray | None:
        if self.behavior is None:
            return None
        what = "Recording.behavior"
        behavior = read_labels(frames.align(self.behavior, what), what)
        check_per_frame(what, behavior, n_times)
        return read_only(behavior)

    def _valid_covariates(self, frames: Frames, n_times: int) -> dict[str, NDArray[np.floating]]:
        given: Any = {} if self.covariates is None else self.covariates
        if not isinstance(given, Mapping):
            given = as_pandas(given, "Recording.covariates")
        if not isinstance(given, (Mapping, pd.DataFrame)):
            raise InputError(
                "Recording.covariates",
                type(given).__name__,
                "a mapping from name to one value per frame, or a table with a column for each",
            )
        covariates: dict[str, NDArray[np.floating]] = {}
        for position, key in enumerate(given):
            name = covariate_name(key, covariates)
            what = f"Recording.covariates[{name!r}]"
            value = given.iloc[:, position] if isinstance(given, pd.DataFrame) else given[key]
            array = read_numbers(frames.align(value, what), what)
            check_per_frame(what, array, n_times)
            covariates[name] = read_only(array)
        return ReadOnlyDict(covariates)

    def _valid_organism(self) -> str:
        expected = "a name that is not empty"
        organism = read_text(self.organism, "Recording.organism", expected)
        if not organism:
            raise InputError("Recording.organism", repr(self.organism), expected)
        return organism

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
        return stretches(self.time, self.sampling_rate)

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
            until = read_number(until, "Recording.zscore: until", "seconds")
            before = self.time < until - 5e-4 / self.sampling_rate
            if not before.any():
                raise ValueError(
                    f"Recording.zscore: no frame before until={until:g} s; {self.organism!r} "
                    f"starts at {self.time[0]:g} s."
                )
            recorded &= before[:, None]
        n_recorded = np.maximum(recorded.sum(axis=0), 1)
        scale = np.abs(np.where(recorded, activity, 0)).max(axis=0, initial=0)
        # From the first recorded value, so that a large offset costs the mean no digits.
        first = activity[recorded.argmax(axis=0), np.arange(self.n_neurons)]
        centred = activity - np.where(recorded.any(axis=0), first, 0)
        centred -= np.where(recorded, centred, 0).sum(axis=0) / n_recorded
        # In units of a power of two near the largest value: squares neither overflow nor vanish.
        _, exponent = np.frexp(np.abs(np.where(recorded, centred, 0)).max(axis=0, initial=0))
        variance = np.where(recorded, np.ldexp(centred, -exponent), 0) ** 2
        deviation = np.ldexp(np.sqrt(variance.sum(axis=0) / n_recorded), exponent)
        constant = deviation <= _CONSTANT * scale
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
        given: Any = [neurons] if isinstance(neurons, (str, bytes)) else neurons
        wanted = read_names(given, "Recording.select").ravel().tolist()
        column = {name: i for i, name in enumerate(self.neurons.tolist()) if name}
        unknown = [name for name in wanted if name not in column]
        if unknown or not wanted:
            given = f"unknown neurons {', '.join(map(repr, unknown[:5]))}" if unknown else "no name"
            raise ValueError(
                f"Recording.select: got {given}; expected names among the {len(column)} "
                f"identified neurons of {self.organism!r}."
            )
        if len(set(wanted)) < len(wanted):
            raise InputError("Recording.select", "a name given twice", "each name once")
        return self._with_columns([column[name] for name in wanted])

    def between(self, start: float, stop: float) -> Recording:
        """Keep the frames with ``start <= time < stop``, in seconds.

        The times of the frames are kept, so several calls refer to the same clock.

        Raises
        ------
        ValueError
            If no frame lies in that interval.
        """
        start, stop = read_time(start, "start"), read_time(stop, "stop")
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
        if not path.exists():
            raise FileNotFoundError(f"no recording at {path}")
        arrays = read_archive(path)
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
            organism=read_text(arrays.get("organism"), "Recording.organism") or path.stem,
            description=read_description(arrays.get("description")),
        )
