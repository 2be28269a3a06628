"""Plot of a comparison: scores of every model on every fold."""

from __future__ import annotations

from typing import Any, Self

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

__all__ = ["ComparisonDisplay"]


class ComparisonDisplay:
    """Plot of a comparison: a line per held-out organism, a bar per mean.

    Parameters
    ----------
    table : DataFrame
        A row per fold, a column per model; a model without scores keeps its place.
    metric : str
        Name of the score.
    means : Series, optional
        Mean of each model, NaN for none; by default over the rows of the table.

    Attributes
    ----------
    ax_, figure_ : matplotlib axes and figure
        After `plot`.
    """

    def __init__(self, table: pd.DataFrame, *, metric: str, means: pd.Series | None = None) -> None:
        self.table = table
        self.metric = metric
        self.means = table.mean() if means is None else means

    def plot(self, ax: Any = None) -> Self:
        """Draw on the axes given, or on new ones."""
        n_models = self.table.shape[1]
        if ax is None:
            _, ax = plt.subplots(
                figsize=(max(4.0, 1.2 * n_models + 1.5), 4.0), layout="constrained"
            )
        self.ax_, self.figure_ = ax, ax.figure
        places = np.arange(n_models)
        colors = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(self.table)))
        for color, (held_out, row) in zip(colors, self.table.iterrows()):
            ax.plot(
                places,
                row.to_numpy(),
                "o-",
                color=color,
                lw=0.8,
                ms=4,
                alpha=0.8,
                label=str(held_out),
            )
        means = self.means.to_numpy(dtype=float)
        ax.hlines(means, places - 0.3, places + 0.3, color="black", lw=2.5, label="mean")
        empty = self.table.isna().all()
        labels = [f"{name}\n(not compared)" if empty[name] else name for name in self.table.columns]
        ax.set_xticks(places, labels, rotation=25, ha="right")
        ax.set_xlim(-0.6, n_models - 0.4)
        ax.set_ylabel(self.metric.removeprefix("neg_").replace("_", " "))
        if self.metric.startswith("neg_"):
            ax.set_ylabel("-" + ax.get_ylabel())
        if len(self.table) <= 12:
            ax.legend(
                title="held out",
                fontsize="x-small",
                title_fontsize="x-small",
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                frameon=False,
            )
        ax.spines[["top", "right"]].set_visible(False)
        return self
