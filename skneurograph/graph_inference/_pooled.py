"""Base class of graphs that are estimated from moments, pooled over windows and in each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context

from skneurograph.base._fitting import all_or_nothing
from skneurograph.data._lazy import CHUNK_ELEMENTS, LazyWindows, cut_windows
from skneurograph.graph_inference._base import GraphTransformer

__all__ = ["PooledGraph"]


class PooledGraph(GraphTransformer):
    """Base class of graphs by statistics: of all training windows, and of a window."""

    @all_or_nothing
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
        MemoryError
            If the graph of so many neurons does not fit in memory.
        """
        windows = self._validate_fit(X)
        self._learn(windows)
        return self

    @abstractmethod
    def _learn(self, windows: NDArray | LazyWindows) -> None:
        """Set ``graph_`` from validated windows; ``recorded_neurons_`` are the neurons recorded."""

    def _shared(self, columns: NDArray[np.intp]) -> Any:
        """Return what the graphs of all windows share of some recorded neurons."""

    @abstractmethod
    def _window_graphs(
        self, windows: NDArray[np.float64], columns: NDArray[np.intp], shared: Any
    ) -> NDArray[np.float64]:
        """Graphs of windows without NaN, whose neurons are ``recorded_neurons_[columns]``."""

    def _graph_chunks(
        self, windows: NDArray | LazyWindows
    ) -> Iterator[tuple[NDArray[np.intp] | slice, NDArray[np.floating]]]:
        """Graphs ``(n_rows, n_neurons, n_neurons)`` of some windows at a time, with NaN."""
        columns, n_neurons = self.recorded_neurons_, self.n_features_in_
        unknown = np.isnan(self.graph_[np.ix_(columns, columns)])
        size = max(1, CHUNK_ELEMENTS // self._window_elements())
        for members, recorded in self._patterns(windows):
            shared = self._shared(recorded) if len(recorded) else None
            absent = np.nonzero(unknown[np.ix_(recorded, recorded)])
            for start in range(0, len(members), size):
                rows = members[start : start + size]
                if len(recorded) == 0:
                    yield rows, np.full((len(rows), n_neurons, n_neurons), np.nan)
                    continue
                part = cut_windows(windows, rows, columns[recorded]).astype(np.float64, copy=False)
                graphs = self._window_graphs(part, recorded, shared)
                graphs[:, absent[0], absent[1]] = np.nan
                graphs[:, np.arange(len(recorded)), np.arange(len(recorded))] = 0.0
                if len(recorded) < n_neurons:
                    inner, graphs = graphs, np.full((len(rows), n_neurons, n_neurons), np.nan)
                    graphs[:, columns[recorded, None], columns[recorded]] = inner
                yield rows, graphs

    def _patterns(
        self, windows: NDArray | LazyWindows
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Windows that hold the same neurons, and these as positions in ``recorded_neurons_``.

        Windows of one animal lack the same neurons, so there are few patterns.
        """
        found = [np.packbits(recorded, axis=1) for _, _, recorded in self._chunks(windows)]
        patterns, which = np.unique(np.concatenate(found), axis=0, return_inverse=True)
        for k, pattern in enumerate(patterns):
            recorded = np.unpackbits(pattern, count=len(self.recorded_neurons_))
            yield np.flatnonzero(which.ravel() == k), np.flatnonzero(recorded)
