"""Message passing between neurons, with or without a feature vector per pair.

A graph of several edge types is given as weights ``(n_windows, n_types, n_receivers,
n_candidates)``. The candidates of a receiver are all neurons, or with ``neighbors``
``(n_receivers, n_candidates)`` only those.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["FactorizedMessages", "PairMessages", "candidate_values", "sum_of_rectified"]

# Elements of one block of (window, receiver, candidate, feature). Small enough for the
# second-level cache of a core, and large enough for the overhead of a call not to count.
_BLOCK_ELEMENTS = 262_144
# On a GPU the blocks only bound the memory.
_BLOCK_ELEMENTS_CUDA = 16_777_216


def candidate_values(values: Tensor, neighbors: Tensor | None, rows: slice) -> Tensor:
    """Return what the candidates of some receivers send.

    Parameters
    ----------
    values : Tensor of shape (n_windows, n_neurons, n_features)
    neighbors : int Tensor of shape (n_receivers, n_candidates) or None
    rows : slice of receivers

    Returns
    -------
    Tensor of shape (n_windows, n_rows or 1, n_candidates, n_features)
    """
    return values[:, None] if neighbors is None else values[:, neighbors[rows]]


def blocks(shape: tuple[int, ...], n_features: int, on_cuda: bool) -> list[slice]:
    """Cut receivers into blocks; ``shape`` is (n_windows, n_receivers, n_candidates)."""
    n_windows, n_receivers, n_candidates = shape
    elements = _BLOCK_ELEMENTS_CUDA if on_cuda else _BLOCK_ELEMENTS
    size = max(1, elements // max(1, n_windows * n_candidates * n_features))
    return [slice(start, start + size) for start in range(0, n_receivers, size)]


class _SumOfRectified(torch.autograd.Function):
    """``sum_j a_ij relu(u_i + v_j)``, block by block over receivers, recomputed in backward."""

    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, receivers: Tensor, senders: Tensor, neighbors: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(weights, receivers, senders)
        ctx.neighbors = neighbors
        total = torch.empty_like(receivers)
        scratch = _Scratch(receivers)
        for rows in blocks(weights.shape, receivers.shape[2], receivers.is_cuda):
            hidden = _rectified(receivers, senders, neighbors, rows, scratch)
            torch.matmul(weights[:, rows, None], hidden, out=total[:, rows, None])
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        weights, receivers, senders = ctx.saved_tensors
        neighbors = ctx.neighbors
        grad_weights = torch.empty_like(weights)
        grad_receivers = torch.empty_like(receivers)
        grad_senders = torch.zeros_like(senders)
        scratch, product = _Scratch(receivers), _Scratch(receivers)
        for rows in blocks(weights.shape, receivers.shape[2], receivers.is_cuda):
            upstream = grad[:, rows, None]
            hidden = _rectified(receivers, senders, neighbors, rows, scratch)
            scaled = torch.mul(hidden, upstream, out=product.like(hidden))
            torch.sum(scaled, dim=-1, out=grad_weights[:, rows])
            # In one pass, a_ij where the rectified unit is active and else 0.
            spread = weights[:, rows, :, None].expand_as(hidden)
            torch.ops.aten.threshold_backward.grad_input(spread, hidden, 0, grad_input=hidden)
            torch.mul(hidden.sum(dim=2), upstream[:, :, 0], out=grad_receivers[:, rows])
            hidden *= upstream
            if neighbors is None:
                grad_senders += hidden.sum(dim=1)
            else:
                grad_senders.index_add_(1, neighbors[rows].flatten(), hidden.flatten(1, 2))
        return grad_weights, grad_receivers, grad_senders, None


class _Scratch:
    """Memory for one block, used again for each: fresh pages would cost more than the sums."""

    def __init__(self, like: Tensor) -> None:
        self.memory = like.new_empty(0)

    def of(self, *shape: int) -> Tensor:
        size = math.prod(shape)
        if len(self.memory) < size:
            self.memory = self.memory.new_empty(size)
        return self.memory[:size].view(shape)

    def like(self, other: Tensor) -> Tensor:
        return self.of(*other.shape)


def _rectified(
    receivers: Tensor, senders: Tensor, neighbors: Tensor | None, rows: slice, scratch: _Scratch
) -> Tensor:
    """Hidden units (n_windows, n_rows, n_candidates, n_features) of one block."""
    own = receivers[:, rows, None]
    sent = candidate_values(senders, neighbors, rows)
    shape = (*own.shape[:2], *sent.shape[2:])
    return torch.add(own, sent, out=scratch.of(*shape)).relu_()


def sum_of_rectified(
    weights: Tensor, receivers: Tensor, senders: Tensor, neighbors: Tensor | None = None
) -> Tensor:
    """Sum over the senders of every receiver: ``sum_j a_ij relu(u_i + v_j)``.

    Memory is that of the arguments plus one block; the backward pass computes the blocks
    again. Work is ``n_receivers * n_candidates * n_features``.

    Parameters
    ----------
    weights : Tensor of shape (n_windows, n_receivers, n_candidates)
        Entry ``[:, i, s]`` weighs candidate ``s`` of receiver ``i``.
    receivers, senders : Tensor of shape (n_windows, n_neurons, n_features)
    neighbors : int Tensor of shape (n_receivers, n_candidates) or None
        Candidates of each receiver; None for all neurons.

    Returns
    -------
    Tensor of shape (n_windows, n_neurons, n_features)
        Differentiable once.
    """
    return _SumOfRectified.apply(weights, receivers, senders, neighbors)


class FactorizedMessages(nn.Module):
    """Messages that are linear in a rectified sum: ``W2 sum_j a_ij relu(U h_i + V h_j)``.

    A network with one hidden layer on the pair ``[h_i, h_j]``, for each edge type. Its
    first layer is two products per neuron, and its second layer commutes with the sum over
    senders, so that it runs once per neuron too.

    Parameters
    ----------
    n_inputs, hidden_size : int
    n_types : int
        Edge types that carry messages.
    """

    def __init__(self, n_inputs: int, hidden_size: int, n_types: int) -> None:
        super().__init__()
        self.n_types = n_types
        self.receiver = nn.Linear(n_inputs, n_types * hidden_size)
        self.sender = nn.Linear(n_inputs, n_types * hidden_size, bias=False)
        self.output = nn.Linear(n_types * hidden_size, hidden_size, bias=False)

    def forward(self, features: Tensor, weights: Tensor, neighbors: Tensor | None) -> Tensor:
        """Compute the messages that each neuron receives.

        Parameters
        ----------
        features : Tensor of shape (n_windows, n_neurons, n_frames, n_inputs)
            Frames of one window share its graph.
        weights : Tensor of shape (n_windows, n_types, n_receivers, n_candidates)
        neighbors : int Tensor of shape (n_receivers, n_candidates) or None

        Returns
        -------
        Tensor of shape (n_windows, n_neurons, n_frames, hidden_size)
        """
        n_windows, n_neurons, n_frames, _ = features.shape
        total = sum_of_rectified(
            weights.flatten(0, 1),
            self._by_type(self.receiver(features)),
            self._by_type(self.sender(features)),
            neighbors,
        )
        total = total.view(n_windows, self.n_types, n_neurons, n_frames, -1)
        messages: Tensor = self.output(total.permute(0, 2, 3, 1, 4).flatten(3))
        return messages

    def _by_type(self, projected: Tensor) -> Tensor:
        """Frames become features: the sum over senders treats them alike."""
        split = projected.unflatten(3, (self.n_types, -1)).permute(0, 3, 1, 2, 4)
        return split.reshape(split.shape[0] * self.n_types, split.shape[2], -1)


class PairMessages(nn.Module):
    """The published messages: a network with two rectified layers on every pair.

    Holds features of all pairs, and costs ``hidden_size`` times more than
    `FactorizedMessages`; parameters and shapes are the same.
    """

    def __init__(self, n_inputs: int, hidden_size: int, n_types: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(2 * n_inputs, hidden_size),
                nn.ReLU(),
                nn.Linear(hidden_size, hidden_size),
                nn.ReLU(),
            )
            for _ in range(n_types)
        )

    def forward(self, features: Tensor, weights: Tensor, neighbors: Tensor | None) -> Tensor:
        """Compute the messages that each neuron receives; see `FactorizedMessages`."""
        n_frames = features.shape[2]
        pairs = pair_features(features.flatten(2), neighbors, n_frames)
        messages = features.new_zeros(())
        for network, weight in zip(self.networks, weights.unbind(dim=1)):
            hidden = network(pairs).flatten(3)
            messages = messages + torch.matmul(weight[:, :, None], hidden)[:, :, 0]
        return messages.unflatten(2, (n_frames, -1))


def pair_features(values: Tensor, neighbors: Tensor | None, n_frames: int = 1) -> Tensor:
    """Concatenate receiver and candidate for all pairs.

    Parameters
    ----------
    values : Tensor of shape (n_windows, n_neurons, n_frames * n_features)
    neighbors : int Tensor of shape (n_receivers, n_candidates) or None
    n_frames : int, default=1

    Returns
    -------
    Tensor of shape (n_windows, n_receivers, n_candidates, n_frames, 2 * n_features)
    """
    n_neurons = values.shape[1]
    sent = candidate_values(values, neighbors, slice(None))
    own = values[:, :, None].expand(-1, -1, sent.shape[2], -1)
    sent = sent.expand(-1, n_neurons, -1, -1)
    return torch.cat([part.unflatten(3, (n_frames, -1)) for part in (own, sent)], dim=-1)
