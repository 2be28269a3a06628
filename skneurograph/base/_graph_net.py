"""Shared parts of the graph estimators: identities and inferred graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from skneurograph.base._device import resolve_device
from skneurograph.base._memory import require_memory
from skneurograph.base._prior_graph import by_identity, check_prior_graph
from skneurograph.base._validation import check_identities
from skneurograph.data._lazy import LazyWindows, cut_windows
from skneurograph.nn import GraphDecoder, LinearPath, MissingNeurons

__all__ = ["GraphNet"]

EdgeModel = Literal["identity", "bilinear", "mlp", "uniform", "fixed"]

# The mean graph is taken over at most this many training windows, evenly spaced, and over
# fewer where one graph has many entries.
_GRAPH_WINDOWS = 4096
_GRAPH_ENTRIES = 200_000_000
# Matrices of all pairs that training holds for each graph that it learns.
_HELD = 8


class GraphNet:
    """Parameters, identities and graphs of net estimators whose module infers a graph."""

    identities: Any
    n_rounds: int
    edge_model: Any
    edge_activation: Any
    prior_graph: Any
    pooling: Any
    n_members: int
    hidden_size: int
    dropout: float
    batch_size: int
    device: Any
    n_features_in_: int
    n_times_in_: int
    _columns: Any  # Identities
    _checked: Callable[..., Any]
    _evaluate: Callable[..., Any]

    def _require_graphs(self, windows: NDArray | LazyWindows) -> None:
        """Refuse graphs of so many neurons that they do not fit in memory."""
        if not self.n_rounds:
            return
        if resolve_device(self.device).type != "cpu":
            return  # which says so itself, and goes on with others' memory untouched
        n_neurons = self.n_features_in_
        n_graphs = self.n_members
        what, remedy = "a graph", ""
        identities = check_identities(self.identities, n_neurons)
        if self._edge_model(identities) in ("bilinear", "mlp"):
            n_windows = min(self.batch_size, len(windows))
            n_graphs *= n_windows
            what = f"a graph of each of {n_windows} windows"
            remedy = "use edge_model='identity' (one graph for all windows), a smaller batch_size, "
        n_bytes = max(_HELD * n_graphs * windows.dtype.itemsize, 100) * n_neurons**2
        require_memory(
            n_bytes,
            f"{type(self).__name__}.fit: {what} for each of {self.n_members} members, with "
            f"{n_neurons:,} x {n_neurons:,} pairs of neurons,",
            f"{remedy or 'use '}fewer n_members, no graph (n_rounds=0), neurons averaged by "
            "region, or principal components in their place (WindowPCA)",
        )

    def _build_decoder(
        self,
        n_outputs: int,
        time_constant: float | None,
        neuron_dropout: float,
        missing: MissingNeurons | None = None,
        n_inferring: int = 0,
        population_size: int = 0,
        linear: LinearPath | None = None,
    ) -> GraphDecoder:
        labels = self._columns.labels
        return GraphDecoder(
            self.n_times_in_,
            n_outputs,
            torch.from_numpy(labels[self._columns.recorded]),
            n_members=self.n_members,
            time_constant=time_constant,
            hidden_size=self.hidden_size,
            n_rounds=self.n_rounds,
            edge_model=self._edge_model(labels),
            edge_activation=self.edge_activation,
            pooling=self.pooling,
            dropout=self.dropout,
            neuron_dropout=neuron_dropout,
            missing=missing,
            n_inferring=n_inferring,
            prior=self._prior(labels),
            population_size=population_size,
            linear=linear,
        )

    def _edge_model(self, labels: NDArray[np.intp]) -> EdgeModel:
        if self.edge_model != "auto":
            chosen: EdgeModel = self.edge_model
            return chosen
        return "identity" if (labels >= 0).any() else "bilinear"

    def _prior(self, labels: NDArray[np.intp]) -> torch.Tensor | None:
        """Return the given graph over the identities that training holds; None without one."""
        if self.prior_graph is None:
            if self.edge_model == "fixed":
                raise ValueError("edge_model='fixed' needs a graph; give prior_graph")
            return None
        if self.edge_model == "uniform" or not self.n_rounds:
            which = "edge_model='uniform'" if self.n_rounds else "n_rounds=0"
            raise ValueError(f"prior_graph: given, but {which} does not use it; give None")
        names = getattr(self, "feature_names_in_", None)
        graph = check_prior_graph(self.prior_graph, self.n_features_in_, names)
        weights = by_identity(graph, labels)
        if not np.nansum(weights):
            raise ValueError(
                "prior_graph: has no edge between neurons with an identity that are recorded in "
                "training (identities='none' gives none an identity)"
            )
        return torch.from_numpy(weights)

    def _keep_graph(self, windows: NDArray | LazyWindows) -> None:
        """Set ``graph_`` to the mean graph of training windows; none without message passing."""
        self.__dict__.pop("graph_", None)
        if self.n_rounds:
            n_rows = min(_GRAPH_WINDOWS, max(64, _GRAPH_ENTRIES // self.n_features_in_**2))
            rows = np.unique(np.linspace(0, len(windows) - 1, n_rows).astype(np.intp))
            self.graph_ = self._mean_graph(windows[rows])

    def infer_graphs(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Infer the graph of each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows, n_neurons, n_neurons)
            Entry ``[w, i, j]`` is the influence of sender ``j`` on receiver ``i``, at
            least zero. The diagonal is zero; pairs with a neuron that is missing in the
            window are NaN, as are those with an identity that training did not see.

        Raises
        ------
        ValueError
            If the estimator has ``n_rounds=0`` and so no graph.
        MemoryError
            If the graphs of so many windows do not fit in memory.
        """
        windows = self._checked(X)
        if self.n_rounds == 0:
            raise ValueError("n_rounds=0: this estimator infers no graph; use n_rounds >= 1")
        n_neurons = self.n_features_in_
        # The graphs, and the chunks that they are put together from.
        require_memory(
            2 * len(windows) * n_neurons**2 * windows.dtype.itemsize,
            f"{type(self).__name__}.infer_graphs: {len(windows):,} graphs of {n_neurons:,} neurons",
            "infer some at a time (infer_graphs(X[:100])); graph_ is their mean",
        )
        return np.concatenate(list(self._graph_chunks(windows)))

    def _graph_chunks(self, windows: NDArray | LazyWindows) -> Iterator[NDArray[np.floating]]:
        n_neurons = self.n_features_in_
        for rows, inferred, columns in self._evaluate(windows, "infer_graph"):
            part = inferred.cpu().numpy()
            recorded = ~np.isnan(cut_windows(windows, rows, columns)).any(axis=2)
            part[~(recorded[:, :, None] & recorded[:, None, :])] = np.nan
            if columns is not None:
                whole = np.full((len(part), n_neurons, n_neurons), np.nan, dtype=part.dtype)
                whole[:, columns[:, None], columns[None, :]] = part
                part = whole
            # Nothing is known of the edges of an identity without training.
            part[:, self._columns.untrained] = np.nan
            part[:, :, self._columns.untrained] = np.nan
            yield part

    def _mean_graph(self, windows: NDArray | LazyWindows) -> NDArray[np.floating]:
        """Average over the windows in which both neurons were recorded; NaN if in none."""
        total = np.zeros((self.n_features_in_, self.n_features_in_))
        count = np.zeros_like(total)
        for graphs in self._graph_chunks(windows):
            count += (~np.isnan(graphs)).sum(axis=0)
            total += np.nansum(graphs, axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)
