"""Transformers of windows (flatten, scale, impute, PCA), and baselines built with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import StrOptions
from sklearn.utils._set_output import ADAPTERS_MANAGER, _get_output_config
from sklearn.utils.validation import check_is_fitted

from skneurograph.base._described import described
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._parameters import SHARED
from skneurograph.base._units import power_of_two
from skneurograph.base._validation import check_windows, neuron_names
from skneurograph.data._lazy import LazyWindows

__all__ = [
    "FlattenWindows",
    "WindowImputer",
    "WindowPCA",
    "WindowScaler",
    "make_baseline",
]


class _WindowTransformer(TransformerMixin, BaseEstimator):
    """Validate windows on the way in, give two dimensions back for two dimensions."""

    def _checked(self, X: Any, *, reset: bool) -> tuple[NDArray[np.floating], bool]:
        if not reset:
            check_is_fitted(self)
        windows, _ = check_windows(self, X, reset=reset)
        n_dims = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
        # Contiguous, since the order of sums, and so the last bits, follows the strides.
        return np.ascontiguousarray(windows), n_dims == 2

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class _WindowsToWindows(OneToOneFeatureMixin, _WindowTransformer):
    """Return windows for windows, and a table for a table.

    scikit-learn would wrap every output in the container of ``set_output``. Windows have
    three dimensions and fit in no data frame, so only outputs of two dimensions are.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Set the container of outputs with two dimensions.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            None leaves it as it is. Windows stay arrays.

        Returns
        -------
        self
        """
        if transform is not None:
            # The place where clone looks for it.
            self._sklearn_output_config = {"transform": transform}
        return self

    def _give(self, values: NDArray[np.floating], X: Any, is_flat: bool) -> Any:
        if not is_flat:
            return values
        container = _get_output_config("transform", self)["dense"]
        if container == "default":
            return values[:, :, 0]
        adapter = ADAPTERS_MANAGER.adapters[container]
        return adapter.create_container(values[:, :, 0], X, columns=self.get_feature_names_out)


@described(SHARED)
class FlattenWindows(_WindowTransformer):
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
class WindowScaler(_WindowsToWindows):
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
        recorded = ~missing
        count = np.maximum(recorded.sum(axis=1), 1)
        values = np.where(recorded, values, 0)
        unit = power_of_two(np.abs(values).max(axis=1))
        values /= unit[:, None]
        mean = values.sum(axis=1) / count
        centred = np.where(recorded, values - mean[:, None], 0)
        deviation = np.sqrt((centred**2).sum(axis=1) / count)
        constant = deviation <= 1e-10 * np.abs(mean)
        self.mean_ = mean * unit
        self.scale_ = np.where(constant, 1.0, deviation * unit)
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
class WindowImputer(_WindowsToWindows):
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


@described(SHARED)
class WindowPCA(_WindowsToWindows):
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
        self._pca = pca.fit(frames / self._unit)
        self.components_ = self._pca.components_
        self.explained_variance_ratio_ = self._pca.explained_variance_ratio_
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


def make_baseline(
    estimator: BaseEstimator,
    *,
    n_components: int | None = None,
    neurons: Iterable[str] | None = None,
) -> Pipeline:
    """Make a baseline: any scikit-learn classifier or regressor on flattened windows.

    Missing neurons are filled with their mean, windows are flattened to one row, features
    are scaled to unit variance, and the estimator follows.

    Parameters
    ----------
    estimator : scikit-learn classifier or regressor
    n_components : int or None, default=None
        First reduce the population to that many principal components, whose windows are
        flattened without further scaling: the strongest simple decoder of worms.
    neurons : iterable of str, optional
        Names of the neurons, for the names of the features; principal components have
        names of their own.

    Returns
    -------
    sklearn.pipeline.Pipeline

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skneurograph.preprocessing import make_baseline
    >>> X = np.random.default_rng(0).normal(size=(40, 6, 8))
    >>> y = np.where(X[:, 0, -1] > 0, "forward", "reversal")
    >>> make_baseline(LogisticRegression(C=0.01)).fit(X, y).predict(X).shape
    (40,)
    """
    if n_components is not None:
        reduce = WindowPCA(n_components=n_components)
        return make_pipeline(WindowImputer(), reduce, FlattenWindows(), estimator)
    flatten = FlattenWindows(neurons=None if neurons is None else list(neurons))
    return make_pipeline(WindowImputer(), flatten, StandardScaler(), estimator)
