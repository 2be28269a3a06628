"""From windows to the inputs of the network: graphs and features of neurons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skneurograph.data._lazy import LazyWindows
from skneurograph.data._warnings import warn
from skneurograph.embedding.tavrnn._snapshots import (
    Activity,
    FeatureScale,
    connectivity,
    measure_activity,
    measure_halves,
    split_windows,
)
from skneurograph.nn import join_history

__all__ = ["ReadWindows", "SnapshotReader"]


class ReadWindows(NamedTuple):
    """Windows as the module reads them.

    Attributes
    ----------
    propagation : Tensor of shape (n_windows, 1 + n_columns, 1 + n_columns)
    features : Tensor of shape (n_windows, n_columns, n_features)
    levels : Tensor of shape (n_windows, n_levels)
    recorded : ndarray of bool, shape (n_windows, n_columns)
    """

    propagation: Tensor
    features: Tensor
    levels: Tensor
    recorded: NDArray[np.bool_]


@dataclass
class SnapshotReader:
    """Make graphs and features of windows; parameters as in `TAVRNN`.

    Attributes
    ----------
    scale : FeatureScale
    mean_graph : ndarray of shape (n_columns, n_columns)
        Mean over the training windows in which both neurons are recorded; NaN if in none.
    """

    noise_filter: bool
    threshold: float
    weighted: bool
    node_features: Literal["identity", "weights", "exchangeable"]
    activity_features: str | None
    dtype: torch.dtype
    scale: FeatureScale = field(init=False)
    mean_graph: NDArray[np.float64] = field(init=False)

    def fit(self, windows: NDArray | LazyWindows, columns: NDArray[np.intp]) -> ReadWindows:
        """Learn the scale of the features from these windows, and read them."""
        self.scale = FeatureScale(own=self.node_features != "exchangeable")
        return self._read(windows, columns, learn=True)

    def read(self, windows: NDArray | LazyWindows, columns: NDArray[np.intp]) -> ReadWindows:
        """Read some neurons of windows."""
        return self._read(windows, columns, learn=False)

    def graphs(
        self, windows: NDArray | LazyWindows, columns: NDArray[np.intp]
    ) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_]]]:
        """Return the graphs of some windows at a time, and which neurons are recorded."""
        for rows, activity, lengths, recorded in split_windows(windows, columns):
            yield rows, self._graph(activity, lengths, recorded), recorded

    def _graph(
        self,
        activity: NDArray[np.float64],
        lengths: NDArray[np.intp],
        recorded: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        return connectivity(
            activity,
            lengths,
            recorded,
            noise_filter=self.noise_filter,
            threshold=self.threshold,
            weighted=self.weighted,
        )

    def _read(
        self, windows: NDArray | LazyWindows, columns: NDArray[np.intp], *, learn: bool
    ) -> ReadWindows:
        n_nodes = 1 + len(columns)
        propagation = torch.empty(len(windows), n_nodes, n_nodes, dtype=self.dtype)
        everywhere = np.empty((len(windows), len(columns)), dtype=bool)
        measured, halves, own = [], [], []
        total = np.zeros((len(columns), len(columns)))
        n_broken = 0
        measures = self.activity_features.split("+") if self.activity_features else []
        for rows, activity, lengths, recorded in split_windows(windows, columns):
            graphs = self._graph(activity, lengths, recorded)
            adjacency = torch.from_numpy(graphs).to(self.dtype)
            propagation[rows] = join_history(adjacency, torch.from_numpy(recorded))
            measured.append(measure_activity(activity, lengths, recorded, measures))
            if learn:
                total += graphs.sum(axis=0)
                halves.append(measure_halves(activity, lengths, recorded, measures))
            everywhere[rows] = recorded
            n_broken += int(((lengths > 0) & ~recorded.any(axis=1)).sum())
            if self.node_features == "weights":
                own.append(graphs)
            elif self.node_features == "exchangeable":
                own.append(_strength(graphs, recorded))
        whole = _joined(measured)
        if learn:
            if n_broken:
                warn(
                    f"X: {n_broken} windows have frames, but no neuron without NaN before the last "
                    "of them; they count as gaps"
                )
            weight = everywhere.astype(np.float64)
            count = weight.T @ weight
            self.mean_graph = np.where(count > 0, total / np.maximum(count, 1), np.nan)
            even, odd = map(_joined, zip(*halves))
            self.scale.fit(whole, (even, odd), everywhere)
        features = [np.concatenate(own)] if own else []
        features.append(self.scale.features(whole, everywhere))
        population = self.scale.levels(whole, everywhere)
        return ReadWindows(
            propagation,
            torch.from_numpy(np.concatenate(features, axis=2)).to(self.dtype),
            torch.from_numpy(population).to(self.dtype),
            everywhere,
        )


def _joined(parts: Iterable[Activity]) -> Activity:
    return Activity(*map(np.concatenate, zip(*parts)))


def _strength(graphs: NDArray[np.float64], recorded: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Sum the edges of each neuron, unsigned and signed, over the root of their number."""
    count = np.maximum(recorded.sum(axis=1) - 1, 1)[:, None, None]
    sums = np.stack([np.abs(graphs).sum(axis=2), graphs.sum(axis=2)], axis=2)
    strength: NDArray[np.float64] = sums / np.sqrt(count)
    return strength
