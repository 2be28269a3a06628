"""Convert inferred graphs to networkx and PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skneurograph.data._inputs import unmasked

__all__ = ["to_networkx", "to_pyg"]


def to_networkx(
    graph: ArrayLike, *, neurons: Sequence[str] | None = None, threshold: float | None = None
) -> Any:
    """Convert a graph to networkx.

    Parameters
    ----------
    graph : array-like of shape (n_neurons, n_neurons)
        Entry ``[i, j]`` is the influence of sender ``j`` on receiver ``i``.
    neurons : sequence of str, optional
        Names of the nodes; by default their numbers. Anonymous neurons (``''``) are named
        ``x`` and their number.
    threshold : float, optional
        Leave out pairs whose absolute value does not exceed it.

    Returns
    -------
    networkx.DiGraph
        With an edge from sender to receiver and its ``weight`` for each pair that is
        neither zero nor NaN. All neurons are nodes, in their order.

    Examples
    --------
    >>> from skneurograph.graph_inference import to_networkx
    >>> to_networkx([[0, 0.5], [0, 0]], neurons=["AVAL", "RIML"]).edges(data="weight")
    OutEdgeDataView([('RIML', 'AVAL', 0.5)])
    """
    import networkx as nx  # type: ignore[import-untyped]

    weights = _square(graph)
    names: list[Any] = list(range(len(weights)))
    if neurons is not None:
        names = _names(neurons, len(weights))
    receivers, senders = _connected(weights, threshold)
    result = nx.DiGraph()
    result.add_nodes_from(names)
    result.add_weighted_edges_from(
        (names[j], names[i], float(weights[i, j])) for i, j in zip(receivers, senders)
    )
    return result


def to_pyg(
    graph: ArrayLike,
    *,
    features: ArrayLike | None = None,
    neurons: Sequence[str] | None = None,
) -> Any:
    """Convert a graph to PyTorch Geometric.

    Parameters
    ----------
    graph : array-like of shape (n_neurons, n_neurons)
        Entry ``[i, j]`` is the influence of sender ``j`` on receiver ``i``.
    features : array-like of shape (n_neurons, n_features), optional
        Features of the nodes, ``x``; for instance the frames of a window.
    neurons : sequence of str, optional
        Names of the nodes, kept as ``neurons``.

    Returns
    -------
    torch_geometric.data.Data
        ``edge_index`` holds sender and receiver, ``edge_attr`` of shape ``(n_edges, 1)``
        the values, for each pair that is neither zero nor NaN.

    Examples
    --------
    >>> from skneurograph.graph_inference import to_pyg
    >>> to_pyg([[0, 0.5], [0, 0]]).edge_index.tolist()
    [[1], [0]]
    """
    import torch
    from torch_geometric.data import Data

    weights = _square(graph)
    receivers, senders = _connected(weights, None)
    data = Data(
        edge_index=torch.from_numpy(np.stack([senders, receivers])),
        edge_attr=torch.tensor(weights[receivers, senders][:, None], dtype=torch.float32),
        num_nodes=len(weights),
    )
    if features is not None:
        values = np.asarray(unmasked(features))
        if values.ndim != 2 or len(values) != len(weights):
            raise ValueError(
                f"features: got shape {values.shape}; expected ({len(weights)}, n_features), "
                "one row per neuron"
            )
        data.x = torch.tensor(values, dtype=torch.float32)
    if neurons is not None:
        data.neurons = _names(neurons, len(weights))
    return data


def _square(graph: ArrayLike) -> NDArray[np.float64]:
    weights = np.asarray(unmasked(graph), dtype=np.float64)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(
            f"graph: got shape {weights.shape}; expected (n_neurons, n_neurons), one graph"
        )
    return weights


def _names(neurons: Sequence[str], n_neurons: int) -> list[str]:
    names = [str(name) or f"x{i}" for i, name in enumerate(neurons)]
    if len(names) != n_neurons:
        raise ValueError(
            f"neurons: got {len(names)} names; expected one per neuron of the graph, {n_neurons}"
        )
    if len(set(names)) < len(names):
        raise ValueError("neurons: got a name twice; expected each name once")
    return names


def _connected(
    weights: NDArray[np.float64], threshold: float | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Receivers and senders of the pairs that have an edge."""
    strength = np.nan_to_num(np.abs(weights), nan=0.0)
    receivers, senders = np.nonzero(strength > (0.0 if threshold is None else threshold))
    return receivers, senders
