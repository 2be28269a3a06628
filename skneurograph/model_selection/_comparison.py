"""Result of a comparison: scores of every fold, summary, paired tests, plot."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from skneurograph.model_selection._statistics import corrected_paired_test
from skneurograph.model_selection._text import NOT_RUN, lay_out

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
        score, fit_time, score_time, n_train, n_test, error``, times in seconds. A fit that
        failed, or that an interrupt left out, has the score NaN and says why under ``error``.
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

    @property
    def n_planned(self) -> int:
        """Number of fits that were asked for."""
        return len(self._fits())

    @property
    def n_done(self) -> int:
        """Number of fits that were run, also those that failed."""
        return int((self._fits()["error"] != NOT_RUN).sum())

    @property
    def interrupted(self) -> bool:
        """Whether the user ended the comparison before all fits were run."""
        return self.n_done < self.n_planned

    def by_fold(self, metric: str | None = None) -> pd.DataFrame:
        """Scores averaged over seeds: a row per fold (what was held out), a column per model.

        NaN where no fit of a model has a score; folds without any score are left out.

        Parameters
        ----------
        metric : str, optional
            The first one by default.
        """
        return self._by_fold(metric).droplevel("fold")

    def common_folds(self, metric: str | None = None) -> pd.DataFrame:
        """Scores of the folds that the models share, for means that can be compared.

        Models without a score are NaN, the others are compared over the folds that all of
        them have finished. If there is no such fold, models with the fewest folds are left
        out (NaN) until there is one; without any the table is empty.

        Parameters
        ----------
        metric : str, optional
            The first one by default.
        """
        return self._common_folds(metric).droplevel("fold")

    def summary(self) -> pd.DataFrame:
        """Mean and spread of each model over the folds that the models share.

        Returns
        -------
        DataFrame
            Index: models. Columns: ``(metric, "mean")``, ``(metric, "sd")`` over the
            `common_folds` after averaging over seeds, ``(metric, "seed_sd")`` the mean spread
            over seeds within a fold, ``(metric, "folds")`` the number of folds averaged, 0 for
            models that share none; ``("fit_time", "mean")`` in seconds; ``("folds", "done")``,
            the folds in which a model has a main score.
        """
        columns: dict[tuple[str, str], pd.Series] = {}
        for metric in self.metrics:
            table = self._common_folds(metric)
            columns[metric, "mean"] = table.mean()
            columns[metric, "sd"] = table.std(ddof=1)
            rows = self._rows(metric)
            rows = rows[rows["fold"].isin(table.index.get_level_values("fold"))]
            spread = rows.groupby(["model", "fold"])["score"].std(ddof=1)
            columns[metric, "seed_sd"] = spread.groupby("model").mean()
            columns[metric, "folds"] = table.notna().sum()
        columns["fit_time", "mean"] = self._fits().groupby("model")["fit_time"].mean()
        columns["folds", "done"] = self.by_fold().notna().sum()
        return pd.DataFrame(columns).reindex(self.models)

    def paired_tests(self, reference: str | None = None, metric: str | None = None) -> pd.DataFrame:
        """Test each model against a reference, over the folds that the two share.

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
        table = self._by_fold(metric)
        if reference not in table:
            raise ValueError(
                f"reference: got {reference!r}; expected one of {', '.join(self.models)}"
            )
        sizes = self.scores.drop_duplicates("fold").set_index("fold")
        ratio = sizes["n_test"] / sizes["n_train"]
        rows = {}
        for name in self.models:
            if name != reference:
                difference = (table[name] - table[reference]).droplevel("held_out").dropna()
                shared = ratio.loc[difference.index] if len(difference) else ratio
                test = corrected_paired_test(difference, float(shared.mean()))
                rows[name] = {**test._asdict(), "wins": int((difference > 0).sum())}
        return pd.DataFrame.from_dict(rows, orient="index")

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the tidy scores and return the path."""
        target = Path(path)
        self.scores.to_csv(target, index=False)
        return target

    def plot(self, metric: str | None = None, ax: Any = None) -> ComparisonDisplay:
        """Draw the folds that the models share: a line for each, and the means of the models.

        If they share none, all folds are drawn, without means, which would be of
        different folds.

        Parameters
        ----------
        metric : str, optional
            The first one by default.
        ax : matplotlib axes, optional
            A new figure by default.

        Returns
        -------
        ComparisonDisplay
            Which has the axes in ``ax_`` and the figure in ``figure_``.
        """
        from skneurograph.plotting import ComparisonDisplay

        chosen = self.metrics[0] if metric is None else metric
        common = self.common_folds(chosen)
        table = common if len(common) else self.by_fold(chosen)
        return ComparisonDisplay(table, metric=chosen, means=common.mean()).plot(ax=ax)

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def to_text(self, metric: str | None = None) -> str:
        """Format the summary as a table, with the paired tests of one metric.

        Parameters
        ----------
        metric : str, optional
            The first one by default.
        """
        return lay_out(self, self._metric(metric))

    def _fits(self) -> pd.DataFrame:
        return self.scores.drop_duplicates(["model", "fold", "seed"])

    def _rows(self, metric: str | None) -> pd.DataFrame:
        return self.scores[self.scores["metric"] == self._metric(metric)]

    def _by_fold(self, metric: str | None) -> pd.DataFrame:
        means = self._rows(metric).groupby(["fold", "held_out", "model"])["score"].mean()
        return means.unstack("model").reindex(columns=self.models).dropna(how="all")

    def _common_folds(self, metric: str | None) -> pd.DataFrame:
        table = self._by_fold(metric)
        n_done = table.notna().sum()
        kept = n_done > 0
        while kept.any():
            common = table[table.loc[:, kept].notna().all(axis=1)]
            if len(common):
                return common.loc[:, kept].reindex(columns=table.columns)
            kept &= n_done > n_done[kept].min()
        return table.iloc[:0]

    def _metric(self, metric: str | None) -> str:
        chosen = self.metrics[0] if metric is None else metric
        if chosen not in self.metrics:
            raise ValueError(f"metric: got {metric!r}; expected one of {', '.join(self.metrics)}")
        return chosen
