"""Continuous k-nearest-neighbour graphs of the states of a population."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

__all__ = ["StateGraph", "continuous_neighbors"]

# Candidates of each state, as a multiple of n_neighbors.
_CANDIDATES = 4
# Mutual k-th neighbours meet the bound exactly when delta is 1; rounding must not decide.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class StateGraph:
    """The neighbours of each distinct state.

    Attributes
    ----------
    states : ndarray of shape (n_states, n_neurons)
        The distinct states, sorted.
    which : ndarray of int, shape (n_points,)
        The state of each point that was given.
    adjacency : csr_array of shape (n_states, n_states)
        Symmetric, ones, zero diagonal, indices sorted.
    scale : ndarray of shape (n_states,)
        Distance to the ``n_neighbors``-th other state.
    """

    states: NDArray[np.float64]
    which: NDArray[np.intp]
    adjacency: csr_array
    scale: NDArray[np.float64]


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
    if n_states == 1:
        empty = csr_array((1, 1), dtype=np.float64)
        return StateGraph(states, which.ravel(), empty, np.zeros(1))
    n_candidates = min(_CANDIDATES * n_neighbors, n_states - 1)
    search = NearestNeighbors(n_neighbors=n_candidates).fit(states)
    candidates = search.kneighbors(return_distance=False)
    # Again, by differences: the search may have gone by squares of norms, which round.
    distances = np.stack(
        [np.linalg.norm(states[column] - states, axis=1) for column in candidates.T], axis=1
    )
    scale = np.sort(distances, axis=1)[:, min(n_neighbors, n_candidates) - 1]
    reach = delta * np.sqrt(scale[:, None] * scale[candidates])
    senders, positions = np.nonzero(distances <= reach * (1 + _TOLERANCE))
    ones = np.ones(len(senders))
    directed = csr_array((ones, (senders, candidates[senders, positions])), (n_states, n_states))
    adjacency = csr_array(directed.maximum(directed.T))
    adjacency.sort_indices()
    _warn_of_pieces(adjacency)
    return StateGraph(states, which.ravel(), adjacency, scale)


def _warn_of_pieces(adjacency: csr_array) -> None:
    n_pieces, piece = connected_components(adjacency, directed=False)
    if n_pieces > 1:
        sizes = np.sort(np.bincount(piece))[::-1]
        shown = ", ".join(map(str, sizes[:5])) + (", ..." if n_pieces > 5 else "")
        warnings.warn(
            f"the states fall into {n_pieces} pieces of {shown} states that no neighbours "
            "connect; what lies in different pieces is never compared. More neighbours or a "
            "larger delta connect them",
            UserWarning,
            stacklevel=3,
        )
