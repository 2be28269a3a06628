"""TAVRNN: embedding of evolving functional connectivity."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skneurograph.base._containers import check_alignment
from skneurograph.base._described import described
from skneurograph.base._device import usual_torch
from skneurograph.base._fit_net import fit_net
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._memory import require_memory
from skneurograph.base._parameters import SHARED
from skneurograph.base._seeds import draw_seeds
from skneurograph.base._training import loss_curve
from skneurograph.base._validation import check_classes, check_groups, check_windows, groups_needed
from skneurograph.data._lazy import LazyWindows
from skneurograph.data._warnings import warn
from skneurograph.embedding.tavrnn._joint import JointSpace
from skneurograph.embedding.tavrnn._reader import ReadWindows, SnapshotReader
from skneurograph.embedding.tavrnn._sequences import (
    Rows,
    Run,
    Snapshots,
    rows_side_by_side,
    split_sequences,
)
from skneurograph.embedding.tavrnn._snapshots import LEAST_FRAMES, snapshot_columns
from skneurograph.embedding.tavrnn._start import principal_axes
from skneurograph.nn import (
    SnapshotEnsemble,
    SnapshotModel,
    computed_loss,
    start_at_components,
)
from skneurograph.nn.tavrnn._snapshots import PickedPropagation, Propagation

__all__ = ["TAVRNN"]

# Sequences are evaluated side by side up to about this many elements.
_CHUNK_ELEMENTS = 20_000_000


@described(SHARED)
class TAVRNN(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Embed evolving functional connectivity with a variational graph RNN (TAVRNN).

    Windows in order of time are snapshots of a graph whose edges are correlations between
    neurons. A variational graph recurrent network with temporal attention [1]_ embeds every
    neuron and, by a *history node* that is connected to all of them, the population. It
    learns without labels, by explaining the edges and the mean activity of the neurons from
    the embedding, or with labels, which the embedding then tells apart.

    Windows form sequences: what is made of a window depends on those before it in its group,
    never on later ones.

    Parameters
    ----------
    noise_filter : bool
        Rebuild the correlations of a window from those of their eigenvalues that independent
        noise of as many neurons and frames would not reach, ``(1 + sqrt(N / T))**2`` [2]_.
    threshold : float
        Neurons whose correlation has a larger magnitude are connected.
    weighted : bool
        Whether an edge weighs its correlation, sign included, in the convolutions, or 1.
        What the model explains is whether there is an edge.
    node_features : {"identity", "weights", "exchangeable"}
        What tells neurons apart. ``"identity"``: parameters of each neuron's own.
        ``"weights"``: its row of edge weights (and a read-out of its own).
        ``"exchangeable"``: only the sums of its edges, signed and unsigned, so that the model
        applies to any neurons, also those that no training window held.
    activity_features : {"mean", "mean+slope"} or None
        What of the activity of a neuron joins its features and is explained, too: its mean
        in the window, and its change over the window, by a straight line through the frames,
        which tells much where signals are slow. Each is taken relative to the root mean
        square over the neurons of the window, standardised, and counts as far as it is
        reliable: as far as every other frame tells what the frames between tell. That root
        mean square itself is a feature of the history node. None leaves the embedding to the
        graphs.
    attention_width : int
        States that temporal attention mixes: that of the snapshot and those before it.
        1 is no attention.
    sequence_length : int or None
        In training, sequences are cut into pieces of at most so many windows, in other
        places each epoch. Short pieces train faster, and an embedding that does not lean on
        what came before. Embedding never cuts. None trains on whole sequences.
    kl_weight : float
        Weight of the divergence of posterior from prior in the loss; below 1 the latents
        tell more than a strict bound would let them.
    label_weight : float
        Weight of the cross-entropy of the labels, if ``y`` is given to ``fit``. With 0,
        labels are ignored, as a step of a pipeline that must not look at them needs it.
    n_members : int
        Models trained from different initial values, side by side, whose embeddings are
        joined: the leading principal components of all of them, learned from the training
        windows. The embedding then depends less on ``random_state``, and takes as many times
        as long.
    hidden_size : int
        Units of a node's state.
    max_epochs : int
        Passes through the windows. What counts is the number of steps, of which an epoch of
        some hundred windows is one: a few hundred are needed, and many windows need fewer epochs.
    batch_size : int
        Pieces of sequences in a mini-batch.
    random_state : int, RandomState or None
        Initial values, latents drawn in training, cuts and order of the pieces.

    Attributes
    ----------
    attention_ : ndarray of shape (n_windows, attention_width)
        Of the training windows: weight of the state ``k`` windows before, 0 being the
        window's own, averaged over members. Rows sum to one.
    graph_ : ndarray of shape (n_neurons, n_neurons)
        Mean graph of the training windows. NaN for pairs never recorded together.
    loss_curve_ : ndarray of shape (n_epochs,)
        Loss of each complete epoch: the negative evidence lower bound per neuron (weighted,
        and with the labels), averaged over members.
    classes_ : ndarray of shape (n_classes,)
        Only if trained with labels.
    recorded_neurons_
    net_
    n_epochs_
    interrupted_ : bool
        Whether training was interrupted from the keyboard; the current state is kept.
    n_features_in_, n_times_in_

    See Also
    --------
    skneurograph.graph_inference.CorrelationGraph : The graphs themselves, as features.

    Notes
    -----
    Windows of different length are padded at their end with frames that are NaN for all
    neurons. In other frames NaN means as everywhere that a neuron is not recorded in the
    window.

    What is ours, beside the published model: the latent of the history node joins each
    neuron's own in the inner product and explains the activity, without which nothing would
    ask it to tell anything; features reach the latents also linearly; all pairs of a neuron
    count as one observation. With ``node_features="identity"`` and activity features, the
    history node's latent starts at the principal components of these features in the
    training windows: the loss ends lower, and other initial values end less far apart. The
    embedding is the posterior mean; nothing is drawn.

    All graphs are held in memory, ``n_windows * n_neurons**2`` numbers, and, when a sequence
    is embedded, some ``10 * n_neurons * hidden_size`` numbers for each of its windows and for
    each member.

    References
    ----------
    .. [1] M. Khajehnejad, F. Habibollahi, A. Khajehnejad, B. J. Kagan, A. Razi
       (2024). TAVRNN: Temporal attention-enhanced variational graph RNN captures neural
       dynamics and behavior. arXiv:2410.00665
    .. [2] V. A. Marchenko, L. A. Pastur (1967). Distribution of eigenvalues for some sets of
       random matrices. Mathematics of the USSR-Sbornik 1, 457.
       doi:10.1070/SM1967v001n04ABEH001994

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.embedding import TAVRNN
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(40, 6, 20))
    >>> X[20:, :3] += 2 * rng.normal(size=(20, 1, 20))  # three neurons join
    >>> tavrnn = TAVRNN(n_components=2, max_epochs=5, random_state=0).fit(X)
    >>> tavrnn.transform(X).shape, tavrnn.embed_neurons(X).shape
    ((40, 2), (40, 6, 2))
    >>> tavrnn.attention_.shape
    (40, 8)
    """

    # Groups are wanted whenever metadata routing is on, without a request.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__transform: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "noise_filter": ["boolean"],
        "threshold": [Interval(Real, 0, 1, closed="left")],
        "weighted": ["boolean"],
        "node_features": [StrOptions({"identity", "weights", "exchangeable"})],
        "activity_features": [StrOptions({"mean", "mean+slope"}), None],
        "attention_width": [Interval(Integral, 1, None, closed="left")],
        "sequence_length": [None, Interval(Integral, 1, None, closed="left")],
        "kl_weight": [Interval(Real, 0, None, closed="left")],
        "label_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        n_components: int = 16,
        noise_filter: bool = True,
        threshold: float = 0.2,
        weighted: bool = True,
        node_features: Literal["identity", "weights", "exchangeable"] = "identity",
        activity_features: Literal["mean", "mean+slope"] | None = "mean",
        attention_width: int = 8,
        sequence_length: int | None = 8,
        kl_weight: float = 0.03,
        label_weight: float = 1.0,
        n_members: int = 3,
        hidden_size: int = 32,
        learning_rate: float = 0.01,
        weight_decay: float = 0.01,
        max_epochs: int = 250,
        batch_size: int = 16,
        callbacks: list[Any] | None = None,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.noise_filter = noise_filter
        self.threshold = threshold
        self.weighted = weighted
        self.node_features = node_features
        self.activity_features = activity_features
        self.attention_width = attention_width
        self.sequence_length = sequence_length
        self.kl_weight = kl_weight
        self.label_weight = label_weight
        self.n_members = n_members
        self.hidden_size = hidden_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @all_or_nothing
    @usual_torch()
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | LazyWindows,
        y: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train on sequences of windows.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            Windows, those of each group in order of time. Frames at the end of a window
            that are NaN for all neurons are padding; else a neuron with NaN in a window is
            missing in it.
        y : array-like of shape (n_windows,), optional
            Labels that the embedding shall tell. Without, training is unsupervised. The
            label of a window that is all NaN is ignored, if a valid one: such a window only
            tells that time passes. Windows that are held out of a sequence can be left in as
            such gaps.
        groups : array-like of shape (n_windows,), optional
            Sequence of each window, such as its organism. Each sequence starts from a fresh
            state. Without groups all windows are one sequence.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit; the message names the argument.
        """
        windows, y = self._check_training(X, y)
        sequences = split_sequences(len(windows), check_groups(groups, len(windows)))
        self._n_sequences = len(sequences)
        self.recorded_neurons_ = snapshot_columns(windows)
        if len(self.recorded_neurons_) == 0:
            raise ValueError(
                "X: no neuron is recorded in any window, from its first frame to its last; "
                "frames that are NaN for all neurons may only stand at the end of a window"
            )
        self._reader = SnapshotReader(
            noise_filter=self.noise_filter,
            threshold=float(self.threshold),
            weighted=self.weighted,
            node_features=self.node_features,
            activity_features=self.activity_features,
            dtype=torch.float64 if windows.dtype == np.float64 else torch.float32,
        )
        self._require_graphs("fit", windows, len(self.recorded_neurons_) + 1)
        read = self._reader.fit(windows, self.recorded_neurons_)
        labels = self._encode(y, read.recorded)
        (seed,) = draw_seeds(self.random_state, 1)
        data = Snapshots(
            read.propagation,
            read.features,
            read.levels,
            torch.from_numpy(labels),
            sequences,
            self.sequence_length,
        )
        build = partial(self._build, read)
        fit_net(self, build, computed_loss, data, seed=seed, dtype=windows.dtype)
        self.loss_curve_ = loss_curve(self.net_)
        self._n_features_out = self.n_components
        self.graph_ = np.full((self.n_features_in_, self.n_features_in_), np.nan)
        self.graph_[np.ix_(self.recorded_neurons_, self.recorded_neurons_)] = (
            self._reader.mean_graph
        )
        self._read_off(read, sequences)
        return self

    def fit_transform(
        self,
        X: ArrayLike | LazyWindows,
        y: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> NDArray[np.floating]:
        """Fit the embedding and embed the same windows, as ``fit`` and then `transform` would."""
        return self.fit(X, y, groups=groups).transform(X, groups=groups)

    @usual_torch()
    def transform(
        self, X: ArrayLike | LazyWindows, groups: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Embed the population in each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            As in `fit`.
        groups : array-like of shape (n_windows,), optional
            Sequence of each window; may be left out for a single window, and if ``fit`` had
            one sequence.

        Returns
        -------
        ndarray of shape (n_windows, n_components)
            Posterior mean of the history node's latent; of several members, the principal
            components of theirs.
        """
        windows, sequences = self._checked(X, groups)
        embedding = np.empty((len(windows), self.n_components), dtype=windows.dtype)
        columns = self._columns_to_read(windows)
        self._require_graphs("transform", windows, len(columns) + 1)
        read = self._reader.read(windows, columns)
        for run in self._run_sequences(read, sequences):
            for rows, stacked in run.of_each(self._ensemble.populations(run.trajectories)):
                embedding[rows] = (
                    stacked if self._joint is None else self._joint.population(stacked)
                )
        return embedding

    @usual_torch()
    @torch.no_grad()
    def embed_neurons(
        self, X: ArrayLike | LazyWindows, groups: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Embed each neuron in each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            As in `fit`.
        groups : array-like of shape (n_windows,), optional
            Sequence of each window; may be left out for a single window, and if ``fit`` had
            one sequence.

        Returns
        -------
        ndarray of shape (n_windows, n_neurons, n_components)
            Vectors whose inner products tell who is connected: the posterior mean of each
            neuron, with what the history node's means for it; of several members, axes that
            keep their mean inner products. NaN for neurons that are not recorded, or that no
            training window held (unless neurons are exchangeable).
        """
        windows, sequences = self._checked(X, groups)
        columns = self._columns_to_read(windows)
        shape = (len(windows), self.n_features_in_, self.n_components)
        embedding = np.full(shape, np.nan, dtype=windows.dtype)
        self._require_graphs("embed_neurons", windows, len(columns) + 1)
        read = self._reader.read(windows, columns)
        for run in self._run_sequences(read, sequences):
            for rows, stacked in run.of_each(self._ensemble.neurons(run.trajectories)):
                part = stacked if self._joint is None else self._joint.neurons(stacked)
                part[~read.recorded[rows]] = np.nan
                embedding[rows[:, None], columns] = part
        return embedding

    @usual_torch()
    @torch.no_grad()
    def score(
        self, X: ArrayLike | LazyWindows, y: Any = None, groups: ArrayLike | None = None
    ) -> float:
        """Return the evidence lower bound of the windows; higher is better.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            As in `fit`.
        y : ignored
        groups : array-like of shape (n_windows,), optional
            Sequence of each window; may be left out for a single window, and if ``fit`` had
            one sequence.

        Returns
        -------
        float
            In nats per neuron, averaged over windows that are no gaps, and over members; with
            the latents at their means instead of drawn, the pairs of a neuron counted
            together as one observation, and a weight of 1 for the divergence. Features are in
            units of the training windows: compare scores of one ``threshold``,
            ``activity_features`` and training set.
        """
        windows, sequences = self._checked(X, groups)
        columns = self._columns_to_read(windows)
        self._require_graphs("score", windows, len(columns) + 1)
        read = self._reader.read(windows, columns)
        n_seen = max(1, int(read.recorded.any(axis=1).sum()))
        total = 0.0
        for run in self._run_sequences(read, sequences):
            bound = self._ensemble.bound(run.trajectories, run.propagation, run.features)
            total += sum(float(part.sum()) for _, part in run.of_each(bound))
        return total / n_seen

    def infer_graphs(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Return the graph of each window: denoised and thresholded correlations.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_windows, n_neurons, n_neurons)
            Symmetric, with a diagonal of zeros. NaN for pairs with a neuron that is not
            recorded in the window, or in no window of training (unless exchangeable).
        """
        check_is_fitted(self, "net_")
        windows = check_windows(self, X, reset=False, min_times=LEAST_FRAMES)[0]
        n_neurons = self.n_features_in_
        self._require_graphs("infer_graphs", windows, n_neurons)
        graphs = np.full((len(windows), n_neurons, n_neurons), np.nan, dtype=windows.dtype)
        columns = self._columns_to_read(windows)
        for rows, graph, recorded in self._reader.graphs(windows, columns):
            graph[~(recorded[:, :, None] & recorded[:, None])] = np.nan
            graphs[rows, columns[:, None], columns] = graph
        return graphs

    def _check_training(self, X: Any, y: Any) -> tuple[NDArray | LazyWindows, NDArray[Any] | None]:
        """Validate windows, and labels if they are wanted."""
        for name in ("classes_", "graph_"):
            self.__dict__.pop(name, None)
        if y is None or self.label_weight == 0:
            windows, y = check_windows(self, X, reset=True, min_times=LEAST_FRAMES)[0], None
        else:
            windows, y = check_windows(self, X, y, reset=True, min_times=LEAST_FRAMES)
            y = column_or_1d(y, warn=True)
            check_classes(y)
        if self.n_features_in_ < 2:
            raise ValueError(
                f"X has n_features = 1 neuron, but {type(self).__name__} needs at least 2: "
                "a graph is made of pairs"
            )
        return windows, y

    def _require_graphs(self, what: str, windows: NDArray | LazyWindows, n_nodes: int) -> None:
        """Refuse graphs that do not fit in memory before they are made."""
        require_memory(
            len(windows) * n_nodes**2 * windows.dtype.itemsize,
            f"{type(self).__name__}.{what}: a graph of {n_nodes:,} nodes for each of "
            f"{len(windows):,} windows",
            "use fewer windows, or neurons averaged by region or otherwise selected",
        )

    def _encode(self, y: NDArray[Any] | None, recorded: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the number of each label: -1 where there is none, and in gaps."""
        labels = np.full(len(recorded), -1)
        if y is not None:
            is_seen = recorded.any(axis=1)
            self.classes_, labels[is_seen] = np.unique(y[is_seen], return_inverse=True)
            if len(self.classes_) == 1:
                warn(f"y has one class only, {self.classes_.tolist()[0]!r}: nothing to tell apart")
        return labels

    def _columns_to_read(self, windows: NDArray | LazyWindows) -> NDArray[np.intp]:
        """Neurons that the module reads: exchangeable ones need not have been in training."""
        if self.node_features != "exchangeable":
            return self.recorded_neurons_
        return np.union1d(self.recorded_neurons_, snapshot_columns(windows))

    def _checked(
        self, X: ArrayLike | LazyWindows, groups: ArrayLike | None
    ) -> tuple[NDArray | LazyWindows, list[Rows]]:
        check_is_fitted(self, "net_")
        check_alignment(X=X, groups=groups)
        windows = check_windows(self, X, reset=False, min_times=LEAST_FRAMES)[0]
        if groups is None and self._n_sequences > 1 and len(windows) > 1:
            raise groups_needed(
                self,
                f"{self._n_sequences} sequences, each of which starts afresh",
                "the sequence of each window (zeros, if they are all one)",
            )
        return windows, split_sequences(len(windows), check_groups(groups, len(windows)))

    def _build(self, read: ReadWindows) -> SnapshotEnsemble:
        reliability = self._reader.scale.reliability
        has_own_gains = self.node_features == "identity"
        start = None
        if has_own_gains and reliability.size:
            seen = read.features[torch.from_numpy(read.recorded.any(axis=1))].double().numpy()
            axes, sizes = principal_axes(seen, reliability, self.n_components)
            start = torch.from_numpy(axes), torch.from_numpy(sizes)
        members = []
        for _ in range(self.n_members):
            member = SnapshotModel(
                read.features.shape[2],
                torch.from_numpy(reliability),
                read.levels.shape[1],
                n_identities=None
                if self.node_features == "exchangeable"
                else len(self.recorded_neurons_),
                own_gains=has_own_gains,
                hidden_size=self.hidden_size,
                n_components=self.n_components,
                attention_width=self.attention_width,
                kl_weight=float(self.kl_weight),
                n_classes=len(getattr(self, "classes_", ())),
                label_weight=float(self.label_weight),
            )
            if start is not None:
                start_at_components(member, *start)
            members.append(member)
        return SnapshotEnsemble(members)

    @property
    def _ensemble(self) -> SnapshotEnsemble:
        ensemble: SnapshotEnsemble = self.net_.module_
        return ensemble

    @torch.no_grad()
    def _read_off(self, read: ReadWindows, sequences: list[Rows]) -> None:
        """Set what the training windows tell: attention, and how to join the members."""
        n_stacked = self.n_members * self.n_components
        self.attention_ = np.empty((len(read.recorded), self.attention_width))
        population = np.empty((len(read.recorded), n_stacked))
        products = np.zeros((n_stacked, n_stacked))
        for run in self._run_sequences(read, sequences):
            attention = torch.stack([each.attention for each in run.trajectories]).mean(dim=0)
            for rows, part in run.of_each(attention):
                self.attention_[rows] = part
            for rows, part in run.of_each(self._ensemble.populations(run.trajectories)):
                population[rows] = part
            if self.n_members > 1:
                for rows, part in run.of_each(self._ensemble.neurons(run.trajectories)):
                    known = part[read.recorded[rows]].astype(np.float64)
                    products += known.T @ known
        self._joint = None
        if self.n_members > 1:
            seen = population[read.recorded.any(axis=1)]
            self._joint = JointSpace.fit(seen, products, self.n_members)

    def _run_sequences(self, read: ReadWindows, sequences: list[Rows]) -> Iterator[Run]:
        """Run over sequences, those of similar length side by side."""
        ensemble = self._ensemble.eval()
        device = next(ensemble.parameters()).device
        labels = torch.full((len(read.propagation),), -1)
        data = Snapshots(read.propagation, read.features, read.levels, labels, sequences, None)
        n_nodes = read.propagation.shape[1]
        per_window = n_nodes * max(n_nodes, 4 * self.hidden_size)
        waiting = sorted(sequences, key=len)
        while waiting:
            longest = len(waiting[-1])
            n_pieces = max(1, _CHUNK_ELEMENTS // (per_window * longest))
            pieces, waiting = waiting[-n_pieces:], waiting[:-n_pieces]
            part = data.batch(rows_side_by_side(pieces), device)
            propagation: Propagation = part["propagation"]
            if "rows" in part:
                propagation = PickedPropagation(part["propagation"][0], part["rows"])
            with torch.no_grad():
                trajectories = ensemble.run(propagation, part["features"], part["levels"])
            yield Run(pieces, propagation, part["features"], trajectories)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        # One frame has no correlation.
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
