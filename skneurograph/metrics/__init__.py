"""Scores that scikit-learn lacks: of forecasts with missing neurons, of graphs, of embeddings."""

from skneurograph.metrics._consistency import Consistency, consistency
from skneurograph.metrics._distributions import DistributionDistances, distribution_distances
from skneurograph.metrics._edges import (
    EdgeNull,
    edge_auroc,
    edge_average_precision,
    edge_permutation_null,
)
from skneurograph.metrics._forecast import masked_mean_squared_error, masked_r2_score

__all__ = [
    "Consistency",
    "DistributionDistances",
    "EdgeNull",
    "consistency",
    "distribution_distances",
    "edge_auroc",
    "edge_average_precision",
    "edge_permutation_null",
    "masked_mean_squared_error",
    "masked_r2_score",
]
