"""Rollouts by recurrent cells (LSTM or GRU)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skneurograph.nn._layers import MemberLinear, SharedDropout
from skneurograph.nn._rollout import NeuronDynamics, RolloutModel, zero_readout

__all__ = ["RecurrentRollout"]


class _RecurrentState(NamedTuple):
    """Last output and inner states of the recurrent layers, and what they may read."""

    output: Tensor
    states: list[Any]
    sent: Tensor


class RecurrentRollout(RolloutModel):
    """LSTMs or GRUs over frames that predict the change of all neurons from their state.

    Parameters
    ----------
    projection_size : int or None
        Each frame is first projected linearly on that many dimensions; None for none.
    hidden_size : int
    cell : {"lstm", "gru"}
    dropout : float
        Probability of dropping a unit of the state before the readout, in training.
    n_members, dynamics, limit, n_lags, n_inside, n_ahead, neuron_dropout
        See `RolloutModel`.
    """

    def __init__(
        self,
        n_members: int,
        dynamics: NeuronDynamics,
        limit: float,
        *,
        projection_size: int | None,
        hidden_size: int,
        cell: str,
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
        layer = nn.LSTM if cell == "lstm" else nn.GRU
        self.projection: MemberLinear | None = None
        n_inputs = self.n_neurons
        if projection_size is not None:
            self.projection = MemberLinear(n_members, self.n_neurons, projection_size)
            n_inputs = projection_size
        self.recurrent = nn.ModuleList(
            layer(n_inputs, hidden_size, batch_first=True) for _ in range(n_members)
        )
        self.dropout = SharedDropout(dropout)
        self.readout = zero_readout(n_members, hidden_size, self.n_neurons)

    def begin(self, frames: Tensor, senders: Tensor, dynamics: NeuronDynamics) -> _RecurrentState:
        """Run over the window; see `RolloutModel.begin`."""
        sent = senders.to(frames.dtype)[:, :, None]
        return self._run(frames.transpose(2, 3), [None] * self.n_members, sent)

    def change(self, state: _RecurrentState) -> Tensor:
        """Predict the change; see `RolloutModel.change`."""
        change: Tensor = self.readout(self.dropout(state.output))
        return change

    def follow(self, state: _RecurrentState, frame: Tensor) -> _RecurrentState:
        """Move on by a frame; see `RolloutModel.follow`."""
        return self._run(frame[:, :, None], state.states, state.sent)

    def narrow(self, state: _RecurrentState, n_windows: int) -> _RecurrentState:
        """Keep the first windows; see `RolloutModel.narrow`."""

        def first(inner: Any) -> Any:
            if isinstance(inner, tuple):
                return tuple(map(first, inner))
            return inner[:, :n_windows].contiguous()

        states = [first(inner) for inner in state.states]
        return _RecurrentState(state.output[:, :n_windows], states, state.sent[:, :n_windows])

    def _run(self, frames: Tensor, states: list[Any], sent: Tensor) -> _RecurrentState:
        inputs = frames * sent
        if self.projection is not None:
            inputs = self.projection(inputs)
        results = [member(own, state) for member, own, state in zip(self.recurrent, inputs, states)]
        last = torch.stack([out[:, -1] for out, _ in results])
        return _RecurrentState(last, [state for _, state in results], sent)
