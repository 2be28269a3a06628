"""From windows to snapshots: lengths, functional connectivity, activity of the neurons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skneurograph.graph_inference._correlation import _filtered_products, _standardised
from skneurograph.lazy import LazyWindows
from skneurograph.training import cut_windows

__all__ = [
    "Activity",
    "FeatureScale",
    "connectivity",
    "held_columns",
    "measure_activity",
    "split_windows",
]

# Fewer frames than this have a correlation of -1, 1 or none.
_LEAST_FRAMES = 3
# Windows are read in chunks of about this many elements of the largest array.
_CHUNK_ELEMENTS = 4_000_000
# The spread of a feature is at least this part of its spread over all neurons.
_LEAST_SPREAD = 0.1


def split_windows(
    windows: NDArray | LazyWindows, columns: NDArray[np.intp]
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]]:
    """Cut some neurons of some windows at a time, and find what of them is there.

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
    size = max(1, _CHUNK_ELEMENTS // max(1, windows.shape[1] * max(windows.shape[1:])))
    for start in range(0, len(windows), size):
        rows = slice(start, min(start + size, len(windows)))
        # What a neuron elsewhere tells of a window's length counts, too.
        whole = cut_windows(windows, rows, None)
        held = ~np.isnan(whole).all(axis=1)
        n_times = whole.shape[2]
        lengths = np.where(held.any(axis=1), n_times - held[:, ::-1].argmax(axis=1), 0)
        part = whole[:, columns].astype(np.float64)
        missing = np.isnan(part)
        within = np.arange(n_times) < lengths[:, None]
        recorded = ~(missing & within[:, None]).any(axis=2) & (lengths > 0)[:, None]
        np.copyto(part, 0.0, where=~recorded[:, :, None] | ~within[:, None])
        yield rows, part, lengths, recorded


def held_columns(windows: NDArray | LazyWindows) -> NDArray[np.intp]:
    """Give the neurons that some window holds."""
    present = np.zeros(windows.shape[1], dtype=bool)
    for _, _, _, recorded in split_windows(windows, np.arange(windows.shape[1])):
        present |= recorded.any(axis=0)
    return np.flatnonzero(present)


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
        n_frames, held = pattern[0], np.flatnonzero(pattern[1:])
        if n_frames < _LEAST_FRAMES or len(held) < 2:
            continue
        members = np.flatnonzero(which.ravel() == k)
        z = _standardised(activity[np.ix_(members, held)][:, :, :n_frames])
        if noise_filter:
            graph = _filtered_products(z)
        else:
            graph = z @ z.transpose(0, 2, 1) / n_frames
        graphs[np.ix_(members, held, held)] = graph
    edges = np.abs(graphs) > threshold
    edges[:, np.arange(n_neurons), np.arange(n_neurons)] = False
    return np.where(edges, graphs, 0.0) if weighted else edges.astype(np.float64)


@dataclass(frozen=True)
class Activity:
    """What the neurons of windows do, apart from how much they do together.

    Attributes
    ----------
    values : ndarray of shape (n_windows, n_neurons, n_measures)
        Measures of each neuron in units of ``levels``.
    levels : ndarray of shape (n_windows, n_measures)
        Root mean square of each measure over the recorded neurons.
    """

    values: NDArray[np.float64]
    levels: NDArray[np.float64]


def measure_activity(
    activity: NDArray[np.float64],
    lengths: NDArray[np.intp],
    recorded: NDArray[np.bool_],
    measures: Sequence[str] = ("mean",),
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
    count = np.maximum(lengths, 1)[:, None]
    found = []
    for measure in measures:
        if measure == "mean":
            weights = np.ones((len(lengths), activity.shape[2])) / count
        else:
            frames = np.arange(activity.shape[2])
            time = np.where(frames < count, frames - (count - 1) / 2, 0.0)
            squares = (time**2).sum(axis=1, keepdims=True)
            weights = time * (count - 1) / np.where(squares > 0, squares, 1.0)
        # Padding is 0, and so are neurons that are not recorded.
        found.append((activity @ weights[:, :, None])[:, :, 0])
    values = np.stack(found, axis=2) if found else np.empty((*activity.shape[:2], 0))
    n_recorded = np.maximum(recorded.sum(axis=1), 1)[:, None]
    levels = np.sqrt((values**2).sum(axis=1) / n_recorded)
    return Activity(values / np.where(levels > 0, levels, 1.0)[:, None], levels)


class FeatureScale:
    """Standardise features by those of the training windows.

    Parameters
    ----------
    own : bool
        Whether each neuron has its own mean and spread, or all share them.
    """

    def __init__(self, *, own: bool) -> None:
        self.own = own

    def fit(self, measured: Activity, recorded: NDArray[np.bool_]) -> FeatureScale:
        """Learn mean and spread over the windows that hold a neuron."""
        self.mean, self.spread = _moments(measured.values, recorded, (0, 1))
        if self.own:
            common = self.spread
            self.mean, self.spread = _moments(measured.values, recorded, 0)
            # A neuron that hardly varies in training must not shout later.
            self.spread = np.sqrt(self.spread**2 + (_LEAST_SPREAD * common) ** 2)
        self.spread = np.where(self.spread > 0, self.spread, 1.0)
        positive = [column[column > 0] for column in measured.levels.T]
        self.unit = np.array([np.median(column) if len(column) else 1.0 for column in positive])
        logarithm = self._logarithm(measured.levels)
        spread = logarithm.std(axis=0)
        self.log_mean = logarithm.mean(axis=0)
        self.log_spread = np.where(spread > 1e-8, spread, 1.0)
        return self

    def features(self, measured: Activity, recorded: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Give features (n_windows, n_neurons, n_measures), 0 for what is not recorded."""
        features: NDArray[np.float64] = (measured.values - self.mean) / self.spread
        return features * recorded[:, :, None]

    def levels(self, measured: Activity) -> NDArray[np.float64]:
        """Give features of the population (n_windows, n_measures)."""
        levels: NDArray[np.float64] = self._logarithm(measured.levels) - self.log_mean
        return levels / self.log_spread

    def _logarithm(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log(np.maximum(levels / self.unit, 1e-2))


def _moments(
    values: NDArray[np.float64], there: NDArray[np.bool_], axis: int | tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread of each measure where it is there, over windows or over everything."""
    there = there[:, :, None]
    count = np.maximum(there.sum(axis=axis), 1)
    mean = np.where(there, values, 0.0).sum(axis=axis) / count
    variance = (np.where(there, values - mean, 0.0) ** 2).sum(axis=axis) / count
    return mean, np.sqrt(variance)
