"""Pictures of comparisons, graphs and embeddings, as Display classes in scikit-learn's style."""

from skneurograph.plotting._comparison import ComparisonDisplay
from skneurograph.plotting._distances import DistanceDisplay
from skneurograph.plotting._embedding import EmbeddingDisplay
from skneurograph.plotting._forecast import ForecastDisplay
from skneurograph.plotting._graph import GraphDisplay

__all__ = [
    "ComparisonDisplay",
    "DistanceDisplay",
    "EmbeddingDisplay",
    "ForecastDisplay",
    "GraphDisplay",
]
