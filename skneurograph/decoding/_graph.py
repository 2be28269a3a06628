"""Decoding with a graph neural network on an inferred graph."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from skneurograph.base._columns import Identities
from skneurograph.base._described import described
from skneurograph.base._graph_net import GraphNet
from skneurograph.base._missing import Correlations, learn_correlations
from skneurograph.base._parameters import GRAPH_NET, SHARED
from skneurograph.base._split import TrainingSplit
from skneurograph.decoding._decoder import ClassifierPart, Decoder, RegressorPart
from skneurograph.decoding._linear_path import LinearFit, fit_linear_path
from skneurograph.decoding._parameters import DECODING
from skneurograph.nn import GraphDecoder, LinearPath, MissingNeurons

__all__ = ["WANG_2021", "GraphClassifier", "GraphRegressor"]

WANG_2021: MappingProxyType[str, Any] = MappingProxyType(
    {
        "edge_model": "mlp",
        "edge_activation": "sigmoid",
        "pooling": "concat",
        "hidden_size": 12,
        "n_rounds": 1,
        "n_members": 1,
        "time_constant": None,
        "dropout": 0.0,
        "neuron_dropout": 0.0,
        "missing_neurons": "masked",
        "population_size": None,
        "linear_share": 0.0,
        "weight_decay": 0.0,
        "learning_rate": 1e-3,
    }
)
"""The architecture of Wang et al. (2021) as parameters of `GraphClassifier`.

Use windows of two frames, from which the activity and its change, the inputs of the
paper, follow linearly. The mapping cannot be changed; ``WANG_2021 | {"hidden_size": 24}``
is a changed copy.
"""


class _GraphDecoder(GraphNet, Decoder):
    """What the graph classifier and regressor add: fading frames, and missing neurons."""

    def _identify(self, split: TrainingSplit) -> Identities:
        self._require_graphs(split.train.windows)
        fixed = self.pooling == "concat"
        identities = Identities(self.identities, split.columns, self.n_features_in_, fixed=fixed)
        self._n_inferring = self._count_inferring(identities)
        self._correlations: Correlations | None = None
        if self._n_inferring:
            usable = identities.labels >= 0
            train = split.train
            learnt = learn_correlations(train.windows, train.organisms, usable)
            self._correlations = learnt.correlations.of(identities.first_columns)
        return identities

    def _count_inferring(self, identities: Identities) -> int:
        """Members that infer missing neurons: none, if neurons are not told apart."""
        if self.missing_neurons == "masked" or not identities.distinct:
            return 0
        return self.n_members - (self.n_members // 2 if self.missing_neurons == "both" else 0)

    def _build(self, n_outputs: int) -> GraphDecoder:
        missing = None
        if self._correlations is not None:
            missing = MissingNeurons(*map(torch.from_numpy, self._correlations))
        linear = None
        if self._linear_fit is not None:
            linear = LinearPath(*map(torch.from_numpy, self._linear_fit), share=self.linear_share)
        return self._build_decoder(
            n_outputs,
            self.time_constant,
            self.neuron_dropout,
            missing,
            self._n_inferring,
            self.population_size or 0,
            linear,
        )

    def _prepare(self, split: TrainingSplit) -> None:
        self._linear_fit: LinearFit | None = None
        if self.linear_share and self._columns.distinct:
            self._linear_fit = fit_linear_path(
                split.train, self._target, self._columns, self._correlations
            )

    def _keep(self, split: TrainingSplit) -> None:
        self._keep_graph(split.train.windows)


@described(SHARED, GRAPH_NET, DECODING)
class GraphClassifier(ClassifierPart, _GraphDecoder):
    """Classify behaviour with a graph neural network on an inferred graph.

    After Wang et al. [1]_: each neuron's window is encoded by a shared network, a
    directed graph over the recorded neurons is inferred from the encodings, messages
    pass over it, and the neurons are pooled and read out. Half of the ensemble leave missing
    neurons (NaN) out, which then neither send nor receive nor count in the pool; the other
    half infer them from the recorded ones (``missing_neurons``).

    Two things stand beside these nodes. Every second member has one more, to which all
    identified neurons send with a sign (``population_size``; a master node [3]_), and a linear
    decoder of ten principal components, fitted by itself, is averaged with the members
    (``linear_share``).

    Attributes
    ----------
    classes_
    graph_
    recorded_neurons_
    net_
    n_epochs_
    interrupted_
    n_features_in_, n_times_in_

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
    .. [3] J. Gilmer, S. S. Schoenholz, P. F. Riley, O. Vinyals, G. E. Dahl (2017). Neural
       message passing for quantum chemistry. ICML. arXiv:1704.01212

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

    def __init__(
        self,
        *,
        identities: Literal["all", "none"] | Sequence[int] | NDArray[np.integer] = "all",
        hidden_size: int = 32,
        n_rounds: int = 1,
        edge_model: Literal["auto", "identity", "bilinear", "mlp", "uniform", "fixed"] = "auto",
        edge_activation: Literal["softmax", "sigmoid"] = "softmax",
        prior_graph: Any = None,
        pooling: Literal["mean", "attention", "concat"] = "mean",
        time_constant: float | None = 6.0,
        n_members: int = 4,
        dropout: float = 0.3,
        neuron_dropout: float = 0.2,
        missing_neurons: Literal["both", "inferred", "masked"] = "both",
        population_size: int | None = 10,
        linear_share: float = 1 / 3,
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
        self.prior_graph = prior_graph
        self.pooling = pooling
        self.time_constant = time_constant
        self.n_members = n_members
        self.dropout = dropout
        self.neuron_dropout = neuron_dropout
        self.missing_neurons = missing_neurons
        self.population_size = population_size
        self.linear_share = linear_share
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


@described(SHARED, GRAPH_NET, DECODING)
class GraphRegressor(RegressorPart, _GraphDecoder):
    """Regress continuous behaviour with a graph neural network on an inferred graph.

    After Wang et al. [1]_: each neuron's window is encoded by a shared network, a
    directed graph over the recorded neurons is inferred from the encodings, messages
    pass over it, and the neurons are pooled and read out. Half of the ensemble leave missing
    neurons (NaN) out, which then neither send nor receive nor count in the pool; the other
    half infer them from the recorded ones (``missing_neurons``).

    Two things stand beside these nodes. Every second member has one more, to which all
    identified neurons send with a sign (``population_size``; a master node [3]_), and a linear
    decoder of ten principal components, fitted by itself, is averaged with the members
    (``linear_share``).

    Attributes
    ----------
    y_mean_, y_scale_
    graph_
    recorded_neurons_
    net_
    n_epochs_
    interrupted_
    n_features_in_, n_times_in_

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
    .. [3] J. Gilmer, S. S. Schoenholz, P. F. Riley, O. Vinyals, G. E. Dahl (2017). Neural
       message passing for quantum chemistry. ICML. arXiv:1704.01212

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

    def __init__(
        self,
        *,
        identities: Literal["all", "none"] | Sequence[int] | NDArray[np.integer] = "all",
        hidden_size: int = 32,
        n_rounds: int = 1,
        edge_model: Literal["auto", "identity", "bilinear", "mlp", "uniform", "fixed"] = "auto",
        edge_activation: Literal["softmax", "sigmoid"] = "softmax",
        prior_graph: Any = None,
        pooling: Literal["mean", "attention", "concat"] = "mean",
        time_constant: float | None = 6.0,
        n_members: int = 4,
        dropout: float = 0.3,
        neuron_dropout: float = 0.2,
        missing_neurons: Literal["both", "inferred", "masked"] = "both",
        population_size: int | None = 10,
        linear_share: float = 1 / 3,
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
        self.prior_graph = prior_graph
        self.pooling = pooling
        self.time_constant = time_constant
        self.n_members = n_members
        self.dropout = dropout
        self.neuron_dropout = neuron_dropout
        self.missing_neurons = missing_neurons
        self.population_size = population_size
        self.linear_share = linear_share
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
