from ._adapted import AdaptedClassifier as AdaptedClassifier
from ._compare import compare as compare
from ._comparison import Comparison as Comparison
from ._forecast_scores import ForecastScorer as ForecastScorer
from ._forecast_scores import forecast_scorers as forecast_scorers
from ._groups import GroupScorer as GroupScorer
from ._split import TemporalSplit as TemporalSplit
from ._statistics import corrected_paired_test as corrected_paired_test
