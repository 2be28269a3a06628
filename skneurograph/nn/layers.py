"""Parts of the networks: missing neurons, identities, edges, pooling, dropout."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn.pairwise import pair_scores

__all__ = [
    "DenseGraph",
    "IdentityEdges",
    "IdentityEmbedding",
    "PairEdges",
    "Pooling",
    "SharedDropout",
    "SharedGraph",
    "split_missing",
]


def split_missing(windows: Tensor) -> tuple[Tensor, Tensor]:
    """Separate windows into zero-filled activity and a mask of recorded neurons.

    Parameters
    ----------
    windows : Tensor of shape (n_windows, n_neurons, n_times)
        A neuron with any NaN in a window is missing in that window.

    Returns
    -------
    activity : Tensor of shape (n_windows, n_neurons, n_times)
    recorded : bool Tensor of shape (n_windows, n_neurons)
    """
    # The sum is NaN exactly if a frame is (infinity is refused before), and cheaper than any().
    recorded = ~torch.isnan(windows.sum(dim=-1))
    return torch.where(recorded[..., None], windows, windows.new_zeros(())), recorded


class SharedDropout(nn.Module):
    """Dropout that silences the same units for every window of a mini-batch.

    Then a window that stands twice in a batch weighs exactly as much as one with weight
    two, and a whole neuron can be dropped as if the animal lacked it.

    Parameters
    ----------
    p : float
        Probability of dropping a unit. The others are not rescaled when ``rescale`` is
        False.
    """

    def __init__(self, p: float, rescale: bool = True) -> None:
        super().__init__()
        self.p = p
        self.rescale = rescale

    def keep(self, n_units: int, like: Tensor) -> Tensor:
        """Draw which units stay, as a vector of zeros and ones (or 1 / (1 - p))."""
        kept = torch.rand(n_units, device=like.device) >= self.p
        scale = 1 / (1 - self.p) if self.rescale else 1.0
        return kept.to(like.dtype) * scale

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of the last dimension."""
        if not self.training or self.p == 0:
            return x
        return x * self.keep(x.shape[-1], x)


class IdentityEmbedding(nn.Module):
    """Gain and offset of each identified neuron; neutral for anonymous ones.

    The features of a neuron become ``(1 + g_i) * h + b_i``. Gains and offsets start
    small: before training, and under strong weight decay, neurons are nearly exchangeable.

    Parameters
    ----------
    n_identities : int
        Number of distinct identities.
    n_features : int
        Features of a neuron.
    """

    def __init__(self, n_identities: int, n_features: int) -> None:
        super().__init__()
        # Row 0 belongs to anonymous neurons, stays zero and receives no gradient.
        self.table = nn.Embedding(n_identities + 1, 2 * n_features, padding_idx=0)
        nn.init.normal_(self.table.weight, std=0.1)
        with torch.no_grad():
            self.table.weight[0] = 0

    def forward(self, features: Tensor, identities: Tensor) -> Tensor:
        """Modulate features (n_windows, n_neurons, n_features) by identities (n_neurons,)."""
        gain, offset = self.table(identities + 1).chunk(2, dim=-1)
        return torch.addcmul(offset, features, 1 + gain)


class DenseGraph:
    """A graph of its own for every window.

    Parameters
    ----------
    weights : Tensor of shape (n_windows, n_receivers, n_senders)
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights

    def send(self, values: Tensor) -> Tensor:
        """Give each receiver the weighted sum of its senders' values."""
        return self.weights @ values

    def dense(self) -> Tensor:
        """Give the weights of all windows, (n_windows, n_receivers, n_senders)."""
        return self.weights


class SharedGraph:
    """One graph for all windows, restricted in each to the recorded senders.

    Nothing of size (n_windows, n_neurons, n_neurons) is held: with affinities ``E``, mask
    ``m`` and weights ``a_ij = E_ij m_j / d_i``, messages are ``E (m v) / d``.

    Parameters
    ----------
    affinity : Tensor of shape (n_neurons, n_neurons)
        Non-negative, zero on the diagonal.
    recorded : bool Tensor of shape (n_windows, n_neurons)
    norm : Tensor of shape (n_windows, n_neurons)
        Denominator ``d`` of each receiver.
    """

    def __init__(self, affinity: Tensor, recorded: Tensor, norm: Tensor) -> None:
        self.affinity = affinity
        self.present = recorded.to(affinity.dtype)
        self.norm = norm

    def send(self, values: Tensor) -> Tensor:
        """Give each receiver the weighted sum of its senders' values."""
        return (self.affinity @ (values * self.present[..., None])) / self.norm[..., None]

    def dense(self) -> Tensor:
        """Give the weights of all windows, (n_windows, n_receivers, n_senders)."""
        return self.affinity * self.present[:, None, :] / self.norm[..., None]


class PairEdges(nn.Module):
    """Infer a graph for each window from the encodings of its neurons.

    Parameters
    ----------
    n_features : int
        Features of a neuron.
    kind : {"bilinear", "mlp"}
        ``"bilinear"``: ``s_ij = q_i . k_j / sqrt(d)``. ``"mlp"``: a one-hidden-layer
        network on the pair (see `pair_scores`), as in Wang et al. and NRI.
    activation : {"softmax", "sigmoid"}
        ``"softmax"`` makes each receiver distribute unit weight over its senders;
        ``"sigmoid"`` gates each edge by itself, divided by the number of senders.
    """

    def __init__(
        self,
        n_features: int,
        kind: Literal["bilinear", "mlp"],
        activation: Literal["softmax", "sigmoid"],
    ) -> None:
        super().__init__()
        self.kind = kind
        self.activation = activation
        self.receiver = nn.Linear(n_features, n_features)
        self.sender = nn.Linear(n_features, n_features, bias=False)
        if kind == "mlp":
            bound = 1 / math.sqrt(n_features)
            self.weight = nn.Parameter(torch.empty(n_features).uniform_(-bound, bound))

    def forward(self, encodings: Tensor, recorded: Tensor, identities: Tensor) -> DenseGraph:
        """Infer the graphs.

        Missing neurons send nothing; what they would receive is left undefined.

        Parameters
        ----------
        encodings : Tensor of shape (n_windows, n_neurons, n_features)
        recorded : bool Tensor of shape (n_windows, n_neurons)
        identities : int Tensor of shape (n_neurons,)
            Not used: the encodings know them.
        """
        receivers, senders = self.receiver(encodings), self.sender(encodings)
        if self.kind == "mlp":
            scores = pair_scores(receivers, senders, self.weight)
        else:
            scores = (receivers / math.sqrt(senders.shape[-1])) @ senders.transpose(1, 2)
        itself = _diagonal(encodings)
        if self.activation == "sigmoid":
            allowed = recorded[:, None, :] & ~itself
            n_senders = allowed.sum(dim=-1, keepdim=True).clamp(min=1)
            return DenseGraph(torch.sigmoid(scores) * (allowed / n_senders))
        # One added mask instead of several products over all pairs: the finite floor is
        # zero after the softmax, but leaves receivers without any sender free of NaN.
        floor = torch.finfo(scores.dtype).min / 4
        zero = scores.new_zeros(())
        mask = torch.where(recorded, zero, floor)[:, None, :] + torch.where(itself, floor, zero)
        weights = F.softmax(scores + mask, dim=-1)
        if not bool((recorded.sum(dim=1) > 1).all()):
            weights = weights * (recorded[:, None, :] & ~itself)
        return DenseGraph(weights)


class IdentityEdges(nn.Module):
    """Learn one graph over identities, shared by all windows and organisms.

    ``s_ij = q_i . k_j / sqrt(d)`` with a query and a key learned for each identity; those
    of anonymous neurons are zero, so that they send and receive evenly.

    Parameters
    ----------
    n_identities : int
    activation : {"softmax", "sigmoid"}
        As in `PairEdges`.
    rank : int, default=8
        Length of queries and keys, which bounds the rank of the scores.
    """

    def __init__(
        self, n_identities: int, activation: Literal["softmax", "sigmoid"], rank: int = 8
    ) -> None:
        super().__init__()
        self.activation = activation
        self.table = nn.Embedding(n_identities + 1, 2 * rank, padding_idx=0)
        nn.init.normal_(self.table.weight, std=0.5)
        with torch.no_grad():
            self.table.weight[0] = 0

    def forward(self, encodings: Tensor, recorded: Tensor, identities: Tensor) -> SharedGraph:
        """Infer the graph; see `PairEdges`, but the encodings are not used."""
        queries, keys = self.table(identities + 1).chunk(2, dim=-1)
        scores = queries @ keys.T / math.sqrt(keys.shape[-1])
        itself = _diagonal(encodings)
        present = recorded.to(scores.dtype)
        if self.activation == "sigmoid":
            affinity = torch.sigmoid(scores).masked_fill(itself, 0)
            n_senders = present.sum(dim=1, keepdim=True) - present
            return SharedGraph(affinity, recorded, n_senders.clamp(min=1))
        scores = scores.masked_fill(itself, torch.finfo(scores.dtype).min)
        # The maximum cancels in the ratio, so it needs no gradient.
        affinity = torch.exp(scores - scores.amax(dim=-1, keepdim=True).detach())
        affinity = affinity.masked_fill(itself, 0)
        norm = present @ affinity.T
        return SharedGraph(affinity, recorded, norm.clamp(min=torch.finfo(scores.dtype).tiny))


def _diagonal(encodings: Tensor) -> Tensor:
    return torch.eye(encodings.shape[1], dtype=torch.bool, device=encodings.device)


class Pooling(nn.Module):
    """Summarise the recorded neurons of a window in one vector.

    Parameters
    ----------
    n_features : int
        Features of a neuron.
    kind : {"sum", "mean", "attention", "concat"}
        ``"sum"`` over recorded neurons, divided by the square root of ``n_neurons``, so
        that fewer recorded neurons say less; ``"mean"`` over recorded neurons;
        ``"attention"`` weighs them by a learned score; ``"concat"`` keeps every identified
        neuron apart, as the published classifier does.
    n_neurons, n_identities : int
        Neurons of the training windows, and identities among them.
    """

    def __init__(
        self,
        n_features: int,
        kind: Literal["sum", "mean", "attention", "concat"],
        n_neurons: int,
        n_identities: int,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.scale = 1 / math.sqrt(n_neurons)
        self.n_outputs = n_features * (n_identities if kind == "concat" else 1)
        if kind == "attention":
            self.score = nn.Linear(n_features, 1)

    def forward(self, features: Tensor, recorded: Tensor, identities: Tensor) -> Tensor:
        """Pool (n_windows, n_neurons, n_features) to (n_windows, n_outputs)."""
        present = recorded[..., None].to(features.dtype)
        if self.kind == "concat":
            slots = features.new_zeros(
                len(features), self.n_outputs // features.shape[-1], features.shape[-1]
            )
            return slots.index_add(1, identities, features * present).flatten(1)
        if self.kind == "attention":
            score = self.score(features).masked_fill(
                ~recorded[..., None], torch.finfo(features.dtype).min
            )
            present = present * F.softmax(score, dim=1)
            return (features * present).sum(dim=1)
        # A batched product with the mask, which never holds the masked features.
        total = (present.transpose(1, 2) @ features)[:, 0]
        if self.kind == "sum":
            return total * self.scale
        return total / present.sum(dim=1).clamp(min=1)
