"""Base class of the graph estimators: windows in, graphs and edge features out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skneurograph.base._memory import require_memory
from skneurograph.base._validation import check_windows, neuron_names, recorded_columns
from skneurograph.data._lazy import CHUNK_ELEMENTS, LazyWindows, chunks_of_windows

__all__ = ["GraphTransformer", "any_missing"]

# A name of an edge, and what is needed to make it.
_NAME_BYTES = 100
_FEWER_NEURONS = "select neurons (X[:, columns]), or average those of a region"


class GraphTransformer(TransformerMixin, BaseEstimator, ABC):
    """Base class of transformers that infer graphs from activity, one for each window.

    Fitted attributes are ``graph_`` and ``recorded_neurons_``.
    """

    def transform(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Return the graph of each window as one row of edge features.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows, n_edges)
            One column for each name of `get_feature_names_out`. A pair that is missing in
            a window has its value in ``graph_``, and 0 if it was never recorded together,
            so that there is no NaN.

        Raises
        ------
        MemoryError
            If the features of so many windows do not fit in memory.
        """
        windows = self._checked(X)
        n_edges = self._n_edges
        self._require(
            len(windows) * n_edges * _dtype(windows)().itemsize + self._chunk_bytes(windows),
            f"transform: {n_edges:,} edges of each of {len(windows):,} windows",
            "transform some windows at a time, or have fewer features: "
            f"{_FEWER_NEURONS}, or use the activity itself (WindowPCA)",
        )
        fill = np.nan_to_num(self._features(self.graph_[None]), nan=0.0)
        features = np.empty((len(windows), n_edges), dtype=_dtype(windows))
        for rows, graphs in self._graph_chunks(windows):
            part = self._features(graphs)
            np.copyto(part, fill, where=np.isnan(part))
            features[rows] = part
        return features

    def infer_graphs(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Infer the graph of each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows, n_neurons, n_neurons)
            Entry ``[w, i, j]`` is the influence of sender ``j`` on receiver ``i`` in window
            ``w``. The diagonal is zero; pairs with a neuron that is missing in the window,
            or that were never recorded together in training, are NaN.

        Raises
        ------
        MemoryError
            If the graphs of so many windows do not fit in memory.
        """
        windows = self._checked(X)
        n_neurons = self.n_features_in_
        self._require(
            len(windows) * n_neurons**2 * _dtype(windows)().itemsize + self._chunk_bytes(windows),
            f"infer_graphs: {len(windows):,} graphs of {n_neurons:,} neurons",
            f"infer some at a time (infer_graphs(X[:100])), or {_FEWER_NEURONS}",
        )
        inferred = np.empty((len(windows), n_neurons, n_neurons), dtype=_dtype(windows))
        for rows, graphs in self._graph_chunks(windows):
            inferred[rows] = graphs
        return inferred

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the edges ``SENDER->RECEIVER``, or ``ONE--OTHER`` where they have no direction.

        Parameters
        ----------
        input_features : array-like of str of shape (n_neurons,), optional
            Names of the neurons; by default ``neurons`` or those seen in ``fit``.

        Returns
        -------
        ndarray of str

        Raises
        ------
        MemoryError
            If so many names do not fit in memory.
        """
        check_is_fitted(self, "graph_")
        n_edges = self._n_edges
        self._require(
            _NAME_BYTES * n_edges, f"get_feature_names_out: {n_edges:,} names", _FEWER_NEURONS
        )
        names = neuron_names(self, input_features if self.neurons is None else self.neurons)
        receivers, senders = self._edges()
        if self._directed:
            edges = [f"{names[j]}->{names[i]}" for i, j in zip(receivers, senders)]
        else:
            edges = [f"{names[i]}--{names[j]}" for i, j in zip(receivers, senders)]
        return np.array(edges, dtype=object)

    @property
    def _n_edges(self) -> int:
        """Edges of a graph, as many as features."""
        n_ordered = self.n_features_in_ * (self.n_features_in_ - 1)
        return int(n_ordered if self._directed else n_ordered // 2)

    @property
    def _directed(self) -> bool:
        """Whether the graph tells sender from receiver."""
        return True

    @property
    def _remedy(self) -> str:
        """What to do if the graph does not fit in memory."""
        return _FEWER_NEURONS

    @property
    def _min_times(self) -> int:
        """Frames that a window needs at least."""
        return 1

    def _fit_bytes(self, windows: NDArray | LazyWindows) -> float:
        """Bytes that `fit` needs beside the windows; more if neurons are missing in some."""
        return 8.0 * (6 if any_missing(windows) else 3) * len(self.recorded_neurons_) ** 2

    def _chunk_bytes(self, windows: NDArray | LazyWindows) -> float:
        """Bytes that the graphs of a chunk of windows need at least, with a copy."""
        n_rows = min(len(windows), max(1, CHUNK_ELEMENTS // self._window_elements()))
        return 16.0 * n_rows * self.n_features_in_**2

    def _require(self, n_bytes: float, what: str, remedy: str) -> None:
        """Refuse what does not fit in memory."""
        require_memory(n_bytes, f"{type(self).__name__}.{what}", remedy)

    def _window_elements(self) -> int:
        """Elements of the largest array that one window needs."""
        n_neurons = max(1, len(self.recorded_neurons_))
        return int(n_neurons * max(n_neurons, self.n_times_in_))

    def _validate_fit(self, X: ArrayLike | LazyWindows) -> NDArray | LazyWindows:
        """Validate the windows to fit, and remember which neurons they hold."""
        windows, _ = check_windows(self, X, reset=True, min_times=self._min_times)
        if self.n_features_in_ < 2:
            raise ValueError(
                f"X has n_features = 1 neuron, but {type(self).__name__} needs at least 2: "
                "a graph is made of pairs"
            )
        if self.neurons is not None:
            neuron_names(self, self.neurons)
        self.recorded_neurons_ = recorded_columns(windows)
        n_neurons = len(self.recorded_neurons_)
        self._require(
            self._fit_bytes(windows),
            f"fit: the graph of {n_neurons:,} neurons, {n_neurons:,} x {n_neurons:,} pairs,",
            self._remedy,
        )
        return windows

    def _checked(self, X: ArrayLike | LazyWindows) -> NDArray | LazyWindows:
        check_is_fitted(self, "graph_")
        return check_windows(self, X, reset=False, min_times=self._min_times)[0]

    def _edges(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Receiver and sender of each feature."""
        n_neurons = self.n_features_in_
        if self._directed:
            receivers, senders = np.nonzero(~np.eye(n_neurons, dtype=bool))
            return receivers, senders
        return np.triu_indices(n_neurons, k=1)

    def _features(self, graphs: NDArray[Any]) -> NDArray[Any]:
        """Lay out the edges of each graph in a row, in the order of their names."""
        n_neurons = graphs.shape[1]
        rows = []
        for i in range(n_neurons):
            if self._directed:
                rows.append(graphs[:, i, :i])
            rows.append(graphs[:, i, i + 1 :])
        return np.concatenate(rows, axis=1)

    def _chunks(
        self, windows: NDArray | LazyWindows
    ) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_]]]:
        """Cut the recorded neurons of some windows at a time.

        Gives the windows' positions, their activity with 0 for missing neurons, in an array
        of its own that lies neuron by neuron in memory, and which neurons each of them holds.
        """
        n_neurons = len(self.recorded_neurons_)
        # Much less than a matrix of all pairs, but frames enough for the product that adds
        # to one to take longer than the adding.
        elements = max(CHUNK_ELEMENTS, n_neurons**2) // 4
        columns = None if n_neurons == windows.shape[1] else self.recorded_neurons_
        per_window = n_neurons * self.n_times_in_
        for rows, cut in chunks_of_windows(windows, per_window, elements, columns):
            part = np.empty((cut.shape[1], cut.shape[0], cut.shape[2])).transpose(1, 0, 2)
            part[:] = cut
            recorded = np.ones(part.shape[:2], dtype=bool)
            if any_missing(part):
                recorded = np.asarray(~np.isnan(part).any(axis=2))
                np.copyto(part, 0.0, where=~recorded[:, :, None])
            yield rows, part, recorded

    @abstractmethod
    def _graph_chunks(
        self, windows: NDArray | LazyWindows
    ) -> Iterator[tuple[NDArray[np.intp] | slice, NDArray[np.floating]]]:
        """Yield graphs ``(n_rows, n_neurons, n_neurons)`` of some windows at a time, with NaN."""

    def _whole(self, graph: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Put a graph of the recorded neurons in its place; pairs that are not known are NaN.

        Changes ``graph``.
        """
        if not known.all():
            np.copyto(graph, np.nan, where=~known)
        np.fill_diagonal(graph, 0.0)
        if len(graph) == self.n_features_in_:
            return graph
        whole = np.full((self.n_features_in_, self.n_features_in_), np.nan)
        whole[np.ix_(self.recorded_neurons_, self.recorded_neurons_)] = graph
        return whole

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _dtype(windows: NDArray | LazyWindows) -> type[np.floating]:
    return np.float32 if windows.dtype == np.float32 else np.float64


def any_missing(windows: NDArray | LazyWindows) -> bool:
    """Whether there may be a neuron that some window lacks.

    Without infinities, a sum is NaN if a value is, or if it overflows.
    """
    if isinstance(windows, LazyWindows):
        return windows.has_nan()
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isnan(windows.sum()))
