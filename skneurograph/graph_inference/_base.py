"""What all estimators of graphs share: windows in, graphs and edge features out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils.validation import check_is_fitted

from skneurograph.lazy import LazyWindows
from skneurograph.training import cut_windows
from skneurograph.validation import check_windows, neuron_names, recorded_columns

__all__ = ["GraphTransformer"]

# Windows are read in chunks of about this many elements of the largest array.
_CHUNK_ELEMENTS = 4_000_000


class GraphTransformer(TransformerMixin, BaseEstimator):
    """Infer who influences whom; the method is up to the class.

    A class gives `_learn`, which sets ``graph_``, and either `_window_graphs` (called with
    windows in which every neuron is recorded) or `_graph_chunks` as a whole.
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012
        "neurons": [None, "array-like"]
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike | LazyWindows, y: Any = None) -> Self:
        """Learn the graph of the training windows.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            A neuron with NaN in a window is missing in it. Two dimensions are read as
            windows of one frame.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there are fewer than two neurons, or too few frames; the message says which.
        """
        windows = self._start(X)
        self._learn(windows)
        return self

    def transform(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Give the graph of each window as one row of edge features.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows, n_edges)
            One column for each name of `get_feature_names_out`. A pair that is missing in
            a window has its value in ``graph_``, and 0 if it was never recorded together,
            so that there is no NaN.
        """
        windows = self._checked(X)
        receivers, senders = self._edges()
        fill = np.nan_to_num(self.graph_[receivers, senders], nan=0.0)
        features = np.empty((len(windows), len(receivers)), dtype=_dtype(windows))
        for rows, graphs in self._graph_chunks(windows):
            part = graphs[:, receivers, senders]
            features[rows] = np.where(np.isnan(part), fill, part)
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
        """
        windows = self._checked(X)
        n_neurons = self.n_features_in_
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
        """
        check_is_fitted(self, "graph_")
        names = neuron_names(self, input_features if self.neurons is None else self.neurons)
        receivers, senders = self._edges()
        if self._directed:
            edges = [f"{names[j]}->{names[i]}" for i, j in zip(receivers, senders)]
        else:
            edges = [f"{names[i]}--{names[j]}" for i, j in zip(receivers, senders)]
        return np.array(edges, dtype=object)

    @property
    def _directed(self) -> bool:
        """Whether the graph tells sender from receiver."""
        return True

    @property
    def _min_times(self) -> int:
        """Frames that a window needs at least."""
        return 1

    @abstractmethod
    def _learn(self, windows: NDArray | LazyWindows) -> None:
        """Set ``graph_`` from validated windows; ``columns_`` are the neurons recorded."""

    def _window_graphs(
        self, windows: NDArray[np.float64], columns: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Graphs of windows without NaN, whose neurons are ``columns_[columns]``."""
        raise NotImplementedError

    def _window_elements(self) -> int:
        """Elements of the largest array that one window needs."""
        n_neurons = max(1, len(self.columns_))
        return int(n_neurons * max(n_neurons, self.n_times_in_))

    def _start(self, X: ArrayLike | LazyWindows) -> NDArray | LazyWindows:
        """Validate the windows to fit, and remember which neurons they hold."""
        windows, _ = check_windows(self, X, reset=True, min_times=self._min_times)
        if self.n_features_in_ < 2:
            raise ValueError(
                f"X has n_features = 1 neuron, but {type(self).__name__} needs at least 2: "
                "a graph is made of pairs"
            )
        if self.neurons is not None:
            neuron_names(self, self.neurons)
        self.columns_ = recorded_columns(windows)
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

    def _chunks(
        self, windows: NDArray | LazyWindows
    ) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_]]]:
        """Cut the recorded neurons of some windows at a time.

        Gives the windows' positions, their activity with 0 for missing neurons, and which
        neurons each of them holds.
        """
        size = max(1, _CHUNK_ELEMENTS // self._window_elements())
        for start in range(0, len(windows), size):
            rows = slice(start, min(start + size, len(windows)))
            part = cut_windows(windows, rows, self.columns_).astype(np.float64, copy=False)
            recorded = np.asarray(~np.isnan(part).any(axis=2))
            if not recorded.all():
                part = np.where(recorded[:, :, None], part, 0.0)
            yield rows, part, recorded

    def _graph_chunks(
        self, windows: NDArray | LazyWindows
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Graphs ``(n_rows, n_neurons, n_neurons)`` of some windows at a time, with NaN."""
        columns = self.columns_
        unknown = np.isnan(self.graph_[np.ix_(columns, columns)])
        for rows, part, recorded in self._chunks(windows):
            whole = np.full((len(part), self.n_features_in_, self.n_features_in_), np.nan)
            # Windows of one recording lack the same neurons, so there are few patterns.
            patterns, which = np.unique(recorded, axis=0, return_inverse=True)
            for k, pattern in enumerate(patterns):
                held, members = np.flatnonzero(pattern), np.flatnonzero(which == k)
                if len(held) == 0:
                    continue
                graphs = self._window_graphs(part[np.ix_(members, held)], held)
                graphs[:, unknown[np.ix_(held, held)]] = np.nan
                graphs[:, np.arange(len(held)), np.arange(len(held))] = 0.0
                whole[np.ix_(members, columns[held], columns[held])] = graphs
            yield rows, whole

    def _whole(self, graph: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Put a graph of the recorded neurons in its place; pairs that are not known are NaN."""
        whole = np.full((self.n_features_in_, self.n_features_in_), np.nan)
        graph = np.where(known, graph, np.nan)
        np.fill_diagonal(graph, 0.0)
        whole[np.ix_(self.columns_, self.columns_)] = graph
        return whole

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _dtype(windows: NDArray | LazyWindows) -> type[np.floating]:
    return np.float32 if windows.dtype == np.float32 else np.float64
