"""Graph neural network that forecasts frame by frame over a graph inferred from the window."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn._edges import (
    DenseGraph,
    FixedEdges,
    IdentityEdges,
    PairEdges,
    SharedGraph,
    make_edges,
)
from skneurograph.nn._layers import (
    IdentityEmbedding,
    MemberLinear,
    SharedDropout,
    identity_table,
    look_up,
)
from skneurograph.nn._rollout import NeuronDynamics, RolloutModel

__all__ = ["SILENT", "GraphRollout"]

# Stands for the identity of a neuron that training has not seen: it is forecast like an
# anonymous one, but sends nothing.
SILENT = -2


class _State(NamedTuple):
    """The last frames of every neuron, the graph, and what is known of each neuron.

    Tensors lead with members and neurons, not with windows: messages over a graph that all
    windows share are then one product, and no step has to reorder anything.
    """

    lags: Tensor
    graph: DenseGraph | SharedGraph | None
    weight: Tensor
    bias: Tensor
    read: Tensor
    own: Tensor


class GraphRollout(RolloutModel):
    """Predict the change of each neuron from itself and from messages over a graph.

    Beside the given linear forecast: coefficients of a neuron's own last frames, shared by
    all neurons and of each identity, and a readout of features that have passed over the
    graph. All of them start at zero. The graph is inferred once, from the window, and kept
    for all steps of a rollout.

    Parameters
    ----------
    hidden_size, n_rounds, edge_model, edge_activation, prior
        See `GraphDecoder`.
    dropout : float
        Probability of dropping a feature of a neuron before the readout, in training.
    n_members, dynamics, limit, n_lags, n_inside, n_ahead, neuron_dropout
        See `RolloutModel`.
    """

    def __init__(
        self,
        n_members: int,
        dynamics: NeuronDynamics,
        limit: float,
        *,
        hidden_size: int,
        n_rounds: int,
        edge_model: Literal["identity", "bilinear", "mlp", "uniform", "fixed"],
        edge_activation: Literal["softmax", "sigmoid"],
        dropout: float,
        n_lags: int,
        n_inside: int,
        n_ahead: int,
        neuron_dropout: float,
        prior: Tensor | None = None,
    ) -> None:
        super().__init__(
            n_members,
            dynamics,
            limit,
            n_lags=n_lags,
            n_inside=n_inside,
            n_ahead=n_ahead,
            neuron_dropout=neuron_dropout,
        )
        n_identities = int(dynamics.identities.max()) + 1
        self.own_shared = nn.Parameter(torch.zeros(n_members, 1, 1, self.n_lags))
        self.own_identity = identity_table(n_members, n_identities, self.n_lags, std=0.0)
        self.encoder = MemberLinear(n_members, self.n_lags, hidden_size)
        self.identity = IdentityEmbedding(n_members, n_identities, hidden_size)
        self.edges: IdentityEdges | PairEdges | FixedEdges | None = None
        if n_rounds:
            self.edges = make_edges(
                n_members, n_identities, hidden_size, edge_model, edge_activation, prior
            )
        self.own = nn.ModuleList(
            MemberLinear(n_members, hidden_size, hidden_size) for _ in range(n_rounds)
        )
        self.sent = nn.ModuleList(
            MemberLinear(n_members, hidden_size, hidden_size, bias=False) for _ in range(n_rounds)
        )
        self.dropout = SharedDropout(dropout)
        self.read_shared = nn.Parameter(torch.zeros(n_members, 1, 1, hidden_size))
        self.read_identity = identity_table(n_members, n_identities, hidden_size, std=0.0)

    def begin(self, frames: Tensor, senders: Tensor, dynamics: NeuronDynamics) -> _State:
        """Infer the graph; see `RolloutModel.begin`."""
        senders = senders & (dynamics.identities > SILENT)
        identities = dynamics.identities.clamp(min=-1)
        gain, offset = self.identity.of(identities)
        read = self.read_shared + look_up(self.read_identity, identities)[:, :, None]
        # The same units are dropped in all windows and steps, so it is the readout that drops.
        read = self.dropout(read.flatten(1)[:, None]).view_as(read).transpose(2, 3).flatten(0, 1)
        lags = frames[..., -self.n_lags :].transpose(1, 2)
        # The gain of a neuron is in its encoder: one product instead of three passes.
        weight = self.encoder.weight[:, None] * gain
        bias = offset if self.encoder.bias is None else offset + self.encoder.bias[:, None] * gain
        own = self.own_shared + look_up(self.own_identity, identities)[:, :, None]
        own = own.transpose(2, 3).flatten(0, 1)
        state = _State(lags, None, weight.flatten(0, 1), bias.flatten(0, 1), read, own)
        if self.edges is None:
            return state
        # A graph over identities does not look at the encodings.
        encodings = self._encode(state) if isinstance(self.edges, PairEdges) else lags
        return state._replace(graph=self.edges(encodings.transpose(1, 2), senders, identities))

    def change(self, state: _State) -> Tensor:
        """Predict the change; see `RolloutModel.change`."""
        features = self._encode(state)
        if state.graph is not None:
            for itself, sent in zip(self.own, self.sent):
                heard = state.graph.pass_on(features, sent, itself(features))
                features = features + F.relu(heard, inplace=True)
        change = torch.bmm(features.flatten(0, 1), state.read)
        change = torch.baddbmm(change, state.lags.flatten(0, 1), state.own)[..., 0]
        return change.unflatten(0, features.shape[:2]).transpose(1, 2)

    def follow(self, state: _State, frame: Tensor) -> _State:
        """Move on by a frame; see `RolloutModel.follow`."""
        new = frame.transpose(1, 2)[..., None]
        return state._replace(lags=torch.cat([state.lags[..., 1:], new], dim=-1))

    def narrow(self, state: _State, n_windows: int) -> _State:
        """Keep the first windows; see `RolloutModel.narrow`."""
        graph = None if state.graph is None else state.graph.narrow(n_windows)
        return state._replace(lags=state.lags[:, :, :n_windows], graph=graph)

    def infer_graph(self, windows: Tensor, dynamics: NeuronDynamics | None = None) -> Tensor:
        """Infer the graph of each window, averaged over members.

        Parameters
        ----------
        windows, dynamics
            As in `RolloutModel.forecast`.

        Returns
        -------
        Tensor of shape (n_windows, n_receivers, n_senders)
        """
        dynamics = self.dynamics if dynamics is None else dynamics
        frames, recorded = self.relative(windows, dynamics)
        frames = self._limited(frames).expand(self.n_members, -1, -1, -1)
        graph = self.begin(frames, recorded[None], dynamics).graph
        if graph is None:
            raise ValueError("no graph is inferred with n_rounds=0")
        return graph.dense().expand(self.n_members, len(windows), -1, -1).mean(dim=0)

    def _encode(self, state: _State) -> Tensor:
        encoded = torch.baddbmm(state.bias, state.lags.flatten(0, 1), state.weight)
        return F.relu(encoded, inplace=True).unflatten(0, state.lags.shape[:2])
