"""Pictures of comparisons and graphs, as Display classes in scikit-learn's style."""

from skneurograph.plotting._comparison import ComparisonDisplay
from skneurograph.plotting._forecast import ForecastDisplay
from skneurograph.plotting._graph import GraphDisplay

__all__ = ["ComparisonDisplay", "ForecastDisplay", "GraphDisplay"]
