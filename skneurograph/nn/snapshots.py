"""Snapshots of a graph: their normalisation, and the likelihood of their edges."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["edge_likelihood", "join_history", "present_nodes"]

# Snapshots whose edges are scored together hold about this many pairs.
_BLOCK_ELEMENTS = 1_000_000


def join_history(adjacency: Tensor, recorded: Tensor) -> Tensor:
    """Normalise snapshots for convolution, and connect a history node to every neuron.

    Neurons have loops and are divided by the root of the degrees at both ends,
    ``D**-1/2 (A + I) D**-1/2``, where a degree is the sum of absolute weights. The history
    node comes first; its edge to each of ``n`` recorded neurons weighs ``n**-1/2`` and its
    loop 1, so that what it hears neither grows with the number of neurons nor depends on
    their degrees.

    Parameters
    ----------
    adjacency : Tensor of shape (n_snapshots, n_neurons, n_neurons)
        Symmetric, with or without signs; the diagonal is ignored.
    recorded : bool Tensor of shape (n_snapshots, n_neurons)

    Returns
    -------
    Tensor of shape (n_snapshots, 1 + n_neurons, 1 + n_neurons)
        Rows and columns of neurons that are not recorded are 0.
    """
    n_snapshots, n_neurons = recorded.shape
    there = recorded.to(adjacency.dtype)
    hops = adjacency.new_zeros(n_snapshots, 1 + n_neurons, 1 + n_neurons)
    inner = hops[:, 1:, 1:]
    torch.mul(adjacency, there[:, :, None], out=inner)
    inner *= there[:, None, :]
    diagonal = torch.diagonal(inner, dim1=1, dim2=2)
    diagonal.copy_(there)
    scale = inner.abs().sum(dim=2).clamp(min=1).rsqrt()
    inner *= scale[:, :, None]
    inner *= scale[:, None, :]
    star = there / there.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
    hops[:, 0, 1:] = star
    hops[:, 1:, 0] = star
    hops[:, 0, 0] = 1
    return hops


def present_nodes(hops: Tensor) -> Tensor:
    """Tell which nodes take part in snapshots made by `join_history`.

    Parameters
    ----------
    hops : Tensor of shape (..., n_nodes, n_nodes)
        All zero where a sequence has no snapshot.

    Returns
    -------
    bool Tensor of shape (..., n_nodes)
        The history node takes part wherever there is a snapshot.
    """
    return hops[..., 0, :] != 0


class _EdgeLikelihood(torch.autograd.Function):
    """Likelihood and its gradient in one pass, so that no array over pairs outlives it."""

    @staticmethod
    def forward(ctx: Any, latents: Tensor, bias: Tensor, hops: Tensor) -> Tensor:
        n_snapshots, n_neurons, _ = latents.shape
        likelihood = latents.new_empty(n_snapshots)
        slope = torch.empty_like(latents)
        slope_of_bias = latents.new_empty(n_snapshots)
        size = max(1, _BLOCK_ELEMENTS // max(1, n_neurons**2))
        for start in range(0, n_snapshots, size):
            rows = slice(start, start + size)
            z, block = latents[rows], hops[rows]
            if not bool((block[:, 0, 0] != 0).any()):
                likelihood[rows], slope[rows], slope_of_bias[rows] = 0, 0, 0
                continue
            edges = (block[:, 1:, 1:] != 0).to(z.dtype)
            torch.diagonal(edges, dim1=1, dim2=2).zero_()
            there = present_nodes(block)[:, 1:].to(z.dtype)
            n_recorded = there.sum(dim=1)
            n_pairs = n_recorded * (n_recorded - 1)
            n_edges = edges.sum(dim=(1, 2))
            # Edges together weigh as much as the pairs without: (a complete graph has none).
            both = (n_edges > 0) & (n_edges < n_pairs)
            share = torch.where(both, 0.5 * n_pairs, n_pairs)
            present_weight = share / n_edges.clamp(min=1)
            absent_weight = share / (n_pairs - n_edges).clamp(min=1)
            weight = edges * (present_weight - absent_weight)[:, None, None]
            weight += (absent_weight[:, None] * there)[:, :, None] * there[:, None]
            torch.diagonal(weight, dim1=1, dim2=2).zero_()
            logits = torch.baddbmm(bias, z, z.transpose(1, 2))
            surprise = F.softplus(logits).sub_(edges * logits)
            likelihood[rows] = -0.5 * torch.einsum("bij,bij->b", weight, surprise)
            error = torch.sigmoid_(logits).sub_(edges).mul_(weight)
            torch.bmm(error, z, out=slope[rows]).neg_()
            slope_of_bias[rows] = -0.5 * error.sum(dim=(1, 2))
        ctx.save_for_backward(slope, slope_of_bias)
        return likelihood

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> tuple[Tensor, Tensor, None]:
        slope, slope_of_bias = ctx.saved_tensors
        given = upstream[0]
        return slope * given[:, None, None], (slope_of_bias * given).sum(), None


def edge_likelihood(latents: Tensor, bias: Tensor, hops: Tensor) -> Tensor:
    """Logarithmic likelihood of the edges of each snapshot, class-weighted.

    A pair of neurons is connected with probability ``sigmoid(z_i . z_j + bias)``. Present
    and absent edges have the same total weight, and the weights of all pairs sum to their
    number, so that sparse and dense snapshots count alike; where there are only edges, or
    none, each pair weighs 1.

    Parameters
    ----------
    latents : Tensor of shape (n_snapshots, n_neurons, n_components)
    bias : Tensor of shape ()
    hops : Tensor of shape (n_snapshots, 1 + n_neurons, 1 + n_neurons)
        As `join_history` gives them: an edge is an entry other than zero.

    Returns
    -------
    Tensor of shape (n_snapshots,)
        Sum over the pairs of recorded neurons.
    """
    return cast(Tensor, _EdgeLikelihood.apply(latents, bias, hops))
