"""The columns that a graph net forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from skneurograph.base._columns import Identities
from skneurograph.forecasting._start import LinearStart
from skneurograph.nn import SILENT, NeuronDynamics

__all__ = ["RolloutIdentities"]


class RolloutIdentities(Identities):
    """Columns that a graph net forecasts: all that windows hold, seen in training or not.

    Parameters
    ----------
    given, recorded, n_neurons, fixed
        See `Identities`. No column is ignored for ``fixed``: rollouts have no pooling.
    start : LinearStart
        The dynamics of each neuron, also of those that training did not hold.
    """

    def __init__(
        self,
        given: Any,
        recorded: NDArray[np.intp],
        n_neurons: int,
        *,
        fixed: bool,
        start: LinearStart,
    ) -> None:
        super().__init__(given, recorded, n_neurons, fixed=fixed)
        self._start = start

    def choose(self, windows: NDArray) -> NDArray[np.intp] | None:
        """Return the columns that are forecast from these windows; None if these are all."""
        recorded = ~np.isnan(windows).any(axis=2).all(axis=0)
        recorded[self.recorded] = True
        is_usual = recorded.sum() == len(self.recorded)
        return self.trained if is_usual else np.flatnonzero(recorded)

    def inputs(
        self, columns: NDArray[np.intp] | None, module: nn.Module
    ) -> tuple[NeuronDynamics, ...]:
        """Return the linear dynamics of other columns than those of training."""
        if columns is None or columns is self.recorded:
            return ()
        labels = np.where(self.untrained, SILENT, self.labels)[columns]
        parameter = next(module.parameters())
        device, dtype = parameter.device, parameter.dtype
        dynamics = self._start.dynamics(columns, labels)
        return (
            NeuronDynamics._make(
                values.to(device, dtype if values.is_floating_point() else values.dtype)
                for values in dynamics
            ),
        )
