from ._comparison import ComparisonDisplay as ComparisonDisplay
from ._distances import DistanceDisplay as DistanceDisplay
from ._embedding import EmbeddingDisplay as EmbeddingDisplay
from ._forecast import ForecastDisplay as ForecastDisplay
from ._graph import GraphDisplay as GraphDisplay
