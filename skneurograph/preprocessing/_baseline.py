"""Baselines: any scikit-learn estimator as a model of windows."""

from __future__ import annotations

from collections.abc import Iterable

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skneurograph.preprocessing._pca import WindowPCA
from skneurograph.preprocessing._windows import FlattenWindows, WindowImputer

__all__ = ["make_baseline"]


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
