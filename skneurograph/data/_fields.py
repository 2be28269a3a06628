"""The fields of a Recording: names, classes, covariates and times, read and checked."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skneurograph.data._inputs import (
    InputError,
    read_names,
    read_number,
    read_text,
)

__all__ = [
    "ReadOnlyDict",
    "check_columns",
    "check_per_frame",
    "classes_by_name",
    "covariate_name",
    "read_archive",
    "read_description",
    "read_neuron_names",
    "read_only",
    "read_time",
]


def read_only(array: NDArray) -> NDArray:
    view = array.view()
    view.flags.writeable = False
    return view


def read_neuron_names(field_name: str, value: Any, n_neurons: int) -> NDArray[np.str_]:
    names = read_names(value, f"Recording.{field_name}")
    if names.shape != (n_neurons,):
        raise InputError(
            f"Recording.{field_name}",
            f"shape {names.shape}",
            f"one name per column of activity, shape ({n_neurons},); use '' for unidentified",
        )
    return names


def check_per_frame(what: str, array: NDArray, n_times: int) -> None:
    if array.shape != (n_times,):
        raise InputError(
            what, f"shape {array.shape}", f"one value per frame of activity, shape ({n_times},)"
        )


def read_time(value: Any, name: str) -> float:
    """Read an end of an interval, which may be infinite."""
    if isinstance(value, (float, np.floating)) and np.isinf(value):
        return float(value)
    return read_number(value, f"Recording.between: {name}", "seconds")


def check_columns(given: Any, neurons: NDArray[np.str_]) -> None:
    """Refuse names that call a column of a table by the name of another of its columns."""
    if not isinstance(given, pd.DataFrame):
        return
    place = {name: i for i, name in enumerate(given.columns) if isinstance(name, str) and name}
    for i, name in enumerate(neurons.tolist()):
        if place.get(name, i) != i:
            raise InputError(
                "Recording.neurons",
                f"{name!r} for column {given.columns[i]!r} of activity, which has a column "
                f"{name!r} too",
                "the order of the columns, as activity[names] gives it, or other names",
            )


def classes_by_name(classes: Any, neurons: NDArray[np.str_]) -> Any:
    """Look classes up by the neurons' names, if a mapping or an index of names gives them."""
    names = neurons.tolist()
    if isinstance(classes, pd.Series):
        labels = classes.index.tolist()
        if labels == names or not set(labels) & set(names) - {""}:
            return classes
        if len(set(labels)) < len(labels):
            raise InputError(
                "Recording.neuron_classes", "an index that repeats a name", "one class per name"
            )
        lacking = [name for name in names if name and name not in labels]
    else:
        lacking = [] if set(classes) & set(names) or not classes else names
    if lacking:
        raise InputError(
            "Recording.neuron_classes",
            f"no class for {', '.join(lacking[:5])}",
            "a class for each name, '' where it is unknown",
        )
    found = dict(classes.items())
    return [found.get(name, "") if name else "" for name in names]


def covariate_name(key: Any, others: Iterable[str]) -> str:
    expected = "a name for each covariate"
    is_number = isinstance(key, (int, float, np.number)) and key == key  # not NaN
    name = str(key) if is_number else read_text(key, "Recording.covariates", expected)
    if not name:
        raise InputError("Recording.covariates", f"the name {key!r}", expected)
    if name in others:
        raise InputError("Recording.covariates", f"two named {name!r}", "unique names")
    return name


def read_description(value: Any) -> str:
    try:
        return read_text(value, "Recording.description")
    except InputError:
        return str(value)


class ReadOnlyDict(dict[str, NDArray[np.floating]]):
    """A mapping that cannot be changed, but compared, copied and pickled like a dict."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Recording.covariates cannot be changed; make a new Recording")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def read_archive(path: Path) -> dict[str, NDArray]:
    """Arrays of an ``.npz`` file, by key."""
    expected = "expected an .npz of plain arrays, as Recording.save writes it"
    if not zipfile.is_zipfile(path):
        kind = "a folder" if path.is_dir() else "no .npz archive"
        raise ValueError(f"{path} is not a recording: it is {kind}; {expected}")
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                try:
                    arrays[key] = archive[key]
                except ValueError as error:
                    if "pickle" not in str(error):
                        raise
                    raise ValueError(
                        f"{key} holds Python objects, not numbers or text (of text, "
                        "astype(str) makes a plain array)"
                    ) from error
    except Exception as error:
        raise ValueError(f"{path} is not a recording: {error}; {expected}") from error
    return arrays
