"""A variational graph recurrent network with temporal attention, over graph snapshots."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn.tavrnn._cell import SnapshotCell, Trajectory
from skneurograph.nn.tavrnn._plain import LEAST_SPREAD
from skneurograph.nn.tavrnn._snapshots import (
    PickedPropagation,
    Propagation,
    edge_likelihood,
    valid_nodes,
)

__all__ = ["SnapshotModel", "SnapshotTerms"]

# How active the population is must not drown which neurons are.
_LEVEL_SCALE = 0.3


class SnapshotTerms(NamedTuple):
    """Parts of the evidence lower bound of each snapshot, summed over nodes or pairs.

    Attributes
    ----------
    edges, features, divergence : Tensor of shape (n_snapshots, n_sequences)
    """

    edges: Tensor
    features: Tensor
    divergence: Tensor


class SnapshotModel(nn.Module):
    """Embed the neurons and the population of each snapshot of functional connectivity.

    Latents of each neuron and of a history node, which is connected to every neuron, have a
    posterior that reads the snapshot and the states before it, and a prior that reads
    those states alone. The latents explain the edges by inner products, and the activity
    features of the neurons linearly from the latent of the history node. That latent also
    joins each neuron's own before the inner product (by a map of each neuron's own, if
    neurons have identities): what many neurons share is cheapest to tell once, so it is
    told there.

    Parameters
    ----------
    n_features : int
        Features of a neuron.
    reliability : Tensor of shape (n_neurons, n_explained) or (1, n_explained)
        How far to trust the last features of a neuron, from 0 to 1, which are to be
        explained, too: their likelihood is multiplied by that, and they by its root.
    n_levels : int
        Features of the population, which the history node reads.
    n_identities : int or None
        Number of neurons if each has parameters of its own; None makes neurons
        exchangeable, so that there can be any number.
    own_gains : bool
        Whether a feature meets weights of each neuron's own, as if the feature stood once
        for each identity; otherwise all neurons share them.
    hidden_size, n_components : int
    attention_width : int
        See `SnapshotCell`.
    kl_weight : float, default=1.0
        Weight of the divergence in the loss.
    n_classes : int, default=0
        Labels to be told from the latent of the history node; 0 for none.
    label_weight : float, default=1.0
        Weight of the cross-entropy of a label, in units of the bound of a snapshot per
        neuron.

    References
    ----------
    .. [1] M. Khajehnejad et al. (2024). TAVRNN: Temporal attention-enhanced variational graph
       RNN captures neural dynamics and behavior. arXiv:2410.00665
    .. [2] E. Hajiramezanali, A. Hasanzadeh, N. Duffield, K. Narayanan, M. Zhou, X. Qian
       (2019). Variational graph recurrent neural networks. NeurIPS. arXiv:1908.09710
    """

    reliability: Tensor

    def __init__(
        self,
        n_features: int,
        reliability: Tensor,
        n_levels: int,
        *,
        n_identities: int | None,
        own_gains: bool,
        hidden_size: int,
        n_components: int,
        attention_width: int,
        kl_weight: float = 1.0,
        n_classes: int = 0,
        label_weight: float = 1.0,
    ) -> None:
        super().__init__()
        n_explained = reliability.shape[1]
        self.register_buffer("reliability", reliability)
        self.n_components = n_components
        self.kl_weight = kl_weight
        self.label_weight = label_weight
        n_tables = n_identities if n_identities is not None and own_gains else 1
        # What a neuron does must not drown who it is.
        scale = 0.3 / math.sqrt(max(1, n_features))
        self.gains = nn.Parameter(scale * torch.randn(n_tables, n_features, hidden_size))
        self.offsets = nn.Parameter(torch.randn(n_tables, hidden_size))
        self.level_gains = nn.Parameter(torch.randn(n_levels, hidden_size))
        self.level_offset = nn.Parameter(0.3 * torch.randn(hidden_size))
        self.cell = SnapshotCell(hidden_size, n_components, attention_width)
        self.prior = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Linear(hidden_size, 2 * n_components)
        )
        n_maps = 1 if n_identities is None else n_identities
        scale = 1 / math.sqrt(n_components)
        self.joins = nn.Parameter(scale * torch.randn(n_maps, n_components, n_components))
        self.edge_bias = nn.Parameter(torch.zeros(()))
        self.loadings = nn.Parameter(scale * torch.randn(n_maps, n_components, n_explained))
        self.baselines = nn.Parameter(torch.zeros(n_maps, n_explained))
        self.precision = nn.Parameter(torch.zeros(n_explained))  # its logarithm
        self.head = nn.Linear(n_components, n_classes) if n_classes else None

    def forward(
        self,
        propagation: Tensor,
        features: Tensor,
        levels: Tensor,
        labels: Tensor,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of each snapshot: the negative bound per neuron, and of the labels.

        Latents are drawn in training, and are their means otherwise.

        Parameters
        ----------
        propagation : Tensor of shape (n_snapshots, n_sequences, 1 + n_neurons, 1 + n_neurons)
            As `join_history` gives them, zero where a sequence has ended.
        features : Tensor of shape (n_snapshots, n_sequences, n_neurons, n_features)
            0 for neurons that are not recorded.
        levels : Tensor of shape (n_snapshots, n_sequences, n_levels)
        labels : int Tensor of shape (n_snapshots, n_sequences)
            Negative where there is none.
        rows : int Tensor of shape (n_snapshots, n_sequences), optional
            With it ``propagation`` is a stack of graphs, of which these rows are picked, negative
            where a sequence has ended. The stack is expanded to
            (n_snapshots, n_graphs, 1 + n_neurons, 1 + n_neurons).

        Returns
        -------
        Tensor of shape (n_snapshots, n_sequences)
            0 where a sequence has ended.
        """
        graphs = propagation if rows is None else PickedPropagation(propagation[0], rows)
        trajectory = self.run(graphs, features, levels)
        loss = -self.bound(trajectory, graphs, features, self.kl_weight)
        if self.head is not None:
            scores = self.head(trajectory.latents[:, :, 0])
            known = labels >= 0
            entropy = F.cross_entropy(
                scores.flatten(0, 1), labels.clamp(min=0).flatten(), reduction="none"
            )
            loss = loss + self.label_weight * entropy.view_as(loss) * known
        return loss * valid_nodes(graphs)[..., 0]

    def run(self, propagation: Propagation, features: Tensor, levels: Tensor) -> Trajectory:
        """Run over the snapshots; latents are drawn in training.

        Parameters
        ----------
        propagation : Tensor or PickedPropagation
        features, levels : Tensor
            As in `forward`.

        Returns
        -------
        Trajectory
            Nodes are the history node and then the neurons.
        """
        nodes = self._node_features(features, levels)
        noise = None
        if self.training:
            # Drawn in single precision, so that both precisions train alike.
            noise = torch.randn(*nodes.shape[:3], self.n_components, device=nodes.device)
            noise = noise.to(nodes.dtype)
        trajectory: Trajectory = self.cell(propagation, nodes, noise)
        return trajectory

    def bound(
        self,
        trajectory: Trajectory,
        propagation: Propagation,
        features: Tensor,
        kl_weight: float = 1.0,
    ) -> Tensor:
        """Return the evidence lower bound of each snapshot per recorded neuron.

        The pairs of a neuron count together as one observation: each of its edges is as
        likely as their (class-weighted) geometric mean. Correlations of some frames are
        not as many independent observations as there are pairs.

        Parameters
        ----------
        trajectory : Trajectory
        propagation : Tensor or PickedPropagation
        features : Tensor
            As in `forward`.
        kl_weight : float, default=1.0
            Weight of the divergence.

        Returns
        -------
        Tensor of shape (n_snapshots, n_sequences)
            0 in gaps, where no neuron is recorded.
        """
        edges, explained, divergence = self.terms(trajectory, propagation, features)
        n_recorded = valid_nodes(propagation)[..., 1:].sum(dim=-1)
        per_neuron = 2 * edges / (n_recorded - 1).clamp(min=1)
        bound = (per_neuron + explained - kl_weight * divergence) / n_recorded.clamp(min=1)
        return bound * (n_recorded > 0)

    def terms(
        self, trajectory: Trajectory, propagation: Propagation, features: Tensor
    ) -> SnapshotTerms:
        """Return the parts of the bound.

        Parameters
        ----------
        trajectory : Trajectory
        propagation : Tensor or PickedPropagation
        features : Tensor
            As in `forward`.

        Returns
        -------
        SnapshotTerms
        """
        valid = valid_nodes(propagation)
        joined = self.joined(trajectory.latents)
        if not isinstance(propagation, PickedPropagation):
            propagation = propagation.flatten(0, 1)
        edges = edge_likelihood(joined.flatten(0, 1), self.edge_bias, propagation)
        # Gaussian, up to a constant; a feature has the same variance for all neurons.
        expected = self.baselines + self._mapped(self.loadings, trajectory.latents[:, :, 0])
        error = features[..., features.shape[-1] - self.reliability.shape[1] :] - expected
        fit = self.precision - error.square() * self.precision.exp()
        fit = 0.5 * (self.reliability * fit).sum(dim=-1)
        return SnapshotTerms(
            edges.view(valid.shape[:2]),
            (fit * valid[..., 1:]).sum(dim=-1),
            (self._divergence(trajectory) * valid).sum(dim=-1),
        )

    def joined(self, latents: Tensor) -> Tensor:
        """Add to each neuron's latent what the history node's means for it.

        Parameters
        ----------
        latents : Tensor of shape (n_snapshots, n_sequences, 1 + n_neurons, n_components)

        Returns
        -------
        Tensor of shape (n_snapshots, n_sequences, n_neurons, n_components)
        """
        return latents[:, :, 1:] + self._mapped(self.joins, latents[:, :, 0])

    def _mapped(self, maps: Tensor, latent: Tensor) -> Tensor:
        """Map the history node's latent by each neuron's own map, or by the one of all."""
        n_maps, _, n_outputs = maps.shape
        stacked = maps.transpose(0, 1).flatten(1)
        return (latent @ stacked).unflatten(-1, (n_maps, n_outputs))

    def _node_features(self, features: Tensor, levels: Tensor) -> Tensor:
        """phi_x of all nodes, the history node first."""
        n_trusted = features.shape[-1] - self.reliability.shape[1]
        features = features * F.pad(self.reliability.sqrt(), (n_trusted, 0), value=1.0)
        if len(self.gains) == 1:
            neurons = features @ self.gains[0] + self.offsets[0]
        else:
            flat = features.flatten(0, 1).transpose(0, 1)
            neurons = torch.baddbmm(self.offsets[:, None], flat, self.gains)
            neurons = neurons.transpose(0, 1).unflatten(0, features.shape[:2])
        history = (_LEVEL_SCALE * levels) @ self.level_gains + self.level_offset
        return torch.cat([history[:, :, None], neurons], dim=2)

    def _divergence(self, trajectory: Trajectory) -> Tensor:
        """Kullback-Leibler divergence of each node's posterior from its prior."""
        expected, raw = self.prior(trajectory.before).chunk(2, dim=-1)
        spread = F.softplus(raw) + LEAST_SPREAD
        ratio = trajectory.spread / spread
        distance = (trajectory.mean - expected) / spread
        terms = ratio.square() + distance.square() - 1 - 2 * ratio.log()
        return 0.5 * terms.sum(dim=-1)
