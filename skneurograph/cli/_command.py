"""Command-line options of ``skneurograph compare``."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from skneurograph import __version__
from skneurograph.cli._settings import Settings
from skneurograph.cli._terminal import (
    Interrupts,
    complain,
    fail,
    one_line,
    open_streams,
    say,
    show_warning,
)

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

# Options that take several values after one flag, as a shell's glob gives them.
_SEVERAL = ("--recordings", "--models", "--drop", "--seed", "--horizon")


def _version(show: bool) -> None:
    if show:
        say(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Compare graph models of neural recordings with classical baselines."""


@app.command(name="compare")
def compare_command(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RECORDING",
            help="Recordings (.npz), or folders of them. Without any, simulated worms.",
            show_default=False,
        ),
    ] = None,
    recordings: Annotated[
        list[Path] | None, typer.Option(help="Further recordings or folders.")
    ] = None,
    task: Annotated[
        str,
        typer.Option(help="'behavior' (labels), the name of a covariate, or 'forecast'."),
    ] = "behavior",
    models: Annotated[
        list[str] | None, typer.Option(help="Models to compare; all by default.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Hold out 'organisms', or the last part in 'time' of each; 'both'. By default "
            "organisms, and both for forecasts."
        ),
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Frames of a window: 8, and 16 for forecasts.")
    ] = None,
    horizon: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Steps at which forecasts are scored: 1 and 16."),
    ] = None,
    average_classes: Annotated[
        bool, typer.Option(help="Columns are averages of a class (left and right), or neurons.")
    ] = True,
    neurons: Annotated[
        str,
        typer.Option(
            help="Columns: 'union' or 'intersection' of the identified neurons, or 'all' (with "
            "unidentified neurons)."
        ),
    ] = "union",
    lag: Annotated[
        int, typer.Option(min=0, help="Decode that many frames back (then not causal).")
    ] = 0,
    drop: Annotated[list[str] | None, typer.Option(help="Labels to leave out.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the table, the CSV and the PNG.")] = Path(
        "comparison"
    ),
    jobs: Annotated[int, typer.Option(help="Fits at the same time; -1 for all cores.")] = 1,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seeds of the models (and of the simulation).")
    ] = None,
) -> None:
    """Hold out one organism at a time and score every model on it."""
    interrupts: Interrupts = context.obj
    try:
        given = [*(files or []), *(recordings or [])]
        try:
            settings = Settings.of(
                task=task,
                split=split,
                models=models,
                window=window,
                horizon=horizon,
                average_classes=average_classes,
                neurons=neurons,
                lag=lag,
                drop=drop,
                seed=seed,
                jobs=jobs,
            )
        except ValueError as error:
            fail(error)
        # Here, so that help and a mistyped option do not wait for the libraries of a fit.
        from skneurograph.cli._run import run

        run(given, settings, out, interrupts)
    except KeyboardInterrupt:
        # Not left to the parser, which ends differently from version to version.
        fail("interrupted", interrupts.status)


def _spread(arguments: Sequence[str]) -> list[str]:
    """Rewrite ``--models a b`` as ``--models a --models b``, recordings after them apart."""
    spread: list[str] = []
    flag = ""
    n_given = 0
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*spread, *arguments[position:]]
        if argument.startswith("-") and not argument.lstrip("-").isdigit():
            flag, n_given = (argument if argument in _SEVERAL else ""), 0
            spread.append(argument)
            continue
        if flag != "--recordings" and n_given and argument.endswith((".npz", ".nwb", os.sep)):
            flag = ""
        if flag and n_given:
            spread.append(flag)
        spread.append(argument)
        n_given += 1
    return spread


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    open_streams()
    given = _spread(sys.argv[1:] if arguments is None else arguments)
    with Interrupts() as interrupts, warnings.catch_warnings():
        warnings.showwarning = show_warning
        # The command says so itself, in the table and at the end.
        warnings.filterwarnings("ignore", "(training was )?interrupted")
        status = _status(given, interrupts)
    sys.exit(status)


def _status(arguments: list[str], interrupts: Interrupts) -> int:
    """Run the command and give its exit status."""
    try:
        return app(arguments, prog_name="skneurograph", standalone_mode=False, obj=interrupts) or 0
    except (typer.Abort, KeyboardInterrupt):
        complain("error: interrupted")
        return interrupts.status
    except BrokenPipeError:
        return 0
    except Exception as error:
        # Usage errors of the parser, which has moved between libraries from version to version.
        if not hasattr(error, "format_message"):
            raise
        message = one_line(error.format_message())
        if message:
            complain(f"error: {message}")
        return 2
