"""Transformers of windows: flatten, scale, impute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skneurograph.base._described import described
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._parameters import SHARED
from skneurograph.base._units import mean_and_scale
from skneurograph.base._validation import check_windows, neuron_names
from skneurograph.data._lazy import LazyWindows
from skneurograph.preprocessing._base import WindowsToWindows, WindowTransformer

__all__ = ["FlattenWindows", "WindowImputer", "WindowScaler"]


@described(SHARED)
class FlattenWindows(WindowTransformer):
    """Flatten each window to one row of features, for any scikit-learn estimator.

    Parameters
    ----------
    neurons : sequence of str or None
        Names of the neurons, for the names of the features; they take precedence over the
        names that a step before gives. By default those, the column names seen in
        ``fit``, or ``x0, x1, ...``.

    Attributes
    ----------
    n_features_in_, n_times_in_

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.preprocessing import FlattenWindows
    >>> flatten = FlattenWindows(neurons=["AVAL", "RIML"])
    >>> flatten.fit_transform(np.zeros((5, 2, 3))).shape
    (5, 6)
    >>> flatten.get_feature_names_out()[:3].tolist()
    ['AVAL[t-2]', 'AVAL[t-1]', 'AVAL[t]']
    """

    def __init__(self, *, neurons: Sequence[str] | None = None) -> None:
        self.neurons = neurons

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike | LazyWindows, y: Any = None) -> Self:
        """Remember the shape of a window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : ignored

        Returns
        -------
        self
        """
        check_windows(self, X, reset=True)
        if self.neurons is not None:
            neuron_names(self, self.neurons)
        return self

    def transform(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Flatten windows.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows, n_neurons * n_times)
            The frames of the first neuron, then those of the second, and so on.
        """
        windows, _ = self._checked(X, reset=False)
        return windows.reshape(len(windows), -1)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the features ``NEURON[t-k]``, ``k`` frames before the last of the window.

        Parameters
        ----------
        input_features : array-like of str of shape (n_neurons,), optional
            Names of the neurons; by default ``neurons`` or those seen in ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names = neuron_names(self, input_features if self.neurons is None else self.neurons)
        last = self.n_times_in_ - 1
        frames = [f"[t-{last - t}]" if t < last else "[t]" for t in range(self.n_times_in_)]
        return np.array([name + frame for name in names for frame in frames], dtype=object)


@described(SHARED)
class WindowScaler(WindowsToWindows):
    """Scale each neuron to zero mean and unit variance over the training windows.

    Statistics are per neuron, over all its frames in all windows in which it is recorded.
    For scaling within each animal, whose baselines differ, use `Recording.zscore`.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_neurons,)
        Zero and one for neurons that were never recorded or are constant.
    n_features_in_, n_times_in_

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.preprocessing import WindowScaler
    >>> X = np.random.default_rng(0).normal(5, 2, size=(50, 3, 8))
    >>> scaled = WindowScaler().fit_transform(X)
    >>> scaled.shape, bool(abs(scaled.mean()) < 1e-9)
    ((50, 3, 8), True)
    """

    @all_or_nothing
    def fit(self, X: ArrayLike | LazyWindows, y: Any = None) -> Self:
        """Learn mean and standard deviation of each neuron.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : ignored

        Returns
        -------
        self
        """
        windows, _ = self._checked(X, reset=True)
        values = windows.transpose(1, 0, 2).reshape(windows.shape[1], -1).astype(np.float64)
        missing = np.repeat(np.isnan(windows).any(axis=2).T, windows.shape[2], axis=1)
        self.mean_, self.scale_ = mean_and_scale(np.where(missing, np.nan, values))
        return self

    def transform(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Scale windows; NaN stays NaN.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of the shape of X
        """
        windows, is_flat = self._checked(X, reset=False)
        scaled = (windows - self.mean_[:, None]) / self.scale_[:, None]
        return self._give(scaled.astype(windows.dtype, copy=False), X, is_flat)


@described(SHARED)
class WindowImputer(WindowsToWindows):
    """Impute missing neurons, for estimators that do not accept NaN.

    A neuron with any NaN in a window is missing in that window as a whole.

    Parameters
    ----------
    strategy : {"mean", "zero"}
        Fill a missing neuron with its mean over the training windows, or with zero.
        Neurons that no training window holds are set to zero in every window, so that
        weights which training could not determine never matter.

    Attributes
    ----------
    fill_ : ndarray of shape (n_neurons,)
        Value that stands for each neuron where it is missing.
    recorded_ : ndarray of bool of shape (n_neurons,)
        Neurons that some training window holds.
    n_features_in_, n_times_in_

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.preprocessing import WindowImputer
    >>> X = np.ones((4, 2, 3))
    >>> X[0, 1] = np.nan
    >>> bool(np.isnan(WindowImputer().fit_transform(X)).any())
    False
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "strategy": [StrOptions({"mean", "zero"})]
    }

    def __init__(self, *, strategy: Literal["mean", "zero"] = "mean") -> None:
        self.strategy = strategy

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike | LazyWindows, y: Any = None) -> Self:
        """Learn the values to fill in.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : ignored

        Returns
        -------
        self
        """
        windows, _ = self._checked(X, reset=True)
        missing = np.isnan(windows).any(axis=2)
        self.recorded_ = ~missing.all(axis=0)
        self.fill_ = np.zeros(windows.shape[1])
        if self.strategy == "mean":
            count = np.maximum((~missing).sum(axis=0), 1)
            frame_means = np.where(missing, 0, windows.mean(axis=2, dtype=np.float64))
            self.fill_ = frame_means.sum(axis=0) / count
        return self

    def transform(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Fill in missing neurons.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of the shape of X
            Without NaN.
        """
        windows, is_flat = self._checked(X, reset=False)
        missing = np.isnan(windows).any(axis=2) | ~self.recorded_
        filled = np.where(missing[:, :, None], self.fill_[:, None], windows)
        return self._give(filled.astype(windows.dtype, copy=False), X, is_flat)
