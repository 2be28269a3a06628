"""Forecasting changes by ridge regressions that neurons share: the classical forecaster."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.linear_model import Ridge
from sklearn.utils._param_validation import Interval

from skneurograph.base._described import described
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._parameters import SHARED
from skneurograph.data._lazy import LazyWindows, chunks_of_windows
from skneurograph.forecasting._base import StepForecaster, counted_windows
from skneurograph.forecasting._fit_changes import (
    OWN_PENALTY,
    POPULATION_PENALTY,
    ChangeFit,
    Examples,
    teaching_steps,
)
from skneurograph.forecasting._parameters import FORECASTING
from skneurograph.forecasting._reversion import measure_reversion
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.forecasting._trust import StandardFrames

__all__ = ["RidgeForecaster"]


@described(SHARED, FORECASTING)
class RidgeForecaster(StepForecaster):
    """Forecast neural activity by ridge regression of changes relative to the window.

    How far each neuron will be from its last frame is regressed on its frames relative to
    the last one, on the mean of the window, and on what the population has just done; each
    step ahead by itself. In closed form, in three stages, each of which explains what the
    ones before it leave: coefficients that all neurons share, which depend on how rough a
    window is (noisy traces are averaged over more frames), those of each neuron, strongly
    shrunk, and those of the population, reduced to at most 32 directions and shrunk as
    strongly. How far forecasts return to the training mean is chosen on training windows.

    It forecasts as many steps directly as ``y`` has at fit, and feeds them back for
    more. Neurons that no training window held are forecast by what all neurons share. A
    missing neuron tells the others nothing.

    Parameters
    ----------
    n_lags : int
        Last frames that are read; at most those of a window.
    own_alpha : float
        Pull of a neuron's own coefficients to those that all neurons share, in units of the
        windows of an average neuron.
    alpha : float
        Ridge penalty of what the population tells, relative to the number of training
        windows: the coefficient of a single unit-variance input shrinks by
        ``1 / (1 + alpha)``.

    Attributes
    ----------
    recorded_neurons_ : ndarray of int
        Neurons recorded in training. One that was constant is forecast to stay as it is.
    reversion_
    forecasts_frames_
    n_features_in_, n_times_in_

    See Also
    --------
    VARForecaster : One step at a time.
    GraphForecaster : Starts from these forecasts.

    Notes
    -----
    A target other than the following frames is regressed on the last frame of all neurons,
    with scikit-learn's default penalty.

    References
    ----------
    .. [1] S. Ben Taieb, G. Bontempi, A. F. Atiya, A. Sorjamaa (2012). A review and comparison
       of strategies for multi-step ahead time series forecasting. Expert Systems with
       Applications 39, 7067-7083. doi:10.1016/j.eswa.2012.01.039
    .. [2] P. Montero-Manso, R. J. Hyndman (2021). Principles and algorithms for forecasting
       groups of time series: locality and globality. International Journal of Forecasting
       37, 1632-1653. doi:10.1016/j.ijforecast.2021.03.004

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import sliding_windows
    >>> from skneurograph.forecasting import RidgeForecaster
    >>> trace = np.sin(np.arange(200)[:, None] / [5.0, 8.0, 13.0])
    >>> windows = sliding_windows(trace, 16, target="next", horizon=4)
    >>> model = RidgeForecaster().fit(windows.X, windows.y)
    >>> model.forecast(windows.X[:2], 8).shape
    (2, 3, 8)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_lags": [Interval(Integral, 1, None, closed="left")],
        "own_alpha": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        n_lags: int = 64,
        own_alpha: float = OWN_PENALTY,
        alpha: float = POPULATION_PENALTY,
        allow_drift: bool = True,
    ) -> None:
        self.n_lags = n_lags
        self.own_alpha = own_alpha
        self.alpha = alpha
        self.allow_drift = allow_drift

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike | LazyWindows, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit the regressions.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows, n_neurons) or (n_windows, n_neurons, n_steps)
            The following frame, or several, each of which is then forecast directly; NaN
            where a neuron was not recorded.
        sample_weight : array-like of shape (n_windows,), optional
            A weight of two counts as the window standing there twice.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit; the message names the argument.
        """
        windows, target = self._check_fit(X, y)
        weight, windows, target = counted_windows(sample_weight, windows, target)
        for name in ("reversion_", "_changes", "_columns", "_plain"):
            self.__dict__.pop(name, None)
        following = target.reshape(*target.shape[:2], -1) if self.forecasts_frames_ else None
        self._scaler = FrameScaler(windows, weight, following=following)
        self.recorded_neurons_ = np.flatnonzero(self._scaler.recorded)
        if following is not None:
            self._fit_frames(Examples(windows, following, weight))
        else:
            inputs = np.concatenate([self._last(part) for _, part in chunks_of_windows(windows)])
            self._plain = Ridge().fit(inputs, target, sample_weight=weight)
        return self

    def _fit_frames(self, examples: Examples) -> None:
        self._columns = np.flatnonzero(self._scaler.recorded & (self._scaler.scale > 0))
        fit = ChangeFit(
            self._scaler,
            self._columns,
            n_lags=min(self.n_lags, self.n_times_in_),
            n_steps=teaching_steps(examples.following),
            own_penalty=self.own_alpha,
            population_penalty=self.alpha,
            named=np.ones(len(self._columns), dtype=bool),
            couples=True,
        )
        self.reversion_ = measure_reversion(examples, fit) if self.allow_drift else 1.0
        self._changes = fit.fit(examples, self.reversion_)

    def _steps(self, windows: NDArray, n_steps: int) -> NDArray[np.floating]:
        n_lags = min(self.n_lags, self.n_times_in_)
        read = StandardFrames.of(windows, self._scaler)
        frames, _ = read.relative(n_lags, self._scaler, 1.0)
        steps = self._changes.roll_out(frames, n_steps, self._scaler.limit, self._columns)
        return self._scaler.moved(windows, steps - frames[:, :, -1:])

    def _last(self, windows: NDArray) -> NDArray[np.float64]:
        return self._scaler.flat(windows, self.recorded_neurons_, 1)

    def _predict_plain(self, windows: NDArray | LazyWindows) -> NDArray[np.floating]:
        return np.concatenate(
            [self._plain.predict(self._last(part)) for _, part in chunks_of_windows(windows)]
        )
