"""Forecasting frame by frame: networks that roll out their own predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn._layers import MemberLinear, SharedDropout, split_missing

__all__ = [
    "NeuronDynamics",
    "RolloutModel",
    "zero_readout",
]


class NeuronDynamics(NamedTuple):
    """Scale and linear dynamics of each neuron, known before a net is trained.

    Attributes
    ----------
    mean, scale : Tensor of shape (n_neurons,)
        By which activity is standardised. A scale of zero marks a silent neuron, which
        never moved: it stays as it is, tells the others nothing and teaches nothing.
    low, high : Tensor of shape (n_neurons,)
        Levels (means of a window), standardised, between which training saw the neuron.
    own : Tensor of shape (n_neurons, n_lags)
        Coefficients of a neuron's last frames for its change, oldest frame first.
    offset : Tensor of shape (n_neurons,)
        Added to the change.
    coupling : Tensor of shape (n_neurons, n_neurons)
        Linear influence of sender ``j`` on the change of receiver ``i``, entry ``[i, j]``;
        of shape (0, 0) if there is none.
    identities : int Tensor of shape (n_neurons,)
        For modules that know identities: numbered from 0, -1 for anonymous neurons.
    """

    mean: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor
    own: Tensor
    offset: Tensor
    coupling: Tensor
    identities: Tensor


class RolloutModel(nn.Module, ABC):
    """Predict how every neuron changes from one frame to the next, and feed that back.

    The change is linear in the neuron's own last frames and in the last frame of the
    others, with coefficients that are given, plus what the class predicts. An ensemble:
    tensors have a leading dimension of members, each of which rolls out its own
    forecasts. A missing neuron stays at zero, its mean.

    Frames are read relative to a level of their window, so that baselines may drift: all of
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
        Part of a window's level, within those of training, from which forecasts return to
        the training mean. 1 by default.
    kept : Tensor of shape (n_horizons,)
        Part of the forecast distance from the last frame that is kept at each step; the
        last one holds for all further steps. 1 by default.
    thins : bool
        Whether, in training, only every ``h``-th window is rolled out to step ``h``, for a
        third of the work. That is for batches in random order. False by default.
    """

    kept: Tensor

    def __init__(
        self,
        n_members: int,
        dynamics: NeuronDynamics,
        limit: float,
        *,
        n_inside: int,
        n_ahead: int,
        neuron_dropout: float,
    ) -> None:
        super().__init__()
        self.n_members = n_members
        self.n_neurons, self.n_lags = dynamics.own.shape
        self.limit = limit
        self.n_inside = n_inside
        self.n_ahead = n_ahead
        self.reversion = 1.0
        self.thins = False
        self.neuron_dropout = SharedDropout(neuron_dropout)
        self.register_buffer("kept", torch.ones(1))
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
        """Predict the next change beside the linear part, (n_members, n_windows, n_neurons)."""

    @abstractmethod
    def follow(self, state: Any, frame: Tensor) -> Any:
        """Return the state after a frame (n_members, n_windows, n_neurons)."""

    @abstractmethod
    def narrow(self, state: Any, n_windows: int) -> Any:
        """Return the state of the first windows alone."""

    def own_coefficients(self, dynamics: NeuronDynamics) -> Tensor:
        """Coefficients of a neuron's own frames, (n_neurons, n_lags) or with members."""
        return dynamics.own

    def roll_out(
        self,
        frames: Tensor,
        recorded: Tensor,
        n_steps: int,
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
        n_steps : int
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
        n_windows = len(frames)
        senders = recorded[None] if senders is None else senders & recorded
        lags = frames[..., -self.n_lags :]
        bound = lags.abs().amax(dim=-1).clamp(min=self.limit) * recorded[None]
        lags = lags.expand(self.n_members, -1, -1, -1)
        inputs = self._limited(frames).expand(self.n_members, -1, -1, -1)
        state = self.begin(inputs, senders, dynamics)
        own = self.own_coefficients(dynamics)
        steps: list[Tensor] = []
        for n_left in [n_windows] * n_steps if reached is None else reached:
            if n_left < lags.shape[1]:
                lags, bound = lags[:, :n_left], bound[:, :n_left]
                state = self.narrow(state, n_left)
            if steps:
                frame = steps[-1][:, :n_left]
                state = self.follow(state, self._limited(frame))
                lags = torch.cat([lags[..., 1:], frame[..., None]], dim=-1)
            last = lags[..., -1]
            linear = (lags * own).sum(dim=-1) + dynamics.offset
            if dynamics.coupling.numel():
                linear = linear + self._limited(last) @ dynamics.coupling.T
            frame = last + linear + self.change(state)
            steps.append(torch.minimum(torch.maximum(frame, -bound), bound))
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
        level = self.level(frames[..., :cut], dynamics)[..., None]
        start = torch.where(recorded[..., None], frames[..., :cut] - level, 0)
        forecast = self.roll_out(start, recorded, n_steps, dynamics, senders, left)
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
        frames, recorded = self.relative(windows, dynamics)
        distance = self.roll_out(frames, recorded, n_steps, dynamics).mean(dim=0) - frames[..., -1:]
        step = torch.arange(n_steps, device=windows.device).clamp(max=len(self.kept) - 1)
        # Added to the last frame as it is given: exact for neurons that do not move.
        last = torch.where(torch.isnan(windows).any(dim=-1), dynamics.mean, windows[..., -1])
        return last[..., None] + dynamics.scale[:, None] * (self.kept[step] * distance)

    def standardise(self, windows: Tensor, dynamics: NeuronDynamics) -> tuple[Tensor, Tensor]:
        """Standardise windows and separate what is missing (`split_missing`) or silent."""
        moves = dynamics.scale > 0
        scale = torch.where(moves, dynamics.scale, 1)
        frames, recorded = split_missing((windows - dynamics.mean[:, None]) / scale[:, None])
        return torch.where(moves[:, None], frames, 0), recorded & moves

    def level(self, frames: Tensor, dynamics: NeuronDynamics) -> Tensor:
        """Return the level of standardised frames that they are read relative to."""
        mean = frames.mean(dim=-1)
        within = torch.minimum(torch.maximum(mean, dynamics.low), dynamics.high)
        return mean - self.reversion * within

    def relative(self, windows: Tensor, dynamics: NeuronDynamics) -> tuple[Tensor, Tensor]:
        """Standardise windows relative to their level; see `standardise`."""
        frames, recorded = self.standardise(windows, dynamics)
        shifted = frames - self.level(frames, dynamics)[..., None]
        return torch.where(recorded[..., None], shifted, 0), recorded

    def _limited(self, frames: Tensor) -> Tensor:
        return frames.clamp(-self.limit, self.limit)


def zero_readout(n_members: int, n_inputs: int, n_outputs: int) -> MemberLinear:
    """Make a linear layer that starts at zero, so that training starts at the linear part."""
    layer = MemberLinear(n_members, n_inputs, n_outputs)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
