"""Scores of all pairs of neurons, without a feature vector per pair."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["pair_scores"]

# Elements of one block of (window, receiver, sender, feature): 4 million float32 are 16 MB,
# about what a core's caches still serve well.
_BLOCK_ELEMENTS = 4_000_000


class _PairScores(torch.autograd.Function):
    """Score ``w . relu(p_i + q_j)``, block by block over receivers, recomputed in backward."""

    @staticmethod
    def forward(ctx: Any, receivers: Tensor, senders: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(receivers, senders, weight)
        n_windows, n_receivers, _ = receivers.shape
        scores = receivers.new_empty(n_windows, n_receivers, senders.shape[1])
        for rows in _blocks(receivers, senders):
            hidden = receivers[:, rows, None, :] + senders[:, None, :, :]
            scores[:, rows] = hidden.relu_() @ weight
        return scores

    @staticmethod
    def backward(ctx: Any, grad_scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        receivers, senders, weight = ctx.saved_tensors
        grad_receivers = torch.empty_like(receivers)
        grad_senders = torch.zeros_like(senders)
        grad_weight = torch.zeros_like(weight)
        for rows in _blocks(receivers, senders):
            hidden = receivers[:, rows, None, :] + senders[:, None, :, :]
            hidden.relu_()
            upstream = grad_scores[:, rows]
            grad_weight += torch.einsum("brs,brsh->h", upstream, hidden)
            # relu'(z) = [relu(z) > 0]; the weight is constant over pairs and factored out.
            active = (hidden > 0).to(hidden.dtype)
            active *= upstream[..., None]
            grad_receivers[:, rows] = active.sum(dim=2) * weight
            grad_senders += active.sum(dim=1) * weight
        return grad_receivers, grad_senders, grad_weight


def _blocks(receivers: Tensor, senders: Tensor) -> list[slice]:
    n_windows, n_receivers, n_features = receivers.shape
    per_receiver = max(1, n_windows * senders.shape[1] * n_features)
    size = max(1, _BLOCK_ELEMENTS // per_receiver)
    return [slice(start, start + size) for start in range(0, n_receivers, size)]


def pair_scores(receivers: Tensor, senders: Tensor, weight: Tensor) -> Tensor:
    """Score every ordered pair of neurons with a one-hidden-layer network.

    A network on the concatenation ``[h_i, h_j]`` is linear in its first layer, so that
    layer is computed once per neuron (``p = U h``, ``q = V h``) and only the sum, the
    rectification and a dot product remain for each pair:
    ``s_ij = w . relu(p_i + q_j)``. Memory is that of the scores plus one block.

    Parameters
    ----------
    receivers, senders : Tensor of shape (n_windows, n_neurons, n_features)
        First-layer projections of the neurons as receivers and as senders.
    weight : Tensor of shape (n_features,)
        Second layer.

    Returns
    -------
    Tensor of shape (n_windows, n_neurons, n_neurons)
        Entry ``[:, i, j]`` scores sender ``j`` for receiver ``i``. Differentiable once.
    """
    return _PairScores.apply(receivers, senders, weight)
