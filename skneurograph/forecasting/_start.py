"""The linear forecast that nets start from, fitted in closed form."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from skneurograph.forecasting._fit_changes import (
    OWN_PENALTY,
    POPULATION_PENALTY,
    ChangeFit,
    Examples,
    teaching_steps,
)
from skneurograph.forecasting._reversion import measure_reversion
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.nn import NeuronDynamics

__all__ = ["LinearStart"]

# Last frames that are read: those of RidgeForecaster.
_MOST_LAGS = 64


class LinearStart:
    """The forecast of `RidgeForecaster`, with its default penalties, for the columns of a net.

    Parameters
    ----------
    examples : Examples
    scaler : FrameScaler
        Of these windows.
    anonymous : ndarray of bool of shape (n_neurons,) or None
        Columns that are forecast by what all neurons share alone; None if there are none.
    allow_drift : bool
        Whether the reversion to the mean is measured; it is 1 otherwise.
    couples : bool
        Whether the population is read, too.

    Attributes
    ----------
    reversion : float
    """

    def __init__(
        self,
        examples: Examples,
        scaler: FrameScaler,
        *,
        anonymous: NDArray[np.bool_] | None,
        allow_drift: bool,
        couples: bool,
    ) -> None:
        n_neurons, n_times = examples.windows.shape[1:]
        columns = np.flatnonzero(scaler.recorded & (scaler.scale > 0))
        named = np.ones(len(columns), bool) if anonymous is None else ~anonymous[columns]
        fit = ChangeFit(
            scaler,
            columns,
            n_lags=min(_MOST_LAGS, n_times - examples.n_inside),
            n_steps=examples.n_inside + teaching_steps(examples.following),
            own_penalty=OWN_PENALTY,
            population_penalty=POPULATION_PENALTY,
            named=named,
            couples=couples,
        )
        self.reversion = measure_reversion(examples, fit) if allow_drift else 1.0
        changes = fit.fit(examples, self.reversion)
        self._scaler, self._changes = scaler, changes
        self._own = np.zeros((n_neurons, *changes.own.shape[1:]))
        self._own[columns] = changes.own
        self._directions = np.zeros((3, n_neurons, changes.directions.shape[2]))
        self._directions[:, columns] = changes.directions
        self._coupling = np.zeros((len(changes.coupling), n_neurons, fit.n_steps))
        self._coupling[:, columns] = changes.coupling

    def dynamics(self, columns: NDArray[np.intp], identities: NDArray[np.intp]) -> NeuronDynamics:
        """Return what a module is told of these columns."""
        scaler = self._scaler
        given = (
            scaler.mean[columns],
            scaler.scale[columns],
            scaler.low[columns],
            scaler.high[columns],
            self._changes.knots,
            self._changes.shared,
            self._own[columns],
            self._directions[:, columns],
            self._coupling[:, columns],
            identities,
        )
        return NeuronDynamics(*map(torch.from_numpy, given))
