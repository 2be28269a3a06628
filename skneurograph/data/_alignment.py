"""Alignment of recordings to common columns, by neuron name or class."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._clock import read_clock
from skneurograph.data._inputs import InputError, read_names, unmasked
from skneurograph.data._labelled import as_pandas, column_names, read_table
from skneurograph.data._recording import Recording
from skneurograph.data._warnings import warn

__all__ = ["CHOICES", "align", "as_recordings", "average_all_classes"]

# Which neurons become columns, where no names are given.
CHOICES = ("union", "intersection", "all")
_EXPECTED = "Recording objects, or one array or table of shape (n_frames, n_features)"
_TRIALS = (
    "one Recording per trial, such as [Recording(trial, sampling_rate=..., organism=...) for trial "
    "in trials], where trials of one animal have the same organism"
)


def as_recordings(recordings: Any) -> tuple[list[Recording], bool]:
    """Read recordings, and tell whether one plain array or table was given.

    Raises
    ------
    InputError
        If it is neither, or if a recording is given twice.
    """
    if isinstance(recordings, Recording):
        return [recordings], False
    if isinstance(recordings, (str, bytes, os.PathLike)):
        raise InputError(
            "recordings", repr(recordings), f"{_EXPECTED}; Recording.load reads a file"
        )
    if isinstance(recordings, Mapping) and not hasattr(recordings, "dims"):
        raise InputError("recordings", type(recordings).__name__, f"a list of {_EXPECTED}")
    if hasattr(recordings, "starts"):
        raise InputError("recordings", "windows that are cut already", _EXPECTED)
    table = as_pandas(recordings, "recordings")
    if not hasattr(table, "__array__"):
        try:
            table = list(table)
        except TypeError as error:
            raise InputError("recordings", type(recordings).__name__, _EXPECTED) from error
        if not table:
            raise InputError("recordings", "none", "at least one Recording")
        n_recordings = sum(isinstance(part, Recording) for part in table)
        if n_recordings == len(table):
            _refuse_repeated(table)
            return table, False
        if n_recordings:
            raise InputError("recordings", "a mixture of Recording and other objects", _EXPECTED)
        if any(isinstance(part, (str, bytes, os.PathLike)) for part in table):
            raise InputError(
                "recordings", repr(table[0]), f"{_EXPECTED}; Recording.load reads a file"
            )
        _refuse_trials(table)
    return [_plain_recording(table)], True


def _refuse_trials(parts: list[Any]) -> None:
    try:
        shapes = [np.shape(unmasked(part)) for part in parts]
    except ValueError:  # ragged within: the reader of numbers says so
        return
    if any(len(shape) > 1 for shape in shapes):
        given = f"{len(shapes)} arrays of shape {', '.join(map(str, dict.fromkeys(shapes[:4])))}"
        raise InputError("recordings", given, _TRIALS)


def _plain_recording(table: Any) -> Recording:
    """Read an array or table as one recording whose columns are all identified."""
    values = read_table(table, "recordings", _EXPECTED)
    if values.ndim == 3:
        raise InputError(
            "recordings",
            f"an array of shape {values.shape}",
            f"{_EXPECTED}. Of trials, give {_TRIALS}; windows (n_windows, n_neurons, n_times) "
            "go to estimators as they are",
        )
    if values.ndim != 2 or 0 in values.shape:
        raise InputError("recordings", f"an array of shape {values.shape}", _EXPECTED)
    n_frames, n_features = values.shape
    columns = column_names(table, "recordings")
    if columns is None and n_features > n_frames:
        warn(
            f"recordings: got an array of {n_features} features (columns) and only {n_frames} "
            "frames (rows); if features are its rows, give array.T"
        )
    names = [""] * n_features if columns is None else columns.tolist()
    names = [name or f"x{i}" for i, name in enumerate(names)]
    time, rate = read_clock(table, None, "recordings")
    # Without a clock, or with frames that are only numbered, one frame is one unit of time.
    return Recording(values, rate or 1.0, neurons=names, time=time)


def _refuse_repeated(parts: list[Recording]) -> None:
    """Refuse frames that would count twice, and leak from training to test."""
    seen: dict[Any, list[int]] = {}
    for index, part in enumerate(parts):
        edges = (part.activity[0].astype(np.float64), part.activity[-1].astype(np.float64))
        key = (part.activity.shape, edges[0].tobytes(), edges[1].tobytes())
        for other in seen.setdefault(key, []):
            _compare(parts[other], part, f"{other} and {index}")
        seen[key].append(index)


def _compare(one: Recording, other: Recording, positions: str) -> None:
    is_signal = np.nanmax(one.activity, initial=-np.inf) > np.nanmin(one.activity, initial=np.inf)
    if one is not other and not (
        is_signal and np.array_equal(one.activity, other.activity, equal_nan=True)
    ):
        return
    if one.organism == other.organism:
        raise InputError(
            "recordings",
            f"the same recording of {one.organism!r} twice (positions {positions})",
            "each recording once, since its windows would count twice and leak from training "
            "to test data",
        )
    warn(
        f"recordings: {one.organism!r} and {other.organism!r} (positions {positions}) have the "
        "same activity; if they are one animal, give it once, else its windows stand in "
        "training and test data"
    )


def average_all_classes(parts: Sequence[Recording]) -> list[Recording]:
    """Average the neurons of each class in every recording (`Recording.average_classes`).

    Raises
    ------
    ValueError
        If no recording has classes.
    """
    if not any((part.neuron_classes != "").any() for part in parts):
        raise ValueError(
            "average_classes=True: no recording has neuron_classes; give them, or use "
            "average_classes=False"
        )
    named = [((part.neurons != "") & (part.neuron_classes == "")).sum() for part in parts]
    if any(named):
        warn(f"average_classes=True: {sum(named)} named neurons have no class and become anonymous")
    return [part.average_classes() for part in parts]


def align(
    parts: list[Recording], neurons: str | bytes | Sequence[str]
) -> tuple[NDArray[np.str_], list[tuple[NDArray[np.intp], NDArray[np.intp]]]]:
    """Names of the columns and, per recording, which of its neurons go where."""
    identified = [{name for name in part.neurons.tolist() if name} for part in parts]
    if isinstance(neurons, bytes):
        neurons = neurons.decode("utf-8", "replace")
    in_every = isinstance(neurons, str) and neurons == "intersection"
    if isinstance(neurons, str):
        if neurons not in CHOICES:
            expected = ", ".join(map(repr, CHOICES))
            raise ValueError(f"neurons: got {neurons!r}; expected {expected} or a list of names")
        combine = set.intersection if in_every else set.union
        names = sorted(combine(*identified))
    else:
        wanted = read_names(neurons, "neurons").ravel().tolist()
        names, n_wanted = _given_names(wanted, set.union(*identified))
    n_anonymous = int(max((part.neurons == "").sum() for part in parts))
    if not isinstance(neurons, str):
        if n_anonymous > n_wanted > 0:
            warn(
                f"neurons: {n_wanted} anonymous columns hold only as many of the up to "
                f"{n_anonymous} unidentified neurons"
            )
        n_anonymous = n_wanted
    elif neurons != "all":
        n_anonymous = 0
    if not names and not n_anonymous:
        raise ValueError(
            f"neurons={neurons!r}: no neuron is identified in "
            f"{'every' if in_every else 'any'} recording; "
            f"use neurons={'union' if in_every and any(identified) else 'all'!r}"
        )
    _warn_of_numbers(parts, names)
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


def _warn_of_numbers(parts: list[Recording], names: list[str]) -> None:
    """Warn if numbers align neurons of several organisms: they may only count cells."""
    numbers = {name for name in names if name.isdecimal()}
    if not numbers:
        return
    owners: dict[str, set[str]] = {}
    for part in parts:
        for name in numbers.intersection(part.neurons.tolist()):
            owners.setdefault(name, set()).add(part.organism)
    shared = [name for name in names if len(owners.get(name, ())) > 1]
    if shared:
        warn(
            f"neurons: names that are numbers, such as {shared[0]!r}, occur in several organisms "
            "and are taken for the same neuron in each; if they only count the cells of one movie, "
            "give neurons=[''] * n_neurons to Recording and neurons='all' here"
        )


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
        warn(
            f"neurons: no recording has {', '.join(unknown[:5])}"
            f"{' and others' if len(unknown) > 5 else ''}; these columns are all NaN"
        )
    return names, len(neurons) - len(names)
