"""Principal components of the activity, from which training starts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

__all__ = ["principal_axes"]

Array = NDArray[np.float64]

# Axes along which activity varies by less than this part of the first are rounding.
_LEAST_SHARE = 1e-4


def principal_axes(features: Array, reliability: Array, n_axes: int) -> tuple[Array, Array]:
    """Find the principal axes of the neurons' features, as far as features are reliable.

    Parameters
    ----------
    features : ndarray of shape (n_windows, n_neurons, n_features)
        Standardised, 0 where a neuron is not recorded.
    reliability : ndarray of shape (n_neurons, n_features)
    n_axes : int
        At most.

    Returns
    -------
    axes : ndarray of shape (n_neurons, n_features, n_axes)
    sizes : ndarray of shape (n_axes,)
        Standard deviation along each axis, above 0, falling.
    """
    table = (features * np.sqrt(reliability)).reshape(len(features), -1)
    if len(table) < 2 or not table.std(axis=0).any():
        return np.zeros((*features.shape[1:], 0)), np.zeros(0)
    # Wide tables are decomposed by random projections, always the same.
    pca = PCA(min(n_axes, *table.shape), random_state=0)
    pca.set_output(transform="default")
    pca.fit(table)
    sizes = np.sqrt(pca.explained_variance_)
    kept = sizes > _LEAST_SHARE * sizes[0]
    return pca.components_[kept].T.reshape(*features.shape[1:], -1), sizes[kept]
