"""Plot of forecast errors by horizon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from skneurograph.data._inputs import unmasked
from skneurograph.metrics import masked_mean_squared_error, masked_r2_score

__all__ = ["ForecastDisplay"]


class ForecastDisplay:
    """Plot of forecast errors by horizon, a line for each model.

    Parameters
    ----------
    scores : mapping of str to array-like of shape (n_steps,)
        By model.
    metric : {"mse", "r2"}, default="mse"
    sampling_rate : float or None, default=None
        Frames per second (Hz), for an axis in seconds; None counts frames.

    Attributes
    ----------
    ax_, figure_ : matplotlib axes and figure
        After `plot`.
    """

    def __init__(
        self,
        scores: Mapping[str, ArrayLike],
        *,
        metric: Literal["mse", "r2"] = "mse",
        sampling_rate: float | None = None,
    ) -> None:
        self.scores = scores
        self.metric = metric
        self.sampling_rate = sampling_rate

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, BaseEstimator],
        X: Any,
        y: ArrayLike,
        *,
        metric: Literal["mse", "r2"] = "mse",
        sampling_rate: float | None = None,
        ax: Any = None,
    ) -> Self:
        """Forecast windows with fitted forecasters and draw their errors.

        Parameters
        ----------
        estimators : mapping of str to fitted forecaster
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows, n_neurons, n_steps)
            Frames that followed, as ``sliding_windows(..., horizon=n_steps)`` cuts them.
        metric : {"mse", "r2"}, default="mse"
            `masked_mean_squared_error` or `masked_r2_score`, averaged over neurons.
        sampling_rate : float or None, default=None
            `Windows.sampling_rate`, for an axis in seconds.
        ax : matplotlib axes, optional
            A new figure by default.

        Raises
        ------
        ValueError
            If ``y`` has not three dimensions, or the metric is not known.
        """
        truth = np.asarray(unmasked(y))
        if truth.ndim != 3:
            raise ValueError(
                f"y: got shape {truth.shape}; expected (n_windows, n_neurons, n_steps), as "
                "sliding_windows(..., target='next', horizon=n_steps) gives it"
            )
        if metric not in ("mse", "r2"):
            raise ValueError(f"metric: got {metric!r}; expected 'mse' or 'r2'")
        score = masked_mean_squared_error if metric == "mse" else masked_r2_score
        scores: dict[str, Any] = {
            name: score(truth, estimator.forecast(X, truth.shape[2]), by="horizon")
            for name, estimator in estimators.items()
        }
        return cls(scores, metric=metric, sampling_rate=sampling_rate).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on the axes given, or on new ones."""
        if ax is None:
            _, ax = plt.subplots(figsize=(5.0, 3.5), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        for name, values in self.scores.items():
            curve: NDArray[np.float64] = np.asarray(values)
            ax.plot(np.arange(1, len(curve) + 1) / (self.sampling_rate or 1), curve, label=name)
        ax.set_xlabel("frames ahead" if self.sampling_rate is None else "seconds ahead")
        ax.set_ylabel("mean squared error" if self.metric == "mse" else "R²")
        ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
        return self
