"""Output folder: complete files of one run, each written on its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from skneurograph.cli._terminal import complain, one_line, say

__all__ = ["PICTURES", "SCORES", "TABLE", "OutputFolder"]

SCORES, TABLE = "scores.csv", "table.txt"
# Of the first split, and of the second.
PICTURES = ("scores.png", "scores_time.png")
# What stands in for a file as long as the run goes on; for scores only if there are earlier ones.
_PARTIAL = {SCORES: "scores.partial.csv", TABLE: "table.partial.txt"}


class OutputFolder:
    """Write the outputs of a run; what fails is one line, and the others are still written.

    A file is written beside its place and renamed, so that a reader never sees half of
    one. Files of an earlier run stay until `remove_stale`.

    Parameters
    ----------
    path : Path
        Made when something is written.

    Attributes
    ----------
    failed : bool
        Whether an output could not be written or printed.
    written : list of Path
    scores_so_far : Path or None
        File of the scores that came while the run goes on, once there is one.

    Raises
    ------
    OSError
        If nothing could be written there.
    """

    def __init__(self, path: Path) -> None:
        existing = next(place for place in (path, *path.absolute().parents) if place.exists())
        if not existing.is_dir():
            raise NotADirectoryError(f"--out: {existing} is a file; expected a folder")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise PermissionError(f"--out: {existing} cannot be written to")
        self.path = path
        self.failed = False
        self.written: list[Path] = []
        self.scores_so_far: Path | None = None
        self._scores: BinaryIO | None = None

    def append_scores(self, text: str, *, first: bool) -> None:
        """Keep scores while other fits are under way."""
        try:
            if first:
                self.path.mkdir(parents=True, exist_ok=True)
                earlier = self.path / SCORES
                name = _PARTIAL[SCORES] if os.path.lexists(earlier) else SCORES
                # Left open for what follows.
                self._scores = (self.path / name).open("wb")
                self.scores_so_far = self.path / name
            if self._scores is not None:
                self._scores.write(_bytes(text))
                self._scores.flush()
        except OSError as error:
            # Not again after each fit; at the end all scores are written from memory.
            self._close_scores()
            complain(f"warning: could not keep scores so far: {_reason(error)}")

    def _close_scores(self) -> None:
        if self._scores is not None:
            with contextlib.suppress(OSError):
                self._scores.close()
        self._scores = None

    def keep_table(self, text: str) -> None:
        """Keep the table of a split while others follow."""
        with contextlib.suppress(OSError):
            (self.path / _PARTIAL[TABLE]).write_bytes(_bytes(text))

    def write_text(self, name: str, text: str) -> None:
        """Write a file of text in place of what was kept of it so far."""
        if name == SCORES:
            self._close_scores()
        if self.write(name, lambda path: path.write_bytes(_bytes(text))):
            with contextlib.suppress(OSError):
                (self.path / _PARTIAL[name]).unlink()
        elif name == SCORES and self.scores_so_far:
            complain(f"note: what was kept of the scores is in {self.scores_so_far}")

    def write(self, name: str, write: Callable[[Path], object]) -> bool:
        """Let ``write`` make a file, and say whether it could."""
        target = self.path / name
        beside = target.with_name(f"{name}.new")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write(beside)
            beside.replace(target)
        except Exception as error:
            self.fail(f"could not write {target}: {_reason(error)}")
            return False
        finally:
            with contextlib.suppress(OSError):
                beside.unlink()
        self.written.append(target)
        return True

    def remove_stale(self) -> None:
        """Remove what an earlier run has left, unless this one leaves nothing."""
        if not self.written:
            return
        for path in (self.path / name for name in (SCORES, TABLE, *PICTURES)):
            is_own = path in self.written or path == self.scores_so_far
            if not is_own and (path.is_file() or path.is_symlink()):
                try:
                    path.unlink()
                except OSError as error:
                    self.fail(f"could not remove the earlier {path}: {_reason(error)}")

    def say_what_was_written(self) -> None:
        """End with the names of the files."""
        if self.written:
            *others, last = map(str, self.written)
            self.say(f"wrote {', '.join(others)}{' and ' * bool(others)}{last}")

    def say(self, text: str) -> None:
        """Print; a failure is one of this run's."""
        try:
            say(text)
        except OSError as error:
            self.fail(f"could not print: {_reason(error)}")

    def fail(self, message: str) -> None:
        """Note and show a failure."""
        self.failed = True
        complain(f"error: {message}")


def _bytes(text: str) -> bytes:
    # Names of files that are no UTF-8 reach Python as lone surrogates.
    return text.encode("utf-8", "backslashreplace")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {one_line(error)}"
