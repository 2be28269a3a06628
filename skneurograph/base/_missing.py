"""What neurons that were not recorded probably did, from those that were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skneurograph.base._units import mean_and_scale
from skneurograph.data._lazy import CHUNK_ELEMENTS, LazyWindows, cut_windows

__all__ = ["Correlations", "Learnt", "learn_correlations"]

# Frames that correlations are learnt from at most, evenly spaced; fewer of very many neurons.
_FRAMES = 20_000
# Sets of recorded neurons beyond which only pairs that were recorded together count.
_SETS = 30
# Steps of expectation maximisation, for the result and while shrinkage is chosen.
_N_ITERATIONS, _N_SEARCHING = 10, 3
# Parts of the organisms that are left out in turn, and of the neurons that are hidden in each.
_FOLDS, _HIDDEN = 8, 3
# Neurons that shrinkage is chosen on at most, drawn at random.
_SEARCHED = 300
# The largest first, which is taken if none does better.
_SHRINKAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)

_Array = NDArray[np.float64]
_Mask = NDArray[np.bool_]


class Moments(NamedTuple):
    """Second moments of the frames in which one set of neurons was recorded.

    Attributes
    ----------
    unit : int
        Organism, or what stands for it.
    recorded : ndarray of bool, shape (n_neurons,)
    products : ndarray of shape (n_recorded, n_recorded)
        Mean products of standardised activity.
    n_frames : int
    """

    unit: int
    recorded: _Mask
    products: _Array
    n_frames: int


class Correlations(NamedTuple):
    """Scale of each neuron, and how neurons vary together.

    Attributes
    ----------
    mean, scale : ndarray of shape (n_neurons,)
        Zero and one for neurons that were never recorded; constant ones have scale 1.
    matrix : ndarray of shape (n_neurons, n_neurons)
        Correlations, those between neurons shrunk towards zero.
    """

    mean: _Array
    scale: _Array
    matrix: _Array

    def of(self, neurons: NDArray[np.intp]) -> Correlations:
        """Take some neurons, in this order."""
        matrix = self.matrix[np.ix_(neurons, neurons)]
        return Correlations(self.mean[neurons], self.scale[neurons], matrix)

    def fill(self, windows: NDArray[np.floating], usable: _Mask) -> None:
        """Put what they probably did in place of missing neurons, frame by frame.

        Parameters
        ----------
        windows : ndarray of shape (n_windows, n_neurons, n_times)
            Changed in place.
        usable : ndarray of bool, shape (n_neurons,)
            Neurons that may tell of others.
        """
        for rows, recorded in _by_recorded(windows):
            if recorded.all():
                continue
            told = recorded & usable
            x = (windows[np.ix_(rows, told)] - self.mean[told, None]) / self.scale[told, None]
            coefficients = _regress(self.matrix, told)[(~recorded)[~told]]
            filled = np.matmul(coefficients, x.astype(np.float64)) * self.scale[~recorded, None]
            windows[np.ix_(rows, ~recorded)] = filled + self.mean[~recorded, None]


def _by_recorded(windows: NDArray[np.floating]) -> Iterator[tuple[NDArray[np.intp], _Mask]]:
    """Give the rows that have each set of recorded neurons, and the set."""
    recorded = ~np.isnan(windows).any(axis=2)
    sets, which = np.unique(recorded, axis=0, return_inverse=True)
    which = which.reshape(-1)
    for index, members in enumerate(sets):
        yield np.flatnonzero(which == index), members


class Learnt(NamedTuple):
    """What training windows tell of missing neurons.

    Attributes
    ----------
    correlations : Correlations
    shrinkage : float
    explained : float
        Part of the variance of hidden neurons that was explained in organisms left out; NaN if
        shrinkage was not chosen.
    """

    correlations: Correlations
    shrinkage: float
    explained: float


def learn_correlations(
    windows: NDArray | LazyWindows,
    organisms: NDArray | None,
    usable: _Mask,
    shrinkage: float | None = None,
) -> Learnt:
    """Learn how neurons vary together, of which no animal has all.

    Parameters
    ----------
    windows : ndarray or LazyWindows, shape (n_windows, n_neurons, n_times)
        A neuron with any NaN in a window is missing in it.
    organisms : ndarray of shape (n_windows,) or None
        Without it every set of recorded neurons stands for an organism, or, if there is but
        one set, every quarter of the windows.
    usable : ndarray of bool, shape (n_neurons,)
        Neurons that have correlations.
    shrinkage : float or None
        None chooses.
    """
    frames, window = _frames(windows)
    mean, scale = mean_and_scale(np.ascontiguousarray(frames.T))
    x = (frames - mean) / scale
    recorded = ~np.isnan(x) & usable
    sets, which = np.unique(recorded, axis=0, return_inverse=True)
    which = which.reshape(-1)  # numpy 2.0 gave it two dimensions
    explained = np.nan
    if shrinkage is None:
        if organisms is not None:
            unit = np.unique(organisms, return_inverse=True)[1].reshape(-1)[window]
        else:
            unit = which if len(sets) > 1 else 4 * window // len(windows)
        # Some neurons are enough, where the search would take long.
        kept = np.random.default_rng(0).permutation(len(usable)) < _SEARCHED
        moments = _moments(x[:, kept], sets[:, kept], which, unit)
        shrinkage, errors = choose_shrinkage(moments, int(kept.sum()))
        explained = 1 - float(errors.min())
    moments = _moments(x, sets, which, np.zeros_like(which))
    matrix = correlate(moments, len(usable), shrinkage)
    return Learnt(Correlations(mean, scale, matrix), shrinkage, explained)


def _moments(
    x: _Array, sets: _Mask, which: NDArray[np.intp], unit: NDArray[np.intp]
) -> list[Moments]:
    """Second moments of the frames of each unit with each set of neurons."""
    found = []
    for here, members in enumerate(sets):
        for organism in np.unique(unit[which == here]):
            rows = (which == here) & (unit == organism)
            part = x[np.ix_(rows, members)]
            found.append(Moments(int(organism), members, part.T @ part / len(part), len(part)))
    return found


def _frames(windows: NDArray | LazyWindows) -> tuple[_Array, NDArray[np.intp]]:
    """Take some frames (n_frames, n_neurons), NaN where a neuron is missing, and their windows."""
    n_windows, n_neurons, n_times = windows.shape
    n_frames = min(_FRAMES, max(1000, 1000 * _FRAMES // n_neurons), n_windows * n_times)
    chosen = np.linspace(0, n_windows * n_times - 1, n_frames).astype(np.intp)
    window, frame = np.divmod(chosen, n_times)
    frames = np.empty((n_frames, n_neurons))
    # Of very many windows only those are cut of which a frame was chosen.
    read, place = np.unique(window, return_inverse=True)
    size = max(1, CHUNK_ELEMENTS // (n_neurons * n_times))
    for start in range(0, len(read), size):
        part = cut_windows(windows, read[start : start + size], None)
        here = slice(*np.searchsorted(place, [start, start + len(part)]))
        rows = place[here] - start
        missing = np.isnan(part).any(axis=2)[rows]
        frames[here] = np.where(missing, np.nan, part[rows, :, frame[here]])
    return frames, window


def correlate(
    moments: Sequence[Moments],
    n_neurons: int,
    shrinkage: float,
    n_iterations: int = _N_ITERATIONS,
) -> _Array:
    """Estimate the correlations of neurons of which some were never recorded together.

    Expectation maximisation for a Gaussian, in which every step shrinks the correlations
    between neurons. It starts from the pairs that were recorded together, and ends there if
    there are very many sets of recorded neurons.
    """
    together = _pairs(moments, n_neurons)
    if len(moments) > 1:
        together = _nearest(together)
    matrix = _shrunk(together, shrinkage)
    complete = all(part.recorded.all() for part in moments)
    if not complete and len(moments) <= _SETS and shrinkage < 1:
        for _ in range(n_iterations):
            total = np.zeros_like(matrix)
            for part in moments:
                total += part.n_frames * _completed(part, matrix)
            matrix = _shrunk(_scaled(total), shrinkage)
    unknown = ~np.any([part.recorded for part in moments], axis=0)
    matrix[unknown], matrix[:, unknown] = 0, 0
    np.fill_diagonal(matrix, 1)
    return matrix


def choose_shrinkage(moments: Sequence[Moments], n_neurons: int) -> tuple[float, _Array]:
    """Choose shrinkage by hiding neurons of organisms that are left out.

    Returns
    -------
    shrinkage : float
        1, which tells nothing of missing neurons, if nothing can be left out.
    errors : ndarray of shape (n_shrinkages,)
        Mean squared error of hidden neurons, over their variance, for each candidate.
    """
    units = sorted({part.unit for part in moments})
    fold = {unit: place % _FOLDS for place, unit in enumerate(units)}
    errors, total = np.zeros(len(_SHRINKAGES)), 0.0
    for left_out in range(min(_FOLDS, len(units))):
        train = [part for part in moments if fold[part.unit] != left_out]
        if not train:
            return 1.0, np.full(len(_SHRINKAGES), np.nan)
        known = np.any([part.recorded for part in train], axis=0)
        test = [part for part in moments if fold[part.unit] == left_out][:_SETS]
        for place, shrinkage in enumerate(_SHRINKAGES):
            matrix = correlate(train, n_neurons, shrinkage, _N_SEARCHING)
            errors[place] += sum(_hidden_error(part, matrix, known) for part in test)
        total += sum(np.diag(part.products).sum() * part.n_frames for part in test)
    errors /= max(total, 1e-300)
    return float(_SHRINKAGES[int(errors.argmin())]), errors


def _hidden_error(part: Moments, matrix: _Array, known: _Mask) -> float:
    """Squared error of each third of the neurons, predicted from the others."""
    place = np.flatnonzero(part.recorded & known)
    products = part.products[np.ix_(known[part.recorded], known[part.recorded])]
    error = 0.0
    for third in range(min(_HIDDEN, len(place))):
        hidden = np.arange(len(place)) % _HIDDEN == third
        told = np.zeros(len(matrix), dtype=bool)
        told[place[~hidden]] = True
        rows = np.flatnonzero(~told)
        B = _regress(matrix, told)[np.searchsorted(rows, place[hidden])]
        both = products[np.ix_(hidden, ~hidden)]
        residual = (
            np.trace(products[np.ix_(hidden, hidden)])
            - 2 * (B * both).sum()
            + ((B @ products[np.ix_(~hidden, ~hidden)]) * B).sum()
        )
        error += part.n_frames * residual
    return error


def _pairs(moments: Sequence[Moments], n_neurons: int) -> _Array:
    """Correlations over the frames that hold both neurons; zero if there are none."""
    total, weight = np.zeros((n_neurons, n_neurons)), np.zeros((n_neurons, n_neurons))
    for part in moments:
        here = np.ix_(part.recorded, part.recorded)
        total[here] += part.n_frames * part.products
        weight[here] += part.n_frames
    return _scaled(total / np.maximum(weight, 1))


def _scaled(products: _Array) -> _Array:
    """Correlations of second moments; 1 on the diagonal, zero for what does not vary."""
    deviation = np.sqrt(np.diag(products))
    varies = deviation > 0
    inverse = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
    matrix: _Array = products * np.outer(inverse, inverse)
    np.fill_diagonal(matrix, 1)
    return matrix


def _nearest(matrix: _Array) -> _Array:
    """Cut negative eigenvalues off, which correlations of different frames may have."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= 0:
        return matrix
    cut: _Array = (vectors * np.maximum(values, 0)) @ vectors.T
    return _scaled(cut)


def _shrunk(matrix: _Array, shrinkage: float) -> _Array:
    shrunk = (1 - shrinkage) * matrix
    np.fill_diagonal(shrunk, 1)
    return shrunk


def _regress(matrix: _Array, recorded: _Mask) -> _Array:
    """Coefficients of the other neurons on the recorded ones, (n_missing, n_recorded)."""
    if not recorded.any():
        return np.zeros((len(matrix), 0))
    told = matrix[np.ix_(recorded, recorded)]
    solved = np.linalg.solve(told, matrix[np.ix_(recorded, ~recorded)])
    return solved.T.astype(np.float64, copy=False)


def _completed(part: Moments, matrix: _Array) -> _Array:
    """Expect the products of all neurons, given those of the recorded ones."""
    here, missing = part.recorded, ~part.recorded
    products = np.empty_like(matrix)
    products[np.ix_(here, here)] = part.products
    B = _regress(matrix, here)
    across = B @ part.products
    products[np.ix_(missing, here)] = across
    products[np.ix_(here, missing)] = across.T
    left = matrix[np.ix_(missing, missing)] - B @ matrix[np.ix_(here, missing)]
    products[np.ix_(missing, missing)] = across @ B.T + left
    return products
