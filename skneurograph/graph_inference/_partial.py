"""Functional connectivity by partial correlation (Ledoit-Wolf or graphical lasso)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import graphical_lasso
from sklearn.utils._param_validation import Interval, StrOptions

from skneurograph.base._described import described
from skneurograph.base._noise_band import CONSTANT
from skneurograph.base._parameters import SHARED
from skneurograph.data._lazy import LazyWindows
from skneurograph.graph_inference._blocks import row_blocks
from skneurograph.graph_inference._inverse import inverse, nearest_correlation
from skneurograph.graph_inference._moments import Repeats, independent_frames, neuron_means
from skneurograph.graph_inference._pairs import Pairs, pairwise_products
from skneurograph.graph_inference._pooled import PooledGraph

__all__ = ["PartialCorrelationGraph"]

_LASSO_PENALTY = 0.1
# Keeps the inverse finite where correlations of pairs were clipped, or neurons are copies.
_LEAST_EIGENVALUE = 1e-4


@described(SHARED)
class PartialCorrelationGraph(PooledGraph):
    """Functional connectivity by partial correlation, conditional on all other recorded neurons.

    Parameters
    ----------
    estimator : {"ledoit-wolf", "graphical-lasso"}
        How the correlations are regularised before they are inverted: shrunk towards none
        [1]_, or with an L1 penalty that sets most partial correlations to zero [2]_.
    alpha : float or None
        Shrinkage between 0 and 1, or the penalty of the graphical lasso. None takes the
        shrinkage of Ledoit and Wolf, and 0.1.
    prior_frames : float
        How many frames the training windows count as in the graph of one window. Its
        covariance, about the training mean, is averaged with the regularised one of the
        training windows with the weights ``n_times`` and ``prior_frames``; so a window of
        one frame has a graph.

    Attributes
    ----------
    graph_ : ndarray of shape (n_neurons, n_neurons)
        Partial correlations over the training windows. NaN for pairs never recorded
        together, which count as uncorrelated for the other pairs.
    shrinkage_ : float
        Shrinkage used by ``"ledoit-wolf"``; 0 for the graphical lasso.
    recorded_neurons_
    n_features_in_, n_times_in_

    Raises
    ------
    ValueError
        By ``fit``, if ``alpha`` is too small for the graphical lasso to converge.

    Notes
    -----
    Each pair is correlated over the frames that hold both. Such a matrix need not be
    positive semi-definite; negative eigenvalues are clipped. The shrinkage of Ledoit and
    Wolf is computed over the same frames; for independent frames without missing neurons it
    is that of `sklearn.covariance.ledoit_wolf`. Repeated frames of overlapping windows count
    once, and frames of slow activity for less, by its autocorrelation: as if independent,
    they would hardly be shrunk. Neurons that are missing in a window are left out of its
    covariance.

    Costs grow with ``n_neurons**3``: seconds for 2,000 neurons.

    References
    ----------
    .. [1] O. Ledoit, M. Wolf (2004). A well-conditioned estimator for large-dimensional
       covariance matrices. Journal of Multivariate Analysis 88, 365.
       doi:10.1016/S0047-259X(03)00096-4
    .. [2] J. Friedman, T. Hastie, R. Tibshirani (2008). Sparse inverse covariance estimation
       with the graphical lasso. Biostatistics 9, 432. doi:10.1093/biostatistics/kxm045

    Examples
    --------
    A chain: the ends are correlated, but only through the neuron between them.

    >>> import numpy as np
    >>> from skneurograph.graph_inference import CorrelationGraph, PartialCorrelationGraph
    >>> X = np.random.default_rng(0).normal(size=(500, 3, 8))
    >>> X[:, 1] += X[:, 0]
    >>> X[:, 2] += X[:, 1]
    >>> abs(CorrelationGraph().fit(X).graph_.round(1))
    array([[0. , 0.7, 0.6],
           [0.7, 0. , 0.8],
           [0.6, 0.8, 0. ]])
    >>> abs(PartialCorrelationGraph().fit(X).graph_.round(1))
    array([[0. , 0.5, 0. ],
           [0.5, 0. , 0.7],
           [0. , 0.7, 0. ]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [StrOptions({"ledoit-wolf", "graphical-lasso"})],
        "alpha": [None, Interval(Real, 0, None, closed="neither")],
        "prior_frames": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        estimator: Literal["ledoit-wolf", "graphical-lasso"] = "ledoit-wolf",
        alpha: float | None = None,
        prior_frames: float = 100.0,
        neurons: Sequence[str] | None = None,
    ) -> None:
        self.estimator = estimator
        self.alpha = alpha
        self.prior_frames = prior_frames
        self.neurons = neurons

    @property
    def _directed(self) -> bool:
        return False

    def _learn(self, windows: NDArray | LazyWindows) -> None:
        if self.estimator == "ledoit-wolf" and self.alpha is not None and self.alpha > 1:
            raise ValueError(
                f"alpha: got {self.alpha}; expected a shrinkage between 0 and 1 with "
                "estimator='ledoit-wolf'"
            )

        def chunks() -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
            return ((part, recorded) for _, part, recorded in self._chunks(windows))

        self._mean = neuron_means(chunks)
        squares = self.estimator == "ledoit-wolf" and self.alpha is None
        pairs = pairwise_products(chunks, self._mean, squares=squares)
        if pairs.count.max(initial=0) < 2:
            raise ValueError(
                f"X has n_samples = {len(windows)} with {self.n_times_in_} frames each: a "
                "correlation needs a neuron in at least 2 frames"
            )
        spread = pairs.spread()
        varies = spread > CONSTANT * np.abs(self._mean)
        self._scale = np.where(varies, spread, np.inf)
        correlation = pairs.correlation(self._mean)
        known = pairs.known
        correlation[~known] = 0.0
        np.fill_diagonal(correlation, 1.0)
        correlation = nearest_correlation(correlation, _LEAST_EIGENVALUE)
        self.shrinkage_ = 0.0
        if self.estimator == "ledoit-wolf":
            if self.alpha is None:
                repeats = independent_frames(chunks, self._mean)
                self.shrinkage_ = _shrinkage(pairs, correlation, spread, repeats)
            else:
                self.shrinkage_ = float(self.alpha)
            del pairs
            correlation *= 1 - self.shrinkage_
            np.fill_diagonal(correlation, 1.0)
            self._covariance = correlation
            precision = inverse(correlation)
        else:
            penalty = _LASSO_PENALTY if self.alpha is None else float(self.alpha)
            self._covariance, precision = _graphical_lasso(correlation, penalty)
        self.graph_ = self._whole(_partial(precision), known)

    def _shared(self, columns: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        covariance = self._covariance[np.ix_(columns, columns)]
        return covariance, inverse(covariance)

    def _window_graphs(
        self,
        windows: NDArray[np.float64],
        columns: NDArray[np.intp],
        shared: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        covariance, prior = shared
        z = (windows - self._mean[columns, None]) / self._scale[columns, None]
        n_frames = z.shape[2]
        if n_frames >= len(columns):
            scatter = z @ z.transpose(0, 2, 1)
            return _partial(np.linalg.inv(self.prior_frames * covariance + scatter))
        # Few frames change few directions of the inverse (Woodbury).
        seen = prior @ z
        gram = z.transpose(0, 2, 1) @ seen + self.prior_frames * np.eye(n_frames)
        return _partial(prior - seen @ np.linalg.solve(gram, seen.transpose(0, 2, 1)))


def _graphical_lasso(
    correlation: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sparse estimates of covariance and inverse."""
    try:
        with warnings.catch_warnings():
            # A dual gap slightly above its tolerance changes no edge that matters.
            warnings.filterwarnings("ignore", message="graphical_lasso: did not converge")
            covariance, precision = graphical_lasso(correlation, penalty)
    except FloatingPointError as error:
        raise ValueError(
            f"alpha: got {penalty:g}, for which the graphical lasso finds no solution, since too "
            "few frames tell the neurons apart; use a larger alpha"
        ) from error
    return covariance, precision


def _shrinkage(
    pairs: Pairs,
    correlation: NDArray[np.float64],
    spread: NDArray[np.float64],
    repeats: Repeats,
) -> float:
    """Ledoit and Wolf's weight of no correlation, each pair over its own frames.

    The squared error of the correlations over their squared distance from none.
    """
    assert pairs.product_square is not None
    scale = np.where(spread > 0, spread, 1.0) ** 2
    error, distance = 0.0, 0.0
    for rows in row_blocks(len(correlation)):
        squared, known = correlation[rows] ** 2, pairs.known[rows]
        fourth = pairs.product_square[rows] / np.maximum(pairs.counts(rows), 1)
        fourth /= scale[rows, None]
        fourth /= scale
        frames = np.maximum(repeats.frames(pairs.counts(rows), rows), 1)
        error += (np.maximum(fourth - squared, 0) / frames).sum(where=known)
        # The diagonal is 1 in both, up to rounding.
        np.fill_diagonal(squared[:, rows], (np.diagonal(correlation)[rows] - 1) ** 2)
        distance += squared.sum(where=known)
    return 1.0 if distance == 0 else float(min(1.0, error / distance))


def _partial(precision: NDArray[Any]) -> NDArray[np.float64]:
    """Partial correlations of one or many inverse covariances, which it changes.

    Zero on the diagonal.
    """
    scale = 1 / np.sqrt(np.diagonal(precision, axis1=-2, axis2=-1))
    precision *= -scale[..., :, None]
    precision *= scale[..., None, :]
    partial: NDArray[np.float64] = precision + np.swapaxes(precision, -1, -2)
    partial /= 2
    index = np.arange(partial.shape[-1])
    partial[..., index, index] = 0.0
    return partial
