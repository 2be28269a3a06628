"""Forecasting frame by frame: networks that roll out their own predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn._changes import change_ahead, roughness
from skneurograph.nn._layers import MemberLinear, SharedDropout, split_missing

__all__ = [
    "NeuronDynamics",
    "RolloutModel",
    "zero_readout",
]


# Part of the deviation from the linear forecast that is carried from one step to the next.
# Carried whole, what a net gets wrong would add up over the steps.
_CARRIED = 0.8


class NeuronDynamics(NamedTuple):
    """Scale and linear forecast of each neuron, known before a net is trained.

    Attributes
    ----------
    mean, scale : Tensor of shape (n_neurons,)
        By which activity is standardised. A scale of zero marks a silent neuron, which
        never moved: it stays as it is, tells the others nothing and teaches nothing.
    low, high : Tensor of shape (n_neurons,)
        Levels (means of a window), standardised, between which training saw the neuron.
    knots : Tensor of shape (n_ramps + 1,)
    shared : Tensor of shape (n_ramps + 1, n_read, n_direct)
    own : Tensor of shape (n_neurons, n_read, n_direct)
    directions : Tensor of shape (3, n_neurons, n_directions)
    coupling : Tensor of shape (n_directions, n_neurons, n_direct)
        Coefficients of the linear forecast; see `change_ahead`.
    identities : int Tensor of shape (n_neurons,)
        For modules that know identities: numbered from 0, -1 for anonymous neurons.
    """

    mean: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor
    knots: Tensor
    shared: Tensor
    own: Tensor
    directions: Tensor
    coupling: Tensor
    identities: Tensor


class RolloutModel(nn.Module, ABC):
    """Predict how every neuron changes from one frame to the next, and feed that back.

    The whole rollout is forecast linearly, with coefficients that are given. What the class
    predicts from the frames so far is added at each step, and a part of it is carried to the
    next. An ensemble: tensors have a leading dimension of members, each of which rolls out
    its own forecasts. A missing neuron stays at zero, its mean.

    Nets read frames relative to a level of their window, so that baselines may drift: all of
    what the window's mean lies beyond those of training, and ``1 - reversion`` of what it
    lies within them. Forecasts are kept within ``limit`` of that level, or within the range
    of the frames that are read if that is wider, so that they are finite after any number of
    steps and never cut off from the frame that they start from.

    Parameters
    ----------
    n_members : int
    dynamics : NeuronDynamics
        Those of the training windows.
    limit : float
        In standardised units.
    n_lags : int
        Last frames that a step of the net reads.
    n_inside : int
        Frames at the end of a training window that are forecast from those before.
    n_ahead : int
        Frames after a training window that are forecast.
    neuron_dropout : float
        Probability that, in training, a neuron tells the others nothing; the given linear
        part always sees all.

    Attributes
    ----------
    reversion : float
        How far forecasts return to the training mean: the part of a window's level, within
        those of training, that a net reads, and of its corrections that count, as what was
        learnt in training may be gone, too. 1 by default.
    thins : bool
        Whether, in training, only every ``h``-th window is rolled out to step ``h``, for a
        third of the work. That is for batches in random order. False by default.
    """

    def __init__(
        self,
        n_members: int,
        dynamics: NeuronDynamics,
        limit: float,
        *,
        n_lags: int,
        n_inside: int,
        n_ahead: int,
        neuron_dropout: float,
    ) -> None:
        super().__init__()
        self.n_members = n_members
        self.n_neurons = len(dynamics.own)
        self.n_lags = n_lags
        self.limit = limit
        self.n_inside = n_inside
        self.n_ahead = n_ahead
        self.reversion = 1.0
        self.thins = False
        self.neuron_dropout = SharedDropout(neuron_dropout)
        for name, values in dynamics._asdict().items():
            self.register_buffer(f"given_{name}", values)

    @property
    def dynamics(self) -> NeuronDynamics:
        """Those of the neurons of the training windows."""
        return NeuronDynamics(*(getattr(self, f"given_{name}") for name in NeuronDynamics._fields))

    @abstractmethod
    def begin(self, frames: Tensor, senders: Tensor, dynamics: NeuronDynamics) -> Any:
        """Read a window and give the state from which the first step is taken.

        Parameters
        ----------
        frames : Tensor of shape (n_members, n_windows, n_neurons, n_times)
            Standardised, within the limit; zero for missing neurons.
        senders : bool Tensor of shape (n_members or 1, n_windows, n_neurons)
            Neurons that tell the others something.
        dynamics : NeuronDynamics
        """

    @abstractmethod
    def change(self, state: Any) -> Tensor:
        """Predict the next change beside the linear forecast, (n_members, n_windows, n_neurons)."""

    @abstractmethod
    def follow(self, state: Any, frame: Tensor) -> Any:
        """Return the state after a frame (n_members, n_windows, n_neurons)."""

    @abstractmethod
    def narrow(self, state: Any, n_windows: int) -> Any:
        """Return the state of the first windows alone."""

    def roll_out(
        self,
        frames: Tensor,
        recorded: Tensor,
        plan: Tensor,
        dynamics: NeuronDynamics,
        senders: Tensor | None = None,
        reached: Sequence[int] | None = None,
    ) -> Tensor:
        """Forecast from standardised frames.

        Parameters
        ----------
        frames : Tensor of shape (n_windows, n_neurons, n_times)
            Relative to the level of the window; zero for missing neurons.
        recorded : bool Tensor of shape (n_windows, n_neurons)
        plan : Tensor of shape (n_windows, n_neurons, n_steps)
            The linear forecast; see `plan`.
        dynamics : NeuronDynamics
        senders : bool Tensor of shape (n_members, n_windows or 1, n_neurons), optional
            Neurons that tell the others something; by default all that are recorded.
        reached : sequence of int, optional
            How many windows, the first ones, are forecast at each step; by default all. The
            number must not grow.

        Returns
        -------
        Tensor of shape (n_members, n_windows, n_neurons, n_steps)
            Zero where a step is not reached.
        """
        n_windows, _, n_steps = plan.shape
        senders = recorded[None] if senders is None else senders & recorded
        bound = frames.abs().amax(dim=-1).clamp(min=self.limit) * recorded[None]
        last = frames[..., -1].expand(self.n_members, -1, -1)
        ahead = frames[..., -1:] + F.pad(plan, (1, 0))
        inputs = self._limited(frames).expand(self.n_members, -1, -1, -1)
        state = self.begin(inputs, senders, dynamics)
        steps: list[Tensor] = []
        for step, n_left in enumerate([n_windows] * n_steps if reached is None else reached):
            if n_left < last.shape[1]:
                last, bound = last[:, :n_left], bound[:, :n_left]
                state = self.narrow(state, n_left)
            if steps:
                state = self.follow(state, self._limited(last))
            deviation = last - ahead[:n_left, :, step]
            frame = ahead[:n_left, :, step + 1] + _CARRIED * deviation + self.change(state)
            last = torch.minimum(torch.maximum(frame, -bound), bound)
            steps.append(last)
        whole = [F.pad(step, (0, 0, 0, n_windows - step.shape[1])) for step in steps]
        return torch.stack(whole, dim=-1)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Forecast the end of the windows and what follows, for the loss.

        Parameters
        ----------
        windows : Tensor of shape (n_windows, n_neurons, n_times)
            NaN marks neurons that were not recorded.

        Returns
        -------
        forecast : Tensor of shape (n_members, n_windows, n_neurons, n_inside + n_ahead)
        seen : Tensor of shape (n_windows, n_neurons, n_inside)
            The frames inside the window that were forecast.
        recorded : bool Tensor of shape (n_windows, n_neurons)
        reached : Tensor of shape (n_windows, n_inside + n_ahead)
            How many windows a forecast stands for: one, unless rollouts are thinned.
        """
        dynamics = self.dynamics
        frames, recorded = self.standardise(windows, dynamics)
        senders = None
        if self.training and self.neuron_dropout.p > 0:
            shape = (self.n_members, 1, windows.shape[1])
            senders = self.neuron_dropout.keep(shape, frames) > 0
        n_windows, n_steps = len(windows), self.n_inside + self.n_ahead
        left = [n_windows] * n_steps
        if self.training and self.thins:
            left = [-(-n_windows // step) for step in range(1, n_steps + 1)]
        cut = frames.shape[-1] - self.n_inside
        start = frames[..., :cut]
        plan = self.plan(start, recorded, dynamics, n_steps)
        level = self.level(start, dynamics, self.reversion)[..., None]
        start = torch.where(recorded[..., None], start - level, 0)
        forecast = self.roll_out(start, recorded, plan, dynamics, senders, left)
        counts = torch.tensor(left, device=windows.device)
        reached = torch.arange(n_windows, device=windows.device)[:, None] < counts
        reached = reached * (n_windows / counts.to(frames.dtype))
        return forecast + level, frames[..., cut:], recorded, reached

    def forecast(
        self, windows: Tensor, n_steps: int, dynamics: NeuronDynamics | None = None
    ) -> Tensor:
        """Forecast what follows the windows, averaged over members, in units of the activity.

        Parameters
        ----------
        windows : Tensor of shape (n_windows, n_neurons, n_times)
        n_steps : int
        dynamics : NeuronDynamics, optional
            By default those of training.

        Returns
        -------
        Tensor of shape (n_windows, n_neurons, n_steps)
        """
        dynamics = self.dynamics if dynamics is None else dynamics
        frames, recorded = self.standardise(windows, dynamics)
        plan = self.plan(frames, recorded, dynamics, n_steps)
        frames, recorded = self.relative(windows, dynamics)
        rolled = self.roll_out(frames, recorded, plan, dynamics).mean(dim=0)
        distance = plan + self.reversion * (rolled - frames[..., -1:] - plan)
        # Added to the last frame as it is given: exact for neurons that do not move.
        last = torch.where(torch.isnan(windows).any(dim=-1), dynamics.mean, windows[..., -1])
        return last[..., None] + dynamics.scale[:, None] * distance

    def plan(
        self, frames: Tensor, recorded: Tensor, dynamics: NeuronDynamics, n_steps: int
    ) -> Tensor:
        """Return the linear forecast, relative to the last frame, that a rollout starts from.

        It forecasts some steps directly, and feeds them back for more.

        Parameters
        ----------
        frames : Tensor of shape (n_windows, n_neurons, n_times)
            Standardised.
        recorded : bool Tensor of shape (n_windows, n_neurons)
        dynamics : NeuronDynamics
        n_steps : int

        Returns
        -------
        Tensor of shape (n_windows, n_neurons, n_steps)
        """
        n_read = dynamics.own.shape[1]
        frames = frames - self.level(frames, dynamics, 1.0)[..., None]
        whole = torch.where(recorded[..., None], frames, 0)[..., -n_read:]
        last = whole[..., -1:]
        bound = whole.abs().amax(dim=-1, keepdim=True).clamp(min=self.limit)
        rough = roughness(whole)
        while whole.shape[-1] < n_read + n_steps:
            recent = whole[..., -n_read:]
            steps = recent[..., -1:] + change_ahead(recent, rough, dynamics)
            whole = torch.cat([whole, torch.minimum(torch.maximum(steps, -bound), bound)], dim=-1)
        return torch.where(recorded[..., None], whole[..., n_read : n_read + n_steps] - last, 0)

    def standardise(self, windows: Tensor, dynamics: NeuronDynamics) -> tuple[Tensor, Tensor]:
        """Standardise windows and separate what is missing (`split_missing`) or silent."""
        moves = dynamics.scale > 0
        scale = torch.where(moves, dynamics.scale, 1)
        frames, recorded = split_missing((windows - dynamics.mean[:, None]) / scale[:, None])
        return torch.where(moves[:, None], frames, 0), recorded & moves

    def level(self, frames: Tensor, dynamics: NeuronDynamics, reversion: float) -> Tensor:
        """Return the level of standardised frames that they are read relative to."""
        mean = frames.mean(dim=-1)
        within = torch.minimum(torch.maximum(mean, dynamics.low), dynamics.high)
        return mean - reversion * within

    def relative(self, windows: Tensor, dynamics: NeuronDynamics) -> tuple[Tensor, Tensor]:
        """Standardise windows relative to their level; see `standardise`."""
        frames, recorded = self.standardise(windows, dynamics)
        shifted = frames - self.level(frames, dynamics, self.reversion)[..., None]
        return torch.where(recorded[..., None], shifted, 0), recorded

    def _limited(self, frames: Tensor) -> Tensor:
        return frames.clamp(-self.limit, self.limit)


def zero_readout(n_members: int, n_inputs: int, n_outputs: int) -> MemberLinear:
    """Make a linear layer that starts at zero, so that training starts at the linear part."""
    layer = MemberLinear(n_members, n_inputs, n_outputs)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
