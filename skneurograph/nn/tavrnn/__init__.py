"""TAVRNN: a variational graph recurrent network with temporal attention over snapshots."""

from skneurograph.nn.tavrnn._ensemble import SnapshotEnsemble
from skneurograph.nn.tavrnn._model import SnapshotModel
from skneurograph.nn.tavrnn._snapshots import edge_likelihood, join_history
from skneurograph.nn.tavrnn._start import start_at_components

__all__ = [
    "SnapshotEnsemble",
    "SnapshotModel",
    "edge_likelihood",
    "join_history",
    "start_at_components",
]
