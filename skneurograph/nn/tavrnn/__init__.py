"""TAVRNN: a variational recurrent network over snapshots of a graph, with attention in time."""

from skneurograph.nn.tavrnn._model import SnapshotModel
from skneurograph.nn.tavrnn._snapshots import edge_likelihood, join_history

__all__ = ["SnapshotModel", "edge_likelihood", "join_history"]
