"""Z-scores, and correlations without the Marchenko-Pastur band of noise eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

__all__ = ["CONSTANT", "filtered_products", "noise_edge", "standardised", "without_noise"]

# A neuron that deviates from its mean by no more than this fraction of it is constant.
CONSTANT = 1e-10


def noise_edge(n_neurons: float, n_frames: float) -> float:
    """Upper edge of the spectrum of correlations of independent noise.

    References
    ----------
    V. A. Marchenko, L. A. Pastur (1967). Distribution of eigenvalues for some sets of random
    matrices. Mathematics of the USSR-Sbornik 1, 457. doi:10.1070/SM1967v001n04ABEH001994
    """
    return float((1 + np.sqrt(n_neurons / max(n_frames, 1))) ** 2)


def without_noise(correlation: NDArray[np.float64], n_frames: float) -> NDArray[np.float64]:
    """Rebuild symmetric matrices from the eigenvalues above the noise."""
    edge = noise_edge(correlation.shape[-1], n_frames)
    if correlation.ndim == 2:
        # Of many neurons few modes stand out, and only those are computed.
        values, vectors = eigh(correlation, subset_by_value=(edge, np.inf))
        loadings = vectors * np.sqrt(values)
        return np.asarray(loadings @ loadings.T)
    values, vectors = np.linalg.eigh(correlation)
    kept = np.where(values > edge, values, 0.0)
    rebuilt: NDArray[np.float64] = (vectors * kept[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return (rebuilt + np.swapaxes(rebuilt, -1, -2)) / 2


def standardised(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each neuron of each window to mean 0 and variance 1, or to 0 if it is constant."""
    mean = windows.mean(axis=2, keepdims=True)
    centred = windows - mean
    spread = np.sqrt((centred**2).mean(axis=2, keepdims=True))
    varies = spread > CONSTANT * np.abs(mean)
    standardised: NDArray[np.float64] = np.where(varies, centred, 0) / np.where(varies, spread, 1)
    return standardised


def filtered_products(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products of z-scores of each window without the noise of their spectrum."""
    _, n_neurons, n_frames = z.shape
    if n_frames >= n_neurons:
        return without_noise(z @ z.transpose(0, 2, 1) / n_frames, n_frames)
    # The small matrix over frames has the same eigenvalues: keep its modes above the noise.
    values, modes = np.linalg.eigh(z.transpose(0, 2, 1) @ z / n_frames)
    modes = modes * (values > noise_edge(n_neurons, n_frames))[:, None, :]
    kept = z @ modes
    filtered: NDArray[np.float64] = kept @ kept.transpose(0, 2, 1) / n_frames
    return filtered
