"""Losses per window, averaged over the members of an ensemble."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["cross_entropy", "rollout_error", "squared_error"]


def cross_entropy(output: Tensor, target: Tensor, training: bool, *, smoothing: float) -> Tensor:
    """Cross-entropy of each window, averaged over the members of an ensemble.

    Parameters
    ----------
    output : Tensor of shape (n_members, n_windows, n_classes)
    target : int Tensor of shape (n_windows,)
    training : bool
        Labels are smoothed in training only, so that validation measures the task.
    smoothing : float
    """
    losses = F.cross_entropy(
        output.permute(1, 2, 0),
        target[:, None].expand(-1, len(output)),
        reduction="none",
        label_smoothing=smoothing if training else 0.0,
    )
    return losses.mean(dim=1)


def squared_error(output: Tensor, target: Tensor, training: bool) -> Tensor:
    """Squared error of each window, averaged over outputs and members."""
    return (output - target).square().mean(dim=(0, 2))


def rollout_error(
    output: tuple[Tensor, Tensor, Tensor, Tensor], target: Tensor, training: bool
) -> Tensor:
    """Mean squared error of each window's rollout over recorded neurons, steps and members.

    The step ``h`` of a rollout weighs ``1 / h``: later steps are harder to forecast, and
    their errors would otherwise drown those of the first.

    Parameters
    ----------
    output : tuple of Tensors
        What `RolloutModel.forward` gives.
    target : Tensor of shape (n_windows, n_neurons, n_ahead)
        Standardised following frames, NaN where a neuron was not recorded.
    training : bool
        Not used.

    Returns
    -------
    Tensor of shape (n_windows,)
    """
    forecast, seen, recorded, reached = output
    truth = torch.cat([seen, target], dim=-1)
    known = ~torch.isnan(truth)
    step = torch.arange(1, truth.shape[-1] + 1, dtype=truth.dtype, device=truth.device)
    weight = (known & recorded[..., None]) / step
    total = weight.sum(dim=(1, 2))
    weight = weight * reached[:, None]
    error = (forecast - torch.where(known, truth, 0)).square() * weight
    return error.sum(dim=(2, 3)).mean(dim=0) / torch.where(total > 0, total, 1)
