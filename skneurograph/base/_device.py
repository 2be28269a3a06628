"""Device of a network, and torch's process-wide defaults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

__all__ = ["PROCESS", "resolve_device", "usual_torch"]

# torch's generators and defaults belong to the process: fits in several threads must take turns.
PROCESS = threading.RLock()


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the torch device: for ``"auto"``, CUDA where there is one."""
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device: got {device!r}; expected 'auto', 'cpu', 'cuda', 'cuda:0', ..."
        ) from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: got {device!r}, but torch sees no CUDA device; use 'auto'")
    return chosen


@contextmanager
def usual_torch() -> Iterator[None]:
    """Compute as in a fresh process, whatever precision, device or gradient mode is set.

    Within the block tensors are made in single precision and on the CPU, unless they say
    otherwise, and gradients are recorded; afterwards everything is as it was.
    """
    with ExitStack() as changed:
        if torch.is_inference_mode_enabled():
            changed.enter_context(torch.inference_mode(False))
        changed.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":
            changed.enter_context(torch.device("cpu"))
        if torch.get_default_dtype() != torch.float32:
            changed.enter_context(PROCESS)
            changed.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float32)
        yield
