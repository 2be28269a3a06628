"""Torch modules; nothing of scikit-learn in them."""

from skneurograph.nn.edges import DenseGraph, IdentityEdges, PairEdges, SharedGraph
from skneurograph.nn.flow import ContrastiveFlow, FlowEncoder, TimeGrid
from skneurograph.nn.frames import (
    FrameModel,
    Neurons,
    PerceptronDecoder,
    PerceptronFrames,
    RecurrentFrames,
)
from skneurograph.nn.graph_decoder import GraphDecoder
from skneurograph.nn.graph_frames import SILENT, GraphFrames
from skneurograph.nn.layers import (
    IdentityEmbedding,
    MemberLinear,
    Pooling,
    SharedDropout,
    Standardised,
)
from skneurograph.nn.losses import cross_entropy, rollout_error, squared_error
from skneurograph.nn.messages import FactorizedMessages, PairMessages, sum_of_rectified
from skneurograph.nn.pairwise import pair_scores
from skneurograph.nn.recurrent import RecurrentDecoder
from skneurograph.nn.relational import RelationalModel, computed_loss, sample_types
from skneurograph.nn.snapshots import edge_likelihood, join_history
from skneurograph.nn.tavrnn import SnapshotModel

__all__ = [
    "SILENT",
    "ContrastiveFlow",
    "DenseGraph",
    "FactorizedMessages",
    "FlowEncoder",
    "FrameModel",
    "GraphDecoder",
    "GraphFrames",
    "IdentityEdges",
    "IdentityEmbedding",
    "MemberLinear",
    "Neurons",
    "PairEdges",
    "PairMessages",
    "PerceptronDecoder",
    "PerceptronFrames",
    "Pooling",
    "RecurrentDecoder",
    "RecurrentFrames",
    "RelationalModel",
    "SharedDropout",
    "SharedGraph",
    "SnapshotModel",
    "Standardised",
    "TimeGrid",
    "computed_loss",
    "cross_entropy",
    "edge_likelihood",
    "join_history",
    "pair_scores",
    "rollout_error",
    "sample_types",
    "squared_error",
    "sum_of_rectified",
]
