"""Random graphs with the degrees of a given one, by swaps of edges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._warnings import warn

__all__ = ["rewired_graphs"]

# Rewired graphs are made side by side, as many as fit in this many entries.
_CHAIN_ENTRIES = 50_000_000
# Each edge takes part in about twice as many swaps, if so many tries are enough.
_SWAPS_PER_EDGE = 10
_TRIES_PER_EDGE = 200
# With fewer for each edge, kinds of pairs leave a graph much as it was.
_FEW_SWAPS = 2.0


def rewired_graphs(
    connected: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    n_graphs: int,
    rng: np.random.Generator,
    swaps_per_edge: int = _SWAPS_PER_EDGE,
    *,
    kinds: NDArray[np.intp] | None = None,
) -> Iterator[NDArray[np.bool_]]:
    """Graphs with the degrees of one, by chains of swaps that run side by side.

    With ``kinds`` of pairs, they also have as many edges of each kind.
    """
    edges = connected & valid
    # To swap edges is to swap the gaps between them; of a dense graph, few tries hit gaps.
    dense = 2 * edges.sum() > valid.sum()
    edges = valid & ~connected if dense else edges
    size = max(1, _CHAIN_ENTRIES // edges.size)
    for first in range(0, n_graphs, size):
        n_chains = min(size, n_graphs - first)
        for moved in _chains(edges, valid, n_chains, rng, swaps_per_edge, kinds):
            yield np.where(valid, ~moved if dense else moved, connected)


def _chains(
    edges: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    n_chains: int,
    rng: np.random.Generator,
    swaps_per_edge: int,
    kinds: NDArray[np.intp] | None,
) -> NDArray[np.bool_]:
    """Swap the edges of several copies of a graph, each in its own way."""
    matrices = [edges, valid] if kinds is None else [edges, valid, kinds]
    symmetric = all(bool((matrix == matrix.T).all()) for matrix in matrices)
    start_receivers, start_senders = np.nonzero(np.triu(edges) if symmetric else edges)
    n_edges = len(start_receivers)
    chain = np.arange(n_chains)
    # True where an edge may not go: it is there already, or the pair does not count.
    taken = np.repeat((edges | ~valid)[None], n_chains, axis=0)
    receivers = np.repeat(start_receivers[None], n_chains, axis=0)
    senders = np.repeat(start_senders[None], n_chains, axis=0)
    to_do = swaps_per_edge * n_edges * n_chains
    for _ in range(_TRIES_PER_EDGE):
        for _ in range(n_edges):
            one, other = rng.integers(n_edges, size=(2, n_chains))
            b, a = receivers[chain, one], senders[chain, one]
            d, c = receivers[chain, other], senders[chain, other]
            if symmetric:
                # An edge without direction may be read either way.
                turn = rng.random(n_chains) < 0.5
                c, d = np.where(turn, d, c), np.where(turn, c, d)
            free = ~(taken[chain, d, a] | taken[chain, b, c])
            if kinds is not None:
                free &= _same_kinds(kinds[b, a], kinds[d, c], kinds[d, a], kinds[b, c])
            k = np.flatnonzero(free)
            if len(k) == 0:
                continue
            a, b, c, d, one, other = a[k], b[k], c[k], d[k], one[k], other[k]
            taken[k, b, a] = taken[k, d, c] = False
            taken[k, d, a] = taken[k, b, c] = True
            if symmetric:
                taken[k, a, b] = taken[k, c, d] = False
                taken[k, a, d] = taken[k, c, b] = True
            receivers[k, one], senders[k, one] = d, a
            receivers[k, other], senders[k, other] = b, c
            to_do -= len(k)
        if to_do <= 0:
            break
    n_swaps = swaps_per_edge - to_do / (n_edges * n_chains)
    if kinds is not None and n_swaps < _FEW_SWAPS:
        warn(
            f"strata: only {n_swaps:.1f} swaps for each edge were possible, so the rewired graphs "
            "are close to the true one and their scores to its score; use fewer kinds of pairs"
        )
    return taken & valid


def _same_kinds(
    one: NDArray[np.intp], other: NDArray[np.intp], new: NDArray[np.intp], newer: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Whether two new edges are of the kinds of the two that they replace, in any order."""
    same: NDArray[np.bool_] = ((new == one) & (newer == other)) | ((new == other) & (newer == one))
    return same
