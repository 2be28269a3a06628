"""Continuous k-nearest-neighbour graphs of the states of a population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from skneurograph.data._warnings import warn
from skneurograph.embedding.marble._diffusion import transition_matrix

__all__ = ["StateGraph", "continuous_neighbors"]

_LEAF_SIZE = 32
# Candidates of each state, as a multiple of n_neighbors.
_CANDIDATES = 4
# Mutual k-th neighbours meet the bound exactly when delta is 1; rounding must not decide.
_TOLERANCE = 1e-9
# A point this near to a state, relative to its scale, lies on it: single precision moves it more.
_SAME = 1e-4


@dataclass(frozen=True)
class StateGraph:
    """The neighbours of each distinct state.

    Attributes
    ----------
    states : ndarray of shape (n_states, n_neurons)
        The distinct states, near ones with near numbers.
    which : ndarray of int, shape (n_points,)
        The state of each point that was given.
    adjacency : csr_array of shape (n_states, n_states)
        Symmetric, ones, zero diagonal, indices sorted.
    scale : ndarray of shape (n_states,)
        Distance to the ``n_neighbors``-th other state.
    n_neighbors, delta
        As given to `continuous_neighbors`.
    transition : csr_array of shape (n_states, n_states)
        Transition matrix, see `transition_matrix`.
    search : KDTree
        Of the states.
    """

    states: NDArray[np.float64]
    which: NDArray[np.intp]
    adjacency: csr_array
    scale: NDArray[np.float64]
    n_neighbors: int
    delta: float
    transition: csr_array
    search: KDTree

    def connect(self, points: NDArray[np.float64]) -> csr_array:
        """Return the steps of a random walk from points, new or not, to the states.

        A point that lies on a state has the neighbours of that state. Any other has the
        states that the rule of `continuous_neighbors` connects it with, or, if it lies so far
        out that there are none, its ``n_neighbors`` nearest.

        Parameters
        ----------
        points : ndarray of shape (n_points, n_neurons)

        Returns
        -------
        csr_array of shape (n_points, n_states)
            Rows sum to one.
        """
        n_states = len(self.states)
        n_candidates = min(_CANDIDATES * self.n_neighbors, n_states)
        distances, candidates = _query(self.search, points, n_candidates)
        scale = distances[:, min(self.n_neighbors, n_candidates) - 1]
        reach = self.delta * np.sqrt(scale[:, None] * self.scale[candidates])
        near = distances <= reach * (1 + _TOLERANCE)
        near |= ~near.any(axis=1, keepdims=True) & (distances <= scale[:, None])
        known = distances[:, 0] <= _SAME * self.scale[candidates[:, 0]]
        near &= ~known[:, None]
        senders, positions = np.nonzero(near)
        weight = 1 / near.sum(axis=1)[senders]
        shape = (len(points), n_states)
        rows = csr_array((weight, (senders, candidates[senders, positions])), shape)
        if known.any():
            own = candidates[known, 0]
            order = np.argsort(np.concatenate([np.flatnonzero(~known), np.flatnonzero(known)]))
            rows = csr_array(vstack([rows[np.flatnonzero(~known)], self.transition[own]]))[order]
        rows.sort_indices()
        return rows


def continuous_neighbors(
    points: NDArray[np.floating], *, n_neighbors: int, delta: float
) -> StateGraph:
    """Connect states i and j where ``d(i, j) <= delta * sqrt(d_k(i) d_k(j))``.

    The scale ``d_k`` adapts to the density, so the graph neither tears where states are rare
    nor short-cuts where they crowd (Berry and Sauer 2019 [1]_). It is counted over distinct
    states: points that coincide are one state, however many they are. Of more than
    ``4 * n_neighbors`` states in reach of one state, only the nearest count; work and memory
    so stay linear in the states.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_neurons)
        Finite.
    n_neighbors : int
    delta : float

    Returns
    -------
    StateGraph

    Warns
    -----
    UserWarning
        If the graph falls apart; the message gives the sizes of the pieces.

    References
    ----------
    .. [1] T. Berry and T. Sauer (2019). Consistent manifold representation for topological
       data analysis. Foundations of Data Science 1(1), 1-38. doi 10.3934/fods.2019001
    """
    states, which = np.unique(points.astype(np.float64), axis=0, return_inverse=True)
    n_states = len(states)
    # Near states get near numbers, which memory rewards in the search and in all products.
    order = KDTree(states, leafsize=_LEAF_SIZE).indices
    place = np.empty(n_states, dtype=np.intp)
    place[order] = np.arange(n_states)
    states, which = states[order], place[which.ravel()]
    search = KDTree(states, leafsize=_LEAF_SIZE)
    if n_states == 1:
        empty = csr_array((1, 1), dtype=np.float64)
        scale, transition = np.zeros(1), transition_matrix(empty)
        return StateGraph(states, which, empty, scale, n_neighbors, delta, transition, search)
    n_candidates = min(_CANDIDATES * n_neighbors, n_states - 1)
    # States differ, so that the nearest is always the state itself.
    distances, candidates = _query(search, states, n_candidates + 1)
    distances, candidates = distances[:, 1:], candidates[:, 1:]
    scale = distances[:, min(n_neighbors, n_candidates) - 1]
    reach = delta * np.sqrt(scale[:, None] * scale[candidates])
    senders, positions = np.nonzero(distances <= reach * (1 + _TOLERANCE))
    ones = np.ones(len(senders))
    directed = csr_array((ones, (senders, candidates[senders, positions])), (n_states, n_states))
    adjacency = csr_array(directed.maximum(directed.T))
    adjacency.sort_indices()
    _warn_of_pieces(adjacency)
    transition = transition_matrix(adjacency)
    return StateGraph(states, which, adjacency, scale, n_neighbors, delta, transition, search)


def _query(
    search: KDTree, points: NDArray[np.float64], n_candidates: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distances to the nearest states, ascending, and the states."""
    distances, candidates = search.query(points, np.arange(1, n_candidates + 1))
    return distances, candidates


def _warn_of_pieces(adjacency: csr_array) -> None:
    n_pieces, piece = connected_components(adjacency, directed=False)
    if n_pieces > 1:
        sizes = np.sort(np.bincount(piece))[::-1]
        shown = ", ".join(map(str, sizes[:5])) + (", ..." if n_pieces > 5 else "")
        warn(
            f"the states fall into {n_pieces} pieces of {shown} states that no neighbours "
            "connect; what lies in different pieces is never compared. More neighbours or a "
            "larger delta connect them"
        )
