"""Seeding: seeds drawn from ``random_state``, and torch's generators under a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from skneurograph.base._device import PROCESS, usual_torch

__all__ = ["draw_seeds", "seeded"]


def draw_seeds(random_state: Any, n_seeds: int) -> list[int]:
    """Draw seeds from an estimator's ``random_state``, never from numpy's global generator."""
    if random_state is None:
        return [int(seed) for seed in np.random.default_rng().integers(2**31 - 1, size=n_seeds)]
    source = check_random_state(random_state)
    return [int(seed) for seed in source.randint(2**31 - 1, size=n_seeds)]


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch within the block, and leave its global generators and defaults as they were."""
    on_cuda = device.type == "cuda"
    index = torch.cuda.current_device() if on_cuda and device.index is None else device.index
    with PROCESS, usual_torch(), torch.random.fork_rng(devices=[index] if on_cuda else []):
        # torch.manual_seed would reach the generators of devices that are not saved here.
        torch.random.default_generator.manual_seed(seed)
        if on_cuda:
            torch.cuda.default_generators[index].manual_seed(seed)
        yield
