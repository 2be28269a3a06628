"""Recurrent network (LSTM, GRU) over the frames of a window: the structure-agnostic baseline."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from skneurograph.nn._layers import MemberLinear, SharedDropout, split_missing

__all__ = ["RecurrentDecoder"]


class RecurrentDecoder(nn.Module):
    """LSTMs or GRUs over frames, whose last states are read out linearly: an ensemble.

    Missing neurons are zero, the mean of z-scored traces: the network knows no graph and
    cannot tell a missing neuron from a silent one.

    Parameters
    ----------
    n_neurons, n_outputs : int
    n_members : int
        Networks of the ensemble.
    projection_size : int or None
        Each frame is first projected linearly on that many dimensions; None for none.
    hidden_size : int
        Units of each recurrent layer.
    cell : {"lstm", "gru"}
    dropout, neuron_dropout : float
        Probability of dropping a unit of the last state, and a whole neuron, in training.
    """

    def __init__(
        self,
        n_neurons: int,
        n_outputs: int,
        *,
        n_members: int,
        projection_size: int | None,
        hidden_size: int,
        cell: Literal["lstm", "gru"],
        dropout: float,
        neuron_dropout: float,
    ) -> None:
        super().__init__()
        layer = nn.LSTM if cell == "lstm" else nn.GRU
        self.projection: MemberLinear | None = None
        n_inputs = n_neurons
        if projection_size is not None:
            self.projection = MemberLinear(n_members, n_neurons, projection_size)
            n_inputs = projection_size
        self.recurrent = nn.ModuleList(
            layer(n_inputs, hidden_size, batch_first=True) for _ in range(n_members)
        )
        self.dropout = SharedDropout(dropout)
        self.neuron_dropout = SharedDropout(neuron_dropout)
        self.readout = MemberLinear(n_members, hidden_size, n_outputs)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (n_windows, n_neurons, n_times) to (n_members, n_windows, n_outputs)."""
        activity, _ = split_missing(windows)
        frames = activity.transpose(1, 2)
        if self.training and self.neuron_dropout.p > 0:
            kept = self.neuron_dropout.keep((len(self.recurrent), 1, 1, frames.shape[-1]), frames)
            inputs = frames * (kept / (1 - self.neuron_dropout.p))
        else:
            inputs = frames.expand(len(self.recurrent), *frames.shape)
        if self.projection is not None:
            inputs = self.projection(inputs)
        pairs = zip(self.recurrent, inputs)
        last = torch.stack([member(own_frames)[0][:, -1] for member, own_frames in pairs])
        output: Tensor = self.readout(self.dropout(last))
        return output
