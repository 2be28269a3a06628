"""A manifold of states with a flow over it, and the local flow at its points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skneurograph.embedding.marble._calculus import (
    FlatNeighborhood,
    Neighborhood,
    TangentNeighborhood,
    local_covariance,
)
from skneurograph.embedding.marble._diffusion import inflow, with_lengths
from skneurograph.embedding.marble._neighbors import continuous_neighbors

__all__ = ["FlowTerms", "Manifold", "tangent_spectrum"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Fields:
    """The flow over the states after diffusion for some time.

    Attributes
    ----------
    time : float
    inflow, length_inflow : ndarray of shape (n_states, n_dimensions), (n_states,)
        See `skneurograph.embedding.marble._diffusion.inflow`.
    tensors : list of ndarray
        Diffused vectors and their derivatives, all but those of the highest order.
    """

    time: float
    inflow: Array
    length_inflow: Array
    tensors: list[Array]


@dataclass(frozen=True)
class FlowTerms:
    """Value and derivatives of the flow around points.

    Attributes
    ----------
    tensors : list of ndarray, the k-th of shape (n_points, *[n_dimensions] * (k + 1))
        Vectors and their derivatives; the last index is the component of the vector.
    bases : ndarray of shape (n_points, n_neurons, n_dimensions) or None
        Axes in which the tensors are given; None for those of the state space.
    """

    tensors: list[Array]
    bases: Array | None

    def in_state_space(self) -> list[Array]:
        """Return the tensors in the axes of the state space, whatever the bases."""
        if self.bases is None:
            return self.tensors
        turned = []
        for tensor in self.tensors:
            for axis in range(1, tensor.ndim):
                moved = np.moveaxis(tensor, axis, 1)
                flat = self.bases @ moved.reshape(*moved.shape[:2], -1)
                tensor = np.moveaxis(flat.reshape(len(flat), -1, *moved.shape[2:]), 1, axis)
            turned.append(tensor)
        return turned


class Manifold:
    """States of one condition or animal, and the flow over them.

    Points with the same state are one state, whose vector is their mean.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_neurons)
        States.
    vectors : ndarray of shape (n_points, n_neurons)
        Change to the next state.
    n_neighbors, delta
        See `continuous_neighbors`.
    """

    def __init__(self, points: Array, vectors: Array, *, n_neighbors: int, delta: float) -> None:
        self.graph = continuous_neighbors(points, n_neighbors=n_neighbors, delta=delta)
        which, n_states = self.graph.which, len(self.graph.states)
        count = np.bincount(which, minlength=n_states)
        self._vectors = np.stack(
            [np.bincount(which, column, minlength=n_states) / count for column in vectors.T], axis=1
        )
        self._count = count
        self._point_vectors = vectors
        self._bases: Array | None = None
        self.forget_edges()

    def take_bases(self, n_dimensions: int) -> None:
        """Work in tangent spaces of that many dimensions from now on (local gauges)."""
        states = self.graph.states
        self._bases = _bases(self.graph.transition, states, states, n_dimensions)
        self.forget_edges()

    def diffuse(self, times: list[float], order: int) -> list[_Fields]:
        """Return the flow over the states after each of some times."""
        transition = self.graph.transition
        around = self._around_states()
        vectors = self._tangent(self._vectors, self._bases)
        own_lengths = self._own_lengths()
        flows = inflow(around.mean, vectors, times)
        length_flows = inflow(lambda lengths: transition @ lengths, own_lengths, times)
        fields = []
        for time, flow, length_flow in zip(times, flows, length_flows):
            stay = np.exp(-time)
            lengths = stay * own_lengths + transition @ length_flow
            tensors = [with_lengths(stay * vectors + around.mean(flow), lengths)]
            for _ in range(1, order):
                tensors.append(around.gradient(tensors[-1], tensors[-1]))
            fields.append(_Fields(time, flow, length_flow, tensors))
        return fields

    def look(
        self, rows: csr_array, points: Array, vectors: Array, fields: _Fields, order: int
    ) -> FlowTerms:
        """Compute the local flow at points, by their steps ``rows`` to the states.

        A point receives from the states and gives them nothing, so that what one point sees
        does not depend on the others that are looked at. For the points that made the
        manifold this is the diffusion of the flow itself.
        """
        bases = None
        if self._bases is not None:
            bases = _bases(rows, points, self.graph.states, self._bases.shape[2])
        around = self._neighborhood(rows, points, bases)
        stay = np.exp(-fields.time)
        tangent = self._tangent(vectors, bases)
        lengths = stay * np.linalg.norm(tangent, axis=1) + rows @ fields.length_inflow
        own = stay * tangent + around.mean(fields.inflow)
        tensors = [with_lengths(own, lengths)]
        for known in fields.tensors[:order]:
            tensors.append(around.gradient(known, tensors[-1]))
        return FlowTerms(tensors, bases)

    def look_at_own(self, vectors: Array, fields: _Fields, order: int) -> FlowTerms:
        """Compute the local flow at the manifold's own points; ``vectors`` are theirs."""
        graph = self.graph
        if len(graph.states) < len(graph.which):
            points = graph.states[graph.which]
            return self.look(graph.transition[graph.which], points, vectors, fields, order)
        tensors = list(fields.tensors)
        if order:
            tensors.append(self._around_states().gradient(tensors[-1], tensors[-1]))
        bases = None if self._bases is None else self._bases[graph.which]
        return FlowTerms([tensor[graph.which] for tensor in tensors], bases)

    def forget_edges(self) -> None:
        """Drop what can be made again when it is asked for."""
        self._own_neighborhood: Neighborhood | None = None

    def _own_lengths(self) -> Array:
        """Mean length of the vectors at each state, as far as they are tangent."""
        which = self.graph.which
        bases = None if self._bases is None else self._bases[which]
        lengths = np.linalg.norm(self._tangent(self._point_vectors, bases), axis=1)
        return np.bincount(which, lengths, minlength=len(self._count)) / self._count

    def _around_states(self) -> Neighborhood:
        if self._own_neighborhood is None:
            graph = self.graph
            self._own_neighborhood = self._neighborhood(graph.transition, graph.states, self._bases)
        return self._own_neighborhood

    def _neighborhood(self, rows: csr_array, points: Array, bases: Array | None) -> Neighborhood:
        states = self.graph.states
        if bases is None:
            return FlatNeighborhood(rows, points, states)
        assert self._bases is not None
        return TangentNeighborhood(rows, points, states, bases, self._bases)

    @staticmethod
    def _tangent(vectors: Array, bases: Array | None) -> Array:
        return vectors if bases is None else np.einsum("pni,pn->pi", bases, vectors)


def tangent_spectrum(manifold: Manifold, n_sampled: int = 2000) -> Array:
    """Share of the local variance in each of the principal directions, averaged over states."""
    states = manifold.graph.states
    step = -(-len(states) // n_sampled)
    rows = manifold.graph.transition[::step]
    spectrum = np.linalg.eigvalsh(local_covariance(rows, states[::step], states))[:, ::-1]
    total = spectrum.sum(axis=1)
    spread = total > 0
    if not spread.any():
        return np.eye(1, states.shape[1])[0]
    return np.asarray((np.maximum(spectrum, 0)[spread] / total[spread, None]).mean(axis=0))


def _bases(rows: csr_array, points: Array, states: Array, n_dimensions: int) -> Array:
    _, vectors = np.linalg.eigh(local_covariance(rows, points, states))
    return np.ascontiguousarray(vectors[:, :, ::-1][:, :, :n_dimensions])
