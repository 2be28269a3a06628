"""Matrix products of one step of the TAVRNN, and their gradients.

A single sequence needs no batched product.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "last_of",
    "looking_back",
    "mix",
    "propagate",
    "propagation_of_steps",
    "scaled_keys",
    "scores",
    "summed",
    "unmix",
    "unscore",
]


def propagate(values: Tensor, matrix: Tensor, out: Tensor) -> Tensor:
    """Multiply (n_units, n_columns) by the symmetric matrices of each sequence."""
    if matrix.ndim == 2:
        # A large matrix is read a tenth faster along its columns.
        return torch.mm(values, matrix.T, out=out)
    shape = (len(values), *matrix.shape[:2])
    product = torch.bmm(values.view(shape).transpose(0, 1), matrix)
    out.view(shape).copy_(product.transpose(0, 1))
    return out


def propagation_of_steps(propagation: Tensor) -> tuple[Tensor, ...]:
    """Return the propagation of each step, one matrix if there is a single sequence."""
    return (propagation[:, 0] if propagation.shape[1] == 1 else propagation).unbind()


def looking_back(values: Tensor, width: int) -> list[Tensor]:
    """For each step, the current entry and those before it, ``width`` in all or what there is."""
    return [values[max(0, end - width) : end] for end in range(1, len(values) + 1)]


def last_of(values: Tensor, width: int) -> list[Tensor]:
    """For each step, the last of its ``width`` entries, as many as `looking_back` gives."""
    return [part[max(0, width - step) :] for step, part in enumerate(values, start=1)]


def scaled_keys(attention: Tensor) -> Tensor:
    """Divide the weights of the keys by the root of their number."""
    size = len(attention) // 2
    return torch.cat([attention[:size] / math.sqrt(size), attention[size:]])


def scores(keys: Tensor, query: Tensor) -> Tensor:
    """Products of keys (width, n_sequences, size) with the query of each sequence.

    Of a single sequence, keys are (width, size).
    """
    if keys.ndim == 2:
        return torch.mm(keys, query.T)
    return (keys * query).sum(dim=2)


def unscore(
    of_score: Tensor, keys: Tensor, query: Tensor, of_keys: Tensor, of_query: Tensor
) -> None:
    """Add the gradient of keys and query to ``of_keys`` and ``of_query``."""
    if keys.ndim == 2:
        torch.mm(of_score.T, keys, out=of_query)
        of_keys.addmm_(of_score, query)
    else:
        of_score = of_score[:, :, None]
        torch.sum(of_score * keys, dim=0, out=of_query)
        of_keys.addcmul_(of_score, query)


def mix(share: Tensor, past: Tensor, out: Tensor) -> None:
    """Sum states (width, size, n_columns) by the shares of each sequence.

    Of a single sequence, states are (width, size * n_columns).
    """
    if past.ndim == 2:
        torch.mm(share.T, past, out=out.view(1, -1))
    else:
        apart = past.view(len(past), len(out), share.shape[1], -1) * share[:, None, :, None]
        torch.sum(apart, dim=0, out=out.view(apart.shape[1:]))


def unmix(share: Tensor, past: Tensor, slope: Tensor, of_past: Tensor) -> Tensor:
    """Return the gradient of the shares, and add that of the states to ``of_past``."""
    if past.ndim == 2:
        row = slope.view(1, -1)
        of_past.addmm_(share, row)
        return torch.mm(past, row.T)
    apart = (*past.shape[:2], share.shape[1], -1)
    slope = slope.view(apart[1:])
    of_past.view(apart).addcmul_(slope, share[:, None, :, None])
    return (past.view(apart) * slope).sum(dim=(1, 3))


def summed(slopes: Tensor, values: Tensor) -> Tensor:
    """Gradient of a matrix, over all snapshots."""
    return torch.bmm(slopes, values.mT).sum(dim=0)
