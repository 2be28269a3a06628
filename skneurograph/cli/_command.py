"""The options of ``skneurograph compare``, and the way from them to a report."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from joblib import parallel_config
from threadpoolctl import threadpool_limits

from skneurograph import Comparison, __version__, compare
from skneurograph.cli.files import OutputFolder
from skneurograph.cli.plan import Plan, load, make_plans
from skneurograph.cli.report import Report
from skneurograph.cli.settings import Settings
from skneurograph.cli.terminal import (
    Interrupts,
    complain,
    fail,
    in_options,
    leave_signals_to_the_parent,
    one_line,
    open_streams,
    say,
    show_warning,
)
from skneurograph.model_selection import forecast_scorers

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

# Options that take several values after one flag, as a shell's glob gives them.
_SEVERAL = ("--recordings", "--models", "--drop", "--seed", "--horizon")
# Models that the others are tested against, where they are among them.
_REFERENCES = ("logistic", "ridge", "var")


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
    """Graph models of neural recordings beside their classical rivals."""


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
    by: Annotated[
        str, typer.Option(help="Columns are neurons ('name') or averages of a 'class'.")
    ] = "class",
    neurons: Annotated[
        str, typer.Option(help="Columns: 'union', 'shared' or 'all' (with unidentified neurons).")
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
                by=by,
                neurons=neurons,
                lag=lag,
                drop=drop,
                seed=seed,
                jobs=jobs,
            )
            folder = OutputFolder(out)
            loaded = load(given, settings)
            plans = make_plans(loaded, settings, given)
        except (ValueError, OSError, ImportError) as error:
            fail(error)
        report = Report(
            folder, splits=settings.splits, horizons=settings.horizons, simulated=not given
        )
        _report_all(plans, report, interrupts)
    except KeyboardInterrupt:
        # Not left to the parser, which ends differently from version to version.
        fail("interrupted", interrupts.status)


def _report_all(plans: Sequence[Plan], report: Report, interrupts: Interrupts) -> None:
    """Compare split by split, and write what is done; an interrupt ends all of them."""
    with interrupts.held_back():
        extent = _compare_all(plans, report, interrupts)
        report.write()
        try:
            with interrupts.let_through():
                report.draw()
        except KeyboardInterrupt:
            extent = extent or "interrupted while drawing"
        report.folder.say_what_was_written()
    if extent:
        fail(extent, interrupts.status)
    if report.folder.failed:
        raise typer.Exit(1)


def _compare_all(plans: Sequence[Plan], report: Report, interrupts: Interrupts) -> str:
    """Compare split by split, and say how far it came if it was interrupted."""
    for plan in plans:
        report.begin(plan.split, plan.header)
        try:
            with interrupts.let_through():
                result = _compare(plan, report, interrupts)
        except (ValueError, BrokenProcessPool) as error:
            if not report.has_result:
                is_mistake = isinstance(error, ValueError) and not _so_far(report)
                fail(f"{one_line(error)}{_so_far(report)}", 2 if is_mistake else 1)
            report.give_up(error)
            continue
        except KeyboardInterrupt:
            if not report.has_result:
                when = _so_far(report) or " before the first fit was done"
                fail(f"interrupted{when}", interrupts.status)
            return report.interrupt({plan.split: plan.header for plan in plans})
        report.add(result)
        # Code that catches every exception may have swallowed that of a signal.
        if result.interrupted or interrupts.received:
            return report.interrupt({plan.split: plan.header for plan in plans})
    return ""


def _so_far(report: Report) -> str:
    """Say where scores are that no table shows."""
    path = report.folder.scores_so_far
    return f"; scores so far are in {path}" if path else ""


def _compare(plan: Plan, report: Report, interrupts: Interrupts) -> Comparison:
    def keep(rows: pd.DataFrame) -> None:
        report.keep(rows)
        interrupts.check()

    settings, lineup = plan.settings, plan.lineup
    reference = next((name for name in _REFERENCES if name in lineup), next(iter(lineup)))
    workers: dict[str, Any] = {"initializer": leave_signals_to_the_parent}
    with in_options(), parallel_config("loky", inner_max_num_threads=1, **workers):
        return compare(
            lineup,
            plan.windows.X,
            np.asarray(plan.windows.y),
            groups=plan.windows.groups,
            cv=plan.cv,
            scoring=forecast_scorers(settings.horizons) if settings.horizons else None,
            reference=reference,
            seeds=settings.seeds,
            n_jobs=settings.jobs,
            verbose=int(sys.stderr is not None and sys.stderr.isatty()),
            on_result=keep,
        )


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
    # The models are small: threads of one fit would only get in the way of the others.
    torch.set_num_threads(1)
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
        with threadpool_limits(limits=1):
            return (
                app(arguments, prog_name="skneurograph", standalone_mode=False, obj=interrupts) or 0
            )
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
