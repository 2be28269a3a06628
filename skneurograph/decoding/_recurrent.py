"""Decoding with an LSTM or GRU over frames: the structure-agnostic baseline."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from skneurograph.base._described import described
from skneurograph.base._parameters import SHARED
from skneurograph.decoding._decoder import ClassifierPart, Decoder, RegressorPart
from skneurograph.decoding._parameters import DECODING
from skneurograph.nn import RecurrentDecoder

__all__ = ["RecurrentClassifier", "RecurrentRegressor"]


class _RecurrentDecoder(Decoder):
    """Parameters and module that classifier and regressor share."""

    def _build(self, n_outputs: int) -> RecurrentDecoder:
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


@described(SHARED, DECODING)
class RecurrentClassifier(ClassifierPart, _RecurrentDecoder):
    """Classify behaviour with a recurrent neural network (LSTM or GRU).

    The structure-agnostic baseline for the graph models: every frame is one vector of all
    neurons, a missing neuron (NaN) counts as zero, the mean of z-scored traces.

    Attributes
    ----------
    classes_
    recorded_neurons_
    net_
    n_epochs_
    interrupted_
    n_features_in_, n_times_in_

    See Also
    --------
    GraphClassifier : The graph model.
    RecurrentRegressor : The same for continuous behaviour.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.decoding import RecurrentClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 5, 8))
    >>> y = np.where(X[:, 0, -1] > X[:, 1, -1], "forward", "reversal")
    >>> model = RecurrentClassifier(max_epochs=5, random_state=0).fit(X, y)
    >>> model.predict(X[:2]).shape
    (2,)
    """

    def __init__(
        self,
        *,
        cell: Literal["lstm", "gru"] = "lstm",
        projection_size: int | None = 10,
        hidden_size: int = 32,
        n_members: int = 3,
        dropout: float = 0.3,
        neuron_dropout: float = 0.2,
        label_smoothing: float = 0.1,
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
        learning_rate: float = 0.003,
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
        self.cell = cell
        self.projection_size = projection_size
        self.hidden_size = hidden_size
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


@described(SHARED, DECODING)
class RecurrentRegressor(RegressorPart, _RecurrentDecoder):
    """Regress continuous behaviour with a recurrent neural network (LSTM or GRU).

    The structure-agnostic baseline for the graph models: every frame is one vector of all
    neurons, a missing neuron (NaN) counts as zero, the mean of z-scored traces.

    Attributes
    ----------
    y_mean_, y_scale_
    recorded_neurons_
    net_
    n_epochs_
    interrupted_
    n_features_in_, n_times_in_

    See Also
    --------
    GraphRegressor : The graph model.
    RecurrentClassifier : The same for labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.decoding import RecurrentRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 5, 8))
    >>> velocity = X[:, 0, -1] - X[:, 1, -1]
    >>> model = RecurrentRegressor(max_epochs=5, random_state=0).fit(X, velocity)
    >>> model.predict(X[:2]).shape
    (2,)
    """

    def __init__(
        self,
        *,
        cell: Literal["lstm", "gru"] = "lstm",
        projection_size: int | None = 10,
        hidden_size: int = 32,
        n_members: int = 3,
        dropout: float = 0.3,
        neuron_dropout: float = 0.2,
        learning_rate: float = 0.003,
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
        self.cell = cell
        self.projection_size = projection_size
        self.hidden_size = hidden_size
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
