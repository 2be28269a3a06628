"""Parts of the networks: missing neurons, identities, edges, pooling, dropout."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn.pairwise import pair_scores

__all__ = ["EdgeModel", "IdentityEmbedding", "Pooling", "SharedDropout", "split_missing"]


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


class EdgeModel(nn.Module):
    """Infer a directed, weighted graph from the encodings of the neurons.

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

    def forward(self, encodings: Tensor, recorded: Tensor) -> Tensor:
        """Give edge weights (n_windows, n_receivers, n_senders) with a zero diagonal.

        Missing neurons send nothing; what they would receive is left undefined.

        Parameters
        ----------
        encodings : Tensor of shape (n_windows, n_neurons, n_features)
        recorded : bool Tensor of shape (n_windows, n_neurons)
        """
        receivers, senders = self.receiver(encodings), self.sender(encodings)
        if self.kind == "mlp":
            scores = pair_scores(receivers, senders, self.weight)
        else:
            scores = (receivers / math.sqrt(senders.shape[-1])) @ senders.transpose(1, 2)
        n_neurons = encodings.shape[1]
        itself = torch.eye(n_neurons, dtype=torch.bool, device=encodings.device)
        if self.activation == "softmax":
            # One added mask instead of several products over all pairs: the finite floor is
            # zero after the softmax, but leaves receivers without any sender free of NaN.
            floor = torch.finfo(scores.dtype).min / 4
            missing = scores.new_zeros(()).masked_fill(~recorded, floor)[:, None, :]
            weights = F.softmax(
                scores + (missing + scores.new_zeros(()).masked_fill(itself, floor)), dim=-1
            )
            if bool((recorded.sum(dim=1) > 1).all()):
                return weights
            return weights * (recorded[:, None, :] & ~itself)
        allowed = recorded[:, None, :] & ~itself
        n_senders = allowed.sum(dim=-1, keepdim=True).clamp(min=1)
        return torch.sigmoid(scores) * (allowed / n_senders)


class Pooling(nn.Module):
    """Summarise the recorded neurons of a window in one vector.

    Parameters
    ----------
    n_features : int
        Features of a neuron.
    kind : {"mean", "attention", "concat"}
        ``"mean"`` over recorded neurons; ``"attention"`` weighs them by a learned score;
        ``"concat"`` keeps every identified neuron apart, as the published classifier does.
    n_identities : int
        Number of identities; used by ``"concat"`` only.
    """

    def __init__(
        self,
        n_features: int,
        kind: Literal["mean", "attention", "concat"],
        n_identities: int = 0,
    ) -> None:
        super().__init__()
        self.kind = kind
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
        count = present.sum(dim=1).clamp(min=1)
        return (features * present).sum(dim=1) / count
