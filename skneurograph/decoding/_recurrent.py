"""Decoding with an LSTM or GRU over frames: the structure-agnostic baseline."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions

from skneurograph.base._net_estimator import NetEstimator
from skneurograph.decoding._decoder import ClassifierPart, Decoder, RegressorPart
from skneurograph.nn import RecurrentDecoder

__all__ = ["RecurrentClassifier", "RecurrentRegressor"]


class _RecurrentDecoder(Decoder):
    """Parameters and module that classifier and regressor share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetEstimator._parameter_constraints,
        "cell": [StrOptions({"lstm", "gru"})],
        "projection_size": [None, Interval(Integral, 1, None, closed="left")],
    }

    def _build(self, n_outputs: int) -> RecurrentDecoder:
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


class RecurrentClassifier(ClassifierPart, _RecurrentDecoder):
    """Classify behaviour with a recurrent neural network (LSTM or GRU).

    The structure-agnostic baseline for the graph models: every frame is one vector of all
    neurons, a missing neuron (NaN) counts as zero, the mean of z-scored traces.

    Parameters
    ----------
    cell : {"lstm", "gru"}, default="lstm"
        Kind of recurrent layer.
    projection_size : int or None, default=10
        Dimensions on which every frame is first projected by a learned linear map, which
        generalises better than reading all neurons; None reads them all.
    hidden_size : int, default=32
        Units of the recurrent layer.
    n_members : int, default=3
        Networks trained from different initial values; their predictions are averaged.
    dropout : float, default=0.3
        Probability of dropping a unit of the last state in training.
    neuron_dropout : float, default=0.2
        Probability of setting a whole neuron to zero in training.
    label_smoothing : float, default=0.1
        Weight of the uniform distribution in the training targets.
    class_weight : {"balanced"}, dict or None, default=None
        ``"balanced"`` weighs classes inversely to their frequency; a dict gives the weight of
        every class.
    learning_rate : float, default=0.003
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_RecurrentDecoder._parameter_constraints,
        **ClassifierPart._target_constraints,
    }

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


class RecurrentRegressor(RegressorPart, _RecurrentDecoder):
    """Regress continuous behaviour with a recurrent neural network (LSTM or GRU).

    The structure-agnostic baseline for the graph models: every frame is one vector of all
    neurons, a missing neuron (NaN) counts as zero, the mean of z-scored traces.

    Parameters
    ----------
    cell : {"lstm", "gru"}, default="lstm"
        Kind of recurrent layer.
    projection_size : int or None, default=10
        Dimensions on which every frame is first projected by a learned linear map, which
        generalises better than reading all neurons; None reads them all.
    hidden_size : int, default=32
        Units of the recurrent layer.
    n_members : int, default=3
        Networks trained from different initial values; their predictions are averaged.
    dropout : float, default=0.3
        Probability of dropping a unit of the last state in training.
    neuron_dropout : float, default=0.2
        Probability of setting a whole neuron to zero in training.
    learning_rate : float, default=0.003
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_RecurrentDecoder._parameter_constraints,
        **RegressorPart._target_constraints,
    }

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
