"""Scores that scikit-learn lacks: forecasts with missing neurons, graphs against a truth."""

from skneurograph.metrics._edges import (
    EdgeNull,
    edge_auroc,
    edge_average_precision,
    edge_permutation_null,
)
from skneurograph.metrics._forecast import masked_mean_squared_error, masked_r2_score

__all__ = [
    "EdgeNull",
    "edge_auroc",
    "edge_average_precision",
    "edge_permutation_null",
    "masked_mean_squared_error",
    "masked_r2_score",
]
