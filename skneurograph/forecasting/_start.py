"""The linear dynamics that nets start from, fitted in closed form."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from skneurograph.data._lazy import LazyWindows, chunks_of_windows
from skneurograph.forecasting._linear import fit_coupling, fit_own
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.forecasting._trust import StandardFrames, known_frames
from skneurograph.nn import NeuronDynamics

__all__ = ["LinearStart"]

# The linear part is fitted to at most this many windows, evenly spaced.
_LINEAR_WINDOWS = 16_384
# Ridge penalty between neurons, relative to the number of windows: that of VARForecaster.
_COUPLING_PENALTY = 10.0


class LinearStart:
    """The last change within each window, by the neuron's own frames and those of the others.

    Parameters
    ----------
    windows : ndarray or LazyWindows of shape (n_windows, n_neurons, n_times)
    weight : ndarray of shape (n_windows,)
    scaler : FrameScaler
        Of these windows.
    columns : ndarray of int
        Neurons that some window holds.
    anonymous : ndarray of bool of shape (n_neurons,) or None
        Columns whose neurons share their coefficients; None if there are none.
    n_lags : int
        Frames that are read.
    reversion : float
        See `Trust`.
    couples : bool
        Whether the other neurons are read, too.
    """

    def __init__(
        self,
        windows: NDArray | LazyWindows,
        weight: NDArray[np.float64],
        scaler: FrameScaler,
        columns: NDArray[np.intp],
        *,
        anonymous: NDArray[np.bool_] | None,
        n_lags: int,
        reversion: float,
        couples: bool,
    ) -> None:
        _, n_neurons, n_times = windows.shape
        n_lags = min(n_lags, n_times)
        n_read = min(n_lags, n_times - 1)
        self._scaler = scaler
        self._own, self._offset = np.zeros((n_neurons, n_lags)), np.zeros(n_neurons)
        # A matrix of all pairs is not for nets that read none.
        self._coupling = np.zeros((n_neurons, n_neurons) if couples else (0, 0))
        if n_read == 0:
            return
        rows = np.unique(np.linspace(0, len(windows) - 1, _LINEAR_WINDOWS).astype(np.intp))
        weight = weight[rows]
        read = [
            _last_change(part, scaler, n_read, reversion)
            for _, part in chunks_of_windows(windows[rows])
        ]
        lags, change, known = (np.concatenate(parts)[:, columns] for parts in zip(*read))
        own, offset, pooled = fit_own(lags, change, known, weight)
        self._own[:, n_lags - n_read :] = pooled
        named = np.ones(len(columns), bool) if anonymous is None else ~anonymous[columns]
        self._own[columns[named], n_lags - n_read :] = own[named]
        self._offset[columns[named]] = offset[named]
        if couples and named.any():
            explained = np.einsum("wnl,nl->wn", lags, own) + offset
            remaining = np.where(known, change - explained, 0)[:, named]
            coupling = fit_coupling(
                lags[:, named, -1], remaining, known[:, named], weight, _COUPLING_PENALTY
            )
            self._coupling[np.ix_(columns[named], columns[named])] = coupling

    def dynamics(self, columns: NDArray[np.intp], identities: NDArray[np.intp]) -> NeuronDynamics:
        """Return what a module is told of these columns."""
        scaler, coupling = self._scaler, self._coupling
        given = (
            scaler.mean[columns],
            scaler.scale[columns],
            scaler.low[columns],
            scaler.high[columns],
            self._own[columns],
            self._offset[columns],
            coupling[np.ix_(columns, columns)] if len(coupling) else coupling,
        )
        return NeuronDynamics(*(torch.from_numpy(part) for part in (*given, identities)))


def _last_change(
    windows: NDArray, scaler: FrameScaler, n_read: int, reversion: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Frames before the last one, the change to it, and where both are known."""
    last = windows[:, :, -1:]
    known = known_frames(windows, last[:, :, 0], scaler)
    read = StandardFrames.of(windows[:, :, :-1], scaler)
    lags, level = read.relative(n_read, scaler, reversion)
    ahead = scaler.standardise(last)[:, :, 0] - level
    lags = np.where(known[:, :, None], lags, 0)
    return lags, np.where(known, ahead - lags[:, :, -1], 0), known
