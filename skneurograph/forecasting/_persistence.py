"""Forecasting by persistence: the last frame, repeated."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skneurograph.base._described import described
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._parameters import SHARED
from skneurograph.data._lazy import LazyWindows
from skneurograph.forecasting._base import StepForecaster, counted_windows
from skneurograph.forecasting._parameters import FORECASTING

__all__ = ["PersistenceForecaster"]


@described(SHARED, FORECASTING)
class PersistenceForecaster(StepForecaster):
    """Forecast by persistence: repeat the last frame of the window.

    The least that a forecaster has to beat; at one step it is hard to beat, since calcium
    is slow. A target other than the following frame is predicted by its training mean.

    Attributes
    ----------
    forecasts_frames_
    n_features_in_, n_times_in_

    See Also
    --------
    RidgeForecaster : Changes relative to the last frame.
    GraphForecaster : The graph model.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import sliding_windows
    >>> from skneurograph.forecasting import PersistenceForecaster
    >>> trace = np.cumsum(np.random.default_rng(0).normal(size=(100, 3)), axis=0)
    >>> windows = sliding_windows(trace, 8, target="next")
    >>> model = PersistenceForecaster().fit(windows.X, windows.y)
    >>> model.predict(windows.X).shape, model.forecast(windows.X, 16).shape
    ((92, 3), (92, 3, 16))
    """

    @all_or_nothing
    def fit(
        self, X: ArrayLike | LazyWindows, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Remember the shape of a window (and the mean of another target).

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows, n_neurons)
            The following frame; more frames in a third dimension are allowed.
        sample_weight : array-like of shape (n_windows,), optional

        Returns
        -------
        self
        """
        windows, target = self._check_fit(X, y)
        weight, _, target = counted_windows(sample_weight, windows, target)
        self.__dict__.pop("y_mean_", None)
        if not self.forecasts_frames_:
            self.y_mean_ = np.average(target, axis=0, weights=weight)
        return self

    def _steps(self, windows: NDArray, n_steps: int) -> NDArray[np.floating]:
        return np.repeat(windows[:, :, -1:], n_steps, axis=2)

    def _predict_plain(self, windows: NDArray | LazyWindows) -> NDArray[np.floating]:
        return np.repeat(self.y_mean_[None], len(windows), axis=0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags
