"""Graphs that are known before training, given by column or by name, for graph nets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skneurograph.data._inputs import InputError, read_numbers, unmasked

__all__ = ["by_identity", "check_prior_graph"]

_BY_NAME = (
    "a graph by names needs windows with names, such as a DataFrame; for others give an array in "
    "the order of their neurons: graph.reindex(index=windows.neurons, columns=windows.neurons) of "
    "a DataFrame, connectome.graph(neurons=windows.neurons) of a connectome"
)


def check_prior_graph(
    given: Any, n_neurons: int, names: Sequence[str] | None
) -> NDArray[np.float64]:
    """Return a prior graph in the order of the columns of windows.

    Parameters
    ----------
    given : array-like of shape (n_neurons, n_neurons), DataFrame or connectome
        Tables and connectomes are joined by name.
    n_neurons : int
    names : sequence of str or None
        Names of the columns.

    Returns
    -------
    ndarray of shape (n_neurons, n_neurons)
        Non-negative; NaN for pairs of which nothing is known. The diagonal is NaN.

    Raises
    ------
    ValueError
        If there are no names to join by, if the shape does not fit, if weights are negative
        or infinite, or if none is positive.
    """
    graph = _in_order(given, names)
    if graph.shape != (n_neurons, n_neurons):
        raise InputError(
            "prior_graph",
            f"shape {graph.shape}",
            f"({n_neurons}, {n_neurons}), a row for each receiver and a column for each sender, "
            "in the order of the neurons of X",
        )
    np.fill_diagonal(graph, np.nan)
    if (graph < 0).any():
        raise InputError(
            "prior_graph",
            f"negative weights ({np.nanmin(graph):.3g})",
            "weights of at least 0, such as the size of correlations (np.abs)",
        )
    if not (graph > 0).any():
        raise InputError("prior_graph", "no positive weight", "a graph with edges")
    return graph


def _in_order(given: Any, names: Sequence[str] | None) -> NDArray[np.float64]:
    """Read a graph, and bring one that is given by name into the order of the columns."""
    if callable(getattr(given, "graph", None)):
        if names is None:
            raise InputError("prior_graph", type(given).__name__, _BY_NAME)
        return np.array(given.graph(neurons=names), dtype=np.float64)
    if isinstance(given, pd.DataFrame):
        if names is None:
            raise InputError("prior_graph", "a DataFrame", _BY_NAME)
        for axis in (given.index, given.columns):
            if not axis.is_unique:
                twice = axis[axis.duplicated()][0]
                raise InputError("prior_graph", f"{twice!r} twice", "each name once")
        given = given.reindex(index=list(names), columns=list(names)).to_numpy(dtype=float)
        if np.isnan(given).all():
            raise InputError("prior_graph", "none of the neurons of X", "their names")
    return np.array(read_numbers(unmasked(given), "prior_graph"), dtype=np.float64)


def by_identity(graph: NDArray[np.float64], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Average a graph over the columns of each pair of identities.

    Parameters
    ----------
    graph : ndarray of shape (n_neurons, n_neurons)
        NaN for pairs of which nothing is known.
    labels : ndarray of int, shape (n_neurons,)
        Identity of each column, numbered from 0; -1 for columns without one.

    Returns
    -------
    ndarray of shape (n_identities + 1, n_identities + 1)
        Row and column 0 stand for columns without an identity, and are NaN.
    """
    member = np.eye(labels.max() + 2)[:, labels + 1]
    member[0] = 0
    known = ~np.isnan(graph)
    count = member @ known @ member.T
    total = member @ np.where(known, graph, 0) @ member.T
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
