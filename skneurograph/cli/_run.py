"""Run of a comparison: read recordings, compare split by split, write the report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import typer
from joblib import parallel_config
from threadpoolctl import threadpool_limits

from skneurograph.cli._files import OutputFolder
from skneurograph.cli._plan import Plan, load, make_plans
from skneurograph.cli._report import Report
from skneurograph.cli._settings import Settings
from skneurograph.cli._terminal import (
    Interrupts,
    fail,
    in_options,
    leave_signals_to_the_parent,
    one_line,
)
from skneurograph.model_selection import Comparison, compare, forecast_scorers

__all__ = ["run"]

# Models that the others are tested against, where they are among them.
_REFERENCES = ("logistic", "ridge", "var")


def run(given: Sequence[Path], settings: Settings, out: Path, interrupts: Interrupts) -> None:
    """Compare models on recordings, on one thread for each fit, and report the result.

    Raises
    ------
    typer.Exit
        With the status of the command, if it is not zero.
    """
    try:
        folder = OutputFolder(out)
        loaded = load(given, settings)
        plans = make_plans(loaded, settings, given)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    report = Report(folder, splits=settings.splits, horizons=settings.horizons, simulated=not given)
    # The models are small: threads of one fit would only get in the way of the others.
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    with threadpool_limits(limits=1):
        _report_all(plans, report, interrupts)


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
