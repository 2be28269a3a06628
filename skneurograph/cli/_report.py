"""Report of a comparison: table, scores and plots."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from skneurograph import Comparison
from skneurograph.cli._files import PICTURES, SCORES, TABLE, OutputFolder
from skneurograph.cli._terminal import one_line
from skneurograph.model_selection._text import NOT_RUN

__all__ = ["Report"]

_FIT = ["model", "fold", "seed"]


@dataclass
class _Section:
    """One split: its scores as they come, then its result, and what is still to be printed."""

    split: str
    header: str
    rows: list[pd.DataFrame] = field(default_factory=list)
    result: Comparison | None = None
    text: str = ""
    unsaid: str = ""


class Report:
    """Table, scores and pictures of a run of one split or two.

    Scores are kept in a file as they come, so that they survive whatever happens to the
    process; the rest is written at the end, first to disk, then printed.

    Parameters
    ----------
    folder : OutputFolder
    splits : sequence of str
        In the order in which they are compared.
    horizons : sequence of int
        Steps of forecasts, a table each; empty for other tasks.
    simulated : bool
        Whether table and pictures have to say that these are not animals.
    """

    def __init__(
        self,
        folder: OutputFolder,
        *,
        splits: Sequence[str],
        horizons: Sequence[int],
        simulated: bool,
    ) -> None:
        self.folder = folder
        self.splits = list(splits)
        self.horizons = list(horizons)
        self.simulated = simulated
        self._sections: list[_Section] = []

    @property
    def has_result(self) -> bool:
        """Whether a split has been compared."""
        return any(section.result is not None for section in self._sections)

    def begin(self, split: str, header: str) -> None:
        """Start a split, and say what will be done."""
        self.folder.say("\n" * bool(self._sections) + header)
        self._sections.append(_Section(split, header))

    def keep(self, rows: pd.DataFrame) -> None:
        """Write the scores of a fit while others are under way."""
        section = self._sections[-1]
        section.rows.append(rows)
        is_first = len(self._sections) == len(section.rows) == 1
        labelled = self._labelled(rows, section.split)
        self.folder.append_scores(_csv(labelled, header=is_first), first=is_first)

    def add(self, result: Comparison) -> None:
        """Take the result of a split; its table is shown now if others follow."""
        section = self._sections[-1]
        section.result = result
        section.text = section.unsaid = self._tables(result)
        if len(self._sections) < len(self.splits):
            self.folder.keep_table(self._text())
            self._say_the_rest()

    def give_up(self, message: object) -> None:
        """Note why a split has no result, where an earlier one has."""
        section = self._sections[-1]
        section.text = section.unsaid = f"not compared: {one_line(message)}"
        self.folder.fail(f"{section.split}: {one_line(message)}")

    def interrupt(self, headers: dict[str, str]) -> str:
        """Note which fits never ran, and say how many did.

        Parameters
        ----------
        headers : dict of str to str
            Header of each split.
        """
        for split in self.splits[len(self._sections) :]:
            self._sections.append(_Section(split, headers[split], unsaid=f"\n{headers[split]}\n"))
        counts = []
        for section in self._sections:
            scores = self._scores(section)
            counts.append(_count(scores))
            if section.result is None:
                done, total = counts[-1]
                ran = scores.loc[scores["error"] != NOT_RUN, "model"].tolist()
                never = [name for name in dict.fromkeys(scores["model"]) if name not in ran]
                section.text = f"interrupted, {done} of {total} fits; not compared"
                section.text += f"\nnot run: {', '.join(never)}" * bool(never)
                section.unsaid += section.text
        done, total = np.sum(counts, axis=0)
        return f"interrupted, {done} of {total} fits"

    def write(self) -> None:
        """Write scores and table, print what was not printed yet, and remove an earlier run."""
        parts = [self._labelled(self._scores(part), part.split) for part in self._sections]
        # Numbers of windows, which fits that never ran lack, stay whole numbers.
        scores = pd.concat(parts, ignore_index=True).astype({"n_train": "Int64", "n_test": "Int64"})
        self.folder.write_text(SCORES, _csv(scores))
        self.folder.write_text(TABLE, self._text())
        self._say_the_rest()
        self.folder.remove_stale()

    def draw(self) -> None:
        """Draw a picture of each split that has a result."""
        for section, name in zip(self._sections, PICTURES):
            if section.result is not None:
                self._draw(section.result, name)

    def _say_the_rest(self) -> None:
        for section in self._sections:
            if section.unsaid:
                self.folder.say(section.unsaid)
                section.unsaid = ""

    def _text(self) -> str:
        parts = [f"{section.header}\n{section.text}" for section in self._sections if section.text]
        return "\n\n".join(parts) + "\n"

    def _tables(self, result: Comparison) -> str:
        metrics: list[str | None] = [f"r2@{steps}" for steps in self.horizons]
        text = "\n".join(result.to_text(metric) for metric in metrics or [None])
        return text + "\nsimulated recordings (make_worms), not real animals" * self.simulated

    def _scores(self, section: _Section) -> pd.DataFrame:
        """Scores of a split; where it was not finished, those of fits that never ran are NaN."""
        if section.result is not None:
            return section.result.scores
        # All splits hold out the same organisms in the same order.
        finished = next(part.result.scores for part in self._sections if part.result is not None)
        fits = finished[[*_FIT, "held_out", "metric"]].assign(error=NOT_RUN)
        if not section.rows:
            return fits
        rows = pd.concat(section.rows, ignore_index=True)
        has_run = pd.MultiIndex.from_frame(fits[_FIT]).isin(pd.MultiIndex.from_frame(rows[_FIT]))
        return pd.concat([rows, fits[~has_run]], ignore_index=True)

    def _labelled(self, scores: pd.DataFrame, split: str) -> pd.DataFrame:
        return scores.assign(split=split) if len(self.splits) > 1 else scores

    def _draw(self, result: Comparison, name: str) -> None:
        notes = ["simulated recordings"] * self.simulated
        if result.interrupted:
            notes.append(f"interrupted, {result.n_done} of {result.n_planned} fits")
        title = "; ".join(notes)
        self.folder.write(name, lambda path: _draw(result, path, title))


def _draw(result: Comparison, path: Path, title: str) -> None:
    """Draw without a window, in matplotlib's own style, whatever the user's configuration."""
    # Read when matplotlib is first imported: a notebook's backend may not exist here.
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"):
        width = max(4.0, 1.2 * len(result.models) + 1.5)
        figure = Figure(figsize=(width, 4.0), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        display = result.plot(ax=figure.add_subplot())
        display.ax_.set_title(title, fontsize="small")
        figure.savefig(path, format="png")


def _count(scores: pd.DataFrame) -> tuple[int, int]:
    """Count the fits that ran, and all."""
    fits = scores.drop_duplicates(_FIT)
    return int((fits["error"] != NOT_RUN).sum()), len(fits)


def _csv(scores: pd.DataFrame, *, header: bool = True) -> str:
    return str(scores.to_csv(index=False, header=header, lineterminator="\n"))
