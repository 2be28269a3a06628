"""Torch modules; nothing of scikit-learn in them."""

from skneurograph.nn.edges import DenseGraph, IdentityEdges, PairEdges, SharedGraph
from skneurograph.nn.frames import FrameModel, PerceptronDecoder, PerceptronFrames, RecurrentFrames
from skneurograph.nn.graph_decoder import GraphDecoder
from skneurograph.nn.graph_frames import SILENT, GraphFrames
from skneurograph.nn.layers import IdentityEmbedding, MemberLinear, Pooling, SharedDropout
from skneurograph.nn.losses import cross_entropy, rollout_error, squared_error
from skneurograph.nn.pairwise import pair_scores
from skneurograph.nn.recurrent import RecurrentDecoder

__all__ = [
    "SILENT",
    "DenseGraph",
    "FrameModel",
    "GraphDecoder",
    "GraphFrames",
    "IdentityEdges",
    "IdentityEmbedding",
    "MemberLinear",
    "PairEdges",
    "PerceptronDecoder",
    "PerceptronFrames",
    "Pooling",
    "RecurrentDecoder",
    "RecurrentFrames",
    "SharedDropout",
    "SharedGraph",
    "cross_entropy",
    "pair_scores",
    "rollout_error",
    "squared_error",
]
