"""Sequences of snapshots, cut into pieces and batched for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skneurograph.nn.tavrnn._cell import Trajectory
from skneurograph.nn.tavrnn._snapshots import LARGE, Propagation, take_rows

__all__ = ["Run", "Snapshots", "cut_pieces", "rows_side_by_side", "split_sequences", "take"]

Rows = NDArray[np.intp]


def split_sequences(n_windows: int, groups: NDArray | None) -> list[Rows]:
    """Return the windows of each group, in their order; all of them without groups."""
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


def rows_side_by_side(pieces: list[Rows]) -> Tensor:
    """Return the rows of each piece as a column, with -1 at the end of the shorter ones.

    Parameters
    ----------
    pieces : list of array of int

    Returns
    -------
    int Tensor of shape (longest, n_pieces)
    """
    rows = np.full((max(map(len, pieces)), len(pieces)), -1)
    for k, piece in enumerate(pieces):
        rows[: len(piece), k] = piece
    return torch.from_numpy(rows)


def take(values: Tensor, rows: Tensor) -> Tensor:
    """Take rows, zeros for negative ones.

    Parameters
    ----------
    values : Tensor of shape (n_windows, ...)
    rows : int Tensor of shape (longest, n_pieces)

    Returns
    -------
    Tensor of shape (longest, n_pieces, ...)
    """
    flat = rows.flatten()
    if rows.shape[1] == 1:
        return take_rows(values, flat)[:, None]
    taken = values.index_select(0, flat.clamp(min=0))
    taken[flat < 0] = 0
    return taken.unflatten(0, rows.shape)


class Run(NamedTuple):
    """What members made of some sequences that went side by side.

    Attributes
    ----------
    pieces : list of array of int
        Windows of each sequence.
    propagation, features
        What the members read.
    trajectories : list of Trajectory
        That of each member.
    """

    pieces: list[Rows]
    propagation: Propagation
    features: Tensor
    trajectories: list[Trajectory]

    def of_each(self, values: Tensor) -> Iterator[tuple[Rows, NDArray[np.floating]]]:
        """Split values (n_snapshots, n_sequences, ...) by sequence, with its windows."""
        for k, rows in enumerate(self.pieces):
            yield rows, values[: len(rows), k].detach().cpu().numpy()


@dataclass(frozen=True)
class Snapshots:
    """Snapshots of all sequences, as the training loop reads them.

    Attributes
    ----------
    propagation : Tensor of shape (n_windows, 1 + n_neurons, 1 + n_neurons)
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

    propagation: Tensor
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

    def batch(self, rows: Tensor, device: torch.device) -> dict[str, Tensor]:
        """Take rows as the module wants them; large graphs stay where they are."""
        names = ["features", "levels", "labels"]
        inputs = {}
        if rows.shape[1] > 1 and self.propagation.shape[1] >= LARGE and device.type == "cpu":
            # Expanded, as skorch wants all inputs of a batch to have the same length.
            inputs = {
                "propagation": self.propagation.expand(len(rows), *self.propagation.shape),
                "rows": rows,
            }
        else:
            names.append("propagation")
        inputs |= {name: take(getattr(self, name), rows) for name in names}
        return {name: value.to(device) for name, value in inputs.items()}


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
        propagation = snapshots.propagation
        self._is_seen = (propagation[:, 0, 1:] != 0).any(dim=-1).to(propagation.dtype)

    def __iter__(self) -> Iterator[Any]:
        pieces = cut_pieces(self.snapshots.sequences, self.snapshots.length, self.rng)
        if self.rng is not None:
            pieces = [pieces[k] for k in self.rng.permutation(len(pieces))]
        # Cuts make more or fewer pieces; the schedule of the learning rate counts steps.
        n_batches = min(len(pieces), self.snapshots.n_steps(self.batch_size))
        for chosen in np.array_split(np.arange(len(pieces)), n_batches):
            rows = rows_side_by_side([pieces[k] for k in chosen])
            inputs = self.snapshots.batch(rows, self.device)
            # The mean over all entries of the batch is then the mean over its windows, less gaps.
            seen = take(self._is_seen, rows)
            weight = seen * (seen.numel() / seen.sum().clamp(min=1))
            yield inputs, (inputs["labels"], weight.to(self.device))
