"""The table of a comparison: every fold, its summary, its tests, its picture."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from skneurograph.model_selection._statistics import corrected_paired_test

if TYPE_CHECKING:
    from skneurograph.plotting import ComparisonDisplay

__all__ = ["Comparison"]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Scores of several models on the same folds.

    Attributes
    ----------
    scores : DataFrame
        One row per model, fold, seed and metric: ``model, fold, held_out, seed, metric,
        score, fit_seconds, score_seconds, n_train, n_test, error``.
    metrics : tuple of str
        In the order asked for; the first is the main one.
    reference : str
        Model that the others are tested against.
    """

    scores: pd.DataFrame
    metrics: tuple[str, ...]
    reference: str
    _order: tuple[str, ...] = field(default=())

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order given."""
        present = set(self.scores["model"])
        return [name for name in self._order or sorted(present) if name in present]

    def by_fold(self, metric: str | None = None) -> pd.DataFrame:
        """Scores averaged over seeds: a row per fold (what was held out), a column per model.

        Parameters
        ----------
        metric : str, optional
            The first one by default.
        """
        rows = self.scores[self.scores["metric"] == self._metric(metric)]
        table = rows.pivot_table(
            index=["fold", "held_out"], columns="model", values="score", dropna=False
        )
        return table.reindex(columns=self.models).dropna(how="all").droplevel("fold")

    def common_folds(self, metric: str | None = None) -> pd.DataFrame:
        """Scores of the folds that every model has finished, or of all if there is none.

        After an interrupt or a failed fit, means over different folds would compare
        nothing.
        """
        table = self.by_fold(metric)
        common = table.dropna()
        return common if len(common) else table

    def summary(self) -> pd.DataFrame:
        """Mean and spread of each model over the folds that all models have finished.

        Returns
        -------
        DataFrame
            Index: models. Columns: ``(metric, "mean")``, ``(metric, "sd")`` over folds
            after averaging over seeds, ``(metric, "seed_sd")`` the mean spread over seeds
            within a fold, ``("fit", "seconds")`` and ``("folds", "done")``.
        """
        columns: dict[tuple[str, str], pd.Series] = {}
        for metric in self.metrics:
            table = self.common_folds(metric)
            columns[metric, "mean"] = table.mean()
            columns[metric, "sd"] = table.std(ddof=1)
            rows = self.scores[self.scores["metric"] == metric]
            spread = rows.groupby(["model", "fold"])["score"].std(ddof=1)
            columns[metric, "seed_sd"] = spread.groupby("model").mean()
        fits = self.scores.drop_duplicates(["model", "fold", "seed"])
        columns["fit", "seconds"] = fits.groupby("model")["fit_seconds"].mean()
        columns["folds", "done"] = self.by_fold().notna().sum()
        return pd.DataFrame(columns).reindex(self.models)

    def paired_tests(self, reference: str | None = None, metric: str | None = None) -> pd.DataFrame:
        """Test each model against a reference, fold by fold.

        Parameters
        ----------
        reference, metric : str, optional
            By default those of the comparison.

        Returns
        -------
        DataFrame
            Index: models. Columns ``difference, low, high`` (95 % interval), ``statistic,
            p_value, n_folds, wins``, corrected for folds that share training data (see
            `corrected_paired_test`). The p values are not corrected for several models.
        """
        reference = self.reference if reference is None else reference
        table = self.by_fold(metric)
        if reference not in table:
            raise ValueError(
                f"reference: got {reference!r}; expected one of {', '.join(self.models)}"
            )
        sizes = self.scores.drop_duplicates("fold")
        fraction = float((sizes["n_test"] / sizes["n_train"]).mean())
        rows = {}
        for name in self.models:
            if name != reference:
                difference = table[name] - table[reference]
                test = corrected_paired_test(difference, fraction)
                rows[name] = {**test._asdict(), "wins": int((difference > 0).sum())}
        return pd.DataFrame.from_dict(rows, orient="index")

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the tidy scores and return the path."""
        target = Path(path)
        self.scores.to_csv(target, index=False)
        return target

    def plot(self, metric: str | None = None, ax: Any = None) -> ComparisonDisplay:
        """Draw every fold of every model (see `plotting.ComparisonDisplay`)."""
        from skneurograph.plotting import ComparisonDisplay

        return ComparisonDisplay.from_comparison(self, metric=metric, ax=ax)

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def to_text(self, metric: str | None = None) -> str:
        """Lay out the summary as a table, with the paired tests of one metric.

        Parameters
        ----------
        metric : str, optional
            The first one by default.
        """
        main = self._metric(metric)
        summary = self.summary()
        table = pd.DataFrame(index=pd.Index(self.models, name="model"))
        for name in self.metrics:
            table[name] = [
                f"{mean:.3f} ± {sd:.3f}"
                for mean, sd in zip(summary[name, "mean"], summary[name, "sd"])
            ]
        table["fit [s]"] = summary["fit", "seconds"].map("{:.1f}".format)
        if self.reference in self.models and len(self.models) > 1 and len(self.by_fold()) > 1:
            tests = self.paired_tests(metric=main)
            column = f"vs {self.reference}"
            table[column] = "-"
            for model, row in tests.iterrows():
                table.loc[str(model), column] = (
                    f"{row['difference']:+.3f} (p={row['p_value']:.2f}, "
                    f"{row['wins']:.0f}/{row['n_folds']:.0f})"
                )
        n_seeds = self.scores["seed"].nunique()
        n_folds, n_common = len(self.by_fold()), len(self.common_folds())
        note = f"mean ± sd over {n_common} folds"
        if n_common < n_folds:
            note += f" that every model finished (of {n_folds})"
        if n_seeds > 1:
            note += f", averaged over {n_seeds} seeds"
        if f"vs {self.reference}" in table:
            note += f"; vs {self.reference}: difference in {main}, Nadeau-Bengio p, wins"
        failed = sorted(set(self.scores.loc[self.scores["error"] != "", "model"]))
        if failed:
            note += f"\nfits failed for: {', '.join(failed)} (column 'error' of the scores)"
        return f"{table.to_string()}\n{note}"

    def _metric(self, metric: str | None) -> str:
        chosen = self.metrics[0] if metric is None else metric
        if chosen not in self.metrics:
            raise ValueError(f"metric: got {metric!r}; expected one of {', '.join(self.metrics)}")
        return chosen
