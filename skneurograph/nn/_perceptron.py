"""Perceptrons: rollouts of each neuron by itself, and a decoder of windows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn._layers import MemberLinear, SharedDropout, split_missing
from skneurograph.nn._rollout import NeuronDynamics, RolloutModel, zero_readout

__all__ = ["PerceptronDecoder", "PerceptronRollout"]


class PerceptronRollout(RolloutModel):
    """A network with one hidden layer from the last frames of all neurons to their change.

    Parameters
    ----------
    hidden_size : int
    dropout : float
        Probability of dropping a hidden unit in training.
    n_members, dynamics, limit, n_lags, n_inside, n_ahead, neuron_dropout
        See `RolloutModel`.
    """

    def __init__(
        self,
        n_members: int,
        dynamics: NeuronDynamics,
        limit: float,
        *,
        hidden_size: int,
        dropout: float,
        n_lags: int,
        n_inside: int,
        n_ahead: int,
        neuron_dropout: float,
    ) -> None:
        super().__init__(
            n_members,
            dynamics,
            limit,
            n_lags=n_lags,
            n_inside=n_inside,
            n_ahead=n_ahead,
            neuron_dropout=neuron_dropout,
        )
        self.hidden = MemberLinear(n_members, self.n_neurons * self.n_lags, hidden_size)
        self.dropout = SharedDropout(dropout)
        self.readout = zero_readout(n_members, hidden_size, self.n_neurons)

    def begin(
        self, frames: Tensor, senders: Tensor, dynamics: NeuronDynamics
    ) -> tuple[Tensor, Tensor]:
        """Return the last frames; see `RolloutModel.begin`."""
        return frames[..., -self.n_lags :], senders.to(frames.dtype)[..., None]

    def change(self, state: tuple[Tensor, Tensor]) -> Tensor:
        """Predict the change; see `RolloutModel.change`."""
        lags, sent = state
        hidden = F.relu(self.hidden((lags * sent).flatten(2)))
        change: Tensor = self.readout(self.dropout(hidden))
        return change

    def follow(self, state: tuple[Tensor, Tensor], frame: Tensor) -> tuple[Tensor, Tensor]:
        """Move on by a frame; see `RolloutModel.follow`."""
        return torch.cat([state[0][..., 1:], frame[..., None]], dim=-1), state[1]

    def narrow(self, state: tuple[Tensor, Tensor], n_windows: int) -> tuple[Tensor, Tensor]:
        """Keep the first windows; see `RolloutModel.narrow`."""
        return state[0][:, :n_windows], state[1][:, :n_windows]


class PerceptronDecoder(nn.Module):
    """A network with one hidden layer from the last frames of all neurons to an output.

    Parameters
    ----------
    n_neurons, n_outputs, n_members, n_lags, hidden_size : int
    dropout, neuron_dropout : float
        As in `PerceptronRollout`.
    """

    def __init__(
        self,
        n_neurons: int,
        n_outputs: int,
        *,
        n_members: int,
        n_lags: int,
        hidden_size: int,
        dropout: float,
        neuron_dropout: float,
    ) -> None:
        super().__init__()
        self.n_members = n_members
        self.n_lags = n_lags
        self.neuron_dropout = SharedDropout(neuron_dropout)
        self.hidden = MemberLinear(n_members, n_neurons * n_lags, hidden_size)
        self.dropout = SharedDropout(dropout)
        self.readout = MemberLinear(n_members, hidden_size, n_outputs)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (n_windows, n_neurons, n_times) to (n_members, n_windows, n_outputs)."""
        frames, _ = split_missing(windows)
        inputs = frames[..., -self.n_lags :].expand(self.n_members, -1, -1, -1)
        if self.training and self.neuron_dropout.p > 0:
            kept = self.neuron_dropout.keep((self.n_members, 1, windows.shape[1], 1), frames)
            inputs = inputs * kept
        output: Tensor = self.readout(self.dropout(F.relu(self.hidden(inputs.flatten(2)))))
        return output
