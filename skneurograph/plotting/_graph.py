"""Plot of a graph of neurons as an adjacency matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from skneurograph.data._inputs import unmasked

__all__ = ["GraphDisplay"]

# More names than this cannot be read along an axis.
_MAX_NAMES = 60


class GraphDisplay:
    """Plot of an adjacency matrix: receivers in rows, senders in columns, missing pairs grey.

    Parameters
    ----------
    graph : array-like of shape (n_neurons, n_neurons)
        Entry ``[i, j]`` is the influence of sender ``j`` on receiver ``i``.
    neurons : sequence of str, optional
        Names of the neurons.

    Attributes
    ----------
    ax_, figure_, im_ : matplotlib axes, figure and image
        After `plot`.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skneurograph.plotting import GraphDisplay
    >>> display = GraphDisplay([[0, 0.2], [0.8, 0]], neurons=["AVAL", "RIML"]).plot()
    >>> display.ax_.get_xlabel()
    'sender'
    """

    def __init__(self, graph: ArrayLike, *, neurons: Sequence[str] | None = None) -> None:
        self.graph = np.asarray(unmasked(graph), dtype=np.float64)
        self.neurons = neurons

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, neurons: Sequence[str] | None = None, ax: Any = None
    ) -> Self:
        """Draw the mean graph, ``graph_``, of a fitted estimator."""
        return cls(estimator.graph_, neurons=neurons).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on the axes given, or on new ones."""
        if ax is None:
            _, ax = plt.subplots(figsize=(6.0, 5.0), layout="constrained")
        signed = bool(np.nanmin(self.graph, initial=0.0) < 0)
        limit = float(np.nanmax(np.abs(self.graph), initial=0.0)) or 1.0
        colors = mpl.colormaps["RdBu_r" if signed else "magma_r"].with_extremes(bad="0.85")
        self.ax_, self.figure_ = ax, ax.figure
        self.im_ = ax.imshow(
            np.ma.masked_invalid(self.graph),
            cmap=colors,
            vmin=-limit if signed else 0.0,
            vmax=limit,
            interpolation="nearest",
        )
        self.figure_.colorbar(self.im_, ax=ax, label="influence")
        ax.set_xlabel("sender")
        ax.set_ylabel("receiver")
        if self.neurons is not None and len(self.neurons) <= _MAX_NAMES:
            places = np.arange(len(self.neurons))
            ax.set_xticks(places, self.neurons, rotation=90, fontsize="xx-small")
            ax.set_yticks(places, self.neurons, fontsize="xx-small")
        return self
