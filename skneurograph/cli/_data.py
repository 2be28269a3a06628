"""Reading of recordings from files and folders, and what is held out of them."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skneurograph import Recording, Windows, sliding_windows
from skneurograph.cli._settings import Settings
from skneurograph.cli._terminal import complain, in_options
from skneurograph.data._alignment import average_all_classes
from skneurograph.datasets import read_nwb

__all__ = ["HOLD_OUT", "LAST_PART", "find_files", "read_recordings"]

# Part of every recording that is tested when it is split in time.
LAST_PART = 0.3


def find_files(given: Sequence[Path]) -> list[Path]:
    """Return the recordings among files, folders and patterns, each file once.

    Raises
    ------
    ValueError, FileNotFoundError
        If a pattern matches nothing, or a folder holds no recording.
    """
    files: dict[object, Path] = {}
    for path in given:
        for file in _expanded(path):
            status = file.stat()
            # The same for every path and link to a file.
            key = (status.st_dev, status.st_ino)
            if files.get(key) == file:
                complain(f"note: {file} is given more than once and counts once")
            elif key in files:
                complain(f"note: {file} is the same file as {files[key]} and counts once")
            else:
                files[key] = file
    return list(files.values())


def _expanded(path: Path) -> list[Path]:
    if path.is_dir():
        return _files_of(path)
    if path.exists():
        return [path]
    if not glob.has_magic(str(path)):
        raise FileNotFoundError(f"no recording at {path}")
    # A shell leaves a pattern that is quoted, or that matches nothing, as it is.
    matches = sorted(map(Path, glob.glob(str(path))))
    if not matches:
        raise FileNotFoundError(f"no recording matches {path}")
    return [file for match in matches for file in _expanded(match)]


def _files_of(folder: Path) -> list[Path]:
    """Files of the first kind that a folder has; .nwb may stand beside what was made of them."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name[0] != ".")
    for suffix in (".npz", ".nwb"):
        found = [file for file in files if file.suffix.lower() == suffix]
        if found:
            return found
    raise ValueError(f"{folder} is a folder without a recording (.npz)")


def read_recordings(files: Sequence[Path]) -> list[Recording]:
    """Read recordings, leaving out copies.

    Raises
    ------
    ValueError, OSError, ImportError
        If a file is no recording, or if two organisms have the same activity.
    """
    loaded: dict[object, tuple[Path, Recording]] = {}
    for file in files:
        recording = _read(file)
        activity = np.ascontiguousarray(recording.activity)
        key = (activity.shape, hashlib.sha256(activity.data).digest())
        if key not in loaded:
            loaded[key] = file, recording
            continue
        first, other = loaded[key]
        if recording.organism != other.organism:
            raise ValueError(
                f"{file} holds the activity of {first} under another organism "
                f"({recording.organism!r}, {other.organism!r}): one of them would be tested on "
                "itself; leave out one"
            )
        complain(f"note: {file} is a copy of {first} and counts once")
    return [recording for _, recording in loaded.values()]


def _read(file: Path) -> Recording:
    if file.suffix.lower() != ".nwb":
        return Recording.load(file)
    try:
        return read_nwb(file)
    except ValueError as error:
        message = str(error).removeprefix(f"{file} ").rstrip(".")
        raise ValueError(
            f"{file}: {message}; what has to be chosen is chosen in Python: "
            f"skneurograph.datasets.read_nwb({file.name!r}, ...).save({file.stem!r})"
        ) from error


def _labels_to_drop(recordings: Sequence[Recording], given: Sequence[str]) -> list[Any] | None:
    """Return labels as the recordings have them: numbers and booleans, where they are."""
    labels = {
        spelling: label
        for recording in recordings
        if recording.behavior is not None and recording.behavior.dtype.kind != "U"
        for label in np.unique(recording.behavior).tolist()
        for spelling in (str(label), f"{label:g}")
    }
    return [labels.get(name, name) for name in given] or None


def _prepare(recording: Recording, settings: Settings, until: float | None = None) -> Recording:
    """Scale traces (by what comes before ``until``), and average classes if asked for."""
    scaled = recording.zscore(until=until)
    if settings.average_classes:
        scaled = average_all_classes([scaled])[0].zscore(until=until)
    return scaled


def _cut(parts: Sequence[Recording], settings: Settings) -> Windows:
    drop = _labels_to_drop(parts, settings.drop)
    return sliding_windows(parts, settings.n_times, drop=drop, **settings.cut())


def _require_length(recording: Recording, settings: Settings, where: str = "") -> None:
    """Raise if no window fits, in the words of the options that say how long it is.

    ``where`` names the part of a recording that this is.
    """
    longest = max(stop - start for start, stop in recording.segments())
    if longest >= settings.n_times + settings.n_ahead:
        return
    needed, remedy = f"{settings.n_times} frames", "a shorter --window"
    if settings.n_ahead:
        needed += f" and the {settings.n_ahead} that follow"
        remedy += " or --horizon"
    raise ValueError(
        f"{recording.organism!r} has no uninterrupted stretch of {needed}{where}: the longest has "
        f"{longest} frames; use {remedy}, or leave it out"
    )


def _hold_out_organisms(loaded: Sequence[Recording], settings: Settings) -> tuple[Windows, None]:
    organisms = {recording.organism for recording in loaded}
    if len(organisms) < 2:
        raise ValueError(
            f"the recordings are of one organism only ({organisms.pop()}); holding out organisms "
            "needs at least two; --split time needs one"
        )
    for recording in loaded:
        _require_length(recording, settings)
    with in_options():
        return _cut([_prepare(part, settings) for part in loaded], settings), None


def _hold_out_the_end(
    loaded: Sequence[Recording], settings: Settings
) -> tuple[Windows, list[tuple[np.ndarray, np.ndarray]]]:
    """Cut every recording in two, a window apart, so that nothing straddles the split."""
    first, last = [], []
    for recording in loaded:
        split = float(np.quantile(recording.time, 1 - LAST_PART))
        after_gap = split + settings.n_times / recording.sampling_rate
        with in_options():
            scaled = _prepare(recording, settings, until=split)
        if after_gap > scaled.time[-1]:
            raise ValueError(
                f"{recording.organism!r} has {recording.n_times} frames: nothing is left of its "
                f"last {LAST_PART:.0%} after a gap of {settings.n_times} frames; use a shorter "
                "--window, or --split organisms"
            )
        first.append(scaled.between(scaled.time[0], split))
        last.append(scaled.between(after_gap, np.inf))
        _require_length(first[-1], settings, f" in its first {1 - LAST_PART:.0%} (--split time)")
        _require_length(last[-1], settings, f" in its last {LAST_PART:.0%} (--split time)")
    with in_options():
        windows = _cut([*first, *last], settings)
    organisms = np.array([part.organism for part in loaded])
    of_recording = np.tile(organisms, 2)[windows.recording]
    is_last = windows.recording >= len(loaded)
    own = [of_recording == name for name in np.unique(organisms)]
    return windows, [
        (np.flatnonzero(rows & ~is_last), np.flatnonzero(rows & is_last)) for rows in own
    ]


HOLD_OUT: dict[str, Callable[[Sequence[Recording], Settings], tuple[Windows, Any]]] = {
    "organisms": _hold_out_organisms,
    "time": _hold_out_the_end,
}
