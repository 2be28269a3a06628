"""Forecast frame by frame: what every net that rolls out its own predictions shares."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn.layers import MemberLinear, SharedDropout, split_missing

__all__ = ["FrameModel", "PerceptronDecoder", "PerceptronFrames", "RecurrentFrames"]


class FrameModel(nn.Module):
    """Predict how every neuron changes from one frame to the next, and feed that back.

    An ensemble: tensors have a leading dimension of members, each of which rolls out its
    own forecasts. Neurons are standardised on the way in. A missing neuron stays at zero,
    its mean, and forecasts are kept within ``limit``, so that they are finite after any
    number of steps.

    Parameters
    ----------
    n_members, n_neurons : int
    n_inside : int
        Frames at the end of a training window that are forecast from those before.
    n_ahead : int
        Frames after a training window that are forecast.
    neuron_dropout : float
        Probability of dropping a whole neuron in training.
    """

    mean: Tensor
    scale: Tensor
    limit: Tensor

    def __init__(
        self, n_members: int, n_neurons: int, *, n_inside: int, n_ahead: int, neuron_dropout: float
    ) -> None:
        super().__init__()
        self.n_members = n_members
        self.n_inside = n_inside
        self.n_ahead = n_ahead
        self.neuron_dropout = SharedDropout(neuron_dropout)
        self.register_buffer("mean", torch.zeros(n_neurons))
        self.register_buffer("scale", torch.ones(n_neurons))
        self.register_buffer("limit", torch.tensor(float("inf")))

    def set_scale(self, mean: Tensor, scale: Tensor, limit: float) -> None:
        """Standardise by this mean and spread, and bound forecasts in those units.

        Parameters
        ----------
        mean, scale : Tensor of shape (n_neurons,)
        limit : float
        """
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.limit.fill_(limit)

    @abstractmethod
    def begin(self, frames: Tensor, recorded: Tensor, identities: Tensor | None) -> Any:
        """Read a window and give the state from which the first step is taken.

        Parameters
        ----------
        frames : Tensor of shape (n_members, n_windows, n_neurons, n_times)
            Standardised; zero for missing neurons.
        recorded : bool Tensor of shape (n_members or 1, n_windows, n_neurons)
        identities : int Tensor of shape (n_neurons,) or None
            For modules that know identities; by default those of training.
        """

    @abstractmethod
    def change(self, state: Any) -> tuple[Tensor, Any]:
        """Predict the next change of every neuron, (n_members, n_windows, n_neurons)."""

    @abstractmethod
    def follow(self, state: Any, frame: Tensor) -> Any:
        """Give the state after a frame (n_members, n_windows, n_neurons)."""

    def roll_out(
        self, frames: Tensor, recorded: Tensor, n_steps: int, identities: Tensor | None = None
    ) -> Tensor:
        """Forecast from standardised frames; see `begin`.

        Returns
        -------
        Tensor of shape (n_members, n_windows, n_neurons, n_steps)
        """
        present = recorded.to(frames.dtype)
        frames = frames.expand(self.n_members, -1, -1, -1)
        state = self.begin(frames, recorded, identities)
        frame = frames[..., -1]
        steps = []
        for step in range(n_steps):
            if step:
                state = self.follow(state, frame)
            change, state = self.change(state)
            frame = (frame + change).clamp(-self.limit, self.limit) * present
            steps.append(frame)
        return torch.stack(steps, dim=-1)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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
        counted : bool Tensor of shape (n_members or 1, n_windows, n_neurons)
            Neurons that the loss counts.
        """
        frames, recorded = standardise(windows, self.mean, self.scale)
        counted = recorded[None]
        if self.training and self.neuron_dropout.p > 0:
            shape = (self.n_members, 1, windows.shape[1])
            counted = counted & (self.neuron_dropout.keep(shape, frames) > 0)
        cut = frames.shape[-1] - self.n_inside
        masked = frames[None, ..., :cut] * counted[..., None].to(frames.dtype)
        forecast = self.roll_out(masked, counted, self.n_inside + self.n_ahead)
        return forecast, frames[..., cut:], counted

    def forecast(
        self,
        windows: Tensor,
        n_steps: int,
        identities: Tensor | None = None,
        mean: Tensor | None = None,
        scale: Tensor | None = None,
    ) -> Tensor:
        """Forecast what follows the windows, averaged over members, in units of the activity.

        Parameters
        ----------
        windows : Tensor of shape (n_windows, n_neurons, n_times)
        n_steps : int
        identities, mean, scale : Tensor of shape (n_neurons,), optional
            Identity, mean and spread of the neurons, by default those of training.

        Returns
        -------
        Tensor of shape (n_windows, n_neurons, n_steps)
        """
        mean = self.mean if mean is None else mean
        scale = self.scale if scale is None else scale
        frames, recorded = standardise(windows, mean, scale)
        steps = self.roll_out(frames[None], recorded[None], n_steps, identities).mean(dim=0)
        return steps * scale[:, None] + mean[:, None]


def standardise(windows: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Standardise windows and separate what is missing (`split_missing`)."""
    return split_missing((windows - mean[:, None]) / scale[:, None])


class PerceptronFrames(FrameModel):
    """A network with one hidden layer from the last frames of all neurons to their change.

    Parameters
    ----------
    n_members, n_neurons : int
    n_lags : int
        Frames that are read.
    hidden_size : int
    dropout : float
        Probability of dropping a hidden unit in training.
    n_inside, n_ahead, neuron_dropout
        See `FrameModel`.
    """

    def __init__(
        self,
        n_members: int,
        n_neurons: int,
        *,
        n_lags: int,
        hidden_size: int,
        dropout: float,
        n_inside: int,
        n_ahead: int,
        neuron_dropout: float,
    ) -> None:
        super().__init__(
            n_members,
            n_neurons,
            n_inside=n_inside,
            n_ahead=n_ahead,
            neuron_dropout=neuron_dropout,
        )
        self.n_lags = n_lags
        self.hidden = MemberLinear(n_members, n_neurons * n_lags, hidden_size)
        self.dropout = SharedDropout(dropout)
        self.readout = MemberLinear(n_members, hidden_size, n_neurons)

    def begin(self, frames: Tensor, recorded: Tensor, identities: Tensor | None) -> Tensor:
        """Give the last frames; see `FrameModel.begin`."""
        return frames[..., -self.n_lags :]

    def change(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the change; see `FrameModel.change`."""
        hidden = F.relu(self.hidden(state.flatten(2)))
        return self.readout(self.dropout(hidden)), state

    def follow(self, state: Tensor, frame: Tensor) -> Tensor:
        """Move on by a frame; see `FrameModel.follow`."""
        return torch.cat([state[..., 1:], frame[..., None]], dim=-1)


class RecurrentFrames(FrameModel):
    """LSTMs or GRUs over frames that predict the change of all neurons from their state.

    Parameters
    ----------
    n_members, n_neurons : int
    projection_size : int or None
        Each frame is first projected linearly on that many dimensions; None for none.
    hidden_size : int
    cell : {"lstm", "gru"}
    dropout : float
        Probability of dropping a unit of the state before the readout, in training.
    n_inside, n_ahead, neuron_dropout
        See `FrameModel`.
    """

    def __init__(
        self,
        n_members: int,
        n_neurons: int,
        *,
        projection_size: int | None,
        hidden_size: int,
        cell: str,
        dropout: float,
        n_inside: int,
        n_ahead: int,
        neuron_dropout: float,
    ) -> None:
        super().__init__(
            n_members,
            n_neurons,
            n_inside=n_inside,
            n_ahead=n_ahead,
            neuron_dropout=neuron_dropout,
        )
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
        self.readout = MemberLinear(n_members, hidden_size, n_neurons)

    def begin(
        self, frames: Tensor, recorded: Tensor, identities: Tensor | None
    ) -> tuple[Tensor, list[Any]]:
        """Run over the window; see `FrameModel.begin`."""
        return self._run(frames.transpose(2, 3), [None] * self.n_members)

    def change(self, state: tuple[Tensor, list[Any]]) -> tuple[Tensor, tuple[Tensor, list[Any]]]:
        """Predict the change; see `FrameModel.change`."""
        return self.readout(self.dropout(state[0])), state

    def follow(self, state: tuple[Tensor, list[Any]], frame: Tensor) -> tuple[Tensor, list[Any]]:
        """Move on by a frame; see `FrameModel.follow`."""
        return self._run(frame[:, :, None], state[1])

    def _run(self, frames: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        inputs = frames if self.projection is None else self.projection(frames)
        results = [member(own, state) for member, own, state in zip(self.recurrent, inputs, states)]
        return torch.stack([out[:, -1] for out, _ in results]), [state for _, state in results]


class PerceptronDecoder(nn.Module):
    """A network with one hidden layer from the last frames of all neurons to an output.

    Parameters
    ----------
    n_neurons, n_outputs, n_members, n_lags, hidden_size : int
    dropout, neuron_dropout : float
        As in `PerceptronFrames`.
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
