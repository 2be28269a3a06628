"""Layers: ensemble members, missing neurons, identities, pooling, dropout."""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "IdentityEmbedding",
    "MemberLinear",
    "Pooling",
    "SharedDropout",
    "Standardised",
    "identity_table",
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


def identity_table(n_members: int, n_identities: int, n_features: int, std: float) -> nn.Parameter:
    """Make a table with a row for anonymous neurons and one for each identity.

    Row 0 belongs to anonymous neurons. It starts at zero, and stays there: see
    `look_up`, which cuts it off from the gradient.
    """
    table = torch.randn(n_members, n_identities + 1, n_features) * std
    table[:, 0] = 0
    return nn.Parameter(table)


def look_up(table: Tensor, identities: Tensor) -> Tensor:
    """Take the row of each neuron, zero for anonymous ones, (n_members, n_neurons, ...)."""
    rows = table[:, identities + 1]
    return rows * (identities >= 0)[:, None].to(rows.dtype)


class MemberLinear(nn.Module):
    """A linear layer for each member of an ensemble, computed together.

    Parameters
    ----------
    n_members, n_inputs, n_outputs : int
    bias : bool, default=True
    """

    def __init__(self, n_members: int, n_inputs: int, n_outputs: int, bias: bool = True) -> None:
        super().__init__()
        # The initial values of torch.nn.Linear.
        bound = 1 / math.sqrt(n_inputs)
        weight = torch.empty(n_members, n_inputs, n_outputs).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)
        self.bias: nn.Parameter | None = None
        if bias:
            self.bias = nn.Parameter(torch.empty(n_members, 1, n_outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Map the last dimension of (n_members, ..., n_inputs)."""
        flat = x.flatten(1, -2)
        if self.bias is None:
            mapped = torch.bmm(flat, self.weight)
        else:
            mapped = torch.baddbmm(self.bias, flat, self.weight)
        return mapped.unflatten(1, x.shape[1:-1])


class SharedDropout(nn.Module):
    """Dropout that silences the same units for every window of a mini-batch.

    Then a window that stands twice in a batch weighs exactly as much as one with weight
    two. Members of an ensemble drop different units.

    Parameters
    ----------
    p : float
        Probability of dropping a unit.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def keep(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Draw which units stay, as zeros and ones."""
        return (torch.rand(shape, device=like.device) >= self.p).to(like.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of (n_members, n_windows, n_units), and scale the others up."""
        if not self.training or self.p == 0:
            return x
        return x * (self.keep((len(x), 1, x.shape[-1]), x) / (1 - self.p))


class IdentityEmbedding(nn.Module):
    """Gain and offset of each identified neuron; neutral for anonymous ones.

    The features of a neuron become ``(1 + g_i) * h + b_i``. Gains and offsets start
    small: before training, and under strong weight decay, neurons are nearly exchangeable.

    Parameters
    ----------
    n_members, n_identities, n_features : int
    """

    def __init__(self, n_members: int, n_identities: int, n_features: int) -> None:
        super().__init__()
        self.table = identity_table(n_members, n_identities, 2 * n_features, std=0.1)

    def forward(self, features: Tensor, identities: Tensor) -> Tensor:
        """Modulate features (n_members, n_windows, n_neurons, n_features)."""
        gain, offset = self.of(identities)
        return torch.addcmul(offset.transpose(1, 2), features, gain.transpose(1, 2))

    def of(self, identities: Tensor) -> tuple[Tensor, Tensor]:
        """Factor and offset of each neuron, (n_members, n_neurons, 1, n_features)."""
        gain, offset = look_up(self.table, identities)[:, :, None].chunk(2, dim=-1)
        return 1 + gain, offset


class Pooling(nn.Module):
    """Summarise the recorded neurons of a window in one vector.

    Parameters
    ----------
    n_members, n_features : int
    kind : {"mean", "attention", "concat"}
        ``"mean"`` over recorded neurons, or a mean weighted by a learned score
        (``"attention"``), times the square root of ``n_neurons``, so that its spread does
        not shrink with their number; ``"concat"`` keeps every identified neuron apart, as
        the published classifier does.
    n_neurons, n_identities : int
        Neurons of the training windows, and identities among them.
    """

    def __init__(
        self,
        n_members: int,
        n_features: int,
        kind: Literal["mean", "attention", "concat"],
        n_neurons: int,
        n_identities: int,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.scale = math.sqrt(n_neurons)
        self.n_identities = n_identities
        self.n_outputs = n_features * (n_identities if kind == "concat" else 1)
        if kind == "attention":
            self.score = MemberLinear(n_members, n_features, 1)

    def forward(self, features: Tensor, recorded: Tensor, identities: Tensor) -> Tensor:
        """Pool neurons.

        Parameters
        ----------
        features : Tensor of shape (n_members, n_windows, n_neurons, n_features)
        recorded : bool Tensor of shape (n_members or 1, n_windows, n_neurons)
        identities : int Tensor of shape (n_neurons,)

        Returns
        -------
        Tensor of shape (n_members, n_windows, n_outputs)
        """
        weight = recorded.to(features.dtype)
        if self.kind == "concat":
            slots = features.new_zeros(*features.shape[:2], self.n_identities, features.shape[-1])
            return slots.index_add(2, identities, features * weight[..., None]).flatten(2)
        if self.kind == "attention":
            floor = torch.finfo(features.dtype).min
            score = self.score(features)[..., 0].masked_fill(~recorded, floor)
            weight = weight * F.softmax(score, dim=-1)
        else:
            weight = weight / weight.sum(dim=-1, keepdim=True).clamp(min=1)
        return ((weight * self.scale)[..., None, :] @ features)[..., 0, :]


class Standardised(nn.Module):
    """Standardise the neurons of windows before a module reads them.

    Parameters
    ----------
    module : torch.nn.Module
    mean, scale : Tensor of shape (n_neurons,)
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, module: nn.Module, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (n_windows, n_neurons, n_times) as the module does."""
        output: Tensor = self.module(self._scaled(windows))
        return output

    def infer_graph(self, windows: Tensor) -> Tensor:
        """Infer graphs as the module does."""
        graph: Tensor = cast(Any, self.module).infer_graph(self._scaled(windows))
        return graph

    def _scaled(self, windows: Tensor) -> Tensor:
        return (windows - self.mean[:, None]) / self.scale[:, None]
