"""Neural relational inference: an encoder of edge types, and decoders that forecast over them."""

from skneurograph.nn.relational._messages import FactorizedMessages, PairMessages, sum_of_rectified
from skneurograph.nn.relational._model import RelationalModel, computed_loss, sample_types

__all__ = [
    "FactorizedMessages",
    "PairMessages",
    "RelationalModel",
    "computed_loss",
    "sample_types",
    "sum_of_rectified",
]
