"""Forecast frame by frame over a graph inferred from the window."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn.edges import DenseGraph, IdentityEdges, PairEdges, SharedGraph
from skneurograph.nn.frames import FrameModel, Neurons
from skneurograph.nn.layers import (
    IdentityEmbedding,
    MemberLinear,
    SharedDropout,
    identity_table,
    look_up,
)

__all__ = ["SILENT", "GraphFrames"]

# Stands for the identity of a neuron that training has not seen: it is forecast like an
# anonymous one, but sends nothing.
SILENT = -2


class _State(NamedTuple):
    """The last frames of every neuron, and the graph over which messages pass."""

    lags: Tensor
    graph: DenseGraph | SharedGraph | None
    identities: Tensor


class GraphFrames(FrameModel):
    """Predict the change of each neuron from itself and from messages over a graph.

    Beside the given linear part: corrections of a neuron's own coefficients, for all
    neurons and for each identity, and a readout of features that have passed over the
    graph. All of them start at zero. The graph is inferred once, from the window, and kept
    for all steps of a rollout.

    Parameters
    ----------
    hidden_size, n_rounds, edge_model, edge_activation
        See `GraphDecoder`.
    dropout : float
        Probability of dropping a feature of a neuron before the readout, in training.
    n_members, neurons, limit, n_inside, n_ahead, neuron_dropout
        See `FrameModel`.
    """

    def __init__(
        self,
        n_members: int,
        neurons: Neurons,
        limit: float,
        *,
        hidden_size: int,
        n_rounds: int,
        edge_model: Literal["identity", "bilinear", "mlp"],
        edge_activation: Literal["softmax", "sigmoid"],
        dropout: float,
        n_inside: int,
        n_ahead: int,
        neuron_dropout: float,
    ) -> None:
        super().__init__(
            n_members,
            neurons,
            limit,
            n_inside=n_inside,
            n_ahead=n_ahead,
            neuron_dropout=neuron_dropout,
        )
        n_identities = int(neurons.identities.max()) + 1
        self.own_shared = nn.Parameter(torch.zeros(n_members, 1, 1, self.n_lags))
        self.own_identity = identity_table(n_members, n_identities, self.n_lags, std=0.0)
        self.encoder = MemberLinear(n_members, self.n_lags, hidden_size)
        self.identity = IdentityEmbedding(n_members, n_identities, hidden_size)
        self.edges: nn.Module | None = None
        if n_rounds and edge_model == "identity":
            self.edges = IdentityEdges(n_members, n_identities, edge_activation)
        elif n_rounds:
            kind: Literal["bilinear", "mlp"] = "mlp" if edge_model == "mlp" else "bilinear"
            self.edges = PairEdges(n_members, hidden_size, kind, edge_activation)
        self.own = nn.ModuleList(
            MemberLinear(n_members, hidden_size, hidden_size) for _ in range(n_rounds)
        )
        self.sent = nn.ModuleList(
            MemberLinear(n_members, hidden_size, hidden_size, bias=False) for _ in range(n_rounds)
        )
        self.dropout = SharedDropout(dropout)
        self.read_shared = nn.Parameter(torch.zeros(n_members, 1, 1, hidden_size))
        self.read_identity = identity_table(n_members, n_identities, hidden_size, std=0.0)

    def begin(self, frames: Tensor, senders: Tensor, neurons: Neurons) -> _State:
        """Infer the graph; see `FrameModel.begin`."""
        senders = senders & (neurons.identities > SILENT)
        identities = neurons.identities.clamp(min=-1)
        lags = frames[..., -self.n_lags :]
        graph = None
        if self.edges is not None:
            graph = self.edges(self._encode(lags, identities), senders, identities)
        return _State(lags, graph, identities)

    def change(self, state: _State) -> Tensor:
        """Predict the change; see `FrameModel.change`."""
        lags, graph, identities = state
        own = self.own_shared + look_up(self.own_identity, identities)[:, None]
        features = self._encode(lags, identities)
        if graph is not None:
            for itself, sent in zip(self.own, self.sent):
                features = features + F.relu(itself(features) + graph.send(sent(features)))
        dropped = self.dropout(features.flatten(2)).unflatten(2, features.shape[2:])
        read = self.read_shared + look_up(self.read_identity, identities)[:, None]
        return (own * lags).sum(dim=-1) + (read * dropped).sum(dim=-1)

    def follow(self, state: _State, frame: Tensor) -> _State:
        """Move on by a frame; see `FrameModel.follow`."""
        return state._replace(lags=torch.cat([state.lags[..., 1:], frame[..., None]], dim=-1))

    def infer_graph(self, windows: Tensor, neurons: Neurons | None = None) -> Tensor:
        """Infer the graph of each window, averaged over members.

        Parameters
        ----------
        windows, neurons
            As in `FrameModel.forecast`.

        Returns
        -------
        Tensor of shape (n_windows, n_receivers, n_senders)
        """
        neurons = self.neurons if neurons is None else neurons
        frames, recorded = self.standardise(windows, neurons)
        graph = self.begin(frames.expand(self.n_members, -1, -1, -1), recorded[None], neurons).graph
        if graph is None:
            raise ValueError("no graph is inferred with n_rounds=0")
        return graph.dense().expand(self.n_members, len(windows), -1, -1).mean(dim=0)

    def _encode(self, lags: Tensor, identities: Tensor) -> Tensor:
        return F.relu(self.identity(self.encoder(lags), identities))
