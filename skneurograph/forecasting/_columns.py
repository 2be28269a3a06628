"""The columns that forecasters with a net read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from skneurograph.base._columns import Columns, Identities
from skneurograph.forecasting._start import LinearStart
from skneurograph.nn import SILENT, NeuronDynamics

__all__ = ["ForecastColumns", "ForecastIdentities"]


class ForecastColumns(Columns):
    """Columns that are forecast each by itself, or all as one vector.

    Attributes
    ----------
    anonymous : None
        No column holds another neuron in every organism.
    couples : bool
        Whether linear dynamics read the other neurons.
    start : LinearStart or None
    """

    anonymous: None = None
    couples = False
    start: LinearStart | None = None


class ForecastIdentities(Identities):
    """Columns that a graph net forecasts: all that windows hold, seen in training or not.

    Attributes
    ----------
    couples : bool
        Whether linear dynamics read the other neurons.
    start : LinearStart or None
        From which neurons are forecast; None if the net predicts another target, and reads
        just the columns of training.
    """

    couples = True
    start: LinearStart | None = None

    def choose(self, windows: NDArray) -> NDArray[np.intp] | None:
        """Return the columns that are forecast from these windows; None if these are all."""
        if self.start is None:
            return self.trained
        recorded = ~np.isnan(windows).any(axis=2).all(axis=0)
        recorded[self.recorded] = True
        is_usual = recorded.sum() == len(self.recorded)
        return self.trained if is_usual else np.flatnonzero(recorded)

    def inputs(
        self, columns: NDArray[np.intp] | None, module: nn.Module
    ) -> tuple[NeuronDynamics, ...]:
        """Return the linear dynamics of other columns than those of training."""
        if columns is None or columns is self.recorded or self.start is None:
            return ()
        labels = np.where(self.untrained, SILENT, self.labels)[columns]
        parameter = next(module.parameters())
        device, dtype = parameter.device, parameter.dtype
        dynamics = self.start.dynamics(columns, labels)
        return (
            NeuronDynamics._make(
                values.to(device, dtype if values.is_floating_point() else values.dtype)
                for values in dynamics
            ),
        )
