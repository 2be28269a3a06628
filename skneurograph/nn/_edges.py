"""Edge models: graphs inferred from identities or from encodings of neurons."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn._layers import MemberLinear, identity_table, look_up
from skneurograph.nn._pairwise import pair_scores

__all__ = [
    "DenseGraph",
    "EdgePrior",
    "FixedEdges",
    "IdentityEdges",
    "PairEdges",
    "SharedGraph",
    "make_edges",
]

# Part of the mean prior weight that every pair gets, so that none is ruled out.
_PRIOR_FLOOR = 0.1


class DenseGraph:
    """A graph of its own for every window.

    Parameters
    ----------
    weights : Tensor of shape (n_members, n_windows, n_receivers, n_senders)
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights

    def send(self, values: Tensor) -> Tensor:
        """Compute for each receiver the weighted sum of its senders' values."""
        return self.weights @ values

    def pass_on(self, features: Tensor, sent: nn.Module, own: Tensor) -> Tensor:
        """Add to each receiver what a layer makes of its senders' features.

        Parameters
        ----------
        features : Tensor of shape (n_members, n_neurons, n_windows, n_features)
            Neurons come before windows.
        sent : torch.nn.Module
            Maps the last dimension.
        own : Tensor of shape (n_members, n_neurons, n_windows, n_outputs)
            What the messages are added to.
        """
        return own + self.send(sent(features).transpose(1, 2)).transpose(1, 2)

    def narrow(self, n_windows: int) -> DenseGraph:
        """Return the graphs of the first windows."""
        return DenseGraph(self.weights[:, :n_windows])

    def dense(self) -> Tensor:
        """Return the weights, (n_members, n_windows, n_receivers, n_senders)."""
        return self.weights


class SharedGraph:
    """One graph for all windows, restricted in each to the recorded senders.

    Nothing of size (n_windows, n_neurons, n_neurons) is held: with affinities ``E``, mask
    ``m`` and weights ``a_ij = E_ij m_j / d_i``, messages are ``E (m v) / d``.

    Parameters
    ----------
    affinity : Tensor of shape (n_members, n_neurons, n_neurons)
        Non-negative, zero on the diagonal.
    recorded : Tensor of shape (n_members or 1, n_windows, n_neurons)
        One for recorded neurons, else zero.
    norm : Tensor of shape (n_members, n_windows, n_neurons)
        Denominator ``d`` of each receiver.
    """

    def __init__(self, affinity: Tensor, recorded: Tensor, norm: Tensor) -> None:
        self.affinity = affinity
        self.recorded = recorded
        self.norm = norm
        # Multiplying by the inverse is cheaper than dividing, above all backwards.
        self.scale = norm.reciprocal()
        self._busy: tuple[Tensor, Tensor, Tensor | None, Tensor | None] | None = None

    def send(self, values: Tensor) -> Tensor:
        """Compute for each receiver the weighted sum of its senders' values."""
        n_members, n_windows, n_neurons, n_features = values.shape
        sent = values * self.recorded[..., None]
        # One product per member over all windows: a broadcast product would copy the
        # affinity for each window.
        side_by_side = sent.transpose(1, 2).reshape(n_members, n_neurons, -1)
        total = torch.bmm(self.affinity, side_by_side)
        total = total.view(n_members, n_neurons, n_windows, n_features).transpose(1, 2)
        return total * self.scale[..., None]

    def pass_on(self, features: Tensor, sent: nn.Module, own: Tensor) -> Tensor:
        """Add to each receiver what its senders send; see `DenseGraph.pass_on`.

        Only neurons that send in some window are worked on: in training most are dropped.
        """
        if self._busy is None:
            self._busy = self._senders()
        rows, affinity, recorded, scale = self._busy
        # Far faster than a gather, which wants an index for each number.
        chosen = features.flatten(0, 1).index_select(0, rows.flatten())
        values = sent(chosen.unflatten(0, rows.shape))
        if recorded is None or scale is None:
            total = torch.baddbmm(own.flatten(2), affinity, values.flatten(2))
            return total.view(own.shape)
        total = torch.bmm(affinity, (values * recorded).flatten(2))
        return torch.addcmul(own, total.view(own.shape), scale)

    def _senders(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Neurons that send, as many for each member, to whom, and in which windows.

        The last two, which are factors before and after, are None where all windows are
        alike: then they are in the affinities.
        """
        n_members, n_neurons = self.affinity.shape[:2]
        recorded = self.recorded.expand(n_members, -1, -1).transpose(1, 2)
        sends = recorded.amax(dim=2) > 0
        n_rows = max(1, int(sends.sum(dim=1).max()))
        rows = sends.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :n_rows]
        affinity = self.affinity.gather(2, rows[:, None].expand(-1, n_neurons, -1))
        recorded = recorded.gather(1, rows[:, :, None].expand(-1, -1, recorded.shape[2]))
        scale = self.scale.transpose(1, 2)
        first = torch.arange(n_members, device=rows.device)[:, None] * n_neurons
        if bool((recorded == recorded[:, :, :1]).all()):
            affinity = affinity * scale[:, :, :1] * recorded[:, :, 0][:, None]
            return rows + first, affinity, None, None
        return rows + first, affinity, recorded[..., None], scale[..., None]

    def narrow(self, n_windows: int) -> SharedGraph:
        """Return the graph of the first windows."""
        first = SharedGraph(self.affinity, self.recorded[:, :n_windows], self.norm[:, :n_windows])
        if self._busy is not None and self._busy[2] is None:
            first._busy = self._busy
        return first

    def dense(self) -> Tensor:
        """Return the weights, (n_members, n_windows, n_receivers, n_senders)."""
        weights = self.affinity[:, None] * self.recorded[:, :, None, :]
        return weights * self.scale[..., None]


class EdgePrior(nn.Module):
    """Add what is known of each pair of identities to the scores of its edge.

    ``c * log((w_ij + f) / (1 + f))`` for weights ``w`` whose mean is one and a small ``f``,
    so that with scores of zero a softmax gives each sender a weight in proportion to
    ``w_ij + f``. The factor ``c`` starts at one and is learned by each member. Pairs of which
    nothing is known are neither favoured nor disfavoured.

    Parameters
    ----------
    n_members : int
    weights : Tensor of shape (n_identities + 1, n_identities + 1)
        Non-negative; entry ``[i, j]`` from sender ``j`` to receiver ``i``; NaN for pairs of
        which nothing is known. Row and column 0 belong to anonymous neurons.
    """

    logits: Tensor

    def __init__(self, n_members: int, weights: Tensor) -> None:
        super().__init__()
        relative = weights / weights.nanmean()
        logits = torch.log((relative + _PRIOR_FLOOR) / (1 + _PRIOR_FLOOR)).nan_to_num(nan=0.0)
        self.register_buffer("logits", logits)
        self.scale = nn.Parameter(torch.ones(n_members, 1, 1))

    def forward(self, identities: Tensor) -> Tensor:
        """Return what is added to the scores, (n_members, n_receivers, n_senders)."""
        return self.scale * _of_pairs(self.logits, identities)


class FixedEdges(nn.Module):
    """A given graph over identities, the same for all windows and organisms.

    Each receiver distributes unit weight over its recorded senders, in proportion to the
    given weights; one without such senders receives nothing.

    Parameters
    ----------
    n_members : int
    weights : Tensor of shape (n_identities + 1, n_identities + 1)
        As in `EdgePrior`; NaN is no edge.
    """

    weights: Tensor

    def __init__(self, n_members: int, weights: Tensor) -> None:
        super().__init__()
        self.n_members = n_members
        weights = weights.nan_to_num(nan=0.0)
        largest = weights.amax(dim=1, keepdim=True)
        self.register_buffer("weights", weights / torch.where(largest > 0, largest, 1))

    def forward(self, encodings: Tensor, recorded: Tensor, identities: Tensor) -> SharedGraph:
        """Return the graph; see `PairEdges`, but the encodings are not used."""
        affinity = _of_pairs(self.weights, identities).masked_fill(_diagonal(encodings), 0)
        affinity = affinity.expand(self.n_members, -1, -1)
        weight = recorded.to(affinity.dtype)
        norm = weight @ affinity.transpose(-1, -2)
        return SharedGraph(affinity, weight, torch.where(norm > 0, norm, 1))


class PairEdges(nn.Module):
    """Infer a graph for each window from the encodings of its neurons.

    Parameters
    ----------
    n_members, n_features : int
    kind : {"bilinear", "mlp"}
        ``"bilinear"``: ``s_ij = q_i . k_j / sqrt(d)``. ``"mlp"``: a one-hidden-layer
        network on the pair (see `pair_scores`), as in Wang et al. and NRI.
    activation : {"softmax", "sigmoid"}
        ``"softmax"`` makes each receiver distribute unit weight over its senders;
        ``"sigmoid"`` gates each edge by itself, divided by the number of senders.
    prior : EdgePrior, optional
        Added to the scores.
    """

    def __init__(
        self,
        n_members: int,
        n_features: int,
        kind: Literal["bilinear", "mlp"],
        activation: Literal["softmax", "sigmoid"],
        prior: EdgePrior | None = None,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.prior = prior
        self.receiver = MemberLinear(n_members, n_features, n_features)
        self.sender = MemberLinear(n_members, n_features, n_features, bias=False)
        self.score: MemberLinear | None = None
        if kind == "mlp":
            self.score = MemberLinear(n_members, n_features, 1, bias=False)

    def forward(self, encodings: Tensor, recorded: Tensor, identities: Tensor) -> DenseGraph:
        """Infer the graphs.

        Missing neurons send nothing; what they would receive is left undefined.

        Parameters
        ----------
        encodings : Tensor of shape (n_members, n_windows, n_neurons, n_features)
        recorded : bool Tensor of shape (n_members or 1, n_windows, n_neurons)
        identities : int Tensor of shape (n_neurons,)
            Used by the prior alone: the encodings know them.
        """
        receivers, senders = self.receiver(encodings), self.sender(encodings)
        if self.score is None:
            scores = (receivers / math.sqrt(senders.shape[-1])) @ senders.transpose(-1, -2)
        else:
            members = zip(receivers, senders, self.score.weight)
            scores = torch.stack([pair_scores(p, q, w[:, 0]) for p, q, w in members])
        if self.prior is not None:
            scores = scores + self.prior(identities)[:, None]
        itself = _diagonal(encodings)
        if self.activation == "sigmoid":
            allowed = recorded[..., None, :] & ~itself
            n_senders = allowed.sum(dim=-1, keepdim=True).clamp(min=1)
            return DenseGraph(torch.sigmoid(scores) * (allowed / n_senders))
        # One added mask instead of several products over all pairs: the finite floor is
        # zero after the softmax, but leaves receivers without any sender free of NaN.
        floor = torch.finfo(scores.dtype).min / 4
        zero = scores.new_zeros(())
        mask = torch.where(recorded, zero, floor)[..., None, :] + torch.where(itself, floor, zero)
        weights = F.softmax(scores + mask, dim=-1)
        if not bool((recorded.sum(dim=-1) > 1).all()):
            weights = weights * (recorded[..., None, :] & ~itself)
        return DenseGraph(weights)


class IdentityEdges(nn.Module):
    """Learn one graph over identities, shared by all windows and organisms.

    ``s_ij = q_i . k_j / sqrt(d)`` with a query and a key learned for each identity; those
    of anonymous neurons are zero, so that they send and receive evenly.

    Parameters
    ----------
    n_members, n_identities : int
    activation : {"softmax", "sigmoid"}
        As in `PairEdges`.
    rank : int, default=8
        Length of queries and keys, which bounds the rank of the scores.
    prior : EdgePrior, optional
        Added to the scores.
    """

    def __init__(
        self,
        n_members: int,
        n_identities: int,
        activation: Literal["softmax", "sigmoid"],
        rank: int = 8,
        prior: EdgePrior | None = None,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.prior = prior
        self.table = identity_table(n_members, n_identities, 2 * rank, std=0.5)

    def forward(self, encodings: Tensor, recorded: Tensor, identities: Tensor) -> SharedGraph:
        """Infer the graph; see `PairEdges`, but the encodings are not used."""
        queries, keys = look_up(self.table, identities).chunk(2, dim=-1)
        scores = queries @ keys.transpose(-1, -2) / math.sqrt(keys.shape[-1])
        if self.prior is not None:
            scores = scores + self.prior(identities)
        itself = _diagonal(encodings)
        weight = recorded.to(scores.dtype)
        if self.activation == "sigmoid":
            affinity = torch.sigmoid(scores).masked_fill(itself, 0)
            n_senders = weight.sum(dim=-1, keepdim=True) - weight
            return SharedGraph(affinity, weight, n_senders.clamp(min=1))
        scores = scores.masked_fill(itself, torch.finfo(scores.dtype).min)
        # The maximum cancels in the ratio, so it needs no gradient.
        affinity = torch.exp(scores - scores.amax(dim=-1, keepdim=True).detach())
        affinity = affinity.masked_fill(itself, 0)
        norm = weight @ affinity.transpose(-1, -2)
        # A receiver without senders: its inverse times a gradient must stay finite.
        return SharedGraph(affinity, weight, norm.clamp(min=torch.finfo(scores.dtype).tiny ** 0.5))


def _diagonal(encodings: Tensor) -> Tensor:
    return torch.eye(encodings.shape[-2], dtype=torch.bool, device=encodings.device)


def _of_pairs(table: Tensor, identities: Tensor) -> Tensor:
    """Take the entry of each pair of neurons from a table whose row 0 is for anonymous ones."""
    rows = identities + 1
    return table[rows[:, None], rows[None, :]]


def make_edges(
    n_members: int,
    n_identities: int,
    hidden_size: int,
    edge_model: Literal["identity", "bilinear", "mlp", "uniform", "fixed"],
    edge_activation: Literal["softmax", "sigmoid"],
    prior: Tensor | None = None,
) -> IdentityEdges | PairEdges | FixedEdges:
    """Make the module that gives edges: learned over identities or from encodings, or given.

    ``prior`` is that of `EdgePrior`, or with ``"fixed"`` the graph itself.
    """
    if edge_model == "uniform" or edge_model == "fixed":
        n_rows = n_identities + 1
        weights = torch.ones(n_rows, n_rows) if prior is None else prior
        return FixedEdges(n_members, weights)
    known = None if prior is None else EdgePrior(n_members, prior)
    if edge_model == "identity":
        return IdentityEdges(n_members, n_identities, edge_activation, prior=known)
    return PairEdges(n_members, hidden_size, edge_model, edge_activation, known)
