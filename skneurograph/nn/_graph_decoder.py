"""Graph neural network that decodes a window of neural activity over an inferred graph."""

from __future__ import annotations

from typing import Literal

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
    Pooling,
    SharedDropout,
    split_missing,
)
from skneurograph.nn._linear_path import LinearPath
from skneurograph.nn._missing import MissingNeurons
from skneurograph.nn._population_node import PopulationNode

__all__ = ["GraphDecoder"]


class GraphDecoder(nn.Module):
    """Encode each neuron, infer a graph, pass messages over it, pool and read out.

    An ensemble of such networks, evaluated and trained together: every tensor has a
    leading dimension of members, which never mix.

    Parameters
    ----------
    n_times, n_outputs : int
        Frames of a window, and outputs.
    identities : int Tensor of shape (n_neurons,)
        Identity of each neuron of the training windows, numbered from 0; -1 for
        anonymous ones.
    n_members : int
        Networks of the ensemble.
    time_constant : float or None
        Each frame is scaled by ``exp(-age / time_constant)``, age in frames, before it is
        encoded; None keeps them as they are.
    hidden_size : int
        Features of a neuron.
    n_rounds : int
        Rounds of message passing over the one inferred graph.
    edge_model : {"identity", "bilinear", "mlp", "uniform", "fixed"}
        See `IdentityEdges`, `PairEdges` and `FixedEdges`.
    edge_activation : {"softmax", "sigmoid"}
        See `PairEdges`.
    pooling : {"mean", "attention", "concat"}
        See `Pooling`.
    dropout, neuron_dropout : float
        Probability of dropping a pooled feature, and a whole neuron, in training.
    missing : MissingNeurons, optional
        Expects missing neurons from recorded ones, for the last ``n_inferring`` members. The
        others leave them out.
    n_inferring : int, default=0
    prior : Tensor of shape (n_identities + 1, n_identities + 1), optional
        See `make_edges`.
    population_size : int, default=0
        Dimensions of a `PopulationNode`, which every second member has; 0 for none.
    linear : LinearPath, optional
        Decodes beside the members, which are trained without it.
    """

    identities: Tensor
    infers: Tensor
    with_node: Tensor
    fading: Tensor | None

    def __init__(
        self,
        n_times: int,
        n_outputs: int,
        identities: Tensor,
        *,
        n_members: int,
        time_constant: float | None,
        hidden_size: int,
        n_rounds: int,
        edge_model: Literal["identity", "bilinear", "mlp", "uniform", "fixed"],
        edge_activation: Literal["softmax", "sigmoid"],
        pooling: Literal["mean", "attention", "concat"],
        dropout: float,
        neuron_dropout: float,
        missing: MissingNeurons | None = None,
        n_inferring: int = 0,
        prior: Tensor | None = None,
        population_size: int = 0,
        linear: LinearPath | None = None,
    ) -> None:
        super().__init__()
        n_identities = int(identities.max()) + 1
        self.n_members = n_members
        self.register_buffer("identities", identities)
        age = torch.arange(n_times - 1, -1, -1, dtype=torch.get_default_dtype())
        self.register_buffer(
            "fading", None if time_constant is None else torch.exp(-age / time_constant)
        )
        self.encoder = MemberLinear(n_members, n_times, hidden_size)
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
        self.pooling = Pooling(n_members, hidden_size, pooling, len(identities), n_identities)
        self.dropout = SharedDropout(dropout)
        self.neuron_dropout = SharedDropout(neuron_dropout)
        self.readout = MemberLinear(n_members, self.pooling.n_outputs, n_outputs)
        # Half of the members that infer missing neurons, and half of those that do not.
        self.register_buffer("with_node", torch.arange(0, n_members, 2), persistent=False)
        self.population: PopulationNode | None = None
        if population_size and n_identities:
            self.population = PopulationNode(
                len(self.with_node),
                n_identities,
                n_times,
                n_outputs,
                n_dimensions=population_size,
                hidden_size=hidden_size,
                dropout=dropout,
            )
        self.missing = missing
        self.linear = linear
        infers = torch.arange(n_members) >= n_members - n_inferring
        self.register_buffer("infers", infers[:, None, None], persistent=False)

    def encode(
        self, activity: Tensor, recorded: Tensor, identities: Tensor
    ) -> tuple[Tensor, DenseGraph | SharedGraph | None]:
        """Encode neurons before message passing, and infer the graph.

        Parameters
        ----------
        activity : Tensor of shape (n_members or 1, n_windows, n_neurons, n_times)
        recorded : bool Tensor of shape (n_members or 1, n_windows, n_neurons)
        identities : int Tensor of shape (n_neurons,)

        Returns
        -------
        features : Tensor of shape (n_members, n_windows, n_neurons, hidden_size)
        graph : DenseGraph, SharedGraph or None
        """
        if self.fading is not None:
            activity = activity * self.fading
        encoded = self.encoder(activity.expand(self.n_members, -1, -1, -1))
        features = F.relu(self.identity(encoded, identities))
        if self.edges is None:
            return features, None
        return features, self.edges(features, recorded, identities)

    def forward(self, windows: Tensor, identities: Tensor | None = None) -> Tensor:
        """Map windows to the outputs of each member.

        Parameters
        ----------
        windows : Tensor of shape (n_windows, n_neurons, n_times)
            NaN marks neurons that were not recorded.
        identities : int Tensor of shape (n_neurons,), optional
            By default those of the training windows.

        Returns
        -------
        Tensor of shape (n_members, n_windows, n_outputs)
        """
        identities = self.identities if identities is None else identities
        activity, recorded = split_missing(windows)
        present = recorded
        told = None
        if self.missing is not None:
            activity, told = self.missing(activity, recorded, identities)
            present = recorded | told
        activity, recorded, present = activity[None], recorded[None], present[None]
        if told is not None:
            recorded = recorded | (told & self.infers)
        if self.training and self.neuron_dropout.p > 0:
            # A dropped neuron is masked like one that the animal lacks, so what its
            # features would be does not matter.
            shape = (self.n_members, 1, windows.shape[1])
            kept = self.neuron_dropout.keep(shape, activity) > 0
            recorded, present = recorded & kept, (present & kept)[self.with_node]
        features, graph = self.encode(activity, recorded, identities)
        if graph is not None:
            for own, sent in zip(self.own, self.sent):
                features = features + F.relu(own(features) + graph.send(sent(features)))
        pooled = self.pooling(features, recorded, identities)
        output: Tensor = self.readout(self.dropout(pooled))
        if self.population is not None:
            faded = activity if self.fading is None else activity * self.fading
            added = self.population(faded, present, identities)
            output = output.index_add(0, self.with_node, added)
        if self.linear is not None and not self.training:
            output = self.linear.join(output, self.linear(activity[0], present[0], identities))
        return output

    def infer_graph(self, windows: Tensor, identities: Tensor | None = None) -> Tensor:
        """Infer the graph of each window, averaged over members.

        Parameters
        ----------
        windows, identities
            As in `forward`.

        Returns
        -------
        Tensor of shape (n_windows, n_receivers, n_senders)
        """
        identities = self.identities if identities is None else identities
        activity, recorded = (part[None] for part in split_missing(windows))
        graph = self.encode(activity, recorded, identities)[1]
        if graph is None:
            raise ValueError("no graph is inferred with n_rounds=0")
        return graph.dense().expand(self.n_members, len(windows), -1, -1).mean(dim=0)
