"""From windows to snapshots: functional connectivity and activity of the neurons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skneurograph.base._noise_band import filtered_products, standardised
from skneurograph.data._lazy import LazyWindows, chunks_of_windows

__all__ = [
    "LEAST_FRAMES",
    "Activity",
    "FeatureScale",
    "connectivity",
    "measure_activity",
    "measure_halves",
    "snapshot_columns",
    "split_windows",
]

# Fewer frames than this have a correlation of -1, 1 or none.
LEAST_FRAMES = 3
# The spread of a feature is at least this part of its spread over all neurons.
_LEAST_SPREAD = 0.1
# Fewer windows do not tell whether a feature is reliable.
_LEAST_WINDOWS = 8
# Part of a sum's largest terms that single precision may leave where they cancel.
_ROUNDING = 1e-6


def split_windows(
    windows: NDArray | LazyWindows, columns: NDArray[np.intp]
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]]:
    """Cut some neurons of some windows at a time, and find what of them is recorded.

    A window ends with the last frame that holds a neuron; what follows is padding. A neuron
    with NaN before that is not recorded in the window.

    Yields
    ------
    rows : slice
        Which windows.
    activity : ndarray of shape (n_rows, n_columns, n_times)
        0 for neurons that are not recorded, and in the padding.
    lengths : ndarray of int, shape (n_rows,)
    recorded : ndarray of bool, shape (n_rows, n_columns)
    """
    # What a neuron elsewhere tells of a window's length counts, too.
    for rows, whole in chunks_of_windows(windows, windows.shape[1] * max(windows.shape[1:])):
        is_filled = ~np.isnan(whole).all(axis=1)
        n_times = whole.shape[2]
        lengths = np.where(is_filled.any(axis=1), n_times - is_filled[:, ::-1].argmax(axis=1), 0)
        part = whole[:, columns].astype(np.float64)
        missing = np.isnan(part)
        within = np.arange(n_times) < lengths[:, None]
        recorded = ~(missing & within[:, None]).any(axis=2) & (lengths > 0)[:, None]
        np.copyto(part, 0.0, where=~recorded[:, :, None] | ~within[:, None])
        yield rows, part, lengths, recorded


def snapshot_columns(windows: NDArray | LazyWindows) -> NDArray[np.intp]:
    """Return the neurons that are recorded in some window."""
    found = np.zeros(windows.shape[1], dtype=bool)
    for _, _, _, recorded in split_windows(windows, np.arange(windows.shape[1])):
        found |= recorded.any(axis=0)
    return np.flatnonzero(found)


def connectivity(
    activity: NDArray[np.float64],
    lengths: NDArray[np.intp],
    recorded: NDArray[np.bool_],
    *,
    noise_filter: bool,
    threshold: float,
    weighted: bool,
) -> NDArray[np.float64]:
    """Snapshots of functional connectivity: cleaned, thresholded correlations.

    Parameters
    ----------
    activity, lengths, recorded : ndarray
        As `split_windows` gives them.
    noise_filter : bool
        Rebuild the correlations from the eigenvalues that independent noise of as many
        neurons and frames would not reach.
    threshold : float
        Pairs whose correlation has a larger magnitude are connected.
    weighted : bool
        Whether an edge weighs its correlation, or 1.

    Returns
    -------
    ndarray of shape (n_windows, n_neurons, n_neurons)
        0 where there is no edge, on the diagonal, and for neurons that are not recorded.
    """
    n_windows, n_neurons, _ = activity.shape
    graphs = np.zeros((n_windows, n_neurons, n_neurons))
    # Windows of the same length and neurons go together.
    patterns, which = np.unique(np.column_stack([lengths, recorded]), axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        n_frames, columns = pattern[0], np.flatnonzero(pattern[1:])
        if n_frames < LEAST_FRAMES or len(columns) < 2:
            continue
        members = np.flatnonzero(which.ravel() == k)
        z = standardised(activity[np.ix_(members, columns)][:, :, :n_frames])
        if noise_filter:
            graph = filtered_products(z)
        else:
            graph = z @ z.transpose(0, 2, 1) / n_frames
        graphs[np.ix_(members, columns, columns)] = graph
    edges = np.abs(graphs) > threshold
    edges[:, np.arange(n_neurons), np.arange(n_neurons)] = False
    return np.where(edges, graphs, 0.0) if weighted else edges.astype(np.float64)


class Activity(NamedTuple):
    """Activity of the neurons in each window, relative to that of the population.

    Attributes
    ----------
    values : ndarray of shape (n_windows, n_neurons, n_measures)
        Measures of each neuron in units of ``levels``.
    levels : ndarray of shape (n_windows, n_measures)
        Root mean square of each measure over the recorded neurons.
    defined : ndarray of bool, shape (n_windows, n_measures)
        Whether the window has the frames for it: one for a mean, two for a slope.
    """

    values: NDArray[np.float64]
    levels: NDArray[np.float64]
    defined: NDArray[np.bool_]


def measure_activity(
    activity: NDArray[np.float64],
    lengths: NDArray[np.intp],
    recorded: NDArray[np.bool_],
    measures: Sequence[str],
) -> Activity:
    """Measure the activity in windows.

    Parameters
    ----------
    activity, lengths, recorded : ndarray
        As `split_windows` gives them.
    measures : sequence of {"mean", "slope"}
        The slope is the change over the window, by a straight line through its frames.

    Returns
    -------
    Activity
    """
    # Padding is 0, and so are neurons that are not recorded.
    count = lengths[:, None]
    frames = np.arange(activity.shape[2])
    time = np.where(frames < count, frames - (count - 1) / 2, 0.0)
    squares = (time**2).sum(axis=1, keepdims=True)
    weights = {
        "mean": (frames < count) / np.maximum(count, 1),
        "slope": time * (count - 1) / np.where(squares > 0, squares, 1.0),
    }
    least = {"mean": 1, "slope": 2}
    chosen = np.empty((*time.shape, len(measures)))
    for k, measure in enumerate(measures):
        chosen[:, :, k] = weights[measure]
    values = activity @ chosen
    # What rounding leaves of frames that cancel is not a pattern.
    values[np.abs(values) <= _ROUNDING * (np.abs(activity) @ np.abs(chosen))] = 0.0
    n_recorded = np.maximum(recorded.sum(axis=1), 1)[:, None]
    levels = np.sqrt((values**2).sum(axis=1) / n_recorded)
    values /= np.where(levels > 0, levels, 1.0)[:, None]
    return Activity(values, levels, count >= np.array([least[name] for name in measures]))


def measure_halves(
    activity: NDArray[np.float64],
    lengths: NDArray[np.intp],
    recorded: NDArray[np.bool_],
    measures: Sequence[str],
) -> tuple[Activity, Activity]:
    """Measure the activity in every other frame of windows, and in the frames between."""
    even = measure_activity(activity[:, :, ::2], (lengths + 1) // 2, recorded, measures)
    odd = measure_activity(activity[:, :, 1::2], lengths // 2, recorded, measures)
    return even, odd


class FeatureScale:
    """Standardise features by those of the training windows, and say how far to trust them.

    A feature is reliable as far as every other frame of a window tells the same as the frames
    between do: the correlation of the two over windows, less a standard error, carried over
    to whole windows by the formula of Spearman and Brown.

    Parameters
    ----------
    own : bool
        Whether each neuron has its own mean, spread and reliability, or all share them.

    Attributes
    ----------
    reliability : ndarray of shape (n_neurons, n_measures) or (1, n_measures)
        From 0 to 1.
    """

    def __init__(self, *, own: bool) -> None:
        self.own = own

    def fit(
        self, measured: Activity, halves: tuple[Activity, Activity], recorded: NDArray[np.bool_]
    ) -> FeatureScale:
        """Learn mean and spread over the windows that hold a neuron."""
        valid = recorded[:, :, None]
        self.mean, self.spread = _moments(measured.values, valid, (0, 1))
        if self.own:
            common = self.spread
            self.mean, self.spread = _moments(measured.values, valid, (0,))
            # A neuron that hardly varies in training must not shout later.
            self.spread = np.sqrt(self.spread**2 + (_LEAST_SPREAD * common) ** 2)
        self.spread = np.where(self.spread > 0, self.spread, 1.0)
        positive = [column[column > 0] for column in measured.levels.T]
        self.unit = np.array([np.median(column) if len(column) else 1.0 for column in positive])
        # Gaps have no level.
        logarithm = self._logarithm(measured.levels[recorded.any(axis=1)])
        spread = logarithm.std(axis=0)
        self.log_mean = logarithm.mean(axis=0)
        self.log_spread = np.where(spread > 1e-8, spread, 1.0)

        even, odd = halves
        defined = even.defined & odd.defined
        axes = (0,) if self.own else (0, 1)
        self.reliability = np.atleast_2d(
            _reliability(even.values, odd.values, valid & defined[:, None], axes)
        )
        logarithms = self._logarithm(even.levels), self._logarithm(odd.levels)
        has_level = defined & recorded.any(axis=1, keepdims=True)
        self.level_reliability = _reliability(*logarithms, has_level, (0,))
        return self

    def features(self, measured: Activity, recorded: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return features (n_windows, n_neurons, n_measures), 0 for what is not recorded."""
        features: NDArray[np.float64] = (measured.values - self.mean) / self.spread
        return features * recorded[:, :, None]

    def levels(self, measured: Activity, recorded: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return features of the population (n_windows, n_measures), as far as reliable."""
        levels: NDArray[np.float64] = self._logarithm(measured.levels) - self.log_mean
        levels = levels / self.log_spread * self.level_reliability
        return levels * recorded.any(axis=1, keepdims=True)

    def _logarithm(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log(np.maximum(levels / self.unit, 1e-2))


def _moments(
    values: NDArray[np.float64], valid: NDArray[np.bool_], axes: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread of each measure where it is valid, over windows or over everything."""
    count = np.maximum(valid.sum(axis=axes), 1)
    mean = np.where(valid, values, 0.0).sum(axis=axes) / count
    variance = (np.where(valid, values - mean, 0.0) ** 2).sum(axis=axes) / count
    return mean, np.sqrt(variance)


def _reliability(
    even: NDArray[np.float64],
    odd: NDArray[np.float64],
    valid: NDArray[np.bool_],
    axes: tuple[int, ...],
) -> NDArray[np.float64]:
    """Reliability of the mean of two halves; 1 if too few windows have them to tell."""
    count = valid.sum(axis=axes)
    means, spreads = zip(*(_moments(half, valid, axes) for half in (even, odd)))
    product = np.where(valid, (even - means[0]) * (odd - means[1]), 0.0).sum(axis=axes)
    scale = np.maximum(count, 1) * spreads[0] * spreads[1]
    correlation = product / np.where(scale > 0, scale, np.inf)
    n_windows = np.maximum(valid.any(axis=axes[1:]).sum(axis=0), 1)
    correlation = np.maximum(correlation - (1 - correlation**2) / np.sqrt(n_windows), 0.0)
    reliability: NDArray[np.float64] = 2 * correlation / (1 + correlation)
    return np.where(n_windows >= _LEAST_WINDOWS, reliability, 1.0)
