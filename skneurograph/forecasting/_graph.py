"""Forecasting with a graph neural network on an inferred graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skneurograph.base._graph_net import GraphNet
from skneurograph.base._split import TrainingSplit
from skneurograph.forecasting._columns import ForecastIdentities
from skneurograph.forecasting._net import NetForecaster
from skneurograph.nn import GraphFrames

__all__ = ["GraphForecaster"]


class GraphForecaster(GraphNet, NetForecaster):
    """Forecast neural activity with a graph neural network on an inferred graph.

    After Wang et al. [1]_: the last frames of each neuron are encoded by a shared network,
    a directed graph over the recorded neurons is inferred, messages pass over it, and the
    change of each neuron is read out. This corrects a linear forecast in closed form (that
    of `VARForecaster`: an autoregression of each neuron and a ridge regression on the last
    frame of the others), with which training starts and which it leaves as it is. Further
    steps feed the forecasts back over the same graph; training rolls out as well, so that
    long forecasts stay good. Missing neurons (NaN) neither send nor receive nor count.

    A target other than the following frames is read out from the pooled graph, as
    `skneurograph.decoding.GraphRegressor` does it.

    Parameters
    ----------
    identities : {"all", "none"} or array-like of int of shape (n_neurons,), default="all"
        Which columns carry an identity. ``"all"``: every column is a neuron of its own,
        the same in every organism. ``"none"``: neurons are exchangeable, their order does
        not matter. An array gives one integer per column, -1 for anonymous neurons;
        columns with the same integer (left and right, say) share an identity.
        `Windows.identities` gives such an array.
    n_lags : int, default=12
        Frames of each neuron that a step reads; at most those of a window.
    hidden_size : int, default=32
        Features of a neuron.
    n_rounds : int, default=1
        Rounds of message passing over the inferred graph; 0 forecasts each neuron by
        itself, without the linear influence of the others, too.
    edge_model : {"auto", "identity", "bilinear", "mlp"}, default="auto"
        What the graph is inferred from. ``"identity"``: a score learned for each pair of
        identities, one graph for all windows, restricted to the recorded neurons.
        ``"bilinear"`` and ``"mlp"``: the encodings of the pair at the end of each window,
        by a bilinear form or by a network with one hidden layer, as in Wang et al. and
        NRI [2]_. ``"auto"`` is ``"identity"`` where neurons carry identities, else
        ``"bilinear"``.
    edge_activation : {"softmax", "sigmoid"}, default="softmax"
        Softmax over the senders of a receiver, or an independent gate for each edge.
    pooling : {"mean", "attention", "concat"}, default="mean"
        How neurons become one vector for a target other than the following frames; see
        `skneurograph.decoding.GraphRegressor`.
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
    dropout : float, default=0.1
        Probability of dropping a feature of a neuron before the readout, in training.
    neuron_dropout : float, default=0.7
        Probability that, in training, a neuron sends no messages. What neurons tell about
        each other differs from animal to animal; dropping most of it keeps what is
        reliable. The linear part sees all neurons. Not used for other targets.
    learning_rate : float, default=0.003
        Peak of the one-cycle schedule of AdamW.
    weight_decay : float or None, default=None
        Decoupled weight decay of AdamW. None is 2 for forecasts, which pulls the net back
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
    graph_ : ndarray of shape (n_neurons, n_neurons)
        Mean inferred graph of the training windows (of at most 4,096 evenly spaced ones,
        fewer for many neurons). Entry ``[i, j]`` is the influence of sender ``j`` on
        receiver ``i``; the diagonal is zero and pairs that were never recorded are NaN.
        Absent with ``n_rounds=0``.
    forecasts_frames_ : bool
        Whether the target of ``fit`` was the following frame.
    columns_ : ndarray of int
        Neurons recorded in training. Other identified neurons are forecast by what all
        neurons share, and send nothing. One that was constant is forecast to stay as it is.
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
    VARForecaster : The linear baseline.
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **GraphNet._parameter_constraints,
        **NetForecaster._parameter_constraints,
    }

    def __init__(
        self,
        *,
        identities: Literal["all", "none"] | Sequence[int] | NDArray[np.integer] = "all",
        n_lags: int = 12,
        hidden_size: int = 32,
        n_rounds: int = 1,
        edge_model: Literal["auto", "identity", "bilinear", "mlp"] = "auto",
        edge_activation: Literal["softmax", "sigmoid"] = "softmax",
        pooling: Literal["mean", "attention", "concat"] = "mean",
        n_rollout: int = 9,
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
        self.pooling = pooling
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

    def _identify(self, split: TrainingSplit) -> ForecastIdentities:
        columns = self._read_identities(split, ForecastIdentities)
        columns.couples = self.n_rounds > 0
        return columns

    def _build_frames(self, n_inside: int, n_ahead: int) -> GraphFrames:
        labels = self._columns.labels
        return GraphFrames(
            self.n_members,
            self._start.neurons(self.columns_, labels[self.columns_]),
            self._scaler.limit,
            hidden_size=self.hidden_size,
            n_rounds=self.n_rounds,
            edge_model=self._edge_model(labels),
            edge_activation=self.edge_activation,
            dropout=self.dropout,
            n_inside=n_inside,
            n_ahead=n_ahead,
            neuron_dropout=self.neuron_dropout,
        )

    def _build_plain(self, n_outputs: int) -> nn.Module:
        return self._build_decoder(n_outputs, decay=None, neuron_dropout=0.0)

    def _keep(self, split: TrainingSplit) -> None:
        self._keep_graph(split.train.windows)
