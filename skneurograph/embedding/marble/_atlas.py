"""One manifold for each group, and the features of its points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skneurograph.embedding.marble._features import coordinate_features, invariant_features
from skneurograph.embedding.marble._manifold import FlowTerms, Manifold, tangent_spectrum
from skneurograph.embedding.marble._partners import (
    Partners,
    flow_partners,
    join_partners,
    neighbor_partners,
)

__all__ = ["Atlas", "FlowOptions"]

# Share of the local variance that the tangent spaces hold.
_EXPLAINED = 0.9
# Points are looked at in chunks of about this many features.
_CHUNK_ELEMENTS = 8_000_000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FlowOptions:
    """Parameters of MARBLE that say how flows become features."""

    n_neighbors: int
    delta: float
    order: int
    local: bool
    manifold_dimension: int | None
    positions: bool
    invariant: bool


class Atlas:
    """A manifold for each group of points.

    Parameters
    ----------
    points, vectors : ndarray of shape (n_points, n_neurons)
    groups : ndarray of shape (n_points,) or None
        None is one group.
    options : FlowOptions

    Attributes
    ----------
    manifold_dimension : int
    """

    def __init__(
        self, points: Array, vectors: Array, groups: NDArray | None, options: FlowOptions
    ) -> None:
        self._options = options
        self._points, self._vectors = points, vectors
        self._rows = _rows_by_group(groups, len(points))
        self._manifolds = {
            label: self._chart(points[rows], vectors[rows]) for label, rows in self._rows.items()
        }
        self.manifold_dimension = options.manifold_dimension or self._dimension()
        if options.local:
            for manifold in self._manifolds.values():
                manifold.take_bases(self.manifold_dimension)

    def own_features(self, times: list[float]) -> list[list[Array]]:
        """Blocks of features of the points that made the atlas, after diffusion for some times."""
        found: list[dict[Any, list[Array]]] = [{} for _ in times]
        for label, rows in self._rows.items():
            manifold = self._manifolds[label]
            for blocks, fields in zip(found, manifold.diffuse(times, self._options.order)):
                terms = manifold.look_at_own(self._vectors[rows], fields, self._options.order)
                blocks[label] = self._features(self._points[rows], terms)
        return [self._in_order(blocks, self._rows, len(self._points)) for blocks in found]

    def partners(self, following: Array | None, n_steps: int) -> Partners:
        """Points that belong to each point: along the flow, or neighbours without one."""
        parts = []
        for label, rows in self._rows.items():
            graph = self._manifolds[label].graph
            if following is None:
                parts.append(neighbor_partners(graph))
            else:
                parts.append(flow_partners(graph, following[rows], n_steps))
        return join_partners(parts, list(self._rows.values()))

    def settle(self, time: float) -> None:
        """Keep what new points need, after diffusion for a time, and drop the rest."""
        self._time = time
        self._fields = {}
        for label, manifold in self._manifolds.items():
            (self._fields[label],) = manifold.diffuse([time], self._options.order)
            manifold.forget_edges()
        del self._points, self._vectors, self._rows

    def features(self, points: Array, vectors: Array, groups: NDArray | None) -> list[Array]:
        """Blocks of features of points, new or not, once the atlas is settled."""
        rows_of = _rows_by_group(groups, len(points))
        found = {}
        for label, rows in rows_of.items():
            own_points, own_vectors = points[rows], vectors[rows]
            manifold = self._manifolds.get(label)
            if manifold is None:
                found[label] = self._strangers(own_points, own_vectors)
                continue
            rows_to_states = manifold.graph.connect(own_points)
            blocks = []
            size = max(1, _CHUNK_ELEMENTS // points.shape[1] ** (self._options.order + 1))
            for first in range(0, len(rows), size):
                part = slice(first, first + size)
                terms = manifold.look(
                    rows_to_states[part],
                    own_points[part],
                    own_vectors[part],
                    self._fields[label],
                    self._options.order,
                )
                blocks.append(self._features(own_points[part], terms))
            found[label] = [np.concatenate(block) for block in zip(*blocks)]
        return self._in_order(found, rows_of, len(points))

    def knows(self, label: Any) -> bool:
        """Whether there is a manifold of this group."""
        return label in self._manifolds

    def _chart(self, points: Array, vectors: Array) -> Manifold:
        return Manifold(
            points, vectors, n_neighbors=self._options.n_neighbors, delta=self._options.delta
        )

    def _strangers(self, points: Array, vectors: Array) -> list[Array]:
        """Features of points of an unseen group: they are connected to each other."""
        manifold = self._chart(points, vectors)
        if self._options.local:
            manifold.take_bases(self.manifold_dimension)
        (fields,) = manifold.diffuse([self._time], self._options.order)
        terms = manifold.look_at_own(vectors, fields, self._options.order)
        return self._features(points, terms)

    def _features(self, points: Array, terms: FlowTerms) -> list[Array]:
        if self._options.invariant:
            return invariant_features(terms)
        return coordinate_features(points if self._options.positions else None, terms)

    @staticmethod
    def _in_order(
        found: dict[Any, list[Array]], rows_of: dict[Any, NDArray[np.intp]], n_points: int
    ) -> list[Array]:
        """Put the points of all groups in the order in which they were given."""
        blocks = []
        for parts in zip(*found.values()):
            block = np.empty((n_points, parts[0].shape[1]))
            for part, rows in zip(parts, rows_of.values()):
                block[rows] = part
            blocks.append(block)
        return blocks

    def _dimension(self) -> int:
        spectra = [tangent_spectrum(manifold) for manifold in self._manifolds.values()]
        weights = [len(manifold.graph.states) for manifold in self._manifolds.values()]
        explained = np.cumsum(np.average(spectra, axis=0, weights=weights))
        # Rounding must not ask for a direction more than there are.
        return min(int((explained < _EXPLAINED).sum()) + 1, len(explained))


def _rows_by_group(groups: NDArray | None, n_points: int) -> dict[Any, NDArray[np.intp]]:
    if groups is None:
        return {None: np.arange(n_points)}
    labels, member = np.unique(groups, return_inverse=True)
    return {label: np.flatnonzero(member == k) for k, label in enumerate(labels.tolist())}
