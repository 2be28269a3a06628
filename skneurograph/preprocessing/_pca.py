"""Principal components in place of neurons."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from skneurograph.base._described import described
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._parameters import SHARED
from skneurograph.base._units import power_of_two
from skneurograph.data._lazy import LazyWindows
from skneurograph.preprocessing._base import WindowsToWindows

__all__ = ["WindowPCA"]


@described(SHARED)
class WindowPCA(WindowsToWindows):
    """Project every frame on the principal components of the population.

    The components are those of the neurons (space), shared by all frames of a window, so
    that the result is again windows: ``(n_windows, n_components, n_times)``.

    Parameters
    ----------
    n_components : int
        At most the number of neurons and of training frames.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_neurons)
        Weights of the neurons.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Part of the variance of all frames that each component explains.
    n_components_ : int
        Components found.
    n_features_in_, n_times_in_

    Raises
    ------
    ValueError
        If there are missing neurons; put a `WindowImputer` before.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.preprocessing import WindowPCA
    >>> X = np.random.default_rng(0).normal(size=(50, 12, 8))
    >>> WindowPCA(n_components=3).fit_transform(X).shape
    (50, 3, 8)
    """

    def __init__(self, *, n_components: int = 10) -> None:
        self.n_components = n_components

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike | LazyWindows, y: Any = None) -> Self:
        """Find the components over all frames of the training windows.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : ignored

        Returns
        -------
        self
        """
        windows, _ = self._checked(X, reset=True)
        frames = self._frames(windows)
        self.n_components_ = min(self.n_components, *frames.shape)
        # Arrays, whatever scikit-learn is configured to give.
        pca = PCA(self.n_components_, svd_solver="full").set_output(transform="default")
        self._unit = float(power_of_two(np.abs(frames).max()))
        with np.errstate(invalid="ignore"):  # no neuron may vary at all
            self._pca = pca.fit(frames / self._unit)
        self.components_ = self._pca.components_
        self.explained_variance_ratio_ = np.nan_to_num(self._pca.explained_variance_ratio_)
        return self

    def transform(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Project windows.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows, n_components, n_times), or (n_windows, n_components)
        """
        windows, is_flat = self._checked(X, reset=False)
        n_windows, _, n_times = windows.shape
        scores = self._pca.transform(self._frames(windows) / self._unit) * self._unit
        scores = scores.reshape(n_windows, n_times, -1).transpose(0, 2, 1)
        return self._give(scores, X, is_flat)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the components ``pca0, pca1, ...``.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        return np.array([f"pca{i}" for i in range(self.n_components_)], dtype=object)

    @staticmethod
    def _frames(windows: NDArray[np.floating]) -> NDArray[np.floating]:
        if np.isnan(windows).any():
            raise ValueError(
                "Input X contains NaN (missing neurons): WindowPCA needs every neuron; "
                "put a WindowImputer before it"
            )
        return windows.transpose(0, 2, 1).reshape(-1, windows.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags
