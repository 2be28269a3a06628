"""Moments of single neurons over windows, and the effective number of independent frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Chunks",
    "Repeats",
    "deviations",
    "independent_frames",
    "neuron_means",
    "neuron_spreads",
]

_SLOWEST = 0.999  # autocorrelation
# Runs of frames tell windows apart if at most this fraction of the windows begins like another.
_BY_CHANCE = 0.1

Chunks = Callable[[], Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]]
"""Gives windows (n_rows, n_neurons, n_times), 0 where missing, and who is recorded.

The windows are the reader's own, to change as it likes, and lie neuron by neuron in memory.
"""


def neuron_means(chunks: Chunks) -> NDArray[np.float64]:
    """Mean of each neuron over the frames of the windows that hold it."""
    total, count = 0.0, 0.0
    for windows, recorded in chunks():
        total = total + windows.sum(axis=(0, 2))
        count = count + windows.shape[2] * recorded.sum(axis=0)
    return np.asarray(total / np.maximum(count, 1))


def neuron_spreads(chunks: Chunks, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of each neuron over the frames of the windows that hold it."""
    total, count = 0.0, 0.0
    for windows, recorded in chunks():
        deviation = deviations(windows, recorded, mean)
        total = total + np.einsum("wnt,wnt->n", deviation, deviation)
        count = count + windows.shape[2] * recorded.sum(axis=0)
    return np.asarray(np.sqrt(total / np.maximum(count, 1)))


def deviations(
    windows: NDArray[np.float64], recorded: NDArray[np.bool_], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Deviation from the mean, in place of the windows; 0 where missing."""
    windows -= mean[:, None]
    if not recorded.all():
        np.copyto(windows, 0.0, where=~recorded[:, :, None])
    return windows


def _frame_keys(windows: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return a number for each frame (n_windows, n_times), the same for equal frames."""
    random = np.random.default_rng(0).integers(2**63, size=(windows.shape[1], 1))
    factors = 2 * random.astype(np.uint64) + np.uint64(1)
    # Integers wrap around, so the sum does not depend on its order as one of floats would.
    bits = (windows + 0.0).view(np.uint64)
    mixed = (bits ^ (bits >> np.uint64(29))) * factors
    keys: NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(32))).sum(axis=1)
    return keys


def _runs(
    frames: NDArray[np.uint64],
) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.intp]]]:
    """For each length below that of a window, a label of each window's first and last frames."""
    n_windows, n_times = frames.shape
    base = 2 * np.random.default_rng(1).integers(2**63, size=1).astype(np.uint64) + np.uint64(1)
    power = np.ones_like(base)
    head, tail = np.zeros_like(frames[:, 0]), np.zeros_like(frames[:, 0])
    for length in range(1, n_times):
        head = head * base + frames[:, length - 1]
        tail = tail + frames[:, n_times - length] * power
        power = power * base
        label = np.unique(np.concatenate([head, tail]), return_inverse=True)[1].ravel()
        yield length, label[:n_windows], label[n_windows:]


def _count_new_frames(frames: NDArray[np.uint64]) -> int:
    """Count the frames of windows without those that another window holds too.

    Frames that happen to be equal, as those of spikes, are not the same. What tells is a run:
    a window overlaps another if its first frames are the last ones of the other. That is
    believed

    - of runs of a length by which different windows are told apart: at most a tenth of the
      windows begin like a different one. Then the other window may stand anywhere, so the
      order of the windows does not matter, and equal windows count once.
    - of the next window, of runs of the length that most pairs of neighbours share, and
      share far more often than two windows drawn at random. This finds the overlap of
      windows in which little happens, as long as they come in their order; shuffled, all
      their frames count.

    Windows of one frame overlap nothing.
    """
    n_windows, n_times = frames.shape
    _, window = np.unique(frames, axis=0, return_inverse=True)
    window = window.ravel()
    overlap = np.zeros(n_windows, dtype=np.intp)
    tells, best, beside = False, 0.0, overlap
    for length, head, tail in _runs(frames):
        n_labels = 1 + max(head.max(), tail.max())
        different = np.unique(np.column_stack([head, window]), axis=0)[:, 0]
        tells = (np.bincount(different, minlength=n_labels)[head] > 1).mean() <= _BY_CHANCE
        if tells:
            overlap[np.isin(head, tail)] = length
        shared = np.append(False, head[1:] == tail[:-1])
        starts, ends = (
            np.bincount(label, minlength=n_labels) / n_windows for label in (head, tail)
        )
        chance, fraction = float(starts @ ends), shared[1:].mean() if n_windows > 1 else 0.0
        if fraction > (1 + chance) / 2 and fraction - chance > best:
            best, beside = fraction - chance, np.where(shared, length, 0)
    overlap = np.maximum(overlap, beside)
    if not tells:
        return max(1, int((n_times - overlap).sum()))
    of_window = np.zeros(window.max() + 1, dtype=np.intp)
    np.maximum.at(of_window, window, overlap)
    return max(1, int((n_times - of_window).sum()))


@dataclass
class Repeats:
    """How far the frames of training windows repeat each other.

    Attributes
    ----------
    new : float
        Fraction of the frames that no other window holds too.
    autocorrelation : ndarray of shape (n_neurons,)
        Of each neuron, from a frame to the next one.
    """

    new: float
    autocorrelation: NDArray[np.float64]

    def frames(self, count: NDArray[np.float64], rows: slice) -> NDArray[np.float64]:
        """Count the independent ones of ``count`` frames of the pairs of some receivers."""
        common = self.autocorrelation[rows, None] * self.autocorrelation
        frames: NDArray[np.float64] = (1 - common) / (1 + common)
        frames *= self.new * count
        return frames


def independent_frames(chunks: Chunks, mean: NDArray[np.float64]) -> Repeats:
    """Compute the effective number of independent frames of each pair.

    Frames that overlapping windows repeat count once, as `_count_new_frames` says. Slow
    activity repeats itself too: the variance of the product of two independent series is that
    of ``(1 - r) / (1 + r)`` times as many independent frames, where ``r`` is the product of
    the autocorrelations at lag 1 (Bartlett, 1946, for series of first order;
    doi:10.2307/2983611). Windows of one frame tell nothing of either.
    """
    keys = []
    overlap = np.zeros_like(mean)
    first, second = np.zeros_like(mean), np.zeros_like(mean)
    for windows, recorded in chunks():
        keys.append(_frame_keys(windows))
        deviation = deviations(windows, recorded, mean)
        before, after = deviation[:, :, :-1], deviation[:, :, 1:]
        overlap += np.einsum("wnt,wnt->n", before, after)
        first += np.einsum("wnt,wnt->n", before, before)
        second += np.einsum("wnt,wnt->n", after, after)
    frames = np.concatenate(keys)
    scale = np.sqrt(first * second)
    repeats = np.divide(overlap, scale, out=np.zeros_like(mean), where=scale > 0)
    return Repeats(_count_new_frames(frames) / frames.size, np.clip(repeats, 0.0, _SLOWEST))
