"""Means and derivatives of tensor fields over the neighbours of a state."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["FlatNeighborhood", "Neighborhood", "TangentNeighborhood", "local_covariance"]

# Edges are worked on in chunks of about this many numbers.
_CHUNK_ELEMENTS = 4_000_000

Array = NDArray[np.float64]


class Neighborhood(Protocol):
    """Neighbours of each point, and means and gradients of fields over them."""

    def mean(self, field: Array) -> Array:
        """Average a field of the states over the neighbours of each point."""

    def gradient(self, field: Array, own: Array) -> Array:
        """Differentiate a field of the states, whose value at each point is ``own``."""


class FlatNeighborhood:
    """Neighbours in one system of axes for all points: global gauges.

    Parameters
    ----------
    rows : csr_array of shape (n_points, n_states)
        Steps from points to states; rows sum to one.
    points : ndarray of shape (n_points, n_neurons)
    states : ndarray of shape (n_states, n_neurons)
    """

    def __init__(self, rows: csr_array, points: Array, states: Array) -> None:
        # Only what is near counts, so a common shift loses no digits.
        centre = states.mean(axis=0)
        self._rows = rows
        self._points = points - centre
        self._states = states - centre
        self._scale = np.sqrt(_spread(rows, self._points, self._states))

    def mean(self, field: Array) -> Array:
        """Average a field of the states over the neighbours of each point."""
        flat = self._rows @ field.reshape(len(field), -1)
        return flat.reshape(-1, *field.shape[1:])

    def gradient(self, field: Array, own: Array) -> Array:
        """Differentiate a field of the states along each axis.

        Parameters
        ----------
        field : ndarray of shape (n_states, *components)
        own : ndarray of shape (n_points, *components)
            The value of the field at each point.

        Returns
        -------
        ndarray of shape (n_points, n_neurons, *components)
            ``sum_j p_j (x_j - x) (f_j - f) / s`` with ``s**2 = sum_j p_j |x_j - x|**2``: the
            kernel of Beaini et al. (2021), eq. 8, but normalised by one length for all
            directions, so that rotating the axes rotates the derivative. It has the units
            of the field: the change over the radius of the neighbourhood.
        """
        shape = own.shape[1:]
        values, own = field.reshape(len(field), -1), own.reshape(len(own), -1)
        mean = self._rows @ values
        inverse = _inverse(self._scale)
        n_neurons = self._states.shape[1]
        result = np.empty((len(own), n_neurons, values.shape[1]))
        offset = self._rows @ self._states - self._points
        for axis in range(n_neurons):
            # sum p (x_j - x)(f_j - f), multiplied out, so that no array has a row for each edge.
            product = self._rows @ (self._states[:, axis, None] * values)
            product -= self._points[:, axis, None] * mean
            product -= offset[:, axis, None] * own
            result[:, axis] = product * inverse[:, None]
        return result.reshape(len(own), n_neurons, *shape)


class TangentNeighborhood:
    """Neighbours seen from the tangent space of each point: local gauges.

    Vectors are coordinates in the basis of their own state (an orthonormal one of its tangent
    space, its tangent frame). Before they are compared they are carried along the edge by the
    orthogonal map nearest to ``basis.T @ neighbour_basis``
    (Procrustes), the discrete parallel transport of [1]_.

    Parameters
    ----------
    rows : csr_array of shape (n_points, n_states)
    points : ndarray of shape (n_points, n_neurons)
    states : ndarray of shape (n_states, n_neurons)
    bases : ndarray of shape (n_points, n_neurons, n_dimensions)
        Orthonormal columns.
    state_bases : ndarray of shape (n_states, n_neurons, n_dimensions)

    References
    ----------
    .. [1] A. Singer and H.-T. Wu (2012). Vector diffusion maps and the connection Laplacian.
       Communications on Pure and Applied Mathematics 65(8), 1067-1144. doi 10.1002/cpa.21395
    """

    def __init__(
        self, rows: csr_array, points: Array, states: Array, bases: Array, state_bases: Array
    ) -> None:
        self._start = rows.indptr
        self._own = np.repeat(np.arange(len(points)), np.diff(rows.indptr))
        self._other = rows.indices
        self._weight = rows.data
        n_dimensions = bases.shape[2]
        self._transport = np.empty((len(self._own), n_dimensions, n_dimensions))
        self._offset = np.empty((len(self._own), n_dimensions))
        for _, edges in self._chunks(bases[0].size):
            own, other = self._own[edges], self._other[edges]
            basis = bases[own].transpose(0, 2, 1)
            away = (states[other] - points[own])[:, :, None]
            self._offset[edges] = (basis @ away)[:, :, 0]
            self._transport[edges] = _nearest_orthogonal(basis @ state_bases[other])
        square = (self._offset**2).sum(axis=1) * self._weight
        self._scale = np.sqrt(np.add.reduceat(square, self._start[:-1]))

    def mean(self, field: Array) -> Array:
        """Average a field of the states over the neighbours of each point."""
        result = np.empty((len(self._start) - 1, *field.shape[1:]))
        for points, edges in self._chunks(field[0].size):
            carried = self._carried(field, edges) * _like(self._weight[edges], field)
            result[points] = np.add.reduceat(carried, self._start[points] - edges.start)
        return result

    def gradient(self, field: Array, own: Array) -> Array:
        """Differentiate a field of the states along each tangent direction.

        Parameters
        ----------
        field : ndarray of shape (n_states, *components)
        own : ndarray of shape (n_points, *components)

        Returns
        -------
        ndarray of shape (n_points, n_dimensions, *components)
            See `FlatNeighborhood.gradient`; here all in the basis of the point.
        """
        n_dimensions = self._offset.shape[1]
        result = np.empty((len(own), n_dimensions, *own.shape[1:]))
        inverse = _inverse(self._scale)
        for points, edges in self._chunks(own[0].size * n_dimensions):
            change = self._carried(field, edges) - own[self._own[edges]]
            kernel = self._offset[edges] * self._weight[edges, None]
            product = kernel.reshape(*kernel.shape, *(1,) * (own.ndim - 1)) * change[:, None]
            total = np.add.reduceat(product, self._start[points] - edges.start)
            result[points] = total * _like(inverse[points], total)
        return result

    def _carried(self, field: Array, edges: slice) -> Array:
        """Values at the neighbours with every index carried into the basis of the point."""
        values = field[self._other[edges]]
        transport = self._transport[edges]
        for axis in range(1, field.ndim):
            moved = np.moveaxis(values, axis, 1)
            flat = transport @ moved.reshape(*moved.shape[:2], -1)
            values = np.moveaxis(flat.reshape(moved.shape), 1, axis)
        return values

    def _chunks(self, elements_per_edge: int) -> list[tuple[slice, slice]]:
        """Points, and the edges from them, some at a time."""
        size = max(1, _CHUNK_ELEMENTS // max(1, elements_per_edge))
        n_points, chunks, first = len(self._start) - 1, [], 0
        while first < n_points:
            reached = np.searchsorted(self._start, self._start[first] + size, side="right") - 1
            last = min(max(int(reached), first + 1), n_points)
            edges = slice(int(self._start[first]), int(self._start[last]))
            chunks.append((slice(first, last), edges))
            first = last
        return chunks


def local_covariance(rows: csr_array, points: Array, states: Array) -> Array:
    """Second moments of the neighbours about each point, (n_points, n_neurons, n_neurons)."""
    centre = states.mean(axis=0)
    points, states = points - centre, states - centre
    offset = rows @ states - points
    result = np.empty((len(points), states.shape[1], states.shape[1]))
    for axis in range(states.shape[1]):
        result[:, axis] = rows @ (states[:, axis, None] * states)
        result[:, axis] -= (
            points[:, axis, None] * (offset + points) + offset[:, axis, None] * points
        )
    return (result + result.transpose(0, 2, 1)) / 2


def _spread(rows: csr_array, points: Array, states: Array) -> Array:
    """Mean squared distance from each point to its neighbours."""
    own = np.repeat(np.arange(len(points)), np.diff(rows.indptr))
    square = np.zeros(len(own))
    for axis in range(states.shape[1]):
        square += (states[rows.indices, axis] - points[own, axis]) ** 2
    return np.asarray(np.bincount(own, square * rows.data, minlength=len(points)), dtype=np.float64)


def _inverse(scale: Array) -> Array:
    # A state without neighbours has no derivative.
    return np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0.0)


def _like(weight: Array, field: Array) -> Array:
    return weight.reshape(-1, *(1,) * (field.ndim - 1))


def _nearest_orthogonal(matrices: Array) -> Array:
    left, _, right = np.linalg.svd(matrices)
    return np.asarray(left @ right)
