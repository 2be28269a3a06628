"""Sequences of snapshots, cut into pieces for training and put side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Snapshots", "cut_pieces", "side_by_side", "split_sequences"]

Rows = NDArray[np.intp]


def split_sequences(n_windows: int, groups: NDArray | None) -> list[Rows]:
    """Give the windows of each group, in their order; all of them without groups."""
    if groups is None:
        return [np.arange(n_windows)]
    _, which = np.unique(groups, return_inverse=True)
    order = np.argsort(which, kind="stable")
    return np.split(order, np.cumsum(np.bincount(which))[:-1])


def cut_pieces(
    sequences: list[Rows], length: int | None, rng: np.random.Generator | None
) -> list[Rows]:
    """Cut sequences into pieces of at most ``length`` windows.

    With a generator, the first cut of each sequence is at a place drawn at random.
    """
    pieces = []
    for rows in sequences:
        if length is None or len(rows) <= length:
            pieces.append(rows)
            continue
        first = length if rng is None else int(rng.integers(1, length + 1))
        pieces += np.split(rows, np.arange(first, len(rows), length))
    return pieces


def side_by_side(values: Tensor, pieces: list[Rows]) -> Tensor:
    """Take the rows of each piece, with zeros at the end of the shorter ones.

    Parameters
    ----------
    values : Tensor of shape (n_windows, ...)
    pieces : list of array of int

    Returns
    -------
    Tensor of shape (longest, n_pieces, ...)
    """
    if len(pieces) == 1:
        return _take(values, pieces[0])[:, None]
    longest = max(map(len, pieces))
    joined = values.new_empty(longest, len(pieces), *values.shape[1:])
    for k, rows in enumerate(pieces):
        joined[: len(rows), k] = _take(values, rows)
        joined[len(rows) :, k] = 0
    return joined


def _take(values: Tensor, rows: Rows) -> Tensor:
    """Take rows, without a copy if they follow each other."""
    if (np.diff(rows) == 1).all():
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return values[torch.from_numpy(rows)]


@dataclass(frozen=True)
class Snapshots:
    """Snapshots of all sequences, as the training loop reads them.

    Attributes
    ----------
    hops : Tensor of shape (n_windows, 1 + n_neurons, 1 + n_neurons)
        As `skneurograph.nn.join_history` gives them.
    features : Tensor of shape (n_windows, n_neurons, n_features)
    levels : Tensor of shape (n_windows, n_levels)
    labels : int Tensor of shape (n_windows,)
        -1 where there is none.
    sequences : list of array of int
        Windows of each sequence, in order of time.
    length : int or None
        Windows of a piece, at most.
    """

    hops: Tensor
    features: Tensor
    levels: Tensor
    labels: Tensor
    sequences: list[Rows]
    length: int | None

    def __len__(self) -> int:
        return len(self.labels)

    def n_steps(self, batch_size: int) -> int:
        """Count the steps of an epoch, at most."""
        n_pieces = 0
        for rows in self.sequences:
            if self.length is None or len(rows) <= self.length:
                n_pieces += 1
            else:
                # A cut at random leaves a shorter piece at both ends.
                n_pieces += 1 - (-(len(rows) - 1) // self.length)
        return -(-n_pieces // batch_size)

    def batches(
        self, batch_size: int, device: torch.device, rng: np.random.Generator | None
    ) -> _Epochs:
        """Mini-batches of an epoch, and of another one each time that they are asked for."""
        return _Epochs(self, batch_size, device, rng)

    def batch(self, pieces: list[Rows]) -> dict[str, Tensor]:
        """Put pieces side by side, as the module takes them."""
        return {
            name: side_by_side(getattr(self, name), pieces)
            for name in ("hops", "features", "levels", "labels")
        }


class _Epochs:
    """Pieces in random order; iterating again cuts them elsewhere."""

    def __init__(
        self,
        snapshots: Snapshots,
        batch_size: int,
        device: torch.device,
        rng: np.random.Generator | None,
    ) -> None:
        self.snapshots = snapshots
        self.batch_size = batch_size
        self.device = device
        self.rng = rng

    def __iter__(self) -> Iterator[Any]:
        pieces = cut_pieces(self.snapshots.sequences, self.snapshots.length, self.rng)
        if self.rng is not None:
            pieces = [pieces[k] for k in self.rng.permutation(len(pieces))]
        # Cuts make more or fewer pieces; the schedule of the learning rate counts steps.
        n_batches = min(len(pieces), self.snapshots.n_steps(self.batch_size))
        for chosen in np.array_split(np.arange(len(pieces)), n_batches):
            part = [pieces[k] for k in chosen]
            inputs = self.snapshots.batch(part)
            # The mean over all entries of the batch is then the mean over its windows, less gaps.
            there = (inputs["hops"][..., 0, 1:] != 0).any(dim=-1).to(inputs["hops"].dtype)
            weight = there * (there.numel() / there.sum().clamp(min=1))
            inputs = {name: value.to(self.device) for name, value in inputs.items()}
            yield inputs, (inputs["labels"], weight.to(self.device))
