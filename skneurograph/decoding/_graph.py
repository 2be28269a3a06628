"""Decoding with a graph neural network on an inferred graph."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from skneurograph.base._columns import Identities
from skneurograph.base._graph_net import GraphNet
from skneurograph.base._net_estimator import NetEstimator
from skneurograph.base._split import TrainingSplit
from skneurograph.decoding._decoder import ClassifierPart, Decoder, RegressorPart
from skneurograph.nn import GraphDecoder

__all__ = ["WANG_2021", "GraphClassifier", "GraphRegressor"]

WANG_2021: dict[str, Any] = {
    "edge_model": "mlp",
    "edge_activation": "sigmoid",
    "pooling": "concat",
    "hidden_size": 12,
    "n_rounds": 1,
    "n_members": 1,
    "decay": None,
    "dropout": 0.0,
    "neuron_dropout": 0.0,
    "weight_decay": 0.0,
    "learning_rate": 1e-3,
}
"""The architecture of Wang et al. (2021) as parameters of `GraphClassifier`.

Use windows of two frames, from which the activity and its change, the inputs of the
paper, follow linearly.
"""


class _GraphDecoder(GraphNet, Decoder):
    """What the graph classifier and regressor add: frames that fade with age."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetEstimator._parameter_constraints,
        **GraphNet._parameter_constraints,
        "decay": [None, Interval(Real, 0, None, closed="neither")],
    }

    def _identify(self, split: TrainingSplit) -> Identities:
        return self._read_identities(split, Identities)

    def _build(self, n_outputs: int) -> GraphDecoder:
        return self._build_decoder(n_outputs, self.decay, self.neuron_dropout)

    def _keep(self, split: TrainingSplit) -> None:
        self._keep_graph(split.train.windows)


class GraphClassifier(ClassifierPart, _GraphDecoder):
    """Classify behaviour with a graph neural network on an inferred graph.

    After Wang et al. [1]_: each neuron's window is encoded by a shared network, a
    directed graph over the recorded neurons is inferred from the encodings, messages
    pass over it, and the neurons are pooled and read out. Missing neurons (NaN) neither
    send nor receive nor count in the pool.

    Parameters
    ----------
    identities : {"all", "none"} or array-like of int of shape (n_neurons,), default="all"
        Which columns carry an identity. ``"all"``: every column is a neuron of its own,
        the same in every organism. ``"none"``: neurons are exchangeable, their order does
        not matter. An array gives one integer per column, -1 for anonymous neurons;
        columns with the same integer (left and right, say) share an identity.
        `Windows.identities` gives such an array.
    hidden_size : int, default=32
        Features of a neuron.
    n_rounds : int, default=1
        Rounds of message passing over the inferred graph; 0 pools neurons without one.
    edge_model : {"auto", "identity", "bilinear", "mlp"}, default="auto"
        What the graph is inferred from. ``"identity"``: a score learned for each pair of
        identities, one graph for all windows, restricted to the recorded neurons.
        ``"bilinear"`` and ``"mlp"``: the encodings of the pair in each window, by a
        bilinear form or by a network with one hidden layer as in Wang et al. and NRI
        [2]_, computed without a feature vector per pair. ``"auto"`` is ``"identity"``
        where neurons carry identities, else ``"bilinear"``.
    edge_activation : {"softmax", "sigmoid"}, default="softmax"
        Softmax over the senders of a receiver, or an independent gate for each edge.
    pooling : {"mean", "attention", "concat"}, default="mean"
        How recorded neurons become one vector: their mean, a mean weighted by a learned
        score, or ``"concat"``, which keeps identified neurons apart, as the published
        classifier does.
    decay : float or None, default=6.0
        Frames are scaled by ``exp(-age / decay)``, age in frames before the last, so that
        long windows do not overfit. None keeps them as they are.
    n_members : int, default=3
        Networks trained from different initial values; their predictions are averaged.
    dropout : float, default=0.3
        Probability of dropping a pooled feature in training.
    neuron_dropout : float, default=0.2
        Probability of dropping a whole neuron in training, so that the model learns to
        live with other sets of neurons.
    label_smoothing : float, default=0.1
        Weight of the uniform distribution in the training targets.
    class_weight : {"balanced"}, dict or None, default=None
        ``"balanced"`` weighs classes inversely to their frequency; a dict gives the weight of
        every class.
    learning_rate : float, default=0.006
        Peak of the one-cycle schedule of AdamW.
    weight_decay : float, default=0.01
        Decoupled weight decay of AdamW.
    max_epochs : int, default=32
        Passes through the windows. An epoch has at least 16 steps, however few the
        windows.
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
    classes_ : ndarray of shape (n_classes,)
        Labels.
    graph_ : ndarray of shape (n_neurons, n_neurons)
        Mean inferred graph of the training windows (of at most 4,096 evenly spaced ones,
        fewer for many neurons). Entry ``[i, j]`` is the influence of sender ``j`` on
        receiver ``i``; the diagonal is zero and pairs that were never recorded are NaN. Absent with
        ``n_rounds=0``.
    columns_ : ndarray of int
        Neurons recorded in training. Other identified neurons are ignored.
    net_ : skorch.NeuralNet
        The trained net, with its history.
    n_epochs_ : int
        Epochs trained.
    interrupted_ : bool
        Whether training was interrupted from the keyboard; the best state so far is kept with
        ``patience``, else the current one.
    n_features_in_, n_times_in_ : int
        Neurons and frames of the training windows.

    See Also
    --------
    GraphRegressor : The same for continuous behaviour.
    RecurrentClassifier : The structure-agnostic baseline.

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
    >>> from skneurograph.decoding import GraphClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 5, 8))
    >>> y = np.where(X[:, 0, -1] > X[:, 1, -1], "forward", "reversal")
    >>> model = GraphClassifier(max_epochs=5, random_state=0).fit(X, y)
    >>> model.predict(X[:2]).shape, model.graph_.shape
    ((2,), (5, 5))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_GraphDecoder._parameter_constraints,
        **ClassifierPart._target_constraints,
    }

    def __init__(
        self,
        *,
        identities: Literal["all", "none"] | Sequence[int] | NDArray[np.integer] = "all",
        hidden_size: int = 32,
        n_rounds: int = 1,
        edge_model: Literal["auto", "identity", "bilinear", "mlp"] = "auto",
        edge_activation: Literal["softmax", "sigmoid"] = "softmax",
        pooling: Literal["mean", "attention", "concat"] = "mean",
        decay: float | None = 6.0,
        n_members: int = 3,
        dropout: float = 0.3,
        neuron_dropout: float = 0.2,
        label_smoothing: float = 0.1,
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
        learning_rate: float = 0.006,
        weight_decay: float = 0.01,
        max_epochs: int = 32,
        batch_size: int = 64,
        patience: int | None = None,
        validation_fraction: float = 0.2,
        callbacks: list[Any] | None = None,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.identities = identities
        self.hidden_size = hidden_size
        self.n_rounds = n_rounds
        self.edge_model = edge_model
        self.edge_activation = edge_activation
        self.pooling = pooling
        self.decay = decay
        self.n_members = n_members
        self.dropout = dropout
        self.neuron_dropout = neuron_dropout
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
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


class GraphRegressor(RegressorPart, _GraphDecoder):
    """Regress continuous behaviour with a graph neural network on an inferred graph.

    After Wang et al. [1]_: each neuron's window is encoded by a shared network, a
    directed graph over the recorded neurons is inferred from the encodings, messages
    pass over it, and the neurons are pooled and read out. Missing neurons (NaN) neither
    send nor receive nor count in the pool.

    Parameters
    ----------
    identities : {"all", "none"} or array-like of int of shape (n_neurons,), default="all"
        Which columns carry an identity. ``"all"``: every column is a neuron of its own,
        the same in every organism. ``"none"``: neurons are exchangeable, their order does
        not matter. An array gives one integer per column, -1 for anonymous neurons;
        columns with the same integer (left and right, say) share an identity.
        `Windows.identities` gives such an array.
    hidden_size : int, default=32
        Features of a neuron.
    n_rounds : int, default=1
        Rounds of message passing over the inferred graph; 0 pools neurons without one.
    edge_model : {"auto", "identity", "bilinear", "mlp"}, default="auto"
        What the graph is inferred from. ``"identity"``: a score learned for each pair of
        identities, one graph for all windows, restricted to the recorded neurons.
        ``"bilinear"`` and ``"mlp"``: the encodings of the pair in each window, by a
        bilinear form or by a network with one hidden layer as in Wang et al. and NRI
        [2]_, computed without a feature vector per pair. ``"auto"`` is ``"identity"``
        where neurons carry identities, else ``"bilinear"``.
    edge_activation : {"softmax", "sigmoid"}, default="softmax"
        Softmax over the senders of a receiver, or an independent gate for each edge.
    pooling : {"mean", "attention", "concat"}, default="mean"
        How recorded neurons become one vector: their mean, a mean weighted by a learned
        score, or ``"concat"``, which keeps identified neurons apart, as the published
        classifier does.
    decay : float or None, default=6.0
        Frames are scaled by ``exp(-age / decay)``, age in frames before the last, so that
        long windows do not overfit. None keeps them as they are.
    n_members : int, default=3
        Networks trained from different initial values; their predictions are averaged.
    dropout : float, default=0.3
        Probability of dropping a pooled feature in training.
    neuron_dropout : float, default=0.2
        Probability of dropping a whole neuron in training, so that the model learns to
        live with other sets of neurons.
    learning_rate : float, default=0.006
        Peak of the one-cycle schedule of AdamW.
    weight_decay : float, default=0.01
        Decoupled weight decay of AdamW.
    max_epochs : int, default=32
        Passes through the windows. An epoch has at least 16 steps, however few the
        windows.
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
    y_mean_, y_scale_ : ndarray of shape (n_outputs,)
        Mean and standard deviation of the training targets; zero where a target is constant.
    graph_ : ndarray of shape (n_neurons, n_neurons)
        Mean inferred graph of the training windows (of at most 4,096 evenly spaced ones,
        fewer for many neurons). Entry ``[i, j]`` is the influence of sender ``j`` on
        receiver ``i``; the diagonal is zero and pairs that were never recorded are NaN. Absent with
        ``n_rounds=0``.
    columns_ : ndarray of int
        Neurons recorded in training. Other identified neurons are ignored.
    net_ : skorch.NeuralNet
        The trained net, with its history.
    n_epochs_ : int
        Epochs trained.
    interrupted_ : bool
        Whether training was interrupted from the keyboard; the best state so far is kept with
        ``patience``, else the current one.
    n_features_in_, n_times_in_ : int
        Neurons and frames of the training windows.

    See Also
    --------
    GraphClassifier : The same for labels.
    RecurrentRegressor : The structure-agnostic baseline.

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
    >>> from skneurograph.decoding import GraphRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 5, 8))
    >>> velocity = X[:, 0, -1] - X[:, 1, -1]
    >>> model = GraphRegressor(max_epochs=5, random_state=0).fit(X, velocity)
    >>> model.predict(X[:2]).shape, model.graph_.shape
    ((2,), (5, 5))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_GraphDecoder._parameter_constraints,
        **RegressorPart._target_constraints,
    }

    def __init__(
        self,
        *,
        identities: Literal["all", "none"] | Sequence[int] | NDArray[np.integer] = "all",
        hidden_size: int = 32,
        n_rounds: int = 1,
        edge_model: Literal["auto", "identity", "bilinear", "mlp"] = "auto",
        edge_activation: Literal["softmax", "sigmoid"] = "softmax",
        pooling: Literal["mean", "attention", "concat"] = "mean",
        decay: float | None = 6.0,
        n_members: int = 3,
        dropout: float = 0.3,
        neuron_dropout: float = 0.2,
        learning_rate: float = 0.006,
        weight_decay: float = 0.01,
        max_epochs: int = 32,
        batch_size: int = 64,
        patience: int | None = None,
        validation_fraction: float = 0.2,
        callbacks: list[Any] | None = None,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.identities = identities
        self.hidden_size = hidden_size
        self.n_rounds = n_rounds
        self.edge_model = edge_model
        self.edge_activation = edge_activation
        self.pooling = pooling
        self.decay = decay
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
