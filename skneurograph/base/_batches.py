"""Mini-batches for training, and the windows that early stopping holds out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skneurograph.data._lazy import LazyWindows, cut_windows

__all__ = ["BatchSource", "TrainingData", "hold_out", "steps_per_epoch"]

# Small data are revisited within an epoch until it has this many steps, so that
# `max_epochs` means a comparable amount of training for 30 windows and for 30,000.
_MIN_STEPS_PER_EPOCH = 16


@dataclass(frozen=True)
class TrainingData:
    """Windows with encoded targets and weights, as the training loop reads them.

    Attributes
    ----------
    X : ndarray or LazyWindows, shape (n_windows, n_neurons, n_times)
    y : ndarray, shape (n_windows,) of class indices or (n_windows, n_outputs) of floats
    weight : ndarray of float64, shape (n_windows,)
    columns : ndarray of int or None
        The neurons that the network sees; None for all.
    min_steps_per_epoch : int
        Fewer windows are visited again until an epoch has so many steps.
    """

    X: NDArray | LazyWindows
    y: NDArray
    weight: NDArray[np.float64]
    columns: NDArray[np.integer] | None = None
    min_steps_per_epoch: int = _MIN_STEPS_PER_EPOCH

    def __len__(self) -> int:
        return len(self.y)

    def n_steps(self, batch_size: int) -> int:
        """Count the steps of an epoch, at most."""
        return steps_per_epoch(len(self), batch_size, self.min_steps_per_epoch)

    def batches(
        self, batch_size: int, device: torch.device, rng: np.random.Generator | None
    ) -> Iterable[Any]:
        """Mini-batches of an epoch; without ``rng`` in order, to evaluate."""
        return _Batches(self, batch_size, device, rng)


class BatchSource(Protocol):
    """What `train` reads: `TrainingData`, or data with their own way of making batches."""

    def __len__(self) -> int: ...

    def n_steps(self, batch_size: int) -> int:
        """Count the steps of an epoch, at most."""

    def batches(
        self, batch_size: int, device: torch.device, rng: np.random.Generator | None
    ) -> Iterable[Any]:
        """Yield inputs of the module, and its target with a weight for each entry of the loss."""


def steps_per_epoch(n_windows: int, batch_size: int, least: int = _MIN_STEPS_PER_EPOCH) -> int:
    """Count the steps of an epoch over so many windows."""
    return max(-(-n_windows // batch_size), least)


class _Batches:
    """Mini-batches of one epoch; iterating again gives the next epoch.

    Data that fit in one batch are given whole, with their weights. Otherwise windows are
    drawn in proportion to their weights by systematic sampling: with equal weights each
    window comes exactly once in an epoch.
    """

    def __init__(
        self,
        data: TrainingData,
        batch_size: int,
        device: torch.device,
        rng: np.random.Generator | None,
    ) -> None:
        self.data = data
        self.batch_size = batch_size
        self.device = device
        self.rng = rng
        weight = data.weight / data.weight.sum()
        self._cumulative = np.cumsum(weight)
        self._whole_weight = weight * len(data)

    def __iter__(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        n_windows = len(self.data)
        if self.rng is None:
            for start in range(0, n_windows, self.batch_size):
                rows = np.arange(start, min(start + self.batch_size, n_windows))
                yield self._batch(rows, self._whole_weight[rows])
        elif n_windows <= self.batch_size:
            # The one batch is cut once and visited again.
            batch = self._batch(np.arange(n_windows), self._whole_weight)
            for _ in range(self._n_steps()):
                yield batch
        else:
            left = self._n_steps()
            while left > 0:
                order = self._draw(self.rng)
                for rows in np.array_split(order, -(-n_windows // self.batch_size))[:left]:
                    yield self._batch(rows, np.ones(len(rows)))
                    left -= 1

    def _n_steps(self) -> int:
        return self.data.n_steps(self.batch_size)

    def _draw(self, rng: np.random.Generator) -> NDArray[np.intp]:
        n_windows = len(self.data)
        points = (np.arange(n_windows) + rng.random()) / n_windows
        # Rounding may leave the last cumulative weight just below the last point.
        rows = np.minimum(np.searchsorted(self._cumulative, points, side="right"), n_windows - 1)
        return rng.permutation(rows)

    def _batch(
        self, rows: NDArray[np.integer], weight: NDArray[np.float64]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        windows = torch.from_numpy(cut_windows(self.data.X, rows, self.data.columns))
        target = torch.from_numpy(self.data.y[rows])
        weights = torch.from_numpy(weight).to(windows.dtype)
        return windows.to(self.device), (target.to(self.device), weights.to(self.device))


def hold_out(
    n_windows: int,
    groups: NDArray | None,
    fraction: float,
    n_times: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split training windows for early stopping, without leaking.

    Parameters
    ----------
    n_windows : int
    groups : array of shape (n_windows,) or None
        With groups, whole organisms are held out; without, the last part in time, after
        a gap of one window, since windows overlap.
    fraction : float
        Part of the organisms or windows to hold out; at least one of each.
    n_times : int
        Frames of a window, the length of the gap.
    rng : numpy.random.Generator
        Chooses the organisms.

    Returns
    -------
    train, valid : arrays of int

    Raises
    ------
    ValueError
        If nothing would be left to train on.
    """
    if groups is not None:
        organisms = np.unique(groups)
        n_held = max(1, round(fraction * len(organisms)))
        if n_held >= len(organisms):
            raise ValueError(
                f"early stopping holds out whole organisms, but groups names {len(organisms)}; "
                "give more organisms, no groups, or patience=None"
            )
        held = np.isin(groups, rng.choice(organisms, size=n_held, replace=False))
        return np.flatnonzero(~held), np.flatnonzero(held)
    n_valid = max(1, round(fraction * n_windows))
    n_train = n_windows - n_valid - (n_times - 1)
    if n_train < 1:
        raise ValueError(
            f"early stopping holds out {n_valid} of {n_windows} windows after a gap of "
            f"{n_times - 1}, which leaves none to train on; use patience=None"
        )
    return np.arange(n_train), np.arange(n_windows - n_valid, n_windows)
