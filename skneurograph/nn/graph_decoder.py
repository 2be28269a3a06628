"""From a window of neural activity to an output, through a graph inferred on the way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn.layers import (
    DenseGraph,
    IdentityEdges,
    IdentityEmbedding,
    PairEdges,
    Pooling,
    SharedDropout,
    SharedGraph,
    split_missing,
)

__all__ = ["Ensemble", "GraphDecoder"]


class GraphDecoder(nn.Module):
    """Encode each neuron, infer a graph, pass messages over it, pool and read out.

    Parameters
    ----------
    n_times, n_outputs : int
        Frames of a window, and outputs.
    identities : int Tensor of shape (n_neurons,)
        Identity of each neuron of the training windows, numbered from 0; -1 for
        anonymous ones.
    hidden_size : int
        Features of a neuron.
    n_rounds : int
        Rounds of message passing over the one inferred graph.
    edge_model : {"identity", "bilinear", "mlp"}
        See `IdentityEdges` and `PairEdges`.
    edge_activation : {"softmax", "sigmoid"}
        See `PairEdges`.
    pooling : {"sum", "mean", "attention", "concat"}
        See `Pooling`.
    dropout, neuron_dropout : float
        Probability of dropping a pooled feature, and a whole neuron, in training.
    """

    identities: Tensor

    def __init__(
        self,
        n_times: int,
        n_outputs: int,
        identities: Tensor,
        *,
        hidden_size: int,
        n_rounds: int,
        edge_model: Literal["identity", "bilinear", "mlp"],
        edge_activation: Literal["softmax", "sigmoid"],
        pooling: Literal["sum", "mean", "attention", "concat"],
        dropout: float,
        neuron_dropout: float,
    ) -> None:
        super().__init__()
        n_identities = int(identities.max()) + 1
        self.register_buffer("identities", identities)
        self.encoder = nn.Linear(n_times, hidden_size)
        self.identity = IdentityEmbedding(n_identities, hidden_size)
        self.edges: nn.Module | None = None
        if n_rounds and edge_model == "identity":
            self.edges = IdentityEdges(n_identities, edge_activation)
        elif n_rounds:
            self.edges = PairEdges(hidden_size, edge_model, edge_activation)
        self.own = nn.ModuleList(nn.Linear(hidden_size, hidden_size) for _ in range(n_rounds))
        self.sent = nn.ModuleList(
            nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(n_rounds)
        )
        self.pooling = Pooling(hidden_size, pooling, len(identities), n_identities)
        self.dropout = SharedDropout(dropout)
        self.neuron_dropout = SharedDropout(neuron_dropout, rescale=False)
        self.readout = nn.Linear(self.pooling.n_outputs, n_outputs)

    def encode(
        self, activity: Tensor, recorded: Tensor, identities: Tensor
    ) -> tuple[Tensor, DenseGraph | SharedGraph | None]:
        """Encode neurons before message passing, and infer the graph.

        Parameters
        ----------
        activity : Tensor of shape (n_windows, n_neurons, n_times)
        recorded : bool Tensor of shape (n_windows, n_neurons)
        identities : int Tensor of shape (n_neurons,)

        Returns
        -------
        features : Tensor of shape (n_windows, n_neurons, hidden_size)
        graph : DenseGraph, SharedGraph or None
        """
        features = F.relu(self.identity(self.encoder(activity), identities))
        if self.edges is None:
            return features, None
        return features, self.edges(features, recorded, identities)

    def forward(self, windows: Tensor, identities: Tensor | None = None) -> Tensor:
        """Map windows to outputs.

        Parameters
        ----------
        windows : Tensor of shape (n_windows, n_neurons, n_times)
            NaN marks neurons that were not recorded.
        identities : int Tensor of shape (n_neurons,), optional
            By default those of the training windows.

        Returns
        -------
        Tensor of shape (n_windows, n_outputs)
        """
        identities = self.identities if identities is None else identities
        activity, recorded = split_missing(windows)
        if self.training and self.neuron_dropout.p > 0:
            kept = self.neuron_dropout.keep(windows.shape[1], activity)
            recorded = recorded & (kept > 0)
            activity = activity * kept[:, None]
        features, graph = self.encode(activity, recorded, identities)
        if graph is not None:
            for own, sent in zip(self.own, self.sent):
                features = features + F.relu(own(features) + graph.send(sent(features)))
        output: Tensor = self.readout(self.dropout(self.pooling(features, recorded, identities)))
        return output

    def infer_graph(self, windows: Tensor, identities: Tensor | None = None) -> Tensor:
        """Infer the graph of each window, (n_windows, n_receivers, n_senders)."""
        identities = self.identities if identities is None else identities
        activity, recorded = split_missing(windows)
        graph = self.encode(activity, recorded, identities)[1]
        if graph is None:
            raise ValueError("no graph is inferred with n_rounds=0")
        return graph.dense()


class Ensemble(nn.Module):
    """Members of the same kind, trained at once on the same mini-batches.

    Parameters
    ----------
    members : iterable of Module
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Give the outputs of all members, (n_members, n_windows, n_outputs)."""
        return torch.stack([member(*inputs) for member in self.members])

    def infer_graph(self, *inputs: Tensor) -> Tensor:
        """Mean graph of the members, (n_windows, n_receivers, n_senders)."""
        graphs = [member.infer_graph(*inputs) for member in self.members]  # type: ignore[operator]
        return torch.stack(graphs).mean(dim=0)
