"""Forecasting with an LSTM or GRU over frames: the structure-agnostic baseline."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from skneurograph.forecasting._net import NetForecaster
from skneurograph.nn import RecurrentDecoder, RecurrentFrames

__all__ = ["RecurrentForecaster"]


class RecurrentForecaster(NetForecaster):
    """Forecast neural activity with a recurrent neural network (LSTM or GRU).

    A structure-agnostic baseline for the graph model: every frame is one vector of all
    neurons, and the change of each is read from the state, beside its own autoregression
    in closed form. A missing neuron (NaN) counts as its mean.

    Parameters
    ----------
    cell : {"lstm", "gru"}, default="gru"
        Kind of recurrent layer.
    projection_size : int or None, default=None
        Dimensions on which every frame is first projected by a learned linear map; None
        reads all neurons.
    hidden_size : int, default=32
        Units of the recurrent layer.
    n_lags : int, default=12
        Frames of the autoregression; at most those of a window.
    n_rollout : int, default=9
        Steps of the rollouts whose error training minimises, a step ``h`` with weight
        ``1 / h``: over the frames that follow, as far as ``y`` has them, and before them
        over the last frames of the window, as far as ``n_lags`` frames are left to start
        from. A net that has only seen one step drifts when it feeds on its own forecasts.
    allow_drift : bool, default=True
        Whether baselines may have drifted by the time of the forecast. See the guide on
        forecasting: it is measured on training windows how far forecasts return to the
        training mean and leave the last frame. False trusts them fully.
    n_members : int, default=3
        Networks trained from different initial values; their forecasts are averaged.
    dropout : float, default=0.5
        Probability of dropping a unit of the state before it is read out, in training.
    neuron_dropout : float, default=0.2
        Probability of dropping a whole neuron in training, so that the model learns to
        live with other sets of neurons.
    learning_rate : float, default=0.003
        Peak of the one-cycle schedule of AdamW.
    weight_decay : float or None, default=None
        Decoupled weight decay of AdamW. None is 10 for forecasts, which pulls the net back
        to the linear dynamics it starts from, and 0.01 for other targets.
    max_epochs : int, default=8
        Passes through the windows. An epoch has at least 8 steps, however few the
        windows; 16 for other targets.
    batch_size : int, default=64
        Windows of a mini-batch.
    patience : int or None, default=None
        Epochs without improvement of the validation loss after which training stops and
        the best state is restored. None trains for ``max_epochs``, to the end of the
        schedule of the learning rate.
    validation_fraction : float, default=0.2
        Part held out when ``patience`` is given: of the organisms if ``groups`` are
        routed, otherwise the last windows, which are taken to be in order of time.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the net, as they are: what they collect stays in them. Callbacks
        that score predictions themselves (``EpochScoring``) are not supported.
    device : str or torch.device, default="auto"
        ``"auto"`` is CUDA if there is one, else the CPU.
    random_state : int, RandomState or None, default=None
        Initial values, mini-batches, dropout and held-out organisms. The same integer
        gives the same model on the same machine.
    verbose : int, default=0
        1 shows a progress bar, 2 the losses of every epoch.

    Attributes
    ----------
    forecasts_frames_ : bool
        Whether the target of ``fit`` was the following frame.
    columns_ : ndarray of int
        Neurons recorded in training. Others, and those that were constant, are forecast to
        stay as they are.
    reversion_ : float
        Part of a window's level, within those of training, from which forecasts return to
        the mean. 1 is all, 0 forecasts changes relative to the mean of the window alone.
    kept_ : ndarray of shape (n_horizons,)
        Part of the forecast distance from the last frame that is kept at each step; the
        last one holds for all further steps.
    net_ : skorch.NeuralNet
        The trained net, with its history.
    n_epochs_ : int
        Epochs trained.
    interrupted_ : bool
        Whether training was interrupted from the keyboard; the best state so far is kept.
    n_features_in_, n_times_in_ : int
        Neurons and frames of the training windows.

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetForecaster._parameter_constraints,
        "cell": [StrOptions({"lstm", "gru"})],
        "projection_size": [None, Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        cell: Literal["lstm", "gru"] = "gru",
        projection_size: int | None = None,
        hidden_size: int = 32,
        n_lags: int = 12,
        n_rollout: int = 9,
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
        self.n_rollout = n_rollout
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

    def _build_frames(self, n_inside: int, n_ahead: int) -> RecurrentFrames:
        return RecurrentFrames(
            self.n_members,
            self._start.neurons(self.columns_, np.arange(len(self.columns_))),
            self._scaler.limit,
            projection_size=self.projection_size,
            hidden_size=self.hidden_size,
            cell=self.cell,
            dropout=self.dropout,
            n_inside=n_inside,
            n_ahead=n_ahead,
            neuron_dropout=self.neuron_dropout,
        )

    def _build_plain(self, n_outputs: int) -> nn.Module:
        return RecurrentDecoder(
            len(self.columns_),
            n_outputs,
            n_members=self.n_members,
            projection_size=self.projection_size,
            hidden_size=self.hidden_size,
            cell=self.cell,
            dropout=self.dropout,
            neuron_dropout=self.neuron_dropout,
        )
