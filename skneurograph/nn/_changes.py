"""Linear forecasts of how far each neuron will be from the last frame of its window."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

__all__ = ["change_ahead", "roughness"]

# As `skneurograph.forecasting._changes` has them, and fits the coefficients.
_RECENT, _LOUDEST, _NARROWEST = 8, 3.0, 1e-3


class _Coefficients(Protocol):
    @property
    def knots(self) -> Tensor: ...
    @property
    def shared(self) -> Tensor: ...
    @property
    def own(self) -> Tensor: ...
    @property
    def directions(self) -> Tensor: ...
    @property
    def coupling(self) -> Tensor: ...


def change_ahead(frames: Tensor, rough: Tensor, given: _Coefficients) -> Tensor:
    """Forecast changes from the last frame, several steps directly.

    Parameters
    ----------
    frames : Tensor of shape (n_windows, n_neurons, n_lags)
        Standardised, zero where a neuron is missing.
    rough : Tensor of shape (n_windows, n_neurons)
    given : NeuronDynamics
        ``shared`` (n_ramps + 1, n_lags, n_steps): coefficients of frames relative to the last
        one and, in place of it, of their mean, for windows below the first of ``knots``, and
        what each ramp between knots adds. ``own`` (n_neurons, n_lags, n_steps) are those of
        each neuron beside them, and ``coupling`` (n_directions, n_neurons, n_steps) those of
        what the population tells along ``directions`` (3, n_neurons, n_directions).

    Returns
    -------
    Tensor of shape (n_windows, n_neurons, n_steps)
    """
    last, level = frames[..., -1:], frames.mean(dim=-1, keepdim=True)
    inputs = torch.cat([frames[..., :-1] - last, level], dim=-1)
    steps = inputs @ given.shared[0]
    for low, high, coefficients in zip(given.knots, given.knots[1:], given.shared[1:]):
        ramp = ((rough - low) / (high - low).clamp(min=_NARROWEST)).clamp(0, 1)
        steps = steps + (ramp[..., None] * inputs) @ coefficients
    steps = steps + (inputs.transpose(0, 1) @ given.own).transpose(0, 1)
    recent = frames[..., -_RECENT:].mean(dim=-1)
    told = torch.stack([last[..., 0] - recent, (last - level)[..., 0], level[..., 0]], dim=1)
    told = torch.tensordot(told.clamp(-_LOUDEST, _LOUDEST), given.directions, dims=2)
    return steps + torch.tensordot(told, given.coupling, dims=1)


def roughness(frames: Tensor) -> Tensor:
    """Return how rough the frames of a window are: 0 if they are smooth, 2/3 if white noise."""
    if frames.shape[-1] < 2:
        return torch.zeros_like(frames[..., 0])
    fast = frames.diff(dim=-1).square().mean(dim=-1)
    total = fast + frames.var(dim=-1, correction=0)
    return torch.where(total > 0, fast / torch.where(total > 0, total, 1), 0)
