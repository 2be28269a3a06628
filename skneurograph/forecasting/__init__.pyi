from ._graph import GraphForecaster as GraphForecaster
from ._mlp import MLPForecaster as MLPForecaster
from ._persistence import PersistenceForecaster as PersistenceForecaster
from ._recurrent import RecurrentForecaster as RecurrentForecaster
from ._ridge import RidgeForecaster as RidgeForecaster
from ._var import VARForecaster as VARForecaster
