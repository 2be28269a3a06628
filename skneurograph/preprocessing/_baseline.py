"""Baselines: any scikit-learn estimator as a model of windows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skneurograph.preprocessing._neurons import NeuronImputer
from skneurograph.preprocessing._pca import WindowPCA
from skneurograph.preprocessing._windows import FlattenWindows

__all__ = ["make_baseline"]


def make_baseline(
    estimator: BaseEstimator,
    *,
    n_components: int | None = None,
    neurons: Iterable[str] | None = None,
    imputer: TransformerMixin | None = None,
) -> Pipeline:
    """Make a baseline: any scikit-learn classifier or regressor on flattened windows.

    Missing neurons are inferred from the recorded ones, windows are flattened to one row,
    features are scaled to unit variance, and the estimator follows.

    Parameters
    ----------
    estimator : scikit-learn classifier or regressor
    n_components : int or None, default=None
        First reduce the population to that many principal components, whose windows are
        flattened without further scaling: the strongest simple decoder of worms.
    neurons : iterable of str, optional
        Names of the neurons, for the names of the features; principal components have
        names of their own. Columns named ``''`` are anonymous: they tell nothing of missing
        neurons.
    imputer : transformer of windows, optional
        By default a `NeuronImputer`; `WindowImputer` fills in means. It is cloned.

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
    names = None if neurons is None else list(neurons)
    if imputer is not None:
        fill: Any = clone(imputer)
    elif names is None:
        fill = NeuronImputer()
    else:
        fill = NeuronImputer(identities=[i if name else -1 for i, name in enumerate(names)])
    if n_components is not None:
        return make_pipeline(
            fill, WindowPCA(n_components=n_components), FlattenWindows(), estimator
        )
    return make_pipeline(fill, FlattenWindows(neurons=names), StandardScaler(), estimator)
