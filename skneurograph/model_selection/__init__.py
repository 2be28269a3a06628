"""Compare estimators honestly: whole organisms held out, every fold shown."""

from skneurograph.model_selection._compare import compare
from skneurograph.model_selection._comparison import Comparison
from skneurograph.model_selection._forecast_scores import ForecastScorer, forecast_scorers
from skneurograph.model_selection._groups import GroupScorer
from skneurograph.model_selection._split import TemporalSplit
from skneurograph.model_selection._statistics import corrected_paired_test

__all__ = [
    "Comparison",
    "ForecastScorer",
    "GroupScorer",
    "TemporalSplit",
    "compare",
    "corrected_paired_test",
    "forecast_scorers",
]
