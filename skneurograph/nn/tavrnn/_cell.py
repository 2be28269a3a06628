"""One step of the TAVRNN: posterior, graph GRU and temporal attention."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn.tavrnn._plain import LEAST_SPREAD, Weights
from skneurograph.nn.tavrnn._recurrence import run_recurrence
from skneurograph.nn.tavrnn._snapshots import PickedPropagation, Propagation, valid_nodes

__all__ = ["SnapshotCell", "Trajectory"]


class Trajectory(NamedTuple):
    """Latents and states along the snapshots, one entry for each.

    Attributes
    ----------
    mean, spread : Tensor of shape (n_snapshots, n_sequences, n_nodes, n_components)
        Of the posterior.
    latents : Tensor of the same shape
        Drawn from the posterior, or its mean without noise.
    before : Tensor of shape (n_snapshots, n_sequences, n_nodes, hidden_size)
        The state that each snapshot met, which the prior depends on.
    attention : Tensor of shape (n_snapshots, n_sequences, attention_width)
        Weight of the state ``k`` snapshots before; 0 is the current one.
    """

    mean: Tensor
    spread: Tensor
    latents: Tensor
    before: Tensor
    attention: Tensor


class SnapshotCell(nn.Module):
    """Run over the snapshots of sequences that go side by side.

    For each snapshot: a graph convolution of the node's features and its state, and a
    second one, give mean and spread of the latent; a gated recurrent unit whose products
    are graph convolutions of features, latent and state moves the state; and attention mixes
    it with the last states, by weights that sum to one: a state cannot grow. Queries and
    keys come from the state of the history node.

    The convolutions share one propagation of the state, one of the features (of all
    snapshots at once, before the recurrence) and one of the latents, with the weights of
    all gates side by side.

    Parameters
    ----------
    hidden_size, n_components : int
    attention_width : int
        States that attention looks at, the current one among them; 1 for none.
    """

    def __init__(self, hidden_size: int, n_components: int, attention_width: int) -> None:
        super().__init__()
        self.n_components = n_components

        def matrix(n_outputs: int, n_inputs: int) -> nn.Parameter:
            bound = 1 / math.sqrt(n_inputs)
            return nn.Parameter(torch.empty(n_outputs, n_inputs).uniform_(-bound, bound))

        n_given = 4 * hidden_size + 2 * n_components
        self.features = matrix(n_given, hidden_size)
        self.features_bias = nn.Parameter(torch.zeros(n_given, 1))

        self.state = matrix(4 * hidden_size, hidden_size)
        self.latent = matrix(3 * hidden_size, hidden_size)
        self.moments = matrix(2 * n_components, hidden_size)
        with torch.no_grad():
            # At first the latents are nearly linear in the features.
            self.moments.mul_(0.1)
        self.lift = matrix(hidden_size, n_components)
        self.lift_bias = nn.Parameter(torch.zeros(hidden_size, 1))
        self.attention = matrix(2 * hidden_size, hidden_size)
        age = torch.zeros(attention_width)
        # At first the current state counts as much as all others together.
        age[0] = math.log(max(1, attention_width - 1))
        self.age = nn.Parameter(age)

    def forward(
        self, propagation: Propagation, features: Tensor, noise: Tensor | None = None
    ) -> Trajectory:
        """Run over the snapshots.

        Parameters
        ----------
        propagation : Tensor or PickedPropagation
            As `join_history` gives it, (n_snapshots, n_sequences, n_nodes, n_nodes), zero
            where a sequence has ended.
        features : Tensor of shape (n_snapshots, n_sequences, n_nodes, hidden_size)
        noise : Tensor of shape (n_snapshots, n_sequences, n_nodes, n_components), optional
            Standard normal, to draw latents; without, latents are the posterior means.

        Returns
        -------
        Trajectory
            Where a picked sequence has ended, zeros with a spread of one.
        """
        if not isinstance(propagation, PickedPropagation):
            return self._run(propagation, features, noise)
        # Each by itself: large products gain nothing from being batched.
        trajectories = []
        for k, graphs in enumerate(propagation.sequences()):
            part = slice(len(graphs)), slice(k, k + 1)
            drawn = None if noise is None else noise[part]
            trajectories.append(self._run(graphs[:, None], features[part], drawn))
        return Trajectory(
            *(_joined(name, trajectories, len(features)) for name in Trajectory._fields)
        )

    def _run(self, propagation: Tensor, features: Tensor, noise: Tensor | None) -> Trajectory:
        n_snapshots, n_sequences, n_nodes, _ = features.shape
        columns = _columns(propagation @ features)
        weights = self.features.expand(n_snapshots, -1, -1)
        moments, latents, before, attention = run_recurrence(
            propagation,
            torch.baddbmm(self.features_bias, weights, columns),
            None if noise is None else _columns(noise),
            valid_nodes(propagation).flatten(1),
            self._weights(n_snapshots),
        )

        def rows(values: Tensor) -> Tensor:
            return values.unflatten(2, (n_sequences, n_nodes)).movedim(1, -1)

        by_age = attention.flip(1).mT
        by_age = F.pad(by_age, (0, len(self.age) - by_age.shape[-1]))
        mean, raw = moments.chunk(2, dim=1)
        spread = F.softplus(raw) + LEAST_SPREAD
        return Trajectory(rows(mean), rows(spread), rows(latents), rows(before), by_age)

    def _weights(self, n_snapshots: int) -> Weights:
        """Weights of a step; attention looks no further back than there are snapshots."""
        weights = Weights(*(getattr(self, name) for name in Weights._fields))
        return weights._replace(age=self.age[:n_snapshots])


def _columns(values: Tensor) -> Tensor:
    """Nodes of all sequences as columns, (n_snapshots, n_units, n_columns)."""
    return values.movedim(-1, 1).flatten(2).contiguous()


def _joined(name: str, trajectories: list[Trajectory], n_snapshots: int) -> Tensor:
    """Put a field of the trajectories of single sequences side by side."""
    parts = []
    for trajectory in trajectories:
        part = getattr(trajectory, name)
        after = [0, 0] * (part.ndim - 1) + [0, n_snapshots - len(part)]
        parts.append(F.pad(part, after, value=1.0 if name == "spread" else 0.0))
    return torch.cat(parts, dim=1)
