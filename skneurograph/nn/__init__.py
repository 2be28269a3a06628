"""Torch modules; nothing of scikit-learn in them."""

from skneurograph.nn.graph_decoder import Ensemble, GraphDecoder
from skneurograph.nn.layers import (
    IdentityEdges,
    IdentityEmbedding,
    PairEdges,
    Pooling,
    SharedDropout,
)
from skneurograph.nn.pairwise import pair_scores
from skneurograph.nn.recurrent import RecurrentDecoder

__all__ = [
    "Ensemble",
    "GraphDecoder",
    "IdentityEdges",
    "IdentityEmbedding",
    "PairEdges",
    "Pooling",
    "RecurrentDecoder",
    "SharedDropout",
    "pair_scores",
]
