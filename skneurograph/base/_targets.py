"""What a net learns to predict: encoded for its loss, and decoded from its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skneurograph.base._units import power_of_two
from skneurograph.nn import squared_error

__all__ = ["Continuous", "DecodedTarget", "Target"]

# A target that varies by less than so many times its precision does not vary.
_ROUNDING = 8


class Target(Protocol):
    """A target, learnt from the windows to train on.

    Attributes
    ----------
    loss : callable
        ``loss(output, target, training)``: the loss of each window.
    """

    @property
    def loss(self) -> Callable[..., Tensor]: ...

    def encode(
        self, y: NDArray, weight: NDArray[np.float64]
    ) -> tuple[NDArray, NDArray[np.float64]]:
        """Return what the loss reads, and the weight of each window."""


class DecodedTarget(Target, Protocol):
    """A target that predictions are decoded to.

    Attributes
    ----------
    n_outputs : int
        Outputs of the net.
    """

    @property
    def n_outputs(self) -> int: ...

    def decode(self, outputs: NDArray[np.floating]) -> NDArray:
        """Return predictions as they were given, from what the net says of each window."""


class Continuous:
    """Continuous targets in units of the training spread, learnt by squared error.

    Parameters
    ----------
    y : ndarray of shape (n_windows,) or (n_windows, n_outputs)
        Of the windows to train on.
    weight : ndarray of shape (n_windows,)

    Attributes
    ----------
    mean, scale : ndarray of shape (n_outputs,)
        A scale of zero marks a constant target, whose prediction is the constant.
    """

    loss = staticmethod(squared_error)

    def __init__(self, y: NDArray, weight: NDArray[np.float64]) -> None:
        self._is_flat = y.ndim == 1
        outputs = self._as_table(y)
        self._unit = power_of_two(np.abs(outputs).max(axis=0))
        outputs = outputs / self._unit
        self._mean = np.average(outputs, axis=0, weights=weight)
        spread = np.sqrt(np.average((outputs - self._mean) ** 2, axis=0, weights=weight))
        # What rounding leaves of a constant is no spread: predictions are then the constant.
        precision = np.finfo(y.dtype if y.dtype.kind == "f" else np.float64).eps
        spread[spread <= _ROUNDING * precision * np.abs(outputs).max(axis=0)] = 0.0
        self._spread = spread
        self.mean, self.scale = self._mean * self._unit, spread * self._unit

    @property
    def n_outputs(self) -> int:
        """Number of columns of the target."""
        return len(self.mean)

    def encode(
        self, y: NDArray, weight: NDArray[np.float64]
    ) -> tuple[NDArray, NDArray[np.float64]]:
        """Standardise a target."""
        outputs = self._as_table(y) / self._unit
        return (outputs - self._mean) / np.where(self._spread > 0, self._spread, 1.0), weight

    def decode(self, outputs: NDArray[np.floating]) -> NDArray[np.floating]:
        """Turn outputs (n_windows, n_outputs) into the units and the shape of the target."""
        values: NDArray[np.floating] = outputs * self.scale + self.mean
        return values[:, 0] if self._is_flat else values

    @staticmethod
    def _as_table(y: NDArray) -> NDArray[np.float64]:
        return np.asarray(y, dtype=np.float64).reshape(len(y), -1)
