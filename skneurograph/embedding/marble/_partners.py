"""Positive pairs of the contrastive loss: points along the flow, or neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skneurograph.embedding.marble._neighbors import StateGraph

__all__ = ["Partners", "flow_partners", "join_partners", "neighbor_partners"]

# Where the partners of each point start, with the end of the last; and the partners.
Partners = tuple[NDArray[np.intp], NDArray[np.intp]]


def neighbor_partners(graph: StateGraph) -> Partners:
    """Let the partners of a point be the neighbours of its state, each by its first point.

    A point without neighbours is its own partner.
    """
    first = _first_points(graph)
    rows = graph.transition[graph.which]
    # By points: the order of the states depends on the axes, and draws must not.
    n_points = len(graph.which)
    rows = csr_array((rows.data, first[rows.indices], rows.indptr), (n_points, n_points))
    rows.sort_indices()
    return rows.indptr.astype(np.intp), rows.indices.astype(np.intp)


def flow_partners(graph: StateGraph, following: NDArray[np.float64], n_steps: int) -> Partners:
    """Let the partners of a point be where the flow leads from it within some steps.

    A step leads to the state nearest to the last frame of the window, and from there on by the
    window that starts there: no order of the windows is needed, and for windows of one
    recording that all start a frame later than the one before it is the order in time.

    Parameters
    ----------
    graph : StateGraph
    following : ndarray of shape (n_points, n_neurons)
        The state after each point.
    n_steps : int
    """
    step = _first_points(graph)[graph.search.query(following)[1]]
    reached = np.empty((len(step), n_steps), dtype=np.intp)
    reached[:, 0] = step
    for k in range(1, n_steps):
        reached[:, k] = step[reached[:, k - 1]]
    return np.arange(0, reached.size + 1, n_steps), reached.ravel()


def join_partners(parts: list[Partners], points: list[NDArray[np.intp]]) -> Partners:
    """Join the partners of several manifolds, whose points are given, in one list."""
    n_points = sum(map(len, points))
    count = np.empty(n_points, dtype=np.intp)
    for (starts, _), own in zip(parts, points):
        count[own] = np.diff(starts)
    joined = np.concatenate([[0], np.cumsum(count)])
    partners = np.empty(joined[-1], dtype=np.intp)
    for (starts, found), own in zip(parts, points):
        position = np.arange(len(found)) - np.repeat(starts[:-1], np.diff(starts))
        partners[np.repeat(joined[own], np.diff(starts)) + position] = own[found]
    return joined, partners


def _first_points(graph: StateGraph) -> NDArray[np.intp]:
    """Return the first point at each state, which stands for it."""
    return np.unique(graph.which, return_index=True)[1]
