"""Several models of the same snapshots, from different initial values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from skneurograph.nn.tavrnn._cell import Trajectory
from skneurograph.nn.tavrnn._model import SnapshotModel
from skneurograph.nn.tavrnn._snapshots import Propagation

__all__ = ["SnapshotEnsemble"]


class SnapshotEnsemble(nn.Module):
    """Train models of the same snapshots side by side, each by itself.

    Parameters
    ----------
    members : sequence of SnapshotModel
    """

    def __init__(self, members: Sequence[SnapshotModel]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def __iter__(self) -> Iterator[SnapshotModel]:
        """Yield the members."""
        return cast(Iterator[SnapshotModel], iter(self.members))

    def forward(
        self,
        propagation: Tensor,
        features: Tensor,
        levels: Tensor,
        labels: Tensor,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of each snapshot, averaged over members; see `SnapshotModel`."""
        losses = [member(propagation, features, levels, labels, rows) for member in self]
        return torch.stack(losses).mean(dim=0)

    def run(self, propagation: Propagation, features: Tensor, levels: Tensor) -> list[Trajectory]:
        """Return the trajectory of each member."""
        return [member.run(propagation, features, levels) for member in self]

    def bound(
        self, trajectories: Sequence[Trajectory], propagation: Propagation, features: Tensor
    ) -> Tensor:
        """Return the evidence lower bound of each snapshot, averaged over members."""
        bounds = [
            member.bound(trajectory, propagation, features)
            for member, trajectory in zip(self, trajectories)
        ]
        return torch.stack(bounds).mean(dim=0)

    def populations(self, trajectories: Sequence[Trajectory]) -> Tensor:
        """Return means of the history node's latents, those of all members side by side.

        Returns
        -------
        Tensor of shape (n_snapshots, n_sequences, n_members * n_components)
        """
        return torch.cat([trajectory.mean[:, :, 0] for trajectory in trajectories], dim=-1)

    def neurons(self, trajectories: Sequence[Trajectory]) -> Tensor:
        """Return what tells the edges of neurons, that of all members side by side.

        Returns
        -------
        Tensor of shape (n_snapshots, n_sequences, n_neurons, n_members * n_components)
        """
        each = [member.joined(trajectory.mean) for member, trajectory in zip(self, trajectories)]
        return torch.cat(each, dim=-1)
