from ._graph import WANG_2021 as WANG_2021
from ._graph import GraphClassifier as GraphClassifier
from ._graph import GraphRegressor as GraphRegressor
from ._recurrent import RecurrentClassifier as RecurrentClassifier
from ._recurrent import RecurrentRegressor as RecurrentRegressor
