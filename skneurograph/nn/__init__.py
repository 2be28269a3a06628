"""Torch modules; nothing of scikit-learn in them."""

from skneurograph.nn.edges import DenseGraph, IdentityEdges, PairEdges, SharedGraph
from skneurograph.nn.graph_decoder import GraphDecoder
from skneurograph.nn.layers import IdentityEmbedding, MemberLinear, Pooling, SharedDropout
from skneurograph.nn.pairwise import pair_scores
from skneurograph.nn.recurrent import RecurrentDecoder

__all__ = [
    "DenseGraph",
    "GraphDecoder",
    "IdentityEdges",
    "IdentityEmbedding",
    "MemberLinear",
    "PairEdges",
    "Pooling",
    "RecurrentDecoder",
    "SharedDropout",
    "SharedGraph",
    "pair_scores",
]
