"""Terminal: messages, lines of output, and signals."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self, TextIO

import typer

__all__ = ["Interrupts", "complain", "fail", "in_options", "one_line", "open_streams", "say"]

# Options of the command by the arguments of the library that they stand for.
_OPTIONS = {
    "average_classes": "--average-classes",
    "cv": "--split",
    "drop": "--drop",
    "horizon": "--horizon",
    "horizons": "--horizon",
    "lag": "--lag",
    "models": "--models",
    "n_jobs": "--jobs",
    "n_times": "--window",
    "names": "--models",
    "neurons": "--neurons",
    "random_state": "--seed",
    "recordings": "--recordings",
    "seeds": "--seed",
    "target": "--task",
    "y": "--task",
}
_ARGUMENT = rf"(?<![\w.-])(?P<name>{'|'.join(_OPTIONS)})"
# ``neurons='all'``, and ``drop=`` without a value.
_ASSIGNED = re.compile(rf"{_ARGUMENT}=(?!=)(?P<value>'[^']*'|\"[^\"]*\"|[\w+-]+)?")
# ``lag: got 9; expected ...``
_SUBJECT = re.compile(rf"(?:(?<=[:;] )|^){_ARGUMENT}(?=: )")
# Names that are no English words are arguments wherever they stand.
_BARE = re.compile(r"(?<![\w.-])(?P<name>average_classes|n_times|n_jobs|random_state)(?!\w)")


def in_words_of_the_shell(message: str) -> str:
    """Write options where a message of the library names arguments of Python."""
    message = _ASSIGNED.sub(_option, message)
    message = _SUBJECT.sub(lambda match: _OPTIONS[match["name"]], message)
    return _BARE.sub(lambda match: _OPTIONS[match["name"]], message)


def _option(match: re.Match[str]) -> str:
    option = _OPTIONS[match["name"]]
    if not match["value"]:
        return option
    value = match["value"].strip("'\"")
    if value in ("True", "False"):
        return option if value == "True" else option.replace("--", "--no-", 1)
    if (option, value) == ("--task", "next"):
        value = "forecast"
    return f"{option} {value}"


@contextlib.contextmanager
def in_options() -> Iterator[None]:
    """Name options, not arguments, in what the library raises or warns of."""
    show = warnings.showwarning

    def translated(message: Warning | str, *others: Any, **named: Any) -> None:
        show(in_words_of_the_shell(str(message)), *others, **named)

    warnings.showwarning = translated
    try:
        yield
    except ValueError as error:
        raise ValueError(in_words_of_the_shell(str(error))) from error
    finally:
        warnings.showwarning = show


def one_line(message: object) -> str:
    """Write a message, or an error, without line breaks."""
    text = " ".join(str(message).split())
    return text or type(message).__name__


def fail(message: object, status: int = 2) -> NoReturn:
    """End the command with one line."""
    complain(f"error: {one_line(message)}")
    raise typer.Exit(status)


def complain(text: str) -> None:
    """Write a line to the standard error, if anyone reads it."""
    with contextlib.suppress(OSError):
        _write(sys.stderr, text)


def show_warning(message: Warning | str, *others: Any, **named: Any) -> None:
    """Show a warning as one line, for `warnings.showwarning`."""
    complain(f"warning: {one_line(message)}")


def say(text: str) -> None:
    """Write a line to the standard output; a reader who has left is no error.

    Raises
    ------
    OSError
        If it cannot be written, as on a full disk; what is said later is then dropped.
    """
    with contextlib.suppress(BrokenPipeError):
        _write(sys.stdout, text)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(_encodable(f"{text}\n", stream.encoding or "utf-8"))
        stream.flush()
    except OSError:
        _discard(stream)
        raise


def _encodable(text: str, encoding: str) -> str:
    """Spell out what a terminal of another encoding could not show."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = text.replace("±", "+-")
        return plain.encode(encoding, "backslashreplace").decode(encoding)
    return text


def _discard(stream: TextIO) -> None:
    """Let a stream lead nowhere, so that the rest of its buffer fails no more, at exit either."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_streams() -> None:
    """Open what the shell has closed (``>&-``), or a file of results would take its place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


class Interrupts:
    """Ctrl-C, and the requests to end of a system, as `KeyboardInterrupt`, remembered.

    Remembered, since code that catches every exception can swallow one. A signal that
    the shell has told the command to ignore stays ignored.

    Attributes
    ----------
    status : int
        Exit status of the command that was interrupted.
    received : bool
        Whether there was a signal.
    """

    def __init__(self) -> None:
        self.status = 128 + signal.SIGINT
        self.received = False
        self._is_held = self._is_pending = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                if number and signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise again what may have been swallowed."""
        if self.received:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """Only note signals, so that what is short, such as a table, is finished."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    @contextlib.contextmanager
    def let_through(self) -> Iterator[None]:
        """Let signals interrupt what is long; one that was held back does so at once."""
        was_held, self._is_held = self._is_held, False
        try:
            if self._is_pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._is_held, self._is_pending = was_held, False

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.status = 128 + number
        self.received = True
        if not self._is_held:
            raise KeyboardInterrupt
        self._is_pending = True


def leave_signals_to_the_parent() -> None:
    """Ignore Ctrl-C in a worker: the command, which gets it too, ends its workers."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
