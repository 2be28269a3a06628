"""A comparison as a text table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from skneurograph.model_selection._comparison import Comparison

__all__ = ["NOT_RUN", "lay_out"]

# The error of fits that an interrupt has left out.
NOT_RUN = "not run: interrupted"


def lay_out(comparison: Comparison, main: str) -> str:
    """Show the summary, the tests of one metric, and what is missing."""
    summary = comparison.summary()
    table = pd.DataFrame(index=pd.Index(comparison.models, name="model"))
    for metric in comparison.metrics:
        means = zip(comparison.models, summary[metric, "mean"], summary[metric, "sd"])
        table[metric] = [_cell(comparison, metric, *row) for row in means]
    n_planned = comparison.scores["fold"].nunique()
    n_done = comparison.by_fold(main).notna().sum()
    if (n_done < n_planned).any():
        table["folds"] = [f"{n_done[name]}/{n_planned}" for name in comparison.models]
    seconds = summary["fit_time", "mean"]
    table["fit [s]"] = ["-" if np.isnan(value) else f"{value:.1f}" for value in seconds]
    tested = len(comparison.models) > 1 and len(comparison.by_fold(main)) > 1
    if tested and (comparison.paired_tests(metric=main)["n_folds"] > 0).any():
        table[f"vs {comparison.reference}"] = _tests(comparison, main)
    return "\n".join([table.to_string(), *_notes(comparison, main, table)])


def _cell(comparison: Comparison, metric: str, model: str, mean: float, sd: float) -> str:
    if not np.isnan(mean):
        return f"{mean:.3f}" if np.isnan(sd) else f"{mean:.3f} ± {sd:.3f}"
    if comparison.by_fold(metric)[model].notna().any():
        return "no shared fold"
    rows = comparison.scores[comparison.scores["model"] == model]
    return "not run" if (rows["error"] == NOT_RUN).all() else "failed"


def _tests(comparison: Comparison, main: str) -> list[str]:
    tests = comparison.paired_tests(metric=main).to_dict(orient="index")
    cells = []
    for name in comparison.models:
        row = tests.get(name)
        if row is None or not row["n_folds"]:
            cells.append("-")
            continue
        p_value = "" if np.isnan(row["p_value"]) else f"p={row['p_value']:.2f}, "
        cells.append(f"{row['difference']:+.3f} ({p_value}{row['wins']}/{row['n_folds']})")
    return cells


def _notes(comparison: Comparison, main: str, table: pd.DataFrame) -> list[str]:
    """Say what the table does not: folds, tests, and what is missing."""
    notes = [_averages(comparison, main)]
    versus = f"vs {comparison.reference}"
    if versus in table:
        notes[0] += f"; {versus}: difference in {main}, Nadeau-Bengio p, wins"
        if "folds" in table:
            notes[0] += " over the folds that both have finished"
    elif comparison.by_fold(main)[comparison.reference].isna().all():
        notes.append(f"{comparison.reference}, the reference, has no score: nothing is tested")
    if comparison.interrupted:
        notes.insert(0, f"interrupted, {comparison.n_done} of {comparison.n_planned} fits")
    errors = comparison.scores["error"].fillna("")
    model = comparison.scores["model"]
    failed = set(model[~errors.isin(("", NOT_RUN))])
    if failed:
        names = ", ".join(name for name in comparison.models if name in failed)
        notes.append(f"fits failed for: {names} (column 'error' of the scores)")
    never = set(model) - set(model[errors != NOT_RUN])
    if never:
        notes.append(f"not run: {', '.join(name for name in comparison.models if name in never)}")
    return [*notes, *_fewer_seeds(comparison, main)]


def _averages(comparison: Comparison, main: str) -> str:
    """Say over which folds and seeds the means are taken."""
    n_planned = comparison.scores["fold"].nunique()
    counts = {metric: len(comparison.common_folds(metric)) for metric in comparison.metrics}
    n_common = counts[main]
    if n_common == 0:
        return (
            "no means: there is no fold that the models have all finished (by_fold shows what "
            "there is, paired_tests the folds of each pair)"
        )
    note = f"mean ± sd over {n_common} folds"
    if n_common < n_planned:
        everyone = comparison.common_folds(main).notna().to_numpy().all()
        who = "every model" if everyone else "every model with a mean"
        note += f" that {who} finished (of {n_planned})"
    others = [f"{metric} over {n}" for metric, n in counts.items() if n != n_common]
    if others:
        note += f", {', '.join(others)}"
    n_seeds = comparison.scores["seed"].nunique()
    return note + (f", averaged over {n_seeds} seeds" if n_seeds > 1 else "")


def _fewer_seeds(comparison: Comparison, main: str) -> list[str]:
    """Name the folds whose mean is over some of the seeds only."""
    rows = comparison.scores[comparison.scores["metric"] == main]
    fewer = []
    for _, fits in rows.groupby(["model", "fold"], sort=False):
        n_scored = fits["score"].notna().sum()
        if 0 < n_scored < len(fits):
            first = fits.iloc[0]
            fewer.append(f"{first['model']} in {first['held_out']} ({n_scored} of {len(fits)})")
    return [f"fewer seeds: {', '.join(fewer)}"] if fewer else []
