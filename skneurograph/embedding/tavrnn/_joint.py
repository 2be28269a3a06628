"""One embedding of those of several members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["JointSpace"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class JointSpace:
    """Join the embeddings of members, each in axes of its own, in one of as many components.

    Attributes
    ----------
    centre : ndarray of shape (n_members * n_components,)
        Mean of the population's embeddings, those of all members side by side.
    of_population : ndarray of shape (n_members * n_components, n_components)
        Their principal axes, each member in units of its spread.
    of_neurons : ndarray of the same shape
        Axes on which the neurons' inner products, averaged over members, are kept best.
    """

    centre: Array
    of_population: Array
    of_neurons: Array

    @classmethod
    def fit(cls, population: Array, products: Array, n_members: int) -> Self:
        """Learn the axes from the training windows.

        Parameters
        ----------
        population : ndarray of shape (n_windows, n_members * n_components)
        products : ndarray of shape (n_members * n_components, n_members * n_components)
            Sum of the outer products of the neurons' embeddings.
        n_members : int
        """
        n_components = population.shape[1] // n_members
        centre = population.mean(axis=0)
        each = (population - centre).reshape(len(population), n_members, n_components)
        spread = np.sqrt(np.square(each).sum(axis=2).mean(axis=0))
        unit = np.repeat(1 / np.where(spread > 0, spread, 1.0), n_components)
        scaled = (population - centre) * unit
        of_population = unit[:, None] * _leading(scaled.T @ scaled, n_components)
        of_neurons = _leading(products, n_components) / np.sqrt(n_members)
        return cls(centre, of_population, of_neurons)

    def population(self, stacked: NDArray[np.floating]) -> Array:
        """Join embeddings of the population, (n_windows, n_members * n_components)."""
        joined: Array = (stacked - self.centre) @ self.of_population
        return joined

    def neurons(self, stacked: NDArray[np.floating]) -> Array:
        """Join embeddings of neurons, (n_windows, n_neurons, n_members * n_components)."""
        joined: Array = stacked @ self.of_neurons
        return joined


def _leading(matrix: Array, n_axes: int) -> Array:
    """Eigenvectors of the largest eigenvalues as columns; the largest entry of each is positive."""
    axes = np.linalg.eigh(matrix)[1][:, ::-1][:, :n_axes]
    largest = np.abs(axes).argmax(axis=0)
    turned: Array = axes * np.sign(axes[largest, np.arange(n_axes)])
    return turned
