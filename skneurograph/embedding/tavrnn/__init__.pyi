from ._estimator import TAVRNN as TAVRNN
