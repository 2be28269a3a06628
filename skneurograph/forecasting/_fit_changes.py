"""Fit linear forecasts of changes in closed form, and see how far they may return to a mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._lazy import LazyWindows, chunks_of_windows
from skneurograph.forecasting._changes import (
    Changes,
    population_inputs,
    ramps,
    roughness,
    window_inputs,
)
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.forecasting._trust import StandardFrames, known_frames, spaced

__all__ = ["OWN_PENALTY", "POPULATION_PENALTY", "ChangeFit", "Examples", "Parts", "teaching_steps"]

# Pull of a neuron's own coefficients to those that all share, in units of the windows of an
# average neuron, and ridge penalty of the population, relative to the number of windows.
OWN_PENALTY, POPULATION_PENALTY = 3.0, 5.0
# Ridge penalty of what all neurons share, relative to the number of windows and neurons.
_SHARED_PENALTY = 1e-3
# Quantiles of roughness at which what all neurons share may differ.
_QUANTILES = (0.1, 0.5, 0.9)
# At most so many directions of the population tell something, found in so many windows.
_DIRECTIONS, _SURVEYED = 32, 1024
# At most so many windows are fitted, evenly spaced, and so many pairs of window and neuron
# to tell what all neurons share.
_FITTED, _PAIRS = 8192, 2**19
# Windows that have so few elements are read once, and kept in memory for the fit.
_KEPT = 2**24
_TINY = 1e-9


class Examples(NamedTuple):
    """Windows and what follows them, to be fitted.

    Attributes
    ----------
    windows : ndarray or LazyWindows of shape (n_windows, n_neurons, n_times)
    following : ndarray of shape (n_windows, n_neurons, n_steps)
    weight : ndarray of shape (n_windows,)
    n_inside : int
        Frames at the end of a window that are taken as following it.
    """

    windows: NDArray | LazyWindows
    following: NDArray
    weight: NDArray[np.float64]
    n_inside: int = 0

    def spaced(self, most: int) -> Examples:
        """Take at most so many windows, evenly spaced."""
        rows = spaced(np.arange(len(self.windows)), most)
        if len(rows) == len(self.windows):
            return self
        return Examples(self.windows[rows], self.following[rows], self.weight[rows], self.n_inside)


class _Chunk(NamedTuple):
    """Standardised windows of some neurons, and how they change.

    Attributes
    ----------
    frames : ndarray of shape (n_windows, n_neurons, n_lags)
    rough : ndarray of shape (n_windows, n_neurons)
    change : ndarray of shape (n_windows, n_neurons, n_steps)
        Relative to the last frame; zero where it does not count.
    counted : ndarray of shape (n_windows, n_neurons)
        Weight of the window where the neuron and all that follows are known, else zero.
    """

    frames: NDArray[np.float64]
    rough: NDArray[np.float64]
    change: NDArray[np.float64]
    counted: NDArray[np.float64]


class ChangeFit(NamedTuple):
    """How to fit `Changes`.

    Attributes
    ----------
    scaler : FrameScaler
    columns : ndarray of int
        Neurons to fit: those that were recorded and moved.
    n_lags, n_steps : int
        Frames that are read, and steps that are forecast.
    own_penalty, population_penalty : float
    named : ndarray of bool of shape (n_columns,)
        Columns with coefficients of their own; the others know what all share alone.
    couples : bool
        Whether the population is read.
    """

    scaler: FrameScaler
    columns: NDArray[np.intp]
    n_lags: int
    n_steps: int
    own_penalty: float
    population_penalty: float
    named: NDArray[np.bool_]
    couples: bool

    def fit(self, examples: Examples, reversion: float) -> Changes:
        """Fit so that forecasts return from that part of the level of a window."""
        parts = Parts(self, examples)
        if reversion in (0, 1):
            return self.fit_parts(parts, reads_level=bool(reversion))
        without, with_level = (self.fit_parts(parts, reads_level=reads) for reads in (False, True))
        return without.blend(with_level, reversion)

    def read(self, examples: Examples) -> Iterator[_Chunk]:
        """Read windows chunk by chunk."""
        n_neurons, n_times = examples.windows.shape[1:]
        end = n_times - examples.n_inside
        size = n_neurons * (n_times + self.n_steps)
        for rows, part in chunks_of_windows(examples.windows, size):
            ahead = np.concatenate([part[:, :, end:], examples.following[rows]], axis=2)
            part, ahead = part[:, :, :end], ahead[:, :, : self.n_steps]
            known = known_frames(part, ahead[:, :, 0], self.scaler) & ~np.isnan(ahead).any(axis=2)
            read = StandardFrames.of(part, self.scaler)
            frames, level = read.relative(self.n_lags, self.scaler, 1.0)
            change = self.scaler.standardise(ahead) - level[:, :, None] - frames[:, :, -1:]
            change[~known] = 0
            counted = known * examples.weight[rows, None]
            given = frames, roughness(frames), change, counted
            yield _Chunk(*(np.ascontiguousarray(x[:, self.columns]) for x in given))

    def fit_parts(self, parts: Parts, *, reads_level: bool) -> Changes:
        """Fit stage by stage, with the level of a window or without."""
        n_neurons, n_lags, n_steps = len(self.columns), self.n_lags, self.n_steps
        fitted = Changes(
            np.zeros(len(_QUANTILES)),
            np.zeros((len(_QUANTILES), n_lags, n_steps)),
            np.zeros((n_neurons, n_lags, n_steps)),
            np.zeros((3, n_neurons, 0)),
            np.zeros((0, n_neurons, n_steps)),
        )
        if not n_neurons:
            return fitted
        fitted = fitted._replace(knots=_knots(parts))
        fitted = fitted._replace(shared=self._fit_shared(parts, fitted, reads_level))
        if not self.named.any():
            return fitted
        fitted = fitted._replace(own=self._fit_own(parts, fitted, reads_level))
        if not self.couples:
            return fitted
        directions = self._directions(parts, reads_level)
        if not directions.shape[2]:
            return fitted
        coupling = self._fit_coupling(parts, fitted, directions)
        return fitted._replace(directions=directions, coupling=coupling)

    def _fit_shared(self, parts: Parts, fitted: Changes, reads_level: bool) -> NDArray[np.float64]:
        n_ramps, n_lags, n_steps = fitted.shared.shape
        size = n_ramps * n_lags
        products, sums, total = np.zeros((size, size)), np.zeros((size, n_steps)), 0.0
        for part in parts.read(max(1, _PAIRS // max(1, len(self.columns)))):
            for rows in _slices(len(part.frames), part.frames[0].size * n_ramps):
                frames, rough, change, counted = (x[rows] for x in part)
                base = _level_or_not(window_inputs(frames), reads_level)
                above = [ramp[:, :, None] * base for ramp in ramps(rough, fitted.knots)]
                inputs = np.concatenate([base, *above], axis=2).reshape(-1, size)
                weighed = inputs * counted.reshape(-1, 1)
                products += weighed.T @ inputs
                sums += weighed.T @ change.reshape(-1, n_steps)
                total += counted.sum()
        penalty = (_SHARED_PENALTY * total + _TINY) * np.eye(size)
        found = np.linalg.solve(products + penalty, sums)
        return np.asarray(found, dtype=np.float64).reshape(n_ramps, n_lags, n_steps)

    def _fit_own(self, parts: Parts, fitted: Changes, reads_level: bool) -> NDArray[np.float64]:
        n_neurons, n_lags, n_steps = fitted.own.shape
        products = np.zeros((n_neurons, n_lags, n_lags))
        sums, total = np.zeros((n_neurons, n_lags, n_steps)), 0.0
        for frames, rough, change, counted in parts.read():
            inputs = _level_or_not(window_inputs(frames), reads_level)
            left = change - fitted.common(inputs, rough)
            weighed = (inputs * counted[:, :, None]).transpose(1, 2, 0)
            products += weighed @ inputs.transpose(1, 0, 2)
            sums += weighed @ left.transpose(1, 0, 2)
            total += counted.sum()
        pull = self.own_penalty * products.mean(axis=0)
        pull += (1e-6 * total / max(1, n_neurons) + _TINY) * np.eye(n_lags)
        found = np.linalg.solve(products + pull, sums)
        found[~self.named] = 0
        return found

    def _directions(self, parts: Parts, reads_level: bool) -> NDArray[np.float64]:
        """Find the main directions of what neurons tell each other, in units of their spread."""
        told, total = [], np.zeros(len(self.columns))
        for frames, _, _, counted in parts.read(_SURVEYED):
            inputs = population_inputs(frames) * self.named
            inputs[:, 2] *= reads_level
            told.append(inputs * np.sqrt(counted)[:, None])
            total += counted.sum(axis=0)
        flat = np.concatenate(told).reshape(-1, 3 * len(self.columns))
        spread = np.sqrt(np.square(flat).sum(axis=0) / np.tile(np.maximum(total, _TINY), 3))
        unit = np.divide(1, spread, out=np.zeros_like(spread), where=spread > _TINY)
        _, sizes, axes = np.linalg.svd(flat * unit, full_matrices=False)
        axes = axes[:_DIRECTIONS][sizes[:_DIRECTIONS] > _TINY * max(sizes[0], _TINY)]
        return (axes * unit).T.reshape(3, len(self.columns), -1)

    def _fit_coupling(
        self, parts: Parts, fitted: Changes, directions: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Explain what remains by the population: a ridge regression for each neuron."""
        n_directions, n_neurons = directions.shape[2], len(self.columns)
        products = np.zeros((n_directions**2, n_neurons))
        sums = np.zeros((n_directions, n_neurons * self.n_steps))
        total = np.zeros(n_neurons)
        for frames, rough, change, counted in parts.read():
            left = (change - fitted.ahead(frames, rough)) * counted[:, :, None]
            read = np.tensordot(population_inputs(frames), directions, axes=2)
            for rows in _slices(len(read), n_directions**2):
                pairs = (read[rows, :, None] * read[rows, None]).reshape(-1, n_directions**2)
                products += pairs.T @ counted[rows]
            sums += read.T @ left.reshape(len(left), -1)
            total += counted.sum(axis=0)
        systems = products.T.reshape(n_neurons, n_directions, n_directions)
        penalty = self.population_penalty * total + _TINY
        systems = systems + penalty[:, None, None] * np.eye(n_directions)
        wanted = sums.reshape(n_directions, n_neurons, self.n_steps).transpose(1, 0, 2)
        found: NDArray[np.float64] = np.linalg.solve(systems, wanted)
        found[~self.named] = 0
        return found.transpose(1, 0, 2)


class Parts:
    """Windows of a fit, read chunk by chunk, and kept where that takes little memory."""

    def __init__(self, fit: ChangeFit, examples: Examples) -> None:
        self._fit = fit
        self._examples = examples
        self._kept: dict[int, list[_Chunk]] = {}

    def read(self, most: int = _FITTED) -> Iterable[_Chunk]:
        """Read at most so many windows."""
        examples = self._examples.spaced(min(most, _FITTED))
        n_windows = len(examples.windows)
        size = n_windows * len(self._fit.columns) * (self._fit.n_lags + self._fit.n_steps)
        if size > _KEPT:
            return self._fit.read(examples)
        if n_windows not in self._kept:
            self._kept[n_windows] = list(self._fit.read(examples))
        return self._kept[n_windows]


def _knots(parts: Parts) -> NDArray[np.float64]:
    """Quantiles of roughness over windows and neurons."""
    found = [(part.rough, part.counted) for part in parts.read(_SURVEYED)]
    rough, counted = (np.concatenate(x, axis=None) for x in zip(*found))
    order = np.argsort(rough)
    reached = np.cumsum(counted[order])
    places = np.searchsorted(reached, np.array(_QUANTILES) * reached[-1])
    return rough[order][np.minimum(places, len(order) - 1)]


def teaching_steps(following: NDArray) -> int:
    """Return how many steps to forecast directly: all, if these are known of any neuron."""
    n_steps: int = following.shape[2]
    return n_steps if (~np.isnan(following).any(axis=2)).any() else 1


def _level_or_not(inputs: NDArray[np.float64], reads_level: bool) -> NDArray[np.float64]:
    if not reads_level:
        inputs[:, :, -1] = 0
    return inputs


def _slices(n_rows: int, elements_per_row: int) -> Iterator[slice]:
    """Cut rows so that no array gets large."""
    size = max(1, 2**21 // max(1, elements_per_row))
    return (slice(start, start + size) for start in range(0, n_rows, size))
