"""Means and products of pairs of neurons, each pair over the frames that hold both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CONSTANT",
    "Chunks",
    "Pairs",
    "independent_frames",
    "nearest_correlation",
    "neuron_means",
    "noise_edge",
    "pairwise_products",
    "without_noise",
]

# A neuron that deviates from its mean by no more than this fraction of it is constant.
CONSTANT = 1e-10
_ROUNDING = 1e-10
_SLOWEST = 0.999  # autocorrelation
# Runs of frames tell windows apart if at most this fraction of the windows begins like another.
_BY_CHANCE = 0.1

Chunks = Callable[[], Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]]
"""Gives windows (n_rows, n_neurons, n_times), 0 where missing, and who is recorded."""


@dataclass
class Pairs:
    """Sums over the frames in which receiver (row) and sender (column) are both recorded.

    Activity is taken as the deviation from each neuron's mean.

    Attributes
    ----------
    count : ndarray of shape (n_neurons, n_neurons)
        Number of frames.
    product, receiver, sender, receiver_square, sender_square, product_square : ndarray
        Sums of the products, of the two activities, and of the squares of all three.
    """

    count: NDArray[np.float64]
    product: NDArray[np.float64]
    receiver: NDArray[np.float64]
    sender: NDArray[np.float64]
    receiver_square: NDArray[np.float64]
    sender_square: NDArray[np.float64]
    product_square: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Pairs that were recorded together at least once."""
        return self.count > 0

    def correlation(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pearson correlation of each pair over its own frames; 0 if one is constant."""
        count = np.maximum(self.count, 1)
        receiver, sender = self.receiver / count, self.sender / count
        covariance = self.product / count - receiver * sender
        spread_of_receiver = np.sqrt(np.maximum(self.receiver_square / count - receiver**2, 0))
        spread_of_sender = np.sqrt(np.maximum(self.sender_square / count - sender**2, 0))
        floor = CONSTANT * np.abs(mean)
        varies = (spread_of_receiver > floor[:, None]) & (spread_of_sender > floor)
        scale = np.where(varies, spread_of_receiver * spread_of_sender, 1.0)
        return np.clip(np.where(varies, covariance / scale, 0.0), -1, 1)


def neuron_means(chunks: Chunks) -> NDArray[np.float64]:
    """Mean of each neuron over the frames of the windows that hold it."""
    total, count = 0.0, 0.0
    for windows, recorded in chunks():
        total = total + (windows * recorded[:, :, None]).sum(axis=(0, 2))
        count = count + windows.shape[2] * recorded.sum(axis=0)
    return np.asarray(total / np.maximum(count, 1))


def pairwise_products(
    chunks: Chunks, mean: NDArray[np.float64], *, lag: int = 0, first: int | None = None
) -> Pairs:
    """Sum the products of the receiver's frames and the sender's ``lag`` frames before.

    Parameters
    ----------
    chunks : callable
        Gives an iterator over chunks of windows.
    mean : ndarray of shape (n_neurons,)
        Taken off the activity.
    lag : int, default=0
        Frames by which the sender is ahead.
    first : int, optional
        First frame of the receiver that counts; ``lag`` by default.

    Returns
    -------
    Pairs
    """
    n_neurons = len(mean)
    sums = {name: np.zeros((n_neurons, n_neurons)) for name in Pairs.__dataclass_fields__}
    first = lag if first is None else first
    for windows, recorded in chunks():
        held = recorded.astype(np.float64)
        centred = (windows - mean[:, None]) * held[:, :, None]
        n_times = windows.shape[2]
        receiver = centred[:, :, first:]
        sender = centred[:, :, first - lag : n_times - lag]
        sums["count"] += (n_times - first) * (held.T @ held)
        sums["product"] += _product(receiver, sender)
        sums["product_square"] += _product(receiver**2, sender**2)
        sums["receiver"] += receiver.sum(axis=2).T @ held
        sums["sender"] += held.T @ sender.sum(axis=2)
        sums["receiver_square"] += (receiver**2).sum(axis=2).T @ held
        sums["sender_square"] += held.T @ (sender**2).sum(axis=2)
    return Pairs(**sums)


def _product(receiver: NDArray[np.float64], sender: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over windows and frames."""
    n_neurons = receiver.shape[1]
    rows = receiver.transpose(1, 0, 2).reshape(n_neurons, -1)
    columns = sender.transpose(1, 0, 2).reshape(n_neurons, -1)
    product: NDArray[np.float64] = rows @ columns.T
    return product


def _frame_keys(windows: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Give a number for each frame (n_windows, n_times), the same for equal frames."""
    random = np.random.default_rng(0).integers(2**63, size=(windows.shape[1], 1))
    factors = 2 * random.astype(np.uint64) + np.uint64(1)
    # Integers wrap around, so the sum does not depend on its order as one of floats would.
    bits = np.ascontiguousarray(windows + 0.0).view(np.uint64)
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


def independent_frames(chunks: Chunks, pairs: Pairs) -> NDArray[np.float64]:
    """Count the frames of each pair that tell something new.

    Frames that overlapping windows repeat count once, as `_count_new_frames` says. Slow
    activity repeats itself too: the variance of the product of two independent series is that
    of ``(1 - r) / (1 + r)`` times as many independent frames, where ``r`` is the product of
    the autocorrelations at lag 1 (Bartlett, 1946, for series of first order;
    doi:10.2307/2983611). Windows of one frame tell nothing of either.
    """
    frames = np.concatenate([_frame_keys(windows) for windows, _ in chunks()])
    new = _count_new_frames(frames) / frames.size
    mean = neuron_means(chunks)
    overlap = np.zeros_like(mean)
    first, second = np.zeros_like(mean), np.zeros_like(mean)
    for windows, recorded in chunks():
        centred = (windows - mean[:, None]) * recorded[:, :, None]
        overlap += (centred[:, :, 1:] * centred[:, :, :-1]).sum(axis=(0, 2))
        first += (centred[:, :, :-1] ** 2).sum(axis=(0, 2))
        second += (centred[:, :, 1:] ** 2).sum(axis=(0, 2))
    scale = np.sqrt(first * second)
    repeats = np.divide(overlap, scale, out=np.zeros_like(mean), where=scale > 0)
    repeats = np.clip(repeats, 0.0, _SLOWEST)
    common = repeats[:, None] * repeats
    return pairs.count * new * (1 - common) / (1 + common)


def nearest_correlation(
    correlation: NDArray[np.float64], floor: float = 0.0
) -> NDArray[np.float64]:
    """Clip negative eigenvalues and restore the diagonal.

    Correlations of pairs over different frames need not fit together.
    """
    values, vectors = np.linalg.eigh(correlation)
    if values[0] >= floor - _ROUNDING:
        return correlation
    clipped = (vectors * np.maximum(values, floor)) @ vectors.T
    scale = np.sqrt(np.maximum(np.diag(clipped), np.finfo(float).tiny))
    target = np.sqrt(np.maximum(np.diag(correlation), 0))
    scale = np.divide(target, scale, out=np.ones_like(scale), where=target > 0)
    nearest: NDArray[np.float64] = clipped * scale[:, None] * scale
    return nearest


def noise_edge(n_neurons: float, n_frames: float) -> float:
    """Upper edge of the spectrum of correlations of independent noise.

    References
    ----------
    V. A. Marchenko, L. A. Pastur (1967). Distribution of eigenvalues for some sets of random
    matrices. Mathematics of the USSR-Sbornik 1, 457. doi:10.1070/SM1967v001n04ABEH001994
    """
    return float((1 + np.sqrt(n_neurons / max(n_frames, 1))) ** 2)


def without_noise(correlation: NDArray[np.float64], n_frames: float) -> NDArray[np.float64]:
    """Rebuild symmetric matrices from the eigenvalues above the noise."""
    values, vectors = np.linalg.eigh(correlation)
    kept = np.where(values > noise_edge(correlation.shape[-1], n_frames), values, 0.0)
    rebuilt: NDArray[np.float64] = (vectors * kept[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return (rebuilt + np.swapaxes(rebuilt, -1, -2)) / 2
