"""Products that a step from snapshot to snapshot is made of, and their gradients.

A single sequence, the usual case, needs no batched product. Large graphs are multiplied one
by one, those of sequences that have ended not at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "hops_of_steps",
    "looking_back",
    "mix",
    "propagate",
    "scaled_keys",
    "scores",
    "summed",
    "unmix",
    "unscore",
]


# From so many nodes on, a product is worth a call of its own.
_LARGE = 200

Hop = Tensor | list[Tensor | None]


def propagate(values: Tensor, hop: Hop, out: Tensor) -> Tensor:
    """Multiply (n_units, n_columns) by the symmetric hops of each sequence."""
    if isinstance(hop, list):
        size = values.shape[1] // len(hop)
        for k, single in enumerate(hop):
            columns = slice(k * size, (k + 1) * size)
            if single is None:
                out[:, columns] = 0
            else:
                out[:, columns] = values[:, columns] @ single
        return out
    if hop.ndim == 2:
        return torch.mm(values, hop, out=out)
    shape = (len(values), *hop.shape[:2])
    product = torch.bmm(values.view(shape).transpose(0, 1), hop)
    out.view(shape).copy_(product.transpose(0, 1))
    return out


def hops_of_steps(hops: Tensor) -> Sequence[Hop]:
    """Give the hops of each step: one matrix, one for each sequence, or large ones in a list."""
    if hops.shape[1] == 1:
        return hops[:, 0].unbind()
    if hops.shape[2] < _LARGE:
        return hops.unbind()
    # The history node has a loop wherever there is a snapshot.
    there = (hops[:, :, 0, 0] != 0).tolist()
    return [
        [single if held else None for single, held in zip(step.unbind(), part)]
        for step, part in zip(hops.unbind(), there)
    ]


def looking_back(padded: Tensor, width: int) -> tuple[Tensor, ...]:
    """For each step, a view of the last ``width`` entries, the current one last."""
    return padded.unfold(0, width, 1).movedim(-1, 1).unbind()


def scaled_keys(attention: Tensor) -> Tensor:
    """Divide the weights of the keys by the root of their number."""
    size = len(attention) // 2
    return torch.cat([attention[:size] / math.sqrt(size), attention[size:]])


def scores(keys: Tensor, query: Tensor) -> Tensor:
    """Products of keys (width, n_sequences, size) with the query of each sequence."""
    if len(query) == 1:
        return torch.mm(keys[:, 0], query.T)
    return (keys * query).sum(dim=2)


def unscore(
    of_score: Tensor, keys: Tensor, query: Tensor, of_keys: Tensor, of_query: Tensor
) -> None:
    """Add the gradient of keys and query to ``of_keys`` and ``of_query``."""
    if len(query) == 1:
        torch.mm(of_score.T, keys[:, 0], out=of_query)
        of_keys[:, 0].addr_(of_score[:, 0], query[0])
    else:
        of_score = of_score[:, :, None]
        torch.sum(of_score * keys, dim=0, out=of_query)
        of_keys.addcmul_(of_score, query)


def mix(share: Tensor, past: Tensor, out: Tensor) -> None:
    """Sum states (width, size, n_columns) by the shares of each sequence."""
    width, n_sequences = share.shape
    if n_sequences == 1:
        torch.mm(share.T, past.view(width, -1), out=out.view(1, -1))
    else:
        apart = past.view(width, len(out), n_sequences, -1) * share[:, None, :, None]
        torch.sum(apart, dim=0, out=out.view(apart.shape[1:]))


def unmix(share: Tensor, past: Tensor, slope: Tensor, of_past: Tensor) -> Tensor:
    """Give the gradient of the shares, and add that of the states to ``of_past``."""
    width, n_sequences = share.shape
    if n_sequences == 1:
        flat = slope.view(-1)
        of_past.view(width, -1).addr_(share[:, 0], flat)
        return torch.mm(past.view(width, -1), flat[:, None])
    apart = (width, len(slope), n_sequences, -1)
    slope = slope.view(apart[1:])
    of_past.view(apart).addcmul_(slope, share[:, None, :, None])
    return (past.view(apart) * slope).sum(dim=(1, 3))


def summed(slopes: Tensor, values: Tensor) -> Tensor:
    """Gradient of a matrix, over all snapshots."""
    return torch.bmm(slopes, values.mT).sum(dim=0)
