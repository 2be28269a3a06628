"""PyTorch modules, independent of scikit-learn."""

from skneurograph.nn._edges import (
    DenseGraph,
    EdgePrior,
    FixedEdges,
    IdentityEdges,
    PairEdges,
    SharedGraph,
)
from skneurograph.nn._flow import ContrastiveFlow, FlowEncoder, TimeGrid
from skneurograph.nn._graph_decoder import GraphDecoder
from skneurograph.nn._graph_rollout import SILENT, GraphRollout
from skneurograph.nn._layers import (
    IdentityEmbedding,
    MemberLinear,
    Pooling,
    SharedDropout,
    Standardised,
)
from skneurograph.nn._linear_path import LinearPath
from skneurograph.nn._losses import cross_entropy, rollout_error, squared_error
from skneurograph.nn._missing import MissingNeurons
from skneurograph.nn._pairwise import pair_scores
from skneurograph.nn._perceptron import PerceptronDecoder, PerceptronRollout
from skneurograph.nn._population_node import PopulationNode
from skneurograph.nn._recurrent import RecurrentDecoder
from skneurograph.nn._recurrent_rollout import RecurrentRollout
from skneurograph.nn._rollout import NeuronDynamics, RolloutModel
from skneurograph.nn.relational import (
    FactorizedMessages,
    PairMessages,
    RelationalModel,
    computed_loss,
    sample_types,
    sum_of_rectified,
)
from skneurograph.nn.tavrnn import (
    SnapshotEnsemble,
    SnapshotModel,
    edge_likelihood,
    join_history,
    start_at_components,
)

__all__ = [
    "SILENT",
    "ContrastiveFlow",
    "DenseGraph",
    "EdgePrior",
    "FactorizedMessages",
    "FixedEdges",
    "FlowEncoder",
    "GraphDecoder",
    "GraphRollout",
    "IdentityEdges",
    "IdentityEmbedding",
    "LinearPath",
    "MemberLinear",
    "MissingNeurons",
    "NeuronDynamics",
    "PairEdges",
    "PairMessages",
    "PerceptronDecoder",
    "PerceptronRollout",
    "Pooling",
    "PopulationNode",
    "RecurrentDecoder",
    "RecurrentRollout",
    "RelationalModel",
    "RolloutModel",
    "SharedDropout",
    "SharedGraph",
    "SnapshotEnsemble",
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
    "start_at_components",
    "sum_of_rectified",
]
