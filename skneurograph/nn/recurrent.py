"""A recurrent network over the frames of a window: the structure-agnostic rival."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from skneurograph.nn.layers import SharedDropout, split_missing

__all__ = ["RecurrentDecoder"]


class RecurrentDecoder(nn.Module):
    """LSTM or GRU over frames, whose last state is read out linearly.

    Missing neurons are zero, the mean of z-scored traces: the network knows no graph and
    cannot tell a missing neuron from a silent one.

    Parameters
    ----------
    n_neurons, n_outputs : int
    hidden_size : int
        Units of the recurrent layer.
    cell : {"lstm", "gru"}
    dropout : float
        Dropout of the state before the readout.
    """

    def __init__(
        self,
        n_neurons: int,
        n_outputs: int,
        *,
        hidden_size: int,
        cell: Literal["lstm", "gru"],
        dropout: float,
    ) -> None:
        super().__init__()
        layer = nn.LSTM if cell == "lstm" else nn.GRU
        self.recurrent = layer(n_neurons, hidden_size, batch_first=True)
        self.dropout = SharedDropout(dropout)
        self.readout = nn.Linear(hidden_size, n_outputs)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (n_windows, n_neurons, n_times) to (n_windows, n_outputs)."""
        activity, _ = split_missing(windows)
        states: Tensor = self.recurrent(activity.transpose(1, 2))[0]
        return torch.as_tensor(self.readout(self.dropout(states[:, -1])))
