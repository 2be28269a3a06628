"""Decoders of neural relational inference: from a graph and past frames to the next."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn.relational._messages import FactorizedMessages, PairMessages

__all__ = ["MarkovDecoder", "StateDecoder"]

Message = Literal["factorized", "mlp"]


def _messages(kind: Message, n_inputs: int, hidden_size: int, n_types: int) -> nn.Module:
    form = FactorizedMessages if kind == "factorized" else PairMessages
    return form(n_inputs, hidden_size, n_types)


class _Readout(nn.Module):
    """A network from the features of a neuron to its change."""

    def __init__(self, n_inputs: int, hidden_size: int, n_outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, n_outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.layers(features)
        return change


class MarkovDecoder(nn.Module):
    """Predict each frame from the few before it and from messages, eqs. 10-12 of NRI.

    A window is cut into chunks of ``horizon``. Each starts from true frames and
    is then rolled out on its own predictions, all chunks side by side.

    Parameters
    ----------
    n_features, hidden_size : int
    n_types : int
        Edge types that carry messages.
    message : {"factorized", "mlp"}
    horizon : int
    n_lags : int
        Frames that a prediction reads.

    Notes
    -----
    With ``message="factorized"`` a network encodes each neuron's frames before messages are
    made of them. It costs little, as it runs per neuron, and lets a message be a nonlinear
    function of either neuron, such as the sine of a phase.
    """

    n_burn_in = 0

    def __init__(
        self,
        n_features: int,
        hidden_size: int,
        n_types: int,
        message: Message,
        horizon: int,
        n_lags: int,
    ) -> None:
        super().__init__()
        self.n_steps = horizon
        self.n_lags = n_lags
        n_inputs = n_lags * n_features
        self.embed: nn.Module = nn.Identity()
        n_encoded = n_inputs
        if message == "factorized":
            n_encoded = hidden_size
            self.embed = nn.Sequential(
                nn.Linear(n_inputs, hidden_size),
                nn.ReLU(),
                nn.Linear(hidden_size, hidden_size),
            )
        self.messages = _messages(message, n_encoded, hidden_size, n_types)
        self.readout = _Readout(n_inputs + hidden_size, hidden_size, n_features)

    def forward(
        self, frames: Tensor, weights: Tensor, neighbors: Tensor | None, change_scale: Tensor
    ) -> Tensor:
        """Predict all frames but the first ``n_lags``.

        Parameters
        ----------
        frames : Tensor of shape (n_windows, n_neurons, n_times, n_features)
        weights : Tensor of shape (n_windows, n_types, n_receivers, n_candidates)
        neighbors : int Tensor of shape (n_receivers, n_candidates) or None
        change_scale : Tensor of shape (n_features,)
            Typical change from frame to frame.

        Returns
        -------
        Tensor of shape (n_windows, n_neurons, n_times - n_lags, n_features)
        """
        n_times, n_features = frames.shape[2:]
        n_predicted = n_times - self.n_lags
        starts = range(0, n_predicted, self.n_steps)
        past = torch.stack([frames[:, :, s : s + self.n_lags] for s in starts], dim=2).flatten(3)
        steps = []
        for step in range(min(self.n_steps, n_predicted)):
            # The last chunk may be shorter than the others.
            n_chunks = len(range(step, n_predicted, self.n_steps))
            past = past[:, :, :n_chunks]
            received = self.messages(self.embed(past), weights, neighbors)
            change = self.readout(torch.cat([past, received], dim=-1))
            frame = past[..., -n_features:] + change * change_scale
            steps.append(F.pad(frame, (0, 0, 0, len(starts) - n_chunks)))
            past = torch.cat([past[..., n_features:], frame], dim=-1)
        # (windows, neurons, chunks, steps, features), where chunks follow each other.
        return torch.stack(steps, dim=3).flatten(2, 3)[:, :, :n_predicted]


class StateDecoder(nn.Module):
    """Predict each frame from a recurrent state and messages between states, eqs. 13-16.

    Unlike the published cell, the gates see a neuron's own state beside the messages, so
    that a neuron that receives none has a memory too.

    Parameters
    ----------
    n_features, hidden_size, n_types : int
    message : {"factorized", "mlp"}
    horizon : int
        After the burn-in, every so many frames the true frame is given again.
    n_burn_in : int
        Frames at the beginning that are given.
    """

    n_lags = 1

    def __init__(
        self,
        n_features: int,
        hidden_size: int,
        n_types: int,
        message: Message,
        horizon: int,
        n_burn_in: int,
    ) -> None:
        super().__init__()
        self.n_steps = horizon
        self.n_burn_in = n_burn_in
        self.messages = _messages(message, hidden_size, hidden_size, n_types)
        self.cell = nn.GRUCell(n_features + hidden_size, hidden_size)
        self.readout = _Readout(hidden_size, hidden_size, n_features)

    def forward(
        self, frames: Tensor, weights: Tensor, neighbors: Tensor | None, change_scale: Tensor
    ) -> Tensor:
        """Predict all frames but the first; see `MarkovDecoder`."""
        n_windows, n_neurons, n_times, _ = frames.shape
        hidden_size = self.cell.hidden_size
        state = frames.new_zeros(n_windows * n_neurons, hidden_size)
        frame = frames[:, :, 0]
        predicted = []
        for time in range(n_times - 1):
            after = time - self.n_burn_in
            if after < 0 or after % self.n_steps == 0:
                frame = frames[:, :, time]
            shape = (n_windows, n_neurons, 1, hidden_size)
            received = self.messages(state.view(shape), weights, neighbors)[:, :, 0]
            inputs = torch.cat([frame, received], dim=-1)
            state = self.cell(inputs.flatten(0, 1), state)
            frame = frame + self.readout(state).view_as(frame) * change_scale
            predicted.append(frame)
        return torch.stack(predicted, dim=2)
