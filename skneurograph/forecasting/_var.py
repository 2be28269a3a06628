"""Forecasting by vector autoregression (VAR): the linear baseline."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context, clone, is_regressor
from sklearn.linear_model import Ridge
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import has_fit_parameter

from skneurograph.base._described import described
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._parameters import SHARED
from skneurograph.data._lazy import LazyWindows, chunks_of_windows
from skneurograph.forecasting._base import StepForecaster, counted_windows
from skneurograph.forecasting._linear import fit_own, recorded_together
from skneurograph.forecasting._parameters import FORECASTING
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.forecasting._trust import (
    FULL_TRUST,
    StandardFrames,
    Trust,
    known_frames,
    measure_trust,
    roll_out_within,
)

__all__ = ["VARForecaster"]


@described(SHARED, FORECASTING)
class VARForecaster(StepForecaster):
    """Forecast neural activity by vector autoregression (VAR).

    The change of each neuron is first explained by its own frames (an autoregression,
    shrunk a little to that of all neurons together), and what remains by the frames of all
    neurons, with a regressor that is free to shrink: there are many more coefficients
    between neurons than within, and most matter little. Further steps feed the forecasts
    back.

    Neurons that no training window held are forecast by the autoregression pooled over
    all neurons. A missing neuron counts as its mean for the others.

    Parameters
    ----------
    n_lags : int
        Frames of all neurons that are read; at most those of a window. 0 leaves each
        neuron to itself.
    n_own_lags : int
        Frames of the neuron itself that are read; at most those of a window. 0 leaves
        this stage out, which makes a plain VAR with one penalty for all coefficients.
    alpha : float
        Ridge penalty between neurons, relative to the number of training windows: the
        coefficient of a single unit-variance input shrinks by ``1 / (1 + alpha)``. A
        target other than the following frame has scikit-learn's default penalty.
    regressor : scikit-learn regressor or None
        Used in place of the ridge regression, on standardised frames flattened to
        ``(n_windows, n_neurons * n_lags)``; must take several targets at once. Further
        steps then are only as stable as the regressor makes them, within twice the range
        of the training frames.

    Attributes
    ----------
    own_coef_ : ndarray of shape (n_neurons, n_own_lags)
        Influence of a neuron's own frames on its change, oldest frame first, in units of
        its standard deviation.
    coef_ : ndarray of shape (n_neurons, n_neurons, n_lags)
        Influence of sender ``j`` at each lag (oldest first) on the change of receiver
        ``i``, entry ``[i, j]``, in the same units; only if the regressor is linear.
    recorded_neurons_ : ndarray of int
        Neurons recorded in training. One that was constant is forecast to stay as it is.
    reversion_
    kept_
    forecasts_frames_
    n_features_in_, n_times_in_

    See Also
    --------
    skneurograph.graph_inference.VARGraph : The graph of a vector autoregression.

    References
    ----------
    .. [1] H. Lütkepohl (2005). New introduction to multiple time series analysis.
       Springer. doi:10.1007/978-3-540-27752-1

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import sliding_windows
    >>> from skneurograph.forecasting import VARForecaster
    >>> trace = np.sin(np.arange(200)[:, None] / [5.0, 8.0, 13.0])
    >>> windows = sliding_windows(trace, 8, target="next")
    >>> model = VARForecaster(n_lags=2).fit(windows.X, windows.y)
    >>> bool(model.score(windows.X, windows.y) > 0.99)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_lags": [Interval(Integral, 0, None, closed="left")],
        "n_own_lags": [Interval(Integral, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "regressor": [None, HasMethods(["fit", "predict"])],
    }

    def __init__(
        self,
        *,
        n_lags: int = 1,
        n_own_lags: int = 12,
        alpha: float = 10.0,
        regressor: BaseEstimator | None = None,
        allow_drift: bool = True,
    ) -> None:
        self.n_lags = n_lags
        self.n_own_lags = n_own_lags
        self.alpha = alpha
        self.regressor = regressor
        self.allow_drift = allow_drift

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike | LazyWindows, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit the autoregressions.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows, n_neurons)
            The following frame, NaN where a neuron was not recorded. More frames in a
            third dimension tell how far forecasts hold (``allow_drift``); the coefficients
            are those of the first. A target of another shape is regressed on the frames of
            all neurons.
        sample_weight : array-like of shape (n_windows,), optional
            The regressor has to support it.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit, or if the regressor takes no weights but some are
            given.
        """
        if self.n_lags == 0 and self.n_own_lags == 0:
            raise ValueError("n_lags and n_own_lags: got 0 and 0; one of them has to be positive")
        if self.regressor is not None and not is_regressor(self.regressor):
            raise ValueError(f"regressor: got {self.regressor!r}; expected a regressor")
        windows, target = self._check_fit(X, y)
        weight, windows, target = counted_windows(sample_weight, windows, target)
        self._weighs = sample_weight is not None
        for name in ("coef_", "own_coef_", "reversion_", "kept_"):
            self.__dict__.pop(name, None)
        following = target.reshape(*target.shape[:2], -1) if self.forecasts_frames_ else None
        self._scaler = FrameScaler(windows, weight, following=following)
        # Columns that are never recorded are left out, so that they change not a single bit.
        self.recorded_neurons_ = np.flatnonzero(self._scaler.recorded)
        self._regressors: list[tuple[NDArray[np.intp], BaseEstimator]] = []
        if following is not None:
            self._fit_frames(windows, following, weight)
        else:
            inputs = np.concatenate(
                [self._read_plain(part) for _, part in chunks_of_windows(windows)]
            )
            self._regressors = [(np.arange(0), self._fit_one(inputs, target, weight))]
        return self

    def _fit_frames(
        self, windows: NDArray | LazyWindows, following: NDArray, weight: NDArray[np.float64]
    ) -> None:
        trust = FULL_TRUST
        if self.allow_drift:
            n_own = self.n_own_lags or self.n_lags
            trust = measure_trust(windows, following, weight, n_own)
        self.reversion_, self.kept_ = trust
        frames, change, known = self._read(windows, following)
        remaining = change
        if self.n_own_lags:
            history = frames[:, :, -self.n_own_lags :]
            self.own_coef_, self._own_intercept, _ = fit_own(history, remaining, known, weight)
            self.own_coef_[self._scaler.scale == 0] = 0
            remaining = np.where(known, remaining - self._own_change(history), 0)
        if self.n_lags:
            inputs = self._flat(frames)
            for rows, neurons in recorded_together(known):
                if weight[rows].sum() > 0:
                    fitted = self._fit_one(
                        inputs[rows], remaining[np.ix_(rows, neurons)], weight[rows]
                    )
                    self._regressors.append((neurons, fitted))
            self._collect_coefficients(frames.shape[1])

    def _read(
        self, windows: NDArray | LazyWindows, following: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Last frames, change to the following one, and where both are known."""
        n_lags = max(self.n_lags, self.n_own_lags)
        parts = []
        for rows, part in chunks_of_windows(windows):
            first = following[rows, :, :1]
            read = StandardFrames.of(part, self._scaler)
            lags, level = read.relative(n_lags, self._scaler, self.reversion_)
            known = known_frames(part, first[:, :, 0], self._scaler)
            ahead = self._scaler.standardise(first)[:, :, 0] - level
            parts.append((lags, np.where(known, ahead - lags[:, :, -1], 0), known))
        frames, changes, knowns = zip(*parts)
        return np.concatenate(frames), np.concatenate(changes), np.concatenate(knowns)

    def _fit_one(self, inputs: NDArray, target: NDArray, weight: NDArray) -> BaseEstimator:
        if self.regressor is None:
            alpha = self.alpha * weight.sum() if self.forecasts_frames_ else 1.0
            model: BaseEstimator = Ridge(alpha=alpha)
        else:
            model = clone(self.regressor)
        if not self._weighs:
            return model.fit(inputs, target)
        if not has_fit_parameter(model, "sample_weight"):
            raise ValueError(
                f"sample_weight: {type(model).__name__} takes none; use another regressor"
            )
        return model.fit(inputs, target, sample_weight=weight)

    def _collect_coefficients(self, n_neurons: int) -> None:
        if not all(hasattr(model, "coef_") for _, model in self._regressors):
            return
        n_lags = min(self.n_lags, self.n_times_in_)
        self.coef_ = np.zeros((n_neurons, n_neurons, n_lags))
        for neurons, model in self._regressors:
            found = np.reshape(model.coef_, (len(neurons), len(self.recorded_neurons_), n_lags))
            self.coef_[np.ix_(neurons, self.recorded_neurons_)] = found

    def _flat(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the last frames of all neurons, within the limit, as features."""
        used = frames[:, self.recorded_neurons_, -self.n_lags :]
        return np.clip(used, -self._scaler.limit, self._scaler.limit).reshape(len(frames), -1)

    def _own_change(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.einsum("wnl,nl->wn", frames, self.own_coef_) + self._own_intercept

    def _steps(self, windows: NDArray, n_steps: int) -> NDArray[np.floating]:
        read = StandardFrames.of(windows, self._scaler)
        n_lags = max(self.n_lags, self.n_own_lags)
        lags, _ = read.relative(n_lags, self._scaler, self.reversion_)

        def change(history: NDArray[np.float64]) -> NDArray[np.float64]:
            moved = np.zeros(history.shape[:2])
            if self.n_own_lags:
                moved += self._own_change(history[:, :, -self.n_own_lags :])
            for neurons, model in self._regressors:
                found = model.predict(self._flat(history))
                moved[:, neurons] += np.reshape(found, (len(history), -1))
            # A missing neuron stays at its mean.
            moved[read.missing] = 0
            return moved

        distance = roll_out_within(lags, change, n_steps, self._scaler.limit) - lags[:, :, -1:]
        kept = Trust(self.reversion_, self.kept_).at(n_steps)
        return self._scaler.moved(windows, kept * distance)

    def _read_plain(self, windows: NDArray) -> NDArray[np.float64]:
        """Return the last frames of all neurons as features for a target of another kind."""
        return self._scaler.flat(windows, self.recorded_neurons_, max(self.n_lags, 1))

    def _predict_plain(self, windows: NDArray | LazyWindows) -> NDArray[np.floating]:
        model = self._regressors[0][1]
        return np.concatenate(
            [model.predict(self._read_plain(part)) for _, part in chunks_of_windows(windows)]
        )
