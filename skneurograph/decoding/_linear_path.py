"""The linear decoder beside a graph network: principal components, then a linear model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from skneurograph.base._columns import Identities
from skneurograph.base._missing import Correlations
from skneurograph.base._split import Part
from skneurograph.base._targets import Continuous, DecodedTarget
from skneurograph.base._units import power_of_two
from skneurograph.data._lazy import CHUNK_ELEMENTS, LazyWindows, cut_windows

__all__ = ["LinearFit", "fit_linear_path"]

_N_COMPONENTS = 10
# Penalty of a window, half the squared weights over its loss: with 3,000 windows those of
# "pca-logistic" and "pca-ridge" of `default_models`. What does not transfer differs between
# animals, and does not vanish with the number of their windows.
_CLASSIFIED, _CONTINUOUS = 1 / 30, 1 / 3
# Windows that are fitted at most, evenly spaced.
_WINDOWS = 20_000
# Elements of a chunk, of which there are several copies.
_CHUNK = CHUNK_ELEMENTS // 8

_Array = NDArray[np.float64]


class LinearFit(NamedTuple):
    """What a `skneurograph.nn.LinearPath` is made of."""

    mean: _Array
    components: _Array
    weight: _Array
    bias: _Array


def fit_linear_path(
    part: Part,
    target: DecodedTarget,
    identities: Identities,
    correlations: Correlations | None,
) -> LinearFit | None:
    """Fit the linear decoder to training windows.

    Weights of classes count for the linear model, not for the components.

    Parameters
    ----------
    part : Part
    target : DecodedTarget
    identities : Identities
        No two the same.
    correlations : Correlations or None
        Of identified neurons, from which missing ones are inferred; without it they are at
        their mean.

    Returns
    -------
    LinearFit or None
        None if the windows lack a class, or hold one only.
    """
    y, weight = target.encode(part.y, part.weight)
    is_continuous = isinstance(target, Continuous)
    if not is_continuous and len(np.unique(y[weight > 0])) < max(2, target.n_outputs):
        return None
    columns = identities.first_columns
    rows = np.unique(np.linspace(0, len(y) - 1, _WINDOWS).astype(np.intp))
    y, weight = y[rows], weight[rows]
    population = _Population(part.windows, rows, columns, correlations, part.weight[rows])
    components = population.components(_N_COMPONENTS)
    scores = np.concatenate([components.T @ centred for _, centred in population.centred()])
    features = scores.reshape(len(scores), -1)
    if is_continuous:
        ridge = Ridge(alpha=_CONTINUOUS * weight.sum()).fit(features, y, sample_weight=weight)
        coefficients, bias = ridge.coef_, ridge.intercept_
    else:
        logistic = LogisticRegression(C=1 / (_CLASSIFIED * weight.sum()), max_iter=3000)
        logistic.fit(features, y, sample_weight=weight)
        coefficients, bias = logistic.coef_, logistic.intercept_
        if target.n_outputs == 2:  # the log-odds of the second class
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            bias = np.concatenate([-bias, bias]) / 2
    shape = (*scores.shape[1:], target.n_outputs)
    coefficients = np.ascontiguousarray(coefficients.reshape(target.n_outputs, -1).T)
    return LinearFit(population.mean, components, coefficients.reshape(shape), bias)


class _Population:
    """Identified neurons of some windows, none missing, a chunk at a time.

    Parameters
    ----------
    windows : ndarray or LazyWindows, shape (n_windows, n_neurons, n_times)
    rows, columns : ndarray of int
        Windows, and neurons.
    correlations : Correlations or None
        Of these neurons.
    weight : ndarray of shape (n_rows,)

    Attributes
    ----------
    mean : ndarray of shape (n_columns,)
    """

    def __init__(
        self,
        windows: NDArray | LazyWindows,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        correlations: Correlations | None,
        weight: _Array,
    ) -> None:
        self._windows, self._rows, self._columns = windows, rows, columns
        self._correlations, self._weight = correlations, weight
        total, count = np.zeros(len(columns)), np.zeros(len(columns))
        for part, filled in self._filled():
            recorded = ~np.isnan(filled[:, :, 0])
            total += weight[part] @ np.where(recorded, filled.mean(axis=2), 0)
            count += weight[part] @ recorded
        self.mean = total / np.where(count > 0, count, 1)

    def components(self, n_components: int) -> _Array:
        """Principal directions (n_neurons, n_components), of activity in units of its spread."""
        products = np.zeros((len(self.mean), len(self.mean)))
        unit = max(float(power_of_two(np.abs(x).max(initial=0))) for _, x in self.centred())
        for part, centred in self.centred():
            x = centred.transpose(1, 0, 2) / unit
            heavy = x * self._weight[part, None]
            products += heavy.reshape(len(x), -1) @ x.reshape(len(x), -1).T
        products /= self._weight.sum() * self._windows.shape[2]
        n_varying = int((np.diag(products) > 0).sum())
        spread = np.sqrt(np.trace(products) / max(1, n_varying))
        directions: _Array = np.linalg.eigh(products)[1][:, ::-1][:, :n_components]
        return directions / unit / (spread or 1.0)

    def centred(self) -> Iterator[tuple[slice, _Array]]:
        """Give activity minus its mean, zero where neurons are missing."""
        for part, filled in self._filled():
            yield part, np.nan_to_num(filled - self.mean[:, None], copy=False)

    def _filled(self) -> Iterator[tuple[slice, _Array]]:
        size = max(1, _CHUNK // (len(self._columns) * self._windows.shape[2]))
        for start in range(0, len(self._rows), size):
            part = slice(start, start + size)
            activity = cut_windows(self._windows, self._rows[part], self._columns)
            activity = activity.astype(np.float64)
            missing = np.isnan(activity).any(axis=2)
            activity[missing] = np.nan
            if self._correlations is not None and missing.any():
                self._correlations.fill(activity, np.ones(len(self._columns), dtype=bool))
            yield part, activity
