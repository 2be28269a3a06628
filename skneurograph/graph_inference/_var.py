"""Directed connectivity by vector autoregression (VAR, Granger)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Lasso
from sklearn.utils._param_validation import Interval, StrOptions

from skneurograph.base._described import described
from skneurograph.base._noise_band import CONSTANT
from skneurograph.base._parameters import SHARED
from skneurograph.data._lazy import LazyWindows
from skneurograph.graph_inference._base import any_missing
from skneurograph.graph_inference._inverse import inverse, nearest_correlation
from skneurograph.graph_inference._moments import neuron_means, neuron_spreads
from skneurograph.graph_inference._pairs import pairwise_products
from skneurograph.graph_inference._pooled import PooledGraph

__all__ = ["VARGraph"]

_ALPHA = {"ridge": 1.0, "lasso": 0.01}
_LEAST_EIGENVALUE = 1e-6  # of the design handed to the lasso
_LEAST_RESIDUAL = 1e-12


@described(SHARED)
class VARGraph(PooledGraph):
    r"""Directed connectivity by vector autoregression (Granger).

    Every neuron's next frame is predicted linearly from the ``n_lags`` frames before of all
    recorded neurons, its own included.

    Parameters
    ----------
    n_lags : int
        Frames of the past that predict; windows need at least one frame more.
    penalty : {"ridge", "lasso"}
        Penalty on the coefficients: squared, or absolute, which sets most to zero.
    alpha : float or None
        Its strength, for activity of unit variance: ``|y - A x|^2 + alpha |A|^2`` per frame
        for ``"ridge"``, ``|y - A x|^2 / 2 + alpha |A|_1`` for ``"lasso"``. None takes 1 and
        0.01. The less noise, and the more frames for each neuron, the smaller it should be:
        1 suits slow, noisy calcium of a hundred neurons, 0.01 a linear system seen as it is.
    strength : {"granger", "coefficient"}
        What ``graph_`` holds. ``"granger"``: the logarithm of the ratio by which the
        residual variance of the receiver grows without the sender, at least 0 [1]_.
        ``"coefficient"``: the sum of the coefficients over the lags, with its sign.
    prior_frames : float
        How many frames the training windows count as in the graph of one window.

    Attributes
    ----------
    graph_ : ndarray of shape (n_neurons, n_neurons)
        Influence of the sender (column) on the receiver (row). NaN for pairs never recorded
        together.
    coef_ : ndarray of shape (n_lags, n_neurons, n_neurons)
        Coefficients of z-scored activity, ``[k, i, j]`` from ``j`` to ``i`` after ``k + 1``
        frames. The diagonals hold what a neuron's own past tells. NaN as in ``graph_``.
    recorded_neurons_
    n_features_in_, n_times_in_

    Notes
    -----
    With the covariance :math:`C_0` of the past and :math:`C_1` of the next frame and the past,
    each pair over the frames that hold both, ridge regression is
    :math:`A = C_1 P^{-1}, P = C_0 + \alpha I`. Without the block of coefficients
    :math:`a_{ij}` of one sender, the penalised residual variance :math:`s_i` grows by

    .. math:: d_{ij} = a_{ij}^T [(P^{-1})_{jj}]^{-1} a_{ij},

    which is exact and needs no second fit; the strength is :math:`\log(1 + d_{ij} / s_i)`.
    For the lasso the same expression is a Wald statistic, zero for senders not selected.

    The coefficients of one window are those that predict its transitions best, without
    going far from the training coefficients:
    :math:`A_w = \arg\min_B |Y - B X|^2 + k |(B - A) P^{1/2}|^2`, ``k = prior_frames``; its
    strengths follow as above from :math:`k P + X X^T`. Neurons that are missing in a window
    are left out: ridge regression is solved without them, lasso coefficients are kept.

    Costs grow with ``(n_lags * n_neurons)**3``: seconds for 2,000 neurons, several times as
    many where neurons are missing and covariances have to be made to fit together. The lasso
    takes minutes from about 500 neurons on.

    To predict is not to cause: common input that is not recorded, and calcium that is slower
    than a frame, make edges where there is no synapse.

    References
    ----------
    .. [1] J. Geweke (1982). Measurement of linear dependence and feedback between multiple
       time series. Journal of the American Statistical Association 77, 304.
       doi:10.1080/01621459.1982.10477803

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import sliding_windows
    >>> from skneurograph.graph_inference import VARGraph
    >>> activity = np.random.default_rng(0).normal(size=(500, 3))
    >>> activity[1:, 2] += activity[:-1, 0]
    >>> var = VARGraph(neurons=["AVAL", "AVAR", "RIML"]).fit(sliding_windows(activity, 8).X)
    >>> receiver, sender = np.unravel_index(var.graph_.argmax(), var.graph_.shape)
    >>> var.neurons[sender], var.neurons[receiver]
    ('AVAL', 'RIML')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_lags": [Interval(Integral, 1, None, closed="left")],
        "penalty": [StrOptions({"ridge", "lasso"})],
        "alpha": [None, Interval(Real, 0, None, closed="neither")],
        "strength": [StrOptions({"granger", "coefficient"})],
        "prior_frames": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        n_lags: int = 1,
        penalty: Literal["ridge", "lasso"] = "ridge",
        alpha: float | None = None,
        strength: Literal["granger", "coefficient"] = "granger",
        prior_frames: float = 100.0,
        neurons: Sequence[str] | None = None,
    ) -> None:
        self.n_lags = n_lags
        self.penalty = penalty
        self.alpha = alpha
        self.strength = strength
        self.prior_frames = prior_frames
        self.neurons = neurons

    @property
    def _min_times(self) -> int:
        return int(self.n_lags) + 1

    def _window_elements(self) -> int:
        n_past = self.n_lags * max(1, len(self.recorded_neurons_))
        return int(n_past * max(n_past, self.n_times_in_))

    @property
    def _penalty(self) -> float:
        return _ALPHA[self.penalty] if self.alpha is None else float(self.alpha)

    def _fit_bytes(self, windows: NDArray | LazyWindows) -> float:
        # Of the covariances of next frames and past: themselves, a copy, or their spectrum.
        n_columns = (self.n_lags + 1) * len(self.recorded_neurons_)
        return 8.0 * (4 if any_missing(windows) else 2) * n_columns**2

    def _learn(self, windows: NDArray | LazyWindows) -> None:
        def chunks() -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
            return ((part, recorded) for _, part, recorded in self._chunks(windows))

        def embedded() -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
            for part, recorded in chunks():
                yield _embedded(part, self.n_lags), np.tile(recorded, (1, self.n_lags + 1))

        self._mean = neuron_means(chunks)
        spread = neuron_spreads(chunks, self._mean)
        self._scale = np.where(spread > CONSTANT * np.abs(self._mean), spread, np.inf)
        pairs = pairwise_products(embedded, np.tile(self._mean, self.n_lags + 1), moments=False)
        scale = np.tile(self._scale, self.n_lags + 1)
        joint = pairs.means()
        joint /= scale[:, None]
        joint /= scale
        n_neurons = len(self.recorded_neurons_)
        known = pairs.known[:n_neurons, :n_neurons].copy()
        del pairs
        joint = nearest_correlation(joint)
        self._variance = np.diag(joint)[:n_neurons].copy()
        self._past = joint[n_neurons:, n_neurons:].copy()
        self._cross = joint[:n_neurons, n_neurons:].copy()
        del joint
        self._lasso = self._fit_lasso() if self.penalty == "lasso" else None
        model = self._shared(np.arange(n_neurons))
        self.graph_ = self._whole(self._strength(model), known)
        self.coef_ = np.full((self.n_lags, self.n_features_in_, self.n_features_in_), np.nan)
        blocks = model.coefficients.reshape(n_neurons, self.n_lags, n_neurons).transpose(1, 0, 2)
        columns = self.recorded_neurons_
        self.coef_[:, columns[:, None], columns] = np.where(known, blocks, np.nan)

    def _fit_lasso(self) -> NDArray[np.float64]:
        """Coefficients from covariances alone, through a square root of that of the past."""
        past = nearest_correlation(self._past.copy(), _LEAST_EIGENVALUE)
        root = np.linalg.cholesky(past + _LEAST_EIGENVALUE * np.eye(len(past)))
        # As many rows as columns stand for one frame: undo the mean that Lasso takes.
        rows = np.sqrt(len(past))
        design, target = rows * root.T, rows * np.linalg.solve(root, self._cross.T)
        model = Lasso(self._penalty, fit_intercept=False, precompute=True, max_iter=5000)
        return np.asarray(model.fit(design, target).coef_).reshape(self._cross.shape)

    def _shared(self, columns: NDArray[np.intp]) -> _Model:
        """Fit the neurons ``columns`` without the others."""
        past = (np.arange(self.n_lags)[:, None] * len(self.recorded_neurons_) + columns).ravel()
        precision, cross = self._past[np.ix_(past, past)], self._cross[np.ix_(columns, past)]
        variance = self._variance[columns]
        precision[np.diag_indices_from(precision)] += self._penalty
        inverted = inverse(precision)
        if self._lasso is None:
            coefficients = cross @ inverted
            explained = cross
        else:
            coefficients = self._lasso[np.ix_(columns, past)]
            explained = 2 * cross - coefficients @ precision + self._penalty * coefficients
        residual = variance - np.einsum("ij,ij->i", coefficients, explained)
        return _Model(coefficients, precision, inverted, np.maximum(residual, _LEAST_RESIDUAL))

    def _strength(self, model: _Model | _WindowModels) -> NDArray[np.float64]:
        """Strengths from coefficients (..., n, order * n) and what goes with them."""
        *batch, n_neurons, n_past = model.coefficients.shape
        blocks = model.coefficients.reshape(*batch, n_neurons, n_past // n_neurons, n_neurons)
        if self.strength == "coefficient":
            graph: NDArray[np.float64] = blocks.sum(axis=-2)
            return graph
        own = np.linalg.inv(model.own_inverse)[..., None, :, :, :]
        growth = np.zeros((*batch, n_neurons, n_neurons))
        for p in range(blocks.shape[-2]):
            for q in range(p + 1):
                twice = 1 if p == q else 2
                product = blocks[..., p, :] * (twice * own[..., p, q])
                product *= blocks[..., q, :]
                growth += product
        growth /= model.residual[..., None]
        np.maximum(growth, 0, out=growth)
        return np.log1p(growth, out=growth)

    def _window_graphs(
        self, windows: NDArray[np.float64], columns: NDArray[np.intp], shared: _Model
    ) -> NDArray[np.float64]:
        z = (windows - self._mean[columns, None]) / self._scale[columns, None]
        following, past = _transitions(z, self.n_lags)
        return self._strength(_updated(shared, following, past, self.prior_frames))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # One frame has no next one.
        tags.input_tags.two_d_array = False
        return tags


@dataclass
class _Model:
    """A regression on the past of all neurons, lag after lag.

    Attributes
    ----------
    coefficients : ndarray of shape (n_neurons, n_past)
    precision, inverse : ndarray of shape (n_past, n_past)
        Of the coefficients of one receiver, up to its residual variance.
    residual : ndarray of shape (n_neurons,)
    """

    coefficients: NDArray[np.floating]
    precision: NDArray[np.floating]
    inverse: NDArray[np.floating]
    residual: NDArray[np.floating]

    @property
    def own_inverse(self) -> NDArray[np.floating]:
        """Blocks of the inverse (n_neurons, order, order) between the lags of one sender."""
        return _own_blocks(self.inverse, len(self.coefficients))


@dataclass
class _WindowModels:
    """Such regressions, one for each window, as far as their strengths need them."""

    coefficients: NDArray[np.floating]
    own_inverse: NDArray[np.floating]
    residual: NDArray[np.floating]


def _own_blocks(matrices: NDArray[np.floating], n_neurons: int) -> NDArray[np.floating]:
    """Take from (..., n_past, n_past) what is between the lags of one sender."""
    *batch, n_past, _ = matrices.shape
    order = n_past // n_neurons
    split = matrices.reshape(*batch, order, n_neurons, order, n_neurons)
    return np.einsum("...pjqj->...jpq", split)


def _updated(
    model: _Model, following: NDArray[np.float64], past: NDArray[np.float64], prior_frames: float
) -> _WindowModels:
    """Update a model with the transitions of each window."""
    n_windows, n_past, n_frames = past.shape
    n_neurons = following.shape[1]
    past_of_frames = past.transpose(0, 2, 1)
    error = following - model.coefficients @ past
    if n_frames < n_past:
        # In the space of the frames, of which there are few (Woodbury). Of the inverse only
        # the blocks of each sender are needed.
        seen = model.inverse @ past
        inner = np.linalg.inv(past_of_frames @ seen + prior_frames * np.eye(n_frames))
        gain = inner @ seen.transpose(0, 2, 1)
        order = n_past // n_neurons
        change = np.einsum(
            "wpjt,wtqj->wjpq",
            seen.reshape(n_windows, order, n_neurons, n_frames),
            gain.reshape(n_windows, n_frames, order, n_neurons),
        )
        own_inverse = (model.own_inverse - change) / prior_frames
        left = prior_frames * ((error @ inner) * error).sum(axis=2)
    else:
        inverted = np.linalg.inv(prior_frames * model.precision + past @ past_of_frames)
        own_inverse = _own_blocks(inverted, n_neurons)
        gain = past_of_frames @ inverted
        change = error @ gain
        left = (error**2).sum(axis=2) - (change * (error @ past_of_frames)).sum(axis=2)
    residual = prior_frames * model.residual + np.maximum(left, 0)
    return _WindowModels(model.coefficients + error @ gain, own_inverse, residual)


def _transitions(
    windows: NDArray[np.float64], order: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Following frames (n_windows, n_neurons, n) and the ``n_lags`` frames before each."""
    embedded = _embedded(windows, order)
    n_neurons = windows.shape[1]
    return embedded[:, :n_neurons], embedded[:, n_neurons:]


def _embedded(windows: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Following frames and the ``n_lags`` frames before each, as if of so many more neurons.

    Lies in memory as the windows do.
    """
    n_times = windows.shape[2]
    lagged = [windows[:, :, order - lag : n_times - lag] for lag in range(order + 1)]
    neuron_by_neuron = [part.transpose(1, 0, 2) for part in lagged]
    return np.concatenate(neuron_by_neuron).transpose(1, 0, 2)
