"""Forecasting with an LSTM or GRU over frames: the structure-agnostic baseline."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from skneurograph.base._described import described
from skneurograph.base._parameters import SHARED
from skneurograph.forecasting._net import NetForecaster
from skneurograph.forecasting._parameters import FORECASTING
from skneurograph.forecasting._start import LinearStart
from skneurograph.nn import RecurrentDecoder, RecurrentRollout

__all__ = ["RecurrentForecaster"]


@described(SHARED, FORECASTING)
class RecurrentForecaster(NetForecaster):
    """Forecast neural activity with a recurrent neural network (LSTM or GRU).

    A structure-agnostic baseline for the graph model: every frame is one vector of all
    neurons, and corrections of the forecast of `RidgeForecaster`, from which training starts,
    are read from the state step by step. A missing neuron (NaN) counts as its mean.

    Parameters
    ----------
    n_lags : int
        Frames of a window before which no frame is forecast in training (see ``horizon``);
        the net reads all of them.

    Attributes
    ----------
    forecasts_frames_
    recorded_neurons_
    reversion_
    net_
    n_epochs_
    interrupted_
    n_features_in_, n_times_in_

    See Also
    --------
    GraphForecaster : The graph model.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import sliding_windows
    >>> from skneurograph.forecasting import RecurrentForecaster
    >>> trace = np.sin(np.arange(100)[:, None] / [5.0, 8.0, 13.0])
    >>> windows = sliding_windows(trace, 8, target="next")
    >>> model = RecurrentForecaster(max_epochs=5, random_state=0).fit(windows.X, windows.y)
    >>> model.forecast(windows.X[:2], 16).shape
    (2, 3, 16)
    """

    def __init__(
        self,
        *,
        cell: Literal["lstm", "gru"] = "gru",
        projection_size: int | None = None,
        hidden_size: int = 32,
        n_lags: int = 12,
        horizon: int = 9,
        allow_drift: bool = True,
        n_members: int = 3,
        dropout: float = 0.5,
        neuron_dropout: float = 0.2,
        learning_rate: float = 0.003,
        weight_decay: float | None = None,
        max_epochs: int = 8,
        batch_size: int = 64,
        patience: int | None = None,
        validation_fraction: float = 0.2,
        callbacks: list[Any] | None = None,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.cell = cell
        self.projection_size = projection_size
        self.hidden_size = hidden_size
        self.n_lags = n_lags
        self.horizon = horizon
        self.allow_drift = allow_drift
        self.n_members = n_members
        self.dropout = dropout
        self.neuron_dropout = neuron_dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _build_rollout(self, start: LinearStart, n_inside: int, n_ahead: int) -> RecurrentRollout:
        return RecurrentRollout(
            self.n_members,
            start.dynamics(self.recorded_neurons_, np.arange(len(self.recorded_neurons_))),
            self._scaler.limit,
            projection_size=self.projection_size,
            hidden_size=self.hidden_size,
            cell=self.cell,
            dropout=self.dropout,
            n_lags=min(self.n_lags, self.n_times_in_),
            n_inside=n_inside,
            n_ahead=n_ahead,
            neuron_dropout=self.neuron_dropout,
        )

    def _build_plain(self, n_outputs: int) -> nn.Module:
        return RecurrentDecoder(
            len(self.recorded_neurons_),
            n_outputs,
            n_members=self.n_members,
            projection_size=self.projection_size,
            hidden_size=self.hidden_size,
            cell=self.cell,
            dropout=self.dropout,
            neuron_dropout=self.neuron_dropout,
        )
