"""What happens next: forecasts of every neuron, one step and many steps ahead."""

from skneurograph.forecasting._graph import GraphForecaster
from skneurograph.forecasting._mlp import MLPForecaster
from skneurograph.forecasting._persistence import PersistenceForecaster
from skneurograph.forecasting._recurrent import RecurrentForecaster
from skneurograph.forecasting._var import VARForecaster

__all__ = [
    "GraphForecaster",
    "MLPForecaster",
    "PersistenceForecaster",
    "RecurrentForecaster",
    "VARForecaster",
]
