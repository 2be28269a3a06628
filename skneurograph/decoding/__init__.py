"""What the animal does: decoders of labels and of continuous behaviour."""

from skneurograph.decoding._graph import WANG_2021, GraphClassifier, GraphRegressor
from skneurograph.decoding._recurrent import RecurrentClassifier, RecurrentRegressor

__all__ = [
    "WANG_2021",
    "GraphClassifier",
    "GraphRegressor",
    "RecurrentClassifier",
    "RecurrentRegressor",
]
