"""The recurrence over snapshots in a few lines: read this before `run_recurrence`."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["LEAST_SPREAD", "Weights", "plain_recurrence"]

# Standard deviations of latents are kept above this.
LEAST_SPREAD = 1e-3


class Weights(NamedTuple):
    """Weights of a step; a matrix is multiplied from the left.

    Attributes
    ----------
    state : Tensor of shape (4 * hidden_size, hidden_size)
        Of the candidate (after the reset), the encoder, the reset and the update gate.
    latent : Tensor of shape (3 * hidden_size, hidden_size)
        Of the reset and the update gate and the candidate.
    moments : Tensor of shape (2 * n_components, hidden_size)
    lift : Tensor of shape (hidden_size, n_components)
    lift_bias : Tensor of shape (hidden_size, 1)
    attention : Tensor of shape (2 * hidden_size, hidden_size)
        Of the key and the query.
    age : Tensor of shape (attention_width,)
        Added to the score of the state ``k`` snapshots before.
    """

    state: Tensor
    latent: Tensor
    moments: Tensor
    lift: Tensor
    lift_bias: Tensor
    attention: Tensor
    age: Tensor


def plain_recurrence(
    propagation: Tensor, given: Tensor, noise: Tensor | None, valid: Tensor | None, weights: Weights
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run over the snapshots as `run_recurrence` does, differentiated automatically.

    Parameters and results are those of `run_recurrence`.
    """
    n_sequences, width = propagation.shape[1], len(weights.age)
    size, n_components = weights.lift.shape
    key, query = weights.attention.chunk(2)

    def propagate(values: Tensor, matrix: Tensor) -> Tensor:
        return torch.einsum("usi,sij->usj", _by_sequence(values, n_sequences), matrix).flatten(1)

    state = given.new_zeros(size, given.shape[2])
    moved: list[Tensor] = []
    found = []
    for t, matrix in enumerate(propagation):
        # The posterior: a graph convolution of features and state, and a second one.
        code, gates, new, moment = given[t].split([size, 2 * size, size, 2 * n_components])
        heard = weights.state @ propagate(state, matrix)
        new_heard, code_heard, gates_heard = heard.split([size, size, 2 * size])
        code = torch.relu(code + code_heard)
        moment = moment + propagate(weights.moments @ code, matrix)
        latent, raw = moment.chunk(2)
        if noise is not None:
            latent = latent + (F.softplus(raw) + LEAST_SPREAD) * noise[t]
        # The gated recurrent unit, which reads features, latent and state.
        lifted = torch.relu(weights.lift @ latent + weights.lift_bias)
        passed = weights.latent @ propagate(lifted, matrix)
        reset, keep = torch.sigmoid(gates + gates_heard + passed[: 2 * size]).chunk(2)
        new = torch.tanh(new + passed[2 * size :] + reset * new_heard)
        own = keep * state + (1 - keep) * new
        moved.append(own if valid is None else torch.where(valid[t], own, state))
        # Temporal attention; the history node, which comes first, asks and answers.
        past = _by_sequence(torch.stack(moved[-width:]), n_sequences)
        score = ((key @ past[..., 0]) * (query @ past[-1, ..., 0])).sum(dim=1) / math.sqrt(size)
        share = torch.softmax(score + weights.age[: len(past)].flip(0)[:, None], dim=0)
        before, state = state, (share[:, None, :, None] * past).sum(dim=0).flatten(1)
        found.append((moment, latent, before, F.pad(share, (0, 0, width - len(share), 0))))
    moments, latents, states, attention = map(torch.stack, zip(*found))
    return moments, latents, states, attention.detach()


def _by_sequence(values: Tensor, n_sequences: int) -> Tensor:
    """Tell the sequences among the columns apart: (..., n_sequences, n_nodes)."""
    return values.unflatten(-1, (n_sequences, -1))
