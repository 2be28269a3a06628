"""Neural relational inference (NRI): edges that best predict the next frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from skneurograph.base._batches import steps_per_epoch
from skneurograph.base._columns import Columns
from skneurograph.base._described import described
from skneurograph.base._fit_net import fit_net
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._net_estimator import NetEstimator
from skneurograph.base._parameters import SHARED
from skneurograph.base._split import TrainingSplit
from skneurograph.data._inputs import unmasked
from skneurograph.data._lazy import LazyWindows, cut_windows
from skneurograph.graph_inference._base import GraphTransformer, _dtype
from skneurograph.graph_inference._blocks import row_blocks
from skneurograph.graph_inference._moments import neuron_means
from skneurograph.graph_inference._pairs import pairwise_products
from skneurograph.nn import RelationalModel, computed_loss

__all__ = ["RelationalGraph"]

# Numbers that training holds for each hidden unit of a frame, and each edge type of a pair.
_HELD = 16
# Part of the training in which the variance falls from that of the data to what is left.
_ANNEALING = 0.5


@described(SHARED)
class RelationalGraph(GraphTransformer, NetEstimator):
    """Directed connectivity by neural relational inference (NRI).

    Neural relational inference [1]_, trained without labels: an encoder reads a window and
    gives each ordered pair of neurons a distribution over edge types; a decoder predicts
    the frames of the window from those before, with messages that pass along edges drawn
    from that distribution. Both are trained together as a variational autoencoder, so a pair
    has an edge where that helps prediction. Neurons are exchangeable: what is learnt is the
    rule of interaction, and every window gets its own graph.

    Parameters
    ----------
    n_edge_types : int
        Kinds of edges. The first is "no edge" and passes no message.
    encoder : {"mlp", "cnn"}
        How the encoder reads the frames of a window: all at once, or by convolution along
        time with attention.
    decoder : {"mlp", "recurrent"}
        Whether frames are predicted from the ``n_lags`` before, or from a recurrent state.
    message : {"factorized", "mlp"}
        ``"factorized"``: ``W2 sum_j a_ij relu(U h_i + V h_j)``, for which no feature vector
        of a pair is ever held. ``"mlp"``: the published network with two layers on every
        pair, in encoder and decoder; much slower.
    horizon : int
        Frames that are predicted from predictions, before a true frame is given again.
    n_lags : int
        Frames that the ``"mlp"`` decoder reads. One is enough if a frame tells the state of
        a neuron (position and velocity); a single trace rather needs two or three.
    n_burn_in : int
        Frames at the beginning that the ``"recurrent"`` decoder is given and that do not
        count in the loss.
    n_neighbors : int or None
        Consider only that many senders for each receiver, those whose activity correlates
        most strongly (in absolute value) with the receiver's next frame in the training
        windows. Work and memory then grow linearly with the neurons. None for all pairs.
    edge_prior : float
        Prior probability that there is an edge, shared evenly by the types but the first.
    noise_variance : float or None
        Variance of the prediction error in units of ``X``, constant, as published (5e-5 for
        features in [-1, 1]). None estimates one per channel: it starts at the variance of
        the activity and falls to that of the errors during the first half of the training.
        As long as it is large the prior keeps edges undecided, so that the decoder learns
        to use them before the encoder commits itself.
    temperature : float
        Of the Gumbel softmax; the lower, the closer to discrete edges (published: 0.5), and
        the more the edges drawn for one window differ from time to time.
    hard : bool
        Whether messages pass along discrete edges in training, with the gradient of soft
        ones (straight-through).
    n_channels : int
        Features of a neuron and frame. With more than one, ``X`` has shape
        ``(n_windows, n_neurons, n_times, n_channels)``, as `make_springs` gives it.
    hidden_size : int
        Units of all layers.
    random_state : int, RandomState or None
        Initial values, mini-batches, drawn edges and held-out organisms.

    Attributes
    ----------
    graph_ : ndarray of shape (n_neurons, n_neurons)
        Mean over the training windows of the probability of an edge from sender (column)
        to receiver (row). NaN for pairs never recorded together.
    neighbors_ : ndarray of int, shape (n_recorded, n_neighbors), or None
        Columns of the senders considered for each of ``recorded_neurons_``; None for all.
    recorded_neurons_
    net_ : skorch.NeuralNet
        The trained net, with its history. The loss is the negative evidence lower bound
        per neuron.
    n_epochs_
    interrupted_
    n_features_in_, n_times_in_ : int
        Neurons, and frames of a window (times ``n_channels``).

    See Also
    --------
    VARGraph : A linear model of the same question.

    Notes
    -----
    An edge is what the model needs to predict; it is evidence of interaction only as far as
    the unrecorded neurons, and what is common to all, can be ignored.

    References
    ----------
    .. [1] T. Kipf, E. Fetaya, K.-C. Wang, M. Welling, R. Zemel (2018). Neural relational
       inference for interacting systems. ICML. arXiv:1802.04687

    Examples
    --------
    >>> from skneurograph.datasets import make_springs
    >>> from skneurograph.graph_inference import RelationalGraph
    >>> X, graphs = make_springs(32, n_times=12, n_substeps=10, random_state=0)
    >>> model = RelationalGraph(n_channels=4, hidden_size=8, max_epochs=1, random_state=0)
    >>> model.fit(X).infer_graphs(X).shape
    (32, 5, 5)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_edge_types": [Interval(Integral, 2, None, closed="left")],
        "encoder": [StrOptions({"mlp", "cnn"})],
        "decoder": [StrOptions({"mlp", "recurrent"})],
        "message": [StrOptions({"factorized", "mlp"})],
        "horizon": [Interval(Integral, 1, None, closed="left")],
        "n_lags": [Interval(Integral, 1, None, closed="left")],
        "n_burn_in": [Interval(Integral, 0, None, closed="left")],
        "n_neighbors": [None, Interval(Integral, 1, None, closed="left")],
        "edge_prior": [Interval(Real, 0, 1, closed="neither")],
        "noise_variance": [None, Interval(Real, 0, None, closed="neither")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "hard": ["boolean"],
        "n_channels": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        n_edge_types: int = 2,
        encoder: Literal["mlp", "cnn"] = "mlp",
        decoder: Literal["mlp", "recurrent"] = "mlp",
        message: Literal["factorized", "mlp"] = "factorized",
        horizon: int = 10,
        n_lags: int = 1,
        n_burn_in: int = 0,
        n_neighbors: int | None = None,
        edge_prior: float = 0.5,
        noise_variance: float | None = None,
        temperature: float = 1.5,
        hard: bool = False,
        n_channels: int = 1,
        neurons: Sequence[str] | None = None,
        hidden_size: int = 64,
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
        self.n_edge_types = n_edge_types
        self.encoder = encoder
        self.decoder = decoder
        self.message = message
        self.horizon = horizon
        self.n_lags = n_lags
        self.n_burn_in = n_burn_in
        self.n_neighbors = n_neighbors
        self.edge_prior = edge_prior
        self.noise_variance = noise_variance
        self.temperature = temperature
        self.hard = hard
        self.n_channels = n_channels
        self.neurons = neurons
        self.hidden_size = hidden_size
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

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | LazyWindows,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train encoder and decoder on windows.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            A neuron with NaN in a window is missing in it. With ``n_channels > 1`` an array
            of shape ``(n_windows, n_neurons, n_times, n_channels)``.
        y : ignored
        sample_weight : array-like of shape (n_windows,), optional
            A weight of two counts as the window standing there twice.
        groups : array-like of shape (n_windows,), optional
            Organism of each window. With ``patience``, whole organisms are held out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit; the message names the argument.
        """
        windows = self._validate_fit(self._folded(X))
        split = TrainingSplit.of(
            self,
            windows,
            np.zeros(len(windows)),
            sample_weight,
            groups,
            n_frames=self.n_times_in_ // self.n_channels,
        )
        self.recorded_neurons_ = split.columns
        self._columns = Columns(split.columns, self.n_features_in_)
        self._scaling = self._learn_scale(split.train.windows, split.train.weight)
        self.neighbors_: NDArray[np.intp] | None = None
        if self.n_neighbors is not None and self.n_neighbors < len(self.recorded_neurons_) - 1:
            self.neighbors_ = self.recorded_neurons_[self._choose_neighbors(split.train.windows)]
        data = split.encoded(None, self._columns.trained)
        build = partial(self._build, len(split.train.windows))
        fit_net(self, build, computed_loss, *data, seed=split.seed, dtype=split.dtype)
        self.graph_ = self._mean_graph(split.train.windows)
        return self

    def infer_edge_types(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Infer the probability of each edge type in each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows, n_edge_types, n_neurons, n_neurons)
            Entry ``[w, k, i, j]`` is the probability that the edge from ``j`` to ``i`` is of
            type ``k``; type 0 is "no edge". Pairs with a missing neuron are NaN. The
            diagonal and pairs that are no neighbours have no edge.

        Raises
        ------
        MemoryError
            If the probabilities of so many windows do not fit in memory.
        """
        windows = self._checked(X)
        n_neurons = self.n_features_in_
        shape = (len(windows), self.n_edge_types, n_neurons, n_neurons)
        self._require(
            math.prod(shape) * _dtype(windows)().itemsize,
            f"infer_edge_types: {self.n_edge_types} x {len(windows):,} graphs of {n_neurons:,} "
            "neurons",
            "infer some at a time (infer_edge_types(X[:100]))",
        )
        types = np.empty(shape, dtype=_dtype(windows))
        for rows, posterior, recorded in self._posteriors(windows):
            types[rows, 0] = self._placed(1 - posterior[:, 0], recorded)
            np.subtract(1, types[rows, 0], out=types[rows, 0])
            for kind in range(1, self.n_edge_types):
                types[rows, kind] = self._placed(posterior[:, kind], recorded)
        return types

    @property
    def _min_times(self) -> int:
        needed = self.n_lags if self.decoder == "mlp" else self.n_burn_in
        return int(max(needed + 1, 3) * self.n_channels)

    @property
    def _remedy(self) -> str:
        fewer = "use a smaller batch_size, or select neurons (X[:, columns])"
        if self.n_neighbors is None:
            return f"consider few senders for each receiver (n_neighbors=32), {fewer}"
        return fewer

    def _fit_bytes(self, windows: NDArray | LazyWindows) -> float:
        n_neurons = len(self.recorded_neurons_)
        n_senders = min(self.n_neighbors or n_neurons, n_neurons)
        per_window = _HELD * n_neurons * self.n_times_in_ * self.hidden_size
        pairs = n_neurons * n_senders * (4 * self.hidden_size if self.message == "mlp" else 1)
        per_window += _HELD * self.n_edge_types * pairs
        n_bytes = windows.dtype.itemsize * min(self.batch_size, len(windows)) * per_window
        return n_bytes + super()._fit_bytes(windows)

    def _folded(self, X: Any) -> Any:
        """Lay the channels of a frame side by side, so that windows are of three dimensions."""
        if self.n_channels == 1:
            return X
        X = unmasked(X)
        shape = np.shape(X)
        if isinstance(X, LazyWindows) or len(shape) != 4 or shape[3] != self.n_channels:
            raise ValueError(
                f"X: got shape {shape}; expected (n_windows, n_neurons, n_times, "
                f"{self.n_channels}), since n_channels={self.n_channels}"
            )
        return np.reshape(X, (*shape[:2], shape[2] * shape[3]))

    def _checked(self, X: ArrayLike | LazyWindows) -> NDArray | LazyWindows:
        return super()._checked(self._folded(X))

    def _learn_scale(
        self, windows: NDArray | LazyWindows, weight: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], ...]:
        """Mean, spread and typical change of each channel, over all neurons."""
        total, square, change, n_frames, n_changes = (np.zeros(self.n_channels) for _ in range(5))
        for rows, part, recorded in self._chunks(windows):
            frames = part.reshape(*part.shape[:2], -1, self.n_channels)
            counted = recorded * weight[rows, None]
            n_times = frames.shape[2]
            total += np.einsum("wn,wntc->c", counted, frames)
            square += np.einsum("wn,wntc->c", counted, frames**2)
            change += np.einsum("wn,wntc->c", counted, np.diff(frames, axis=2) ** 2)
            n_frames += n_times * counted.sum()
            n_changes += (n_times - 1) * counted.sum()
        mean = total / n_frames
        spread = np.sqrt(np.maximum(square / n_frames - mean**2, 0))
        spread = np.where(spread > 1e-8 * np.abs(mean), spread, 1.0)
        # A channel that never changes needs a scale all the same: a thousandth of its spread.
        return mean, spread, np.maximum(np.sqrt(change / n_changes), 1e-3 * spread)

    def _choose_neighbors(self, windows: NDArray | LazyWindows) -> NDArray[np.intp]:
        """Senders with the strongest lagged correlation, ascending, as positions."""
        mean, spread, _ = self._scaling

        def chunks() -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
            for _, part, recorded in self._chunks(windows):
                # Scaled by channel, so that what is constant is told from the same rounding.
                frames = part.reshape(*part.shape[:2], -1, self.n_channels)
                frames = (frames - mean) / spread * recorded[:, :, None, None]
                yield frames.reshape(part.shape), recorded

        means = neuron_means(chunks)
        pairs = pairwise_products(chunks, means, lag=self.n_channels)
        strength = pairs.correlation(means)
        np.abs(strength, out=strength)
        strength[~pairs.known] = -1.0
        np.fill_diagonal(strength, -2.0)
        chosen = []
        for rows in row_blocks(len(strength)):
            order = np.argsort(-strength[rows], axis=1, kind="stable")[:, : self.n_neighbors]
            chosen.append(np.sort(order, axis=1))
        return np.concatenate(chosen)

    def _build(self, n_windows: int) -> RelationalModel:
        """Make the module to train on so many windows."""
        neighbors = None
        if self.neighbors_ is not None:
            neighbors = torch.from_numpy(self._positions())
        n_steps = self.max_epochs * steps_per_epoch(n_windows, self.batch_size)
        module = RelationalModel(
            self.n_times_in_ // self.n_channels,
            self.n_channels,
            n_edge_types=self.n_edge_types,
            hidden_size=self.hidden_size,
            encoder=self.encoder,
            decoder=self.decoder,
            message=self.message,
            horizon=self.horizon,
            n_lags=self.n_lags,
            n_burn_in=self.n_burn_in,
            edge_prior=self.edge_prior,
            variance=self.noise_variance,
            n_annealing_steps=round(_ANNEALING * n_steps),
            temperature=self.temperature,
            hard=self.hard,
            neighbors=neighbors,
        )
        module.set_scale(*map(torch.from_numpy, self._scaling))
        return module

    def _mean_graph(self, windows: NDArray | LazyWindows) -> NDArray[np.floating]:
        """Average over the windows in which both neurons were recorded; NaN if in none."""
        self.__dict__.pop("graph_", None)
        n_recorded = len(self.recorded_neurons_)
        together = np.zeros((n_recorded, n_recorded))
        total: Any = 0.0
        for _, posterior, recorded in self._posteriors(windows):
            is_recorded = recorded.astype(np.float64)
            together += is_recorded.T @ is_recorded
            edge = 1 - posterior[:, 0].astype(np.float64)
            total = total + np.where(self._pairs(recorded), edge, 0).sum(axis=0)
        graph = np.zeros_like(together)
        if self.neighbors_ is None:
            graph[:] = total
        else:
            np.put_along_axis(graph, self._positions(), total, axis=1)
        return self._whole(graph / np.maximum(together, 1), together > 0)

    def _graph_chunks(
        self, windows: NDArray | LazyWindows
    ) -> Iterator[tuple[slice, NDArray[np.floating]]]:
        for rows, posterior, recorded in self._posteriors(windows):
            yield rows, self._placed(1 - posterior[:, 0], recorded)

    def _posteriors(
        self, windows: NDArray | LazyWindows
    ) -> Iterator[tuple[slice, NDArray[np.floating], NDArray[np.bool_]]]:
        """Posteriors (n_rows, n_edge_types, n_recorded, n_candidates), and who is recorded."""
        for rows, posterior, _ in self._evaluate(windows, "posterior"):
            recorded = ~np.isnan(cut_windows(windows, rows, self.recorded_neurons_)).any(axis=2)
            yield rows, posterior.cpu().numpy(), recorded

    def _positions(self) -> NDArray[np.intp]:
        """Neighbours as positions among the recorded columns."""
        assert self.neighbors_ is not None
        return np.searchsorted(self.recorded_neurons_, self.neighbors_)

    def _pairs(self, recorded: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which pairs of receiver and candidate there are in each window."""
        if self.neighbors_ is None:
            return recorded[:, :, None] & recorded[:, None, :]
        return recorded[:, :, None] & recorded[:, self._positions()]

    def _placed(
        self, values: NDArray[np.floating], recorded: NDArray[np.bool_]
    ) -> NDArray[np.floating]:
        """Put values of the candidates in their columns: 0 elsewhere, NaN if missing."""
        columns, n_neurons = self.recorded_neurons_, self.n_features_in_
        if self.neighbors_ is None:
            inner = values.copy()
        else:
            inner = np.zeros((len(values), len(columns), len(columns)), dtype=values.dtype)
            positions = np.broadcast_to(self._positions(), values.shape)
            np.put_along_axis(inner, positions, values, axis=2)
        inner[:, np.arange(len(columns)), np.arange(len(columns))] = 0
        known = recorded[:, :, None] & recorded[:, None, :]
        if hasattr(self, "graph_"):
            known &= ~np.isnan(self.graph_[np.ix_(columns, columns)])
        inner[~known] = np.nan
        whole = np.full((len(values), n_neurons, n_neurons), np.nan, dtype=values.dtype)
        whole[:, columns[:, None], columns] = inner
        return whole

    @property
    def _window_size(self) -> int:
        """Elements of the largest layer for one window: of neurons, or of pairs."""
        n_neurons = self.n_features_in_
        n_candidates = n_neurons if self.neighbors_ is None else self.neighbors_.shape[1]
        frames = n_neurons * max(self.n_times_in_, 8 * self.hidden_size)
        pairs = n_neurons * n_candidates
        if self.message == "mlp":
            pairs *= 4 * self.hidden_size
        return int(max(frames, self.n_edge_types * pairs))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # One frame has no next one.
        tags.input_tags.two_d_array = False
        return tags
