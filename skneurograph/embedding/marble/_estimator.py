"""MARBLE: embedding of local flow fields over neural manifolds."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skneurograph.base._batches import TrainingData
from skneurograph.base._containers import check_alignment
from skneurograph.base._described import described
from skneurograph.base._device import resolve_device, usual_torch
from skneurograph.base._fit_net import fit_net
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._memory import require_memory
from skneurograph.base._parameters import SHARED
from skneurograph.base._seeds import draw_seeds
from skneurograph.base._training import loss_curve
from skneurograph.base._validation import check_groups, check_windows, groups_needed
from skneurograph.data._lazy import LazyWindows, cut_windows
from skneurograph.data._warnings import warn
from skneurograph.embedding.marble._atlas import Atlas, FlowOptions
from skneurograph.embedding.marble._features import FeatureScaler
from skneurograph.nn import ContrastiveFlow, FlowEncoder, TimeGrid, computed_loss

__all__ = ["MARBLE"]

# A learnt diffusion time stays below this: beyond, next to nothing of a flow is left.
_LONGEST_TIME = 4.0
_INITIAL_TIME = 1.0
# Times at which features are tabulated while the time is learnt.
_N_TIMES = 6
_INITIAL_TEMPERATURE = 2.0
# Every step draws new partners, so few steps suffice where points are few.
_MIN_STEPS_PER_EPOCH = 4


@described(SHARED)
class MARBLE(TransformerMixin, BaseEstimator):
    """Embed local flow fields over neural manifolds, without labels (MARBLE).

    The method is that of Gosztolai et al. [1]_. Every window is a state, its last frame but
    one, with a vector, the change to the last frame. The states of a condition or animal
    (``groups``) make a graph of neighbours, over which the vectors are diffused and
    derived, so that each point knows the flow around it. A small network, shared by all
    groups, maps that to ``n_components`` such that points that belong together lie
    together: points with like dynamics, from whatever condition, have like embeddings. How
    far two conditions are apart is then a distance between distributions
    (`metrics.distribution_distances`).

    Parameters
    ----------
    n_components : int
        Dimensions of the embedding. Points have length one: they lie on a circle or sphere
        (and with one dimension at -1 or 1, which is rarely of use).
    n_neighbors : int
        Neighbour that sets the scale of a state in the continuous nearest-neighbour graph.
    delta : float
        Factor of that scale within which states are neighbours.
    order : int
        Highest derivative of the flow that counts; 0 for vectors alone. The features of a
        point number D to the power of ``order + 1`` and less for D dimensions of the state.
    gauge : {"global", "local"}
        ``"global"``: vectors are compared as they are in the state space. ``"local"``: they
        are projected on the tangent spaces of the manifold and carried from one to the
        other by parallel transport, so that its curvature does not count as change.
    manifold_dimension : int or None
        Dimensions of the tangent spaces for ``gauge="local"``. None takes as many as hold
        90 % of the local variance, averaged over states. A state with fewer neighbours than
        that has an arbitrary tangent space.
    diffusion_time : float or "learned"
        How far vectors are averaged over the graph, about this many steps of a random walk;
        0 leaves them. ``"learned"`` lets training choose it, starting at 1, below 4.
    positions : bool or "auto"
        Whether the state itself is a feature beside its flow. ``"auto"``: unless
        ``inner_product_features``, with which it cannot be.
    inner_product_features : bool
        Use only what no rotation, reflection or shift of a group's state space changes (the
        embedding-agnostic mode), to compare animals with other neurons, or networks. The
        groups still need equally many columns: reduce each of them to as many principal
        components.
    derivative : {"difference", "slope"}
        Vector of windows of more than two frames: the last difference, or the slope of the
        straight line fitted to all frames of the window, which is smoother.
    partners : {"flow", "neighbors"}
        Which points are drawn together: points where the flow leads within ``n_steps`` (the
        point nearest to the last frame of the window, and so on from there), or neighbours
        in the graph, as published.
    n_steps : int
        Most steps along the flow from a point to its partner.
    temperature : float or "learned"
        Of the contrastive loss; ``"learned"`` starts at 2.
    n_principal : int
        Principal components of the features that the network reads.
    weight_decay : float
        Decoupled weight decay, which pulls the embedding towards the leading principal
        components of the features.
    max_epochs : int
        Passes through the points.
    batch_size : int
        Points of a mini-batch; each is told from the partners of all others.
    device : str or torch.device
        ``"auto"`` is CUDA if there is one, else the CPU. The geometry is computed on the CPU.
    random_state : int, RandomState or None
        Initial values, mini-batches and partners.

    Attributes
    ----------
    groups_ : ndarray of shape (n_groups,) or None
        Groups seen in ``fit``; None if none were given.
    manifold_dimension_ : int
        Principal directions that hold 90 % of the local variance, or those asked for.
    diffusion_time_ : float
        That given, or learned.
    temperature_ : float
        That given, or learned.
    loss_curve_ : ndarray of shape (n_epochs,)
        Mean contrastive loss of each epoch.
    n_components_ : int
        Dimensions of the embedding.
    net_
    n_epochs_
    interrupted_ : bool
        Whether training was interrupted from the keyboard; the current state is kept.
    n_features_in_, n_times_in_ : int
        Neurons (dimensions of the state) and frames of a window.

    See Also
    --------
    skneurograph.metrics.distribution_distances : How far conditions are apart.
    skneurograph.metrics.consistency : Whether animals have the same embedding.
    skneurograph.preprocessing.smooth_spikes : Rates, which spikes must become first.

    Notes
    -----
    A point, new or not, receives from the states of ``fit`` around it and gives them nothing,
    so that what one point becomes does not depend on the others that are transformed with it.
    Points of a group that was not seen in ``fit`` are the exception: they are connected to
    each other.

    Diffusion is the heat kernel of the graph, or of its connection Laplacian for local gauges
    (eq. 8 of [1]_), by Chebyshev polynomials; lengths are those of diffused lengths. Derivatives
    are those of anisotropic kernels [2]_, with one scale for all directions of a point, so that
    rotating the state space rotates them. Differences from the published code: no batch
    normalisation and no sampling of neighbours, so that ``transform`` is what was trained; and
    partners along the flow.

    References
    ----------
    .. [1] A. Gosztolai, R. L. Peach, A. Arnaudon, M. Barahona, P. Vandergheynst (2025).
       MARBLE: interpretable representations of neural population dynamics using geometric
       deep learning. Nature Methods 22, 612-620. doi:10.1038/s41592-024-02582-2
    .. [2] D. Beaini, S. Passaro, V. Létourneau, W. L. Hamilton, G. Corso, P. Liò (2021).
       Directional graph networks. ICML. arXiv:2010.02863

    Examples
    --------
    >>> from skneurograph.datasets import make_planar_flows
    >>> from skneurograph.embedding import MARBLE
    >>> X, groups = make_planar_flows(100, random_state=0)
    >>> marble = MARBLE(n_components=2, max_epochs=5, random_state=0)
    >>> marble.fit_transform(X, groups=groups).shape
    (400, 2)
    >>> marble.transform(X[:3], groups=groups[:3]).shape
    (3, 2)
    """

    # Groups are wanted whenever metadata routing is on, without a set_..._request.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__transform: ClassVar[dict[str, bool]] = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "delta": [Interval(Real, 0, None, closed="neither")],
        "order": [Interval(Integral, 0, None, closed="left")],
        "gauge": [StrOptions({"global", "local"})],
        "manifold_dimension": [None, Interval(Integral, 1, None, closed="left")],
        "diffusion_time": [StrOptions({"learned"}), Interval(Real, 0, None, closed="left")],
        "positions": [StrOptions({"auto"}), "boolean"],
        "inner_product_features": ["boolean"],
        "derivative": [StrOptions({"difference", "slope"})],
        "partners": [StrOptions({"flow", "neighbors"})],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "temperature": [StrOptions({"learned"}), Interval(Real, 0, None, closed="neither")],
        "n_principal": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        n_components: int = 3,
        n_neighbors: int = 15,
        delta: float = 1.5,
        order: int = 1,
        gauge: Literal["global", "local"] = "global",
        manifold_dimension: int | None = None,
        diffusion_time: float | Literal["learned"] = 1.0,
        positions: bool | Literal["auto"] = "auto",
        inner_product_features: bool = False,
        derivative: Literal["difference", "slope"] = "difference",
        partners: Literal["flow", "neighbors"] = "flow",
        n_steps: int = 10,
        temperature: float | Literal["learned"] = 2.0,
        n_principal: int = 64,
        hidden_size: int = 64,
        dropout: float = 0.0,
        learning_rate: float = 0.001,
        weight_decay: float = 1.0,
        max_epochs: int = 100,
        batch_size: int = 256,
        callbacks: list[Any] | None = None,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.delta = delta
        self.order = order
        self.gauge = gauge
        self.manifold_dimension = manifold_dimension
        self.diffusion_time = diffusion_time
        self.positions = positions
        self.inner_product_features = inner_product_features
        self.derivative = derivative
        self.partners = partners
        self.n_steps = n_steps
        self.temperature = temperature
        self.n_principal = n_principal
        self.hidden_size = hidden_size
        self.dropout = dropout
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
        y: Any = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the embedding to the flow of windows.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            At least two windows of at least two frames. Any order and step will do, but a step
            of one frame lets the flow be followed furthest. No NaN.
        y : ignored
        groups : array-like of shape (n_windows,), optional
            Condition or animal of each window. Each has a manifold of its own; all share
            the embedding. None is one manifold.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit; the message names the argument.

        Warns
        -----
        UserWarning
            If the states of a group fall into pieces that no neighbours connect.
        """
        windows = self._validate_fit(X)
        groups = check_groups(groups, len(windows))
        self.groups_ = None if groups is None else np.unique(groups)
        options = self._flow_options()
        seed = draw_seeds(self.random_state, 1)[0]
        self._require_features("fit", len(windows))
        points, vectors, following = self._states(windows)
        self._atlas = Atlas(points, vectors, groups, options)
        self.manifold_dimension_ = self._atlas.manifold_dimension
        learned = self.diffusion_time == "learned"
        grid = TimeGrid(_INITIAL_TIME, _LONGEST_TIME, _N_TIMES) if learned else None
        self._scaler = FeatureScaler(self.n_principal, vectors=int(options.positions))
        time = _INITIAL_TIME if learned else float(self.diffusion_time)
        (blocks,) = self._atlas.own_features([time])
        self._scaler.fit(blocks)
        found = [blocks] if grid is None else self._atlas.own_features(grid.times.tolist())
        device = resolve_device(self.device)
        scores = np.stack([self._scaler.transform(blocks) for blocks in found])
        tables = torch.tensor(scores, dtype=torch.float32, device=device)
        del blocks, found, scores
        starts, partners = self._atlas.partners(
            following if self.partners == "flow" else None, self.n_steps
        )
        self._warn_of_idle_training(starts, partners)

        build = partial(self._build, tables, starts, partners, grid)
        fit_net(
            self,
            build,
            computed_loss,
            _numbered(len(points)),
            seed=seed,
            undecayed=("log_temperature", "grid.logit") if learned else ("log_temperature",),
        )
        # The module holds them until it is released.
        del build, tables
        module = self.net_.module_
        module.release()
        self._read_off(module, time)
        self._atlas.settle(self.diffusion_time_)
        return self

    @usual_torch()
    def transform(
        self, X: ArrayLike | LazyWindows, groups: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Embed windows, those of ``fit`` or new ones.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        groups : array-like of shape (n_windows,), optional
            As in ``fit``. Windows of a group that was seen there are connected to the states of
            that group; those of any other group to each other, so that this group needs many
            windows. May be left out if ``fit`` had no groups, or only one.

        Returns
        -------
        ndarray of shape (n_windows, n_components)
            Rows of length one. float32 if X is.

        Raises
        ------
        ValueError
            If the input does not fit; the message names the argument.

        Warns
        -----
        UserWarning
            If an unseen group has fewer windows than ``n_neighbors``, or falls into pieces.
        """
        check_is_fitted(self, "net_")
        check_alignment(X=X, groups=groups)
        windows = self._finite(check_windows(self, X, reset=False)[0])
        labels = self._known_groups(check_groups(groups, len(windows)), len(windows))
        self._require_features("transform", len(windows))
        points, vectors, _ = self._states(windows)
        scores = self._scaler.transform(self._atlas.features(points, vectors, labels))
        encoder = self.net_.module_.encoder.eval()
        device = next(encoder.parameters()).device
        with torch.inference_mode():
            tensor = torch.tensor(scores, dtype=torch.float32, device=device)
            embedded = encoder(tensor).cpu().numpy()
        dtype = np.float32 if windows.dtype == np.float32 else np.float64
        return embedded.astype(dtype, copy=False)

    def fit_transform(
        self,
        X: ArrayLike | LazyWindows,
        y: Any = None,
        groups: ArrayLike | None = None,
    ) -> NDArray[np.floating]:
        """Fit the embedding and embed the same windows, as ``fit`` and then `transform` would.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : ignored
        groups : array-like of shape (n_windows,), optional

        Returns
        -------
        ndarray of shape (n_windows, n_components)
        """
        return self.fit(X, y, groups=groups).transform(X, groups=groups)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the components ``marble0, marble1, ...``.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "net_")
        return np.array([f"marble{i}" for i in range(self.n_components_)], dtype=object)

    def _validate_fit(self, X: ArrayLike | LazyWindows) -> NDArray | LazyWindows:
        if self.inner_product_features and self.positions != "auto" and self.positions:
            raise ValueError(
                f"positions: got {self.positions} with inner_product_features, but a position "
                "changes when the state space is rotated; use positions='auto' or False"
            )
        windows = self._finite(check_windows(self, X, reset=True, min_times=2)[0])
        if len(windows) < 2:
            raise ValueError(
                "X has n_samples = 1 window, but MARBLE needs at least 2: an embedding tells "
                "points apart"
            )
        return windows

    @staticmethod
    def _finite(windows: NDArray | LazyWindows) -> NDArray | LazyWindows:
        missing = windows.has_nan() if isinstance(windows, LazyWindows) else np.isnan(windows).any()
        if missing:
            raise ValueError(
                "Input X contains NaN (missing neurons): MARBLE needs every dimension of the "
                "state; put a WindowImputer before it, or reduce each animal to as many principal "
                "components"
            )
        return windows

    def _flow_options(self) -> FlowOptions:
        dimension = self.manifold_dimension
        if dimension is not None and dimension > self.n_features_in_:
            raise ValueError(
                f"manifold_dimension: got {dimension}; expected at most the {self.n_features_in_} "
                "neurons of X"
            )
        return FlowOptions(
            n_neighbors=self.n_neighbors,
            delta=self.delta,
            order=self.order,
            local=self.gauge == "local",
            manifold_dimension=dimension,
            positions=not self.inner_product_features and bool(self.positions),
            invariant=self.inner_product_features,
        )

    def _require_features(self, what: str, n_windows: int) -> None:
        """Refuse derivatives that do not fit in memory before they are computed."""
        n_neurons = self.n_features_in_
        if self.gauge == "local":
            # Covariances around each state, if nothing else.
            per_window = float(n_neurons**2)
        else:
            per_window = float(sum(n_neurons**k for k in range(1, self.order + 2)))
        if not self.inner_product_features:
            # The derivatives, the same in one scale, and the table of both.
            per_window = 3.0 * sum(n_neurons**k for k in range(1, self.order + 2))
        require_memory(
            8 * n_windows * per_window,
            f"MARBLE.{what}: derivatives of order {self.order} in {n_neurons:,} dimensions for "
            f"each of {n_windows:,} windows",
            "put a WindowPCA before it (10 to 50 components)"
            + (", or use a lower order" if self.order > 1 else ""),
        )

    def _states(
        self, windows: NDArray | LazyWindows
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """State of each window, its vector, and the state after it."""
        frames = cut_windows(windows, slice(None), None).astype(np.float64, copy=False)
        points, following = frames[:, :, -2], frames[:, :, -1]
        if self.derivative == "difference":
            vectors = following - points
        else:
            time = np.arange(frames.shape[2]) - (frames.shape[2] - 1) / 2
            vectors = frames @ (time / (time @ time))
        return tuple(map(np.ascontiguousarray, (points, vectors, following)))  # type: ignore[return-value]

    def _temperature(self) -> float:
        if self.temperature == "learned":
            return _INITIAL_TEMPERATURE
        return float(self.temperature)

    def _build(
        self,
        tables: torch.Tensor,
        starts: NDArray[np.intp],
        partners: NDArray[np.intp],
        grid: TimeGrid | None,
    ) -> ContrastiveFlow:
        encoder = FlowEncoder(
            torch.tensor(self._scaler.spread_, dtype=torch.float32),
            self.n_components,
            self.hidden_size,
            self.dropout,
        )
        return ContrastiveFlow(
            encoder,
            tables,
            torch.tensor(starts, device=tables.device),
            torch.tensor(partners, device=tables.device),
            temperature=self._temperature(),
            learn_temperature=self.temperature == "learned",
            grid=grid,
        )

    def _warn_of_idle_training(self, starts: NDArray[np.intp], partners: NDArray[np.intp]) -> None:
        own = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        if (partners == own).all():
            warn(
                "every point is its own partner, so that training has nothing to draw together: "
                "no window leads to the state of another; use partners='neighbors', or windows "
                "whose frames are further apart"
            )
        if self.n_components == 1:
            warn(
                "n_components: got 1, but points of length one on a line are -1 or 1, which no "
                "gradient changes; use 2 or more"
            )
        if self.batch_size == 1:
            warn(
                "batch_size: got 1, so that there is no other point to tell a partner from: "
                "nothing is learnt; use tens or hundreds"
            )

    def _read_off(self, module: ContrastiveFlow, time: float) -> None:
        """Set fitted attributes that need the trained net."""
        self.n_components_ = self.n_components
        self.loss_curve_ = loss_curve(self.net_)
        self.diffusion_time_ = time if module.grid is None else float(module.grid.time.detach())
        self.temperature_ = float(torch.exp(module.log_temperature.detach()))

    def _known_groups(self, groups: NDArray | None, n_windows: int) -> NDArray | None:
        """Check the groups of windows to transform against those of ``fit``."""
        if self.groups_ is None:
            if groups is not None:
                raise ValueError(
                    "groups: given, but MARBLE was fitted without groups; give them to fit as well"
                )
            return None
        if groups is None:
            if len(self.groups_) > 1:
                raise groups_needed(
                    self,
                    f"{len(self.groups_)} groups, each with its own manifold",
                    "the group of each window",
                )
            return np.full(n_windows, self.groups_[0])
        if (groups.dtype.kind == "U") != (self.groups_.dtype.kind == "U"):
            raise ValueError(
                f"groups: got {groups.dtype}, but MARBLE was fitted with groups of "
                f"{self.groups_.dtype}, such as {self.groups_[0]!r}; give the same names"
            )
        labels, counts = np.unique(groups, return_counts=True)
        for label, count in zip(labels.tolist(), counts):
            if count <= self.n_neighbors and not self._atlas.knows(label):
                warn(
                    f"group {label!r} was not seen in fit and has {count} windows, no more than "
                    f"n_neighbors={self.n_neighbors}: its windows are connected only to each "
                    "other, which says little about the flow"
                )
        return groups

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        # One frame has no flow.
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _numbered(n_points: int) -> TrainingData:
    """Points by their number: the module holds what is known of them."""
    numbers = np.arange(n_points, dtype=np.float64)[:, None]
    return TrainingData(
        numbers,
        np.zeros(n_points),
        np.ones(n_points),
        min_steps_per_epoch=_MIN_STEPS_PER_EPOCH,
    )
