"""See on training windows how far forecasts may return to a mean, where baselines drift."""

from __future__ import annotations

import numpy as np

from skneurograph.forecasting._fit_changes import ChangeFit, Examples, Parts
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.forecasting._trust import HORIZON, cut_thirds

__all__ = ["measure_reversion"]


def measure_reversion(examples: Examples, fit: ChangeFit) -> float:
    """Choose the part of a window's level from which forecasts return to the training mean.

    The first and the last third of the windows, which are taken to be in order of time,
    are forecast by two fits to the rest, a gap apart: one that reads the level of a window
    and one that reads changes alone. The part of the first that gives the least error is the
    reversion; the mean of both thirds counts.

    Parameters
    ----------
    examples : Examples
        If few frames follow, the last frames of the windows are forecast as well, from
        those before.
    fit : ChangeFit
        How all windows are to be fitted.

    Returns
    -------
    float
        Between 0 and 1; 1 where there are too few windows to tell.
    """
    found = [
        _best_part(Examples(*earlier), Examples(*later), fit)
        for earlier, later in cut_thirds(*examples[:3])
    ]
    return float(np.mean(found)) if found else 1.0


def _best_part(earlier: Examples, later: Examples, fit: ChangeFit) -> float:
    """Return the part of the forecast with the level that is best for the later windows."""
    scaler = FrameScaler(earlier.windows, earlier.weight, following=earlier.following)
    moves = scaler.recorded & (scaler.scale > 0)
    chosen = np.flatnonzero(moves[fit.columns])
    if not len(chosen):
        return 1.0
    trial = fit._replace(
        scaler=scaler,
        columns=fit.columns[chosen],
        named=fit.named[chosen],
        n_lags=min(fit.n_lags, earlier.windows.shape[2]),
        n_steps=min(earlier.following.shape[2], HORIZON),
    )
    parts = Parts(trial, earlier)
    models = [trial.fit_parts(parts, reads_level=reads) for reads in (False, True)]
    sums = np.zeros((4, len(chosen)))
    for frames, rough, change, counted in trial.read(later):
        plain, with_level = (model.ahead(frames, rough) for model in models)
        gain, left = with_level - plain, change - plain
        weighed = counted[:, :, None]
        sums[0] += (weighed * gain * left).sum(axis=(0, 2))
        sums[1] += (weighed * gain**2).sum(axis=(0, 2))
        sums[2] += (weighed * change**2).sum(axis=(0, 2))
        sums[3] += counted.sum(axis=0) * change.shape[2]
    # Neurons that do little in this part count less, but no neuron counts too much.
    size = np.divide(sums[2], sums[3], out=np.zeros(len(chosen)), where=sums[3] > 0)
    share = np.divide(1, size + size.mean(), out=np.zeros_like(size), where=size + size.mean() > 0)
    gained, spread = sums[:2] @ share
    return float(np.clip(gained / spread, 0, 1)) if spread > 0 else 1.0
