"""Functional connectivity by correlation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.utils._param_validation import Interval, StrOptions

from skneurograph.base._described import described
from skneurograph.base._noise_band import CONSTANT, filtered_products, standardised, without_noise
from skneurograph.base._parameters import SHARED
from skneurograph.data._lazy import LazyWindows
from skneurograph.graph_inference._blocks import row_blocks
from skneurograph.graph_inference._moments import (
    Chunks,
    Repeats,
    independent_frames,
    neuron_means,
    neuron_spreads,
)
from skneurograph.graph_inference._pairs import Pairs, pairwise_products
from skneurograph.graph_inference._pooled import PooledGraph

__all__ = ["CorrelationGraph"]

# Fewer frames than this have a correlation of -1, 1 or none.
_LEAST_FRAMES = 3


@described(SHARED)
class CorrelationGraph(PooledGraph):
    """Functional connectivity by correlation (Pearson or Spearman), with or without a lag.

    Parameters
    ----------
    method : {"pearson", "spearman"}
        Correlation of the activity, or of its ranks: those of each neuron over its training
        frames, and within the window where ``baseline`` is the window.
    lag : int
        With ``lag=k``, the receiver is correlated with the sender ``k`` frames before, so
        that the graph has a direction. No lag reaches across windows.
    noise_filter : bool
        Rebuild the correlations from those of their eigenvalues that independent noise
        would not reach, ``(1 + sqrt(N / T))**2`` for N neurons and T frames [1]_. For
        ``graph_``, T is the mean number of *independent* frames of a pair: the repeated
        frames of overlapping windows count once, and frames of slow activity count for
        less, by its autocorrelation. For the graph of a window, T is simply ``n_times``.
        Only for ``lag=0``.
    baseline : {"auto", "window", "training"}
        What the graph of a window measures. ``"window"``: the correlation about the mean
        of the window itself, of at least 3 frames. ``"training"``: the product of z-scores
        with mean and spread of the training frames, averaged over the window, the edge time
        series of [2]_; it is defined for one frame, and its average over the training
        windows is ``graph_`` (if no neuron is missing). ``"auto"`` takes the window if it
        is long enough.

    Attributes
    ----------
    graph_ : ndarray of shape (n_neurons, n_neurons)
        Correlation pooled over all frames of the training windows, each pair over the
        windows that hold both. It is not the mean of the graphs of the windows: a window
        has few frames, so that its correlations are poor and biased, and it does not see
        what changes more slowly than its length. NaN for pairs never recorded together.
    recorded_neurons_
    n_features_in_, n_times_in_

    See Also
    --------
    PartialCorrelationGraph : Without what goes through other neurons.
    VARGraph : With a direction, beyond what each neuron's own past tells.

    Notes
    -----
    A neuron that does not change has correlation 0 with every other.

    The pooled graph costs one to two times a plain correlation of all frames, three to five
    times where neurons are missing; ``noise_filter`` adds eigenvectors, ``n_neurons**3``.

    References
    ----------
    .. [1] V. A. Marchenko, L. A. Pastur (1967). Distribution of eigenvalues for some sets of
       random matrices. Mathematics of the USSR-Sbornik 1, 457.
       doi:10.1070/SM1967v001n04ABEH001994
    .. [2] J. Faskowitz, F. Z. Esfahlani, Y. Jo, O. Sporns, R. F. Betzel (2020). Edge-centric
       functional network representations of human cerebral cortex reveal overlapping
       system-level architecture. Nature Neuroscience 23, 1644.
       doi:10.1038/s41593-020-00719-y

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.graph_inference import CorrelationGraph
    >>> X = np.random.default_rng(0).normal(size=(500, 3, 8))
    >>> X[:, 1] += X[:, 0]
    >>> correlation = CorrelationGraph(neurons=["AVAL", "AVAR", "RIML"]).fit(X)
    >>> abs(correlation.graph_.round(1))
    array([[0. , 0.7, 0. ],
           [0.7, 0. , 0. ],
           [0. , 0. , 0. ]])
    >>> correlation.get_feature_names_out().tolist()
    ['AVAL--AVAR', 'AVAL--RIML', 'AVAR--RIML']
    >>> correlation.transform(X).shape
    (500, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "method": [StrOptions({"pearson", "spearman"})],
        "lag": [Interval(Integral, 0, None, closed="left")],
        "noise_filter": ["boolean"],
        "baseline": [StrOptions({"auto", "window", "training"})],
    }

    def __init__(
        self,
        *,
        method: Literal["pearson", "spearman"] = "pearson",
        lag: int = 0,
        noise_filter: bool = False,
        baseline: Literal["auto", "window", "training"] = "auto",
        neurons: Sequence[str] | None = None,
    ) -> None:
        self.method = method
        self.lag = lag
        self.noise_filter = noise_filter
        self.baseline = baseline
        self.neurons = neurons

    @property
    def _directed(self) -> bool:
        return bool(self.lag > 0)

    @property
    def _min_times(self) -> int:
        return int(self.lag) + (_LEAST_FRAMES if self.baseline == "window" else 1)

    @property
    def _in_window(self) -> bool:
        """Whether the graph of a window is about the window's own mean."""
        if self.baseline == "auto":
            return bool(self.n_times_in_ - self.lag >= _LEAST_FRAMES)
        return self.baseline == "window"

    def _learn(self, windows: NDArray | LazyWindows) -> None:
        if self.noise_filter and self.lag:
            raise ValueError(
                f"noise_filter: got True with lag={self.lag}; expected lag=0, since the "
                "spectrum of noise is that of a symmetric matrix"
            )

        def chunks() -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
            for _, part, recorded in self._chunks(windows):
                yield self._ranked(part, np.arange(part.shape[1])), recorded

        self._ranks: _Ranks | None = None
        if self.method == "spearman":
            self._ranks = _learn_ranks(chunks)
            self._mean = np.full(len(self.recorded_neurons_), 0.5)
        else:
            self._mean = neuron_means(chunks)
        pairs = pairwise_products(chunks, self._mean, lag=self.lag)
        if pairs.count.max(initial=0) < 2:
            raise ValueError(
                f"X has n_samples = {len(windows)} with {self.n_times_in_} frames each: a "
                f"correlation with lag={self.lag} needs a neuron in at least {2 + self.lag} frames"
            )
        spread = neuron_spreads(chunks, self._mean) if self.lag else pairs.spread()
        self._scale = np.where(spread > CONSTANT * np.abs(self._mean), spread, np.inf)
        graph = pairs.correlation(self._mean)
        if self.noise_filter:
            repeats = independent_frames(chunks, self._mean)
            graph[~pairs.known] = 0.0
            graph = without_noise(graph, _mean_frames(pairs, repeats))
        self.graph_ = self._whole(graph, pairs.known)
        if self._in_window:
            self._ranks = None

    def _window_graphs(
        self, windows: NDArray[np.float64], columns: NDArray[np.intp], shared: None
    ) -> NDArray[np.float64]:
        n_frames = windows.shape[2] - self.lag
        if self._in_window:
            prepare = _window_ranks if self.method == "spearman" else standardised
            receiver = prepare(windows[:, :, self.lag :])
            sender = prepare(windows[:, :, :n_frames]) if self.lag else receiver
        else:
            z = self._ranked(windows, columns) - self._mean[columns, None]
            z /= self._scale[columns, None]
            receiver, sender = z[:, :, self.lag :], z[:, :, :n_frames]
        if self.noise_filter:
            return filtered_products(receiver)
        graphs: NDArray[np.float64] = receiver @ sender.transpose(0, 2, 1)
        graphs /= n_frames
        return graphs

    def _ranked(
        self, windows: NDArray[np.float64], columns: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Activity, or its rank among the training frames from 0 to 1."""
        if self._ranks is None:
            return windows
        ranked = np.empty_like(windows)
        for position, column in enumerate(columns):
            values, below = self._ranks[column]
            own = windows[:, position]
            left = np.searchsorted(values, own)
            # Values that were seen in training share the middle of their ranks.
            seen = values[np.minimum(left, len(values) - 1)] == own
            ranked[:, position] = (below[left] + below[left + seen]) / 2
        return ranked


def _mean_frames(pairs: Pairs, repeats: Repeats) -> float:
    """Mean number of independent frames of the pairs of different neurons."""
    total, n_pairs = 0.0, 0
    for rows in row_blocks(len(pairs.product)):
        known = pairs.known[rows].copy()
        np.fill_diagonal(known[:, rows], False)
        total += repeats.frames(pairs.counts(rows), rows).sum(where=known)
        n_pairs += int(known.sum())
    return total / n_pairs if n_pairs else 1.0


_Ranks = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


def _learn_ranks(chunks: Chunks) -> _Ranks:
    """Distinct values of each neuron, and the fraction of frames below each position."""
    found: list[list[tuple[NDArray, NDArray]]] = []
    for part, recorded in chunks():
        if not found:
            found = [[] for _ in range(part.shape[1])]
        for column, own in enumerate(found):
            values = part[recorded[:, column], column]
            own.append(np.unique(values, return_counts=True))
    ranks = []
    for own in found:
        values, place = np.unique(np.concatenate([v for v, _ in own]), return_inverse=True)
        count = np.bincount(place, weights=np.concatenate([c for _, c in own]))
        ranks.append((values, np.concatenate([[0.0], np.cumsum(count)]) / count.sum()))
    return ranks


def _window_ranks(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    return standardised(rankdata(windows, axis=2))
