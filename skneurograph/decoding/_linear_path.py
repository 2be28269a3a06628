"""The linear decoder beside a graph network: principal components, then a linear model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh
from sklearn.linear_model import LogisticRegression, Ridge

from skneurograph.base._columns import Identities
from skneurograph.base._missing import Correlations
from skneurograph.base._split import Part
from skneurograph.base._targets import Continuous, DecodedTarget
from skneurograph.base._units import power_of_two
from skneurograph.data._lazy import CHUNK_ELEMENTS, cut_windows

__all__ = ["LinearFit", "fit_linear_path"]

_N_COMPONENTS = 10
# Penalty of a window, half the squared weights over its loss: with 3,000 windows those of
# "pca-logistic" and "pca-ridge" of `default_models`. What does not transfer differs between
# animals, and does not vanish with the number of their windows.
_CLASSIFIED, _CONTINUOUS = 1 / 30, 1 / 3
# Windows that are fitted at most, evenly spaced.
_WINDOWS = 20_000
# Products of neurons that components are learnt from at most: fewer windows of many neurons.
_PRODUCTS = 10**11
# Neurons beyond which the leading components are iterated.
_MANY = 500
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
    rows = _evenly(np.arange(len(y)), _WINDOWS)
    y, weight = y[rows], weight[rows]
    n_learning = _PRODUCTS // (len(columns) ** 2 * part.windows.shape[2])
    population = _Population(part, _evenly(rows, max(100, n_learning)), columns, correlations)
    components = population.components(_N_COMPONENTS)
    scores = np.concatenate([components.T @ centred for _, centred in population.centred(rows)])
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


def _evenly(rows: NDArray[np.intp], n_rows: int) -> NDArray[np.intp]:
    """Take so many rows at most, evenly spaced."""
    if len(rows) <= n_rows:
        return rows
    return rows[np.linspace(0, len(rows) - 1, n_rows).astype(np.intp)]


class _Population:
    """Identified neurons of windows, none missing, a chunk at a time.

    Parameters
    ----------
    part : Part
    rows, columns : ndarray of int
        Windows that mean and components are learnt from, and neurons.
    correlations : Correlations or None
        Of these neurons.

    Attributes
    ----------
    mean : ndarray of shape (n_columns,)
    """

    def __init__(
        self,
        part: Part,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        correlations: Correlations | None,
    ) -> None:
        self._part, self._rows, self._columns = part, rows, columns
        self._correlations = correlations
        total, count = np.zeros(len(columns)), np.zeros(len(columns))
        for some, filled in self._filled(rows):
            weight, recorded = part.weight[some], ~np.isnan(filled[:, :, 0])
            total += weight @ np.where(recorded, filled.mean(axis=2), 0)
            count += weight @ recorded
        self.mean = total / np.where(count > 0, count, 1)

    def components(self, n_components: int) -> _Array:
        """Principal directions (n_neurons, n_components), of activity in units of its spread."""
        n_neurons = len(self.mean)
        products, total = np.zeros((n_neurons, n_neurons)), 0.0
        rows = self._rows
        unit = max(float(power_of_two(np.abs(x).max(initial=0))) for _, x in self.centred(rows))
        for some, centred in self.centred(rows):
            weight = self._part.weight[some]
            x = centred.transpose(1, 0, 2) / unit
            heavy = x * weight[:, None]
            products += heavy.reshape(n_neurons, -1) @ x.reshape(n_neurons, -1).T
            total += weight.sum() * centred.shape[2]
        products /= total
        n_varying = int((np.diag(products) > 0).sum())
        spread = np.sqrt(np.trace(products) / max(1, n_varying))
        return _leading(products, n_components) / unit / (spread or 1.0)

    def centred(self, rows: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], _Array]]:
        """Give some windows minus the mean, zero where neurons are missing."""
        for some, filled in self._filled(rows):
            yield some, np.nan_to_num(filled - self.mean[:, None], copy=False)

    def _filled(self, rows: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], _Array]]:
        windows = self._part.windows
        size = max(1, _CHUNK // (len(self._columns) * windows.shape[2]))
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            activity = cut_windows(windows, some, self._columns).astype(np.float64)
            missing = np.isnan(activity).any(axis=2)
            activity[missing] = np.nan
            if self._correlations is not None and missing.any():
                self._correlations.fill(activity, np.ones(len(self._columns), dtype=bool))
            yield some, activity


def _leading(matrix: _Array, n_axes: int) -> _Array:
    """Eigenvectors of the largest eigenvalues of a symmetric matrix, as columns."""
    if len(matrix) <= _MANY:
        axes: _Array = np.linalg.eigh(matrix)[1][:, ::-1][:, :n_axes]
        return axes
    start = np.random.default_rng(0).normal(size=len(matrix))
    found: _Array = eigsh(matrix, n_axes, v0=start)[1]
    return found
