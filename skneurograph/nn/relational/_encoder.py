"""Encoders of neural relational inference: from the frames of a window to edge types."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from skneurograph.nn.relational._messages import (
    blocks,
    candidate_values,
    pair_features,
    sum_of_rectified,
)

__all__ = ["FactorizedEncoder", "FrameConvolution", "PairEncoder"]


def _perceptron(n_inputs: int, hidden_size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_inputs, hidden_size),
        nn.ELU(),
        nn.Linear(hidden_size, hidden_size),
        nn.ELU(),
        nn.LayerNorm(hidden_size),
    )


class FrameConvolution(nn.Module):
    """Convolve along the frames and average them with learned weights, eqs. 20-22 of NRI.

    Parameters
    ----------
    n_inputs, hidden_size : int
    n_times : int
        Frames. Pooling is left out where there are fewer than eight.
    """

    def __init__(self, n_inputs: int, hidden_size: int, n_times: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(n_inputs, hidden_size, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool1d(2) if n_times >= 8 else nn.Identity(),
            nn.Conv1d(hidden_size, hidden_size, 5, padding=2),
            nn.ReLU(),
        )
        self.value = nn.Conv1d(hidden_size, hidden_size, 1)
        self.attention = nn.Conv1d(hidden_size, 1, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Map (..., n_times, n_inputs) to (..., hidden_size)."""
        hidden = self.layers(frames.flatten(0, -3).transpose(1, 2))
        weight = F.softmax(self.attention(hidden), dim=-1)
        summary = (self.value(hidden) * weight).sum(dim=-1)
        return summary.unflatten(0, frames.shape[:-2])


class PairEncoder(nn.Module):
    """The published encoder: networks on every pair, neuron to edge to neuron to edge.

    Eqs. 5-9 of NRI, with layer instead of batch normalisation, so that a window does not
    depend on its company.

    Parameters
    ----------
    n_times, n_features, hidden_size : int
    n_scores : int
        Edge types but the first, whose score is zero.
    kind : {"mlp", "cnn"}
    """

    def __init__(
        self,
        n_times: int,
        n_features: int,
        hidden_size: int,
        n_scores: int,
        kind: Literal["mlp", "cnn"],
    ) -> None:
        super().__init__()
        self.kind = kind
        if kind == "mlp":
            self.embed: nn.Module = _perceptron(n_times * n_features, hidden_size)
            self.first = _perceptron(2 * hidden_size, hidden_size)
        else:
            self.embed = FrameConvolution(2 * n_features, hidden_size, n_times)
            self.first = _perceptron(hidden_size, hidden_size)
        self.node = _perceptron(hidden_size, hidden_size)
        self.second = _perceptron(3 * hidden_size, hidden_size)
        self.score = nn.Linear(hidden_size, n_scores)

    def forward(self, frames: Tensor, valid: Tensor, neighbors: Tensor | None) -> Tensor:
        """Score the edge types of all pairs; see `FactorizedEncoder`."""
        if self.kind == "mlp":
            encoded = self.embed(frames.flatten(2))
            edges = self.first(pair_features(encoded, neighbors)[:, :, :, 0])
        else:
            pairs = pair_features(frames.flatten(2), neighbors, frames.shape[2])
            edges = self.first(self.embed(pairs))
        weight = valid.to(edges.dtype)
        share = weight / weight.sum(dim=2, keepdim=True).clamp(min=1)
        met = self.node(torch.matmul(share[:, :, None], edges)[:, :, 0])
        again = pair_features(met, neighbors)[:, :, :, 0]
        edges = self.second(torch.cat([again, edges], dim=-1))
        return self.score(edges).permute(0, 3, 1, 2)


class FactorizedEncoder(nn.Module):
    """Neuron to edge to neuron to edge without a feature vector per pair.

    The first layer of every network on a pair is two products per neuron, as in
    `FactorizedMessages`. Since a rectified sum sees products of the two trajectories only
    poorly, each pair has ``n_heads`` dot products of learned projections as well: how the
    change of one neuron goes with the activity of the other is such a product. In the first
    round each neuron gets the mean of the rectified sums over its pairs, and the second
    round scores the pairs in the light of that.

    Parameters
    ----------
    n_times, n_features, hidden_size : int
    n_scores : int
        Edge types but the first, whose score is zero.
    kind : {"mlp", "cnn"}
    n_heads : int
        Dot products of each pair.
    head_size : int
        Length of the projections.
    """

    def __init__(
        self,
        n_times: int,
        n_features: int,
        hidden_size: int,
        n_scores: int,
        kind: Literal["mlp", "cnn"],
        n_heads: int = 8,
        head_size: int = 16,
    ) -> None:
        super().__init__()
        self.kind = kind
        n_inputs = n_times * n_features
        if kind == "mlp":
            self.embed: nn.Module = _perceptron(n_inputs, hidden_size)
        else:
            self.embed = FrameConvolution(n_features, hidden_size, n_times)
        self.receiver = nn.Linear(n_inputs + hidden_size, hidden_size)
        self.sender = nn.Linear(n_inputs + hidden_size, hidden_size, bias=False)
        self.node = _perceptron(2 * hidden_size, hidden_size)
        n_features = n_inputs + 2 * hidden_size
        self.pairs = PairScore(n_features, hidden_size, n_scores, n_heads, head_size)

    def forward(self, frames: Tensor, valid: Tensor, neighbors: Tensor | None) -> Tensor:
        """Score the edge types of all pairs.

        Parameters
        ----------
        frames : Tensor of shape (n_windows, n_neurons, n_times, n_features)
            Zero for missing neurons.
        valid : bool Tensor of shape (n_windows, n_receivers, n_candidates)
            False for pairs that there are not.
        neighbors : int Tensor of shape (n_receivers, n_candidates) or None

        Returns
        -------
        Tensor of shape (n_windows, n_scores, n_receivers, n_candidates)
            Logits of the edge types, but the first, relative to the first. Undefined for
            pairs that there are not.
        """
        flat = frames.flatten(2)
        encoded = self.embed(flat if self.kind == "mlp" else frames)
        both = torch.cat([flat, encoded], dim=-1)
        weight = valid.to(both.dtype)
        share = weight / weight.sum(dim=2, keepdim=True).clamp(min=1)
        heard = sum_of_rectified(share, self.receiver(both), self.sender(both), neighbors)
        met = self.node(torch.cat([encoded, heard], dim=-1))
        return self.pairs(torch.cat([both, met], dim=-1), neighbors)


class PairScore(nn.Module):
    """Score pairs by a rectified sum and dot products, block by block over receivers."""

    def __init__(
        self, n_inputs: int, hidden_size: int, n_scores: int, n_heads: int, head_size: int
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.receiver = nn.Linear(n_inputs, hidden_size)
        self.sender = nn.Linear(n_inputs, hidden_size, bias=False)
        self.query = nn.Linear(n_inputs, n_heads * head_size)
        self.key = nn.Linear(n_inputs, n_heads * head_size)
        self.mix = nn.Linear(n_heads, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, n_scores)
        self.direct = nn.Linear(n_heads, n_scores, bias=False)

    def forward(self, features: Tensor, neighbors: Tensor | None) -> Tensor:
        """Map (n_windows, n_neurons, n_inputs) to (n_windows, n_scores, n_receivers, ...)."""
        receivers, senders = self.receiver(features), self.sender(features)
        queries, keys = self.query(features), self.key(features)
        queries = queries / (queries.shape[-1] / self.n_heads) ** 0.5
        n_windows, n_neurons, _ = features.shape
        n_candidates = n_neurons if neighbors is None else neighbors.shape[1]
        parts = []
        shape = (n_windows, n_neurons, n_candidates)
        cuts = blocks(shape, senders.shape[2], senders.is_cuda)
        for rows in cuts:
            arguments = (receivers[:, rows], queries[:, rows], senders, keys, neighbors, rows)
            if torch.is_grad_enabled() and len(cuts) > 1:
                # Hidden units of the pairs are computed again in the backward pass; those
                # of one block alone may as well be kept.
                part = checkpoint(
                    self._block, *arguments, use_reentrant=False, preserve_rng_state=False
                )
            else:
                part = self._block(*arguments)
            parts.append(part)
        return torch.cat(parts, dim=1).permute(0, 3, 1, 2)

    def _block(
        self,
        receivers: Tensor,
        queries: Tensor,
        senders: Tensor,
        keys: Tensor,
        neighbors: Tensor | None,
        rows: slice,
    ) -> Tensor:
        queries = queries.unflatten(2, (self.n_heads, -1))
        if neighbors is None:
            products = torch.einsum(
                "bihd,bjhd->bijh", queries, keys.unflatten(2, (self.n_heads, -1))
            )
        else:
            chosen = candidate_values(keys, neighbors, rows).unflatten(3, (self.n_heads, -1))
            products = torch.einsum("bihd,bijhd->bijh", queries, chosen)
        hidden = receivers[:, :, None] + candidate_values(senders, neighbors, rows)
        hidden = F.relu(hidden + self.mix(products))
        scores: Tensor = self.score(hidden) + self.direct(products)
        return scores
