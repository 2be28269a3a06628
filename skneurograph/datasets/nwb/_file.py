"""Open NWB files and list their contents."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["NWBContents", "is_a", "is_text", "list_names", "nwb_path", "open_nwb", "text_of"]

_LISTED = 12


class NWBContents:
    """An open file: what it holds by path, and what is to be said about it.

    Attributes
    ----------
    nwb : pynwb.NWBFile
    contents : dict of str to object
        Everything in the file by its path, such as ``"processing/ophys/DfOverF/Green"``.
    series : dict of str to pynwb.TimeSeries
        Those of one or two dimensions, so no images.
    notes : list of str
        Warnings for whoever reads the file.
    """

    def __init__(self, io: Any) -> None:
        self.nwb = io.read()
        self.notes: list[str] = []
        self.contents: dict[str, Any] = {}
        for content in self.nwb.objects.values():
            builder = io.manager.get_builder(content)
            if builder is not None:
                self.contents[builder.path.removeprefix("root").lstrip("/")] = content
        self.series = self.of(
            lambda content: (
                is_a(content, "TimeSeries") and getattr(content.data, "ndim", 0) in (1, 2)
            )
        )

    def of(self, wanted: Callable[[Any], bool]) -> dict[str, Any]:
        """Contents that are wanted, by path."""
        return {path: content for path, content in self.contents.items() if wanted(content)}

    def named(self, argument: str, name: Any, candidates: Iterable[str]) -> str:
        """Return the one candidate whose path is or ends in the name."""
        if not isinstance(name, str) or not name.strip("/"):
            raise ValueError(f"{argument}: got {name!r}; expected a name of something in the file")
        candidates = list(candidates)
        found = _matching(name, candidates)
        if len(found) == 1:
            return found[0]
        if found:
            problem = "which is ambiguous"
        else:
            others = _matching(name, list(self.contents))
            problem = "which this file does not have"
            if others:
                problem = f"which {_nature(self.contents[others[0]])}"
        if not candidates:
            raise ValueError(
                f"{argument}: got {name!r}, {problem}; it holds nothing to read as such"
            )
        expected = list_names(found or candidates)
        raise ValueError(f"{argument}: got {name!r}, {problem}; expected one of {expected}")


def is_a(content: Any, *names: str) -> bool:
    """Whether something is of a neurodata type, or of one that extends it."""
    return any(parent.__name__ in names for parent in type(content).__mro__)


def list_names(names: Iterable[str]) -> str:
    """List names in their order, at most a dozen."""
    names = sorted(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def nwb_path(path: str | os.PathLike[str]) -> Path:
    """Check that there is such a file."""
    try:
        source = Path(os.fsdecode(path))
    except TypeError as error:
        several = ", such as [read_nwb(path) for path in paths] for several"
        raise ValueError(
            f"path: got {type(path).__name__}; expected the path of one NWB file"
            + (several if isinstance(path, (list, tuple, set)) else "")
        ) from error
    if source.is_dir():
        raise ValueError(
            f"{source} could not be read as an NWB file: it is a folder; expected an HDF5 file "
            "(NWB in Zarr is not read)"
        )
    if not source.is_file():
        raise FileNotFoundError(f"no NWB file at {source}")
    return source


def open_nwb(path: Path) -> tuple[Any, NWBContents]:
    """Open a file, and give pynwb's handle, to be closed, and the contents.

    Raises
    ------
    ValueError
        If the file cannot be read. The message says in one line what it is.
    """
    import pynwb

    io = None
    try:
        io = pynwb.NWBHDF5IO(str(path), mode="r", load_namespaces=True)
        return io, NWBContents(io)
    except Exception as error:
        if io is not None:
            io.close()
        raise ValueError(
            f"{path} could not be read as an NWB file: {_reason(path, error)}"
        ) from error


def _reason(path: Path, error: Exception) -> str:
    """Say in one line why a file could not be opened."""
    import h5py

    if path.stat().st_size == 0:
        return "it is empty"
    try:
        with h5py.File(path, "r") as file:
            version = file.attrs.get("nwb_version", file.get("nwb_version", None))
            version = version[()] if isinstance(version, h5py.Dataset) else version
    except PermissionError:
        return "its permissions do not allow it"
    except OSError as problem:
        if "truncated" in str(problem):
            return "it is truncated; copy or download it again"
        if not h5py.is_hdf5(path):
            return "it is no HDF5 file"
        return " ".join(str(problem).split())
    if version is None:
        return "it is an HDF5 file without an NWB version"
    version = version.decode() if isinstance(version, bytes) else str(version)
    if version.removeprefix("NWB-")[:1] in ("0", "1"):
        return (
            f"it is of {version if 'NWB' in version else 'NWB ' + version}; expected NWB 2. Read "
            "its arrays with h5py and give them to skneurograph.Recording"
        )
    return " ".join(str(error).split())


def _matching(name: str, paths: list[str]) -> list[str]:
    parts = name.strip("/").split("/")
    found = [path for path in paths if path.split("/")[-len(parts) :] == parts]
    # A container of a single series may stand for it, as Fluorescence often does.
    found = found or [path for path in paths if path.split("/")[-len(parts) - 1 : -1] == parts]
    exact = name.strip("/")
    return [exact] if exact in found else found


def _nature(content: Any) -> str:
    """Say what something is that is no candidate, and what else to do."""
    own = "give what you make of it to skneurograph.Recording"
    remedies = {
        "Units": "holds spike times: bin them with numpy.histogram, one column per unit, and "
        "give the counts to skneurograph.Recording",
        "TimeIntervals": "behavior= reads the labels of its intervals",
        "IntervalSeries": "covariates= reads it as 1 inside its intervals and 0 outside",
        "AnnotationSeries": f"text at moments: {own}",
        "EventsTable": f"events at moments: {own}",
        "Events": f"events at moments: {own}",
        "ImageSeries": "images: extract traces of neurons first, for instance with suite2p",
    }
    kind = type(content).__name__
    shape = getattr(getattr(content, "data", None), "shape", None)
    remedy = next((text for name, text in remedies.items() if is_a(content, name)), "")
    if not remedy and is_a(content, "TimeSeries"):
        continuity = getattr(content, "continuity", None)
        remedy = f"of shape {shape}" + (f" and continuity {continuity!r}" if continuity else "")
    return f"is of type {kind}" + (f" ({remedy})" if remedy else "")


def is_text(values: Iterable[Any]) -> bool:
    """Whether all of these are text, or text stored letter by letter."""
    return all(
        isinstance(value, (str, bytes))
        or (np.ndim(value) == 1 and is_text(value) and all(len(letter) < 2 for letter in value))
        for value in values
    )


def text_of(value: Any) -> str:
    """Return a name or label as text; ``''`` if it is missing."""
    # Some converters write an indexed column of strings letter by letter.
    if not isinstance(value, (str, bytes)) and np.ndim(value):
        return "".join(text_of(letter) for letter in value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"got bytes that are no UTF-8 ({value!r}); expected text") from error
    if pd.isna(value):
        return ""
    # Numbers that have missing ones among them are stored as floats: 14.0 is 14 elsewhere.
    is_whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value) if is_whole else value)
