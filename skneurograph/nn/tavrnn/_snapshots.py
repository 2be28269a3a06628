"""Snapshots of a graph: their normalisation, and the likelihood of their edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor

__all__ = [
    "LARGE",
    "PickedPropagation",
    "Propagation",
    "edge_likelihood",
    "join_history",
    "take_rows",
    "valid_nodes",
]

# Graphs of so many nodes are worth calls of their own, and too large to be copied.
LARGE = 200
# Snapshots whose edges are scored together hold about this many pairs.
_BLOCK_ELEMENTS = 1_000_000
# Rows of a large graph that are scored together.
_ROWS = 160


class PickedPropagation:
    """Snapshots of sequences that go side by side, picked from a stack without a copy.

    Parameters
    ----------
    stack : Tensor of shape (n_graphs, n_nodes, n_nodes)
        As `join_history` gives them.
    rows : int Tensor of shape (n_snapshots, n_sequences)
        Which of them; negative where a sequence has ended.

    Attributes
    ----------
    valid : bool Tensor of shape (n_snapshots, n_sequences, n_nodes)
        Which nodes take part.
    """

    def __init__(self, stack: Tensor, rows: Tensor) -> None:
        self._stack, self._rows = stack, rows
        self.valid = (stack[:, 0] != 0)[rows.clamp(min=0)] & (rows >= 0)[:, :, None]

    def __iter__(self) -> Iterator[Tensor | None]:
        """All graphs, those of the first snapshot first; None where there is none."""
        for row in self._rows.flatten().tolist():
            yield self._stack[row] if row >= 0 else None

    def sequences(self) -> list[Tensor]:
        """Graphs of each sequence, (n_snapshots, n_nodes, n_nodes), up to its end."""
        return [take_rows(self._stack, rows[rows >= 0]) for rows in self._rows.T]


def take_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Take rows, without a copy if they follow each other."""
    if bool((rows.diff() == 1).all()):
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return values.index_select(0, rows)


Propagation = Tensor | PickedPropagation


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
    counted = recorded.to(adjacency.dtype)
    propagation = adjacency.new_zeros(n_snapshots, 1 + n_neurons, 1 + n_neurons)
    inner = propagation[:, 1:, 1:]
    torch.mul(adjacency, counted[:, :, None], out=inner)
    inner *= counted[:, None, :]
    diagonal = torch.diagonal(inner, dim1=1, dim2=2)
    diagonal.copy_(counted)
    scale = inner.abs().sum(dim=2).clamp(min=1).rsqrt()
    inner *= scale[:, :, None]
    inner *= scale[:, None, :]
    star = counted / counted.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
    propagation[:, 0, 1:] = star
    propagation[:, 1:, 0] = star
    propagation[:, 0, 0] = 1
    return propagation


def valid_nodes(propagation: Propagation) -> Tensor:
    """Tell which nodes take part in snapshots made by `join_history`.

    Parameters
    ----------
    propagation : Tensor of shape (..., n_nodes, n_nodes) or PickedPropagation
        All zero where a sequence has no snapshot.

    Returns
    -------
    bool Tensor of shape (..., n_nodes)
        The history node takes part wherever there is a snapshot.
    """
    if isinstance(propagation, PickedPropagation):
        return propagation.valid
    return propagation[..., 0, :] != 0


class _EdgeLikelihood(torch.autograd.Function):
    """Likelihood and its gradient in one pass, so that no array over pairs outlives it."""

    @staticmethod
    def forward(ctx: Any, latents: Tensor, bias: Tensor, propagation: Propagation) -> Tensor:
        n_snapshots, n_neurons, _ = latents.shape
        likelihood, slope_of_bias = latents.new_zeros(2, n_snapshots)
        slope = torch.zeros_like(latents)
        if isinstance(propagation, PickedPropagation) or 1 + n_neurons >= LARGE:
            for k, graph in enumerate(propagation):
                if graph is not None and graph[0, 0] != 0:
                    likelihood[k], slope_of_bias[k] = _explain_large(
                        latents[k], bias, graph, slope[k]
                    )
        else:
            size = max(1, _BLOCK_ELEMENTS // n_neurons**2)
            for start in range(0, n_snapshots, size):
                rows = slice(start, start + size)
                likelihood[rows], slope_of_bias[rows] = _explain(
                    latents[rows], bias, propagation[rows], slope[rows]
                )
        ctx.save_for_backward(slope, slope_of_bias)
        return likelihood

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> tuple[Tensor, Tensor, None]:
        slope, slope_of_bias = ctx.saved_tensors
        given = upstream[0]
        return slope * given[:, None, None], (slope_of_bias * given).sum(), None


def _explain(z: Tensor, bias: Tensor, propagation: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Return the likelihood of some graphs and its slope by the bias; write that by latents."""
    edges = _edges(propagation[:, 1:, 1:])
    torch.diagonal(edges, dim1=1, dim2=2).zero_()
    recorded = valid_nodes(propagation)[:, 1:].to(z.dtype)
    connected, apart = _pair_weights(recorded.sum(dim=1), edges.sum(dim=(1, 2)))
    weight = edges * (connected - apart)[:, None, None]
    weight += (apart[:, None] * recorded)[:, :, None] * recorded[:, None]
    torch.diagonal(weight, dim1=1, dim2=2).zero_()
    fit, error = _compare(torch.baddbmm(bias, z, z.mT), edges)
    torch.bmm(error.mul_(weight), z, out=slope)
    # Every pair stands there twice.
    return 0.5 * torch.einsum("bij,bij->b", weight, fit), 0.5 * error.sum(dim=(1, 2))


def _explain_large(
    z: Tensor, bias: Tensor, propagation: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor]:
    """Do what `_explain` does for one large graph, each pair once, some rows at a time."""
    n_neurons = len(z)
    edges = _edges(propagation[1:, 1:]).fill_diagonal_(0)
    recorded = valid_nodes(propagation)[1:].to(z.dtype)
    connected, apart = _pair_weights(recorded.sum(), edges.sum())
    is_whole = bool(recorded.all())
    likelihood, slope_of_bias = z.new_zeros(2)
    for start in range(0, n_neurons, _ROWS):
        rows, after = slice(start, start + _ROWS), slice(start, n_neurons)
        first, second, part = z[rows], z[after], edges[rows, after]
        weight = torch.add(apart, part * (connected - apart))
        if not is_whole:
            weight *= recorded[rows, None] * recorded[after]
        weight[:, : len(first)].triu_(1)
        fit, error = _compare(torch.addmm(bias, first, second.T), part)
        error *= weight
        slope[rows].addmm_(error, second)
        slope[after].addmm_(error.T, first)
        likelihood += torch.dot(weight.flatten(), fit.flatten())
        slope_of_bias += error.sum()
    return likelihood, slope_of_bias


def _edges(propagation: Tensor) -> Tensor:
    """1 where there is an edge or a loop; several times faster than a comparison."""
    return propagation.sign().square_()


def _pair_weights(n_recorded: Tensor, n_edges: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of pairs with and without an edge, both counted in both directions."""
    n_pairs = n_recorded * (n_recorded - 1)
    # Edges together weigh as much as the pairs without: (a complete graph has none).
    both = (n_edges > 0) & (n_edges < n_pairs)
    share = torch.where(both, 0.5 * n_pairs, n_pairs)
    return share / n_edges.clamp(min=1), share / (n_pairs - n_edges).clamp(min=1)


def _compare(logits: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-likelihood of each pair and its slope by the logit."""
    chance = torch.sigmoid(logits)
    # log(1 + exp(x)) is max(x, 0) - log(max(s, 1 - s)) with the sigmoid s, which is at hand.
    fit = torch.maximum(chance, 1 - chance).log_()
    fit.addcmul_(edges, logits).sub_(logits.clamp_(min=0))
    return fit, edges - chance


def edge_likelihood(latents: Tensor, bias: Tensor, propagation: Propagation) -> Tensor:
    """Logarithmic likelihood of the edges of each snapshot, class-weighted.

    A pair of neurons is connected with probability ``sigmoid(z_i . z_j + bias)``. Pairs
    with and without an edge have the same total weight, and the weights of all pairs sum to their
    number, so that sparse and dense snapshots count alike; where there are only edges, or
    none, each pair weighs 1.

    Parameters
    ----------
    latents : Tensor of shape (n_snapshots, n_neurons, n_components)
    bias : Tensor of shape ()
    propagation : Tensor of shape (n_snapshots, 1 + n_neurons, 1 + n_neurons) or PickedPropagation
        As `join_history` gives them: an edge is an entry other than zero. Picked ones count
        as many snapshots as there are in all sequences.

    Returns
    -------
    Tensor of shape (n_snapshots,)
        Sum over the pairs of recorded neurons.
    """
    return cast(Tensor, _EdgeLikelihood.apply(latents, bias, propagation))
