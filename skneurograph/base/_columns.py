"""The columns that a net reads, and whose identity they carry."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skneurograph.base._validation import check_identities

__all__ = ["Columns", "Identities"]


class Columns:
    """Columns of windows that a net reads: those that training held.

    Parameters
    ----------
    recorded : ndarray of int
        Neurons that some training window holds.
    n_neurons : int
        Columns of a window.
    """

    anonymous: NDArray[np.bool_] | None = None
    """Columns that hold other neurons in every organism; None if that is not known of any."""

    def __init__(self, recorded: NDArray[np.intp], n_neurons: int) -> None:
        self.recorded = recorded
        self.n_neurons = n_neurons

    @property
    def trained(self) -> NDArray[np.intp] | None:
        """Columns that training sees; None if these are all."""
        return None if len(self.recorded) == self.n_neurons else self.recorded

    def choose(self, windows: NDArray) -> NDArray[np.intp] | None:
        """Return the columns that prediction reads from these windows; None if these are all."""
        return self.trained

    def largest_layer(self, n_units: int) -> int:
        """Elements of the largest layer of a net with so many units per neuron, for one window."""
        return self.n_neurons * n_units

    def inputs(self, columns: NDArray[np.intp] | None, module: nn.Module) -> tuple[Any, ...]:
        """Return what the module has to be told of such columns, beside the windows."""
        return ()


class Identities(Columns):
    """Columns whose neurons a net knows by identity, or takes as exchangeable.

    Parameters
    ----------
    given : {"all", "none"} or array-like of int of shape (n_neurons,)
        The ``identities`` of an estimator.
    recorded : ndarray of int
        Neurons that some training window holds.
    n_neurons : int
    fixed : bool, default=False
        Whether the net keeps the columns of training apart, and reads no others.

    Attributes
    ----------
    anonymous : ndarray of bool, shape (n_neurons,)
    labels : ndarray of int, shape (n_neurons,)
        Identity of each column, numbered over those that training held; -1 for the others.

    Raises
    ------
    ValueError
        If ``given`` does not fit, or if neurons to keep apart are anonymous.
    """

    anonymous: NDArray[np.bool_]

    def __init__(
        self, given: Any, recorded: NDArray[np.intp], n_neurons: int, *, fixed: bool = False
    ) -> None:
        super().__init__(recorded, n_neurons)
        identities = check_identities(given, n_neurons)
        seen = np.unique(identities[recorded])
        seen = seen[seen >= 0]
        self.fixed = fixed
        self.anonymous = identities < 0
        if fixed and self.anonymous[recorded].any():
            raise ValueError(
                "pooling='concat' keeps neurons apart by identity, but some are anonymous; "
                "use pooling='mean' or give identities to all"
            )
        self.labels = np.full(n_neurons, -1)
        known = np.isin(identities, seen)
        self.labels[known] = np.searchsorted(seen, identities[known])

    @property
    def distinct(self) -> bool:
        """Whether several columns of training carry identities, and no two the same."""
        labels = self.labels[self.recorded]
        labels = labels[labels >= 0]
        return len(labels) > 1 and len(np.unique(labels)) == len(labels)

    @property
    def first_columns(self) -> NDArray[np.intp]:
        """Column of training that holds each identity, the first if there are several."""
        labels = self.labels[self.recorded]
        order = np.argsort(labels, kind="stable")
        first = np.searchsorted(labels[order], np.arange(labels.max() + 1))
        return self.recorded[order[first]]

    @property
    def untrained(self) -> NDArray[np.bool_]:
        """Columns with an identity of their own that training did not hold."""
        return (self.labels < 0) & ~self.anonymous

    def choose(self, windows: NDArray) -> NDArray[np.intp] | None:
        """Return the columns that prediction reads from these windows; None if these are all.

        A column that no training window held is read all the same if its identity was
        trained in another column, or if it is anonymous and so as good as any other. An
        identity without training has no parameters; it is ignored.
        """
        fresh = ~self.untrained
        fresh[self.recorded] = False
        if self.fixed or not fresh.any():
            return self.trained
        columns = np.flatnonzero(fresh)
        columns = columns[~np.isnan(windows[:, columns]).any(axis=2).all(axis=0)]
        return np.union1d(self.recorded, columns) if len(columns) else self.trained

    def largest_layer(self, n_units: int) -> int:
        """Elements of the largest layer of a net: of neurons, or of pairs."""
        return max(super().largest_layer(n_units), self.n_neurons**2)

    def inputs(self, columns: NDArray[np.intp] | None, module: nn.Module) -> tuple[Any, ...]:
        """Return the identities of other columns than those of training."""
        if columns is None or columns is self.recorded:
            return ()
        device = next(module.parameters()).device
        return (torch.from_numpy(self.labels[columns]).to(device),)
