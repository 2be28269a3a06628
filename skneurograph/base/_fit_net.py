"""The way of every estimator with a net from a module to a trained net."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skneurograph.base._batches import BatchSource
from skneurograph.base._device import resolve_device
from skneurograph.base._seeds import seeded
from skneurograph.base._training import TrainingOptions, keep_record, train

__all__ = ["fit_net"]


def fit_net(
    estimator: Any,
    build: Callable[[], nn.Module],
    loss: Callable[..., Tensor],
    data: BatchSource,
    held_out: BatchSource | None = None,
    *,
    seed: int,
    dtype: Any = None,
    **options: Any,
) -> None:
    """Seed, build, train and keep.

    The estimator gets ``net_``, ``n_epochs_`` and ``interrupted_``. Its parameters say how
    it is trained (see `TrainingOptions`).

    Parameters
    ----------
    estimator : estimator
    build : callable
        Makes the module; called under the seed.
    loss : callable
        ``loss(output, target, training) -> (n_windows,)``.
    data, held_out : BatchSource
        What is trained on, and what early stopping looks at.
    seed : int
        For initial values, mini-batches and dropout.
    dtype : float32 or float64, optional
        Precision of the module; by default as it is built.
    **options
        Fields of `TrainingOptions` that the estimator has not, or that override its
        parameters.

    Raises
    ------
    ValueError
        If training diverged.

    Warns
    -----
    UserWarning
        If training was interrupted, or diverged after a state that was kept.
    """
    device = resolve_device(estimator.device)
    with seeded(seed, device):
        module = build()
        if dtype is not None:
            module.to(torch.float64 if dtype == np.float64 else torch.float32)
        training = TrainingOptions.of(estimator, device, **options)
        estimator.net_ = train(module, loss, data, held_out, training, seed)
    keep_record(estimator)
