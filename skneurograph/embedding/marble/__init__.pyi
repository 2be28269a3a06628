from ._estimator import MARBLE as MARBLE
