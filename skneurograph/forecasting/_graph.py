"""Forecasting with a graph neural network on an inferred graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skneurograph.base._columns import Identities
from skneurograph.base._described import described
from skneurograph.base._graph_net import GraphNet
from skneurograph.base._parameters import GRAPH_NET, SHARED
from skneurograph.base._split import TrainingSplit
from skneurograph.forecasting._columns import RolloutIdentities
from skneurograph.forecasting._net import NetForecaster
from skneurograph.forecasting._parameters import FORECASTING
from skneurograph.forecasting._start import LinearStart
from skneurograph.nn import GraphRollout

__all__ = ["GraphForecaster"]


@described(SHARED, GRAPH_NET, FORECASTING)
class GraphForecaster(GraphNet, NetForecaster):
    """Forecast neural activity with a graph neural network on an inferred graph.

    After Wang et al. [1]_: the last frames of each neuron are encoded by a shared network,
    a directed graph over the recorded neurons is inferred, messages pass over it, and the
    change of each neuron is read out. This corrects a linear forecast in closed form (that
    of `RidgeForecaster`), with which training starts and which it leaves as it is. Further
    steps feed the forecasts back over the same graph; training rolls out as well, so that
    long forecasts stay good. Missing neurons (NaN) neither send nor receive nor count.

    A target other than the following frames is read out from the pooled graph, as
    `skneurograph.decoding.GraphRegressor` does it.

    Parameters
    ----------
    n_rounds : int
        Rounds of message passing over the inferred graph; 0 forecasts each neuron by
        itself, without the influence of the population on the linear forecast, too.
    pooling : {"mean", "attention", "concat"}
        How neurons become one vector for a target other than the following frames; see
        `skneurograph.decoding.GraphRegressor`.
    neuron_dropout : float
        Probability that, in training, a neuron sends no messages. What neurons tell about
        each other differs from animal to animal; dropping most of it keeps what is
        reliable. The linear part sees all neurons. Not used for other targets.
    weight_decay : float or None
        Decoupled weight decay of AdamW. None is 2 for forecasts, which pulls the net back
        to the linear forecast it starts from, and 0.01 for other targets.

    Attributes
    ----------
    graph_
    forecasts_frames_
    recorded_neurons_ : ndarray of int
        Neurons recorded in training. Other identified neurons are forecast by what all
        neurons share, and send nothing. One that was constant is forecast to stay as it is.
    reversion_
    net_
    n_epochs_
    interrupted_
    n_features_in_, n_times_in_

    See Also
    --------
    RidgeForecaster : The linear forecast that it starts from.
    RecurrentForecaster : The structure-agnostic baseline.

    References
    ----------
    .. [1] P. Y. Wang, S. Sapra, V. K. George, G. A. Silva (2021). Generalizable machine
       learning in neuroscience using graph neural networks. Frontiers in Artificial
       Intelligence 4, 618372. doi:10.3389/frai.2021.618372
    .. [2] T. Kipf, E. Fetaya, K.-C. Wang, M. Welling, R. Zemel (2018). Neural relational
       inference for interacting systems. ICML. arXiv:1802.04687

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import sliding_windows
    >>> from skneurograph.forecasting import GraphForecaster
    >>> trace = np.sin(np.arange(100)[:, None] / [5.0, 8.0, 13.0])
    >>> windows = sliding_windows(trace, 8, target="next")
    >>> model = GraphForecaster(max_epochs=2, random_state=0).fit(windows.X, windows.y)
    >>> model.forecast(windows.X[:2], 16).shape, model.graph_.shape
    ((2, 3, 16), (3, 3))
    """

    _frame_decay = 2.0

    def __init__(
        self,
        *,
        identities: Literal["all", "none"] | Sequence[int] | NDArray[np.integer] = "all",
        n_lags: int = 12,
        hidden_size: int = 32,
        n_rounds: int = 1,
        edge_model: Literal["auto", "identity", "bilinear", "mlp", "uniform", "fixed"] = "auto",
        edge_activation: Literal["softmax", "sigmoid"] = "softmax",
        prior_graph: Any = None,
        pooling: Literal["mean", "attention", "concat"] = "mean",
        horizon: int = 9,
        allow_drift: bool = True,
        n_members: int = 3,
        dropout: float = 0.1,
        neuron_dropout: float = 0.7,
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
        self.identities = identities
        self.n_lags = n_lags
        self.hidden_size = hidden_size
        self.n_rounds = n_rounds
        self.edge_model = edge_model
        self.edge_activation = edge_activation
        self.prior_graph = prior_graph
        self.pooling = pooling
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

    def _identify(self, split: TrainingSplit, start: LinearStart | None = None) -> Identities:
        given = self.identities, split.columns, self.n_features_in_
        fixed = self.pooling == "concat"
        if start is not None:
            return RolloutIdentities(*given, fixed=fixed, start=start)
        self._require_graphs(split.train.windows)
        return Identities(*given, fixed=fixed)

    def _build_rollout(self, start: LinearStart, n_inside: int, n_ahead: int) -> GraphRollout:
        labels = self._columns.labels
        return GraphRollout(
            self.n_members,
            start.dynamics(self.recorded_neurons_, labels[self.recorded_neurons_]),
            self._scaler.limit,
            hidden_size=self.hidden_size,
            n_rounds=self.n_rounds,
            edge_model=self._edge_model(labels),
            edge_activation=self.edge_activation,
            dropout=self.dropout,
            n_lags=min(self.n_lags, self.n_times_in_),
            n_inside=n_inside,
            n_ahead=n_ahead,
            neuron_dropout=self.neuron_dropout,
            prior=self._prior(labels),
        )

    def _build_plain(self, n_outputs: int) -> nn.Module:
        return self._build_decoder(n_outputs, time_constant=None, neuron_dropout=0.0)

    def _keep(self, split: TrainingSplit) -> None:
        self._keep_graph(split.train.windows)
