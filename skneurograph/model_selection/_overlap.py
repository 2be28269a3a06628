"""Warn of splits that leak: training and test windows that share frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._lazy import LazyWindows, chunks_of_windows
from skneurograph.data._warnings import warn
from skneurograph.model_selection._folds import Fold

__all__ = ["warn_of_shared_frames"]

# Frames are told apart by at most so many neurons.
_MAX_NEURONS = 32


def warn_of_shared_frames(X: Any, folds: Sequence[Fold], groups: NDArray | None) -> None:
    """Warn if windows that overlap stand on both sides of a split.

    Organisms share no frames, so nothing is looked at where no group is split.
    """
    split = [fold for fold in folds if groups is None or _divides(groups, fold)]
    if not split or len(X.shape) != 3 or X.shape[2] < 2:
        return
    if isinstance(X, LazyWindows):
        n_shared = [_n_shared_by_place(X, fold) for fold in split]
    elif isinstance(X, np.ndarray) and X.dtype.kind in "buif":
        stretches = _stretches(X)
        n_shared = [_n_shared_by_value(stretches, fold) for fold in split]
    else:
        return
    n_folds = sum(count > 0 for count in n_shared)
    if n_folds:
        n_tested = sum(len(fold.test) for fold in split)
        warn(
            f"cv: {sum(n_shared)} of {n_tested} windows that are tested share frames with windows "
            f"trained on, in {n_folds} of {len(folds)} folds: scores are too good. Hold out "
            "organisms (groups=windows.groups, cv=None), or split in time with "
            f"TemporalSplit(gap=...), a gap of {X.shape[2] - 1} windows for windows that move on "
            "by one frame"
        )


def _divides(groups: NDArray, fold: Fold) -> bool:
    return bool(np.isin(groups[fold.test], groups[fold.train]).any())


def _n_shared_by_place(X: LazyWindows, fold: Fold) -> int:
    """Count tested windows less than a window away from one that is trained on."""
    recording, starts = X.places()
    n_shared = 0
    for index in np.unique(recording[fold.test]):
        trained = np.sort(starts[fold.train][recording[fold.train] == index])
        tested = starts[fold.test][recording[fold.test] == index]
        if len(trained):
            after = np.searchsorted(trained, tested)
            next_one = trained[np.minimum(after, len(trained) - 1)]
            last_one = trained[np.maximum(after - 1, 0)]
            distance = np.minimum(np.abs(next_one - tested), np.abs(last_one - tested))
            n_shared += int((distance < X.shape[2]).sum())
    return n_shared


def _n_shared_by_value(stretches: NDArray[np.uint64], fold: Fold) -> int:
    """Count tested windows that hold the first or the last stretch of one trained on.

    The first stretch of the later of two windows that overlap stands in the earlier one,
    and the last stretch of the earlier one in the later.
    """
    trained = stretches[fold.train]
    ends = np.unique(trained[:, [0, -1]])
    return int(np.isin(stretches[fold.test], ends[ends != 0]).any(axis=1).sum())


def _stretches(X: NDArray) -> NDArray[np.uint64]:
    """Return a number for every stretch of frames of each window, zero if it says nothing.

    A stretch is one frame, or, where frames recur by themselves (counts of spikes,
    silence), as many as cannot be the same by chance. It says nothing if it recurs within
    a window, or in more windows than can overlap.
    """
    n_times = X.shape[2]
    frames = _hash_frames(X)
    length = _n_telling(frames)
    if length >= n_times:
        return np.zeros((len(X), 1), dtype=np.uint64)
    n_places = n_times - length + 1
    stretches = frames[:, :n_places]
    says_nothing = stretches == 0
    still = np.ones(stretches.shape, dtype=bool)
    for step in range(1, length):
        further = frames[:, step : step + n_places]
        still &= further == frames[:, :n_places]
        says_nothing |= further == 0
        stretches = _mix(stretches * _ODD + further)
    if length > 1:
        says_nothing |= still
    values, counts = np.unique(stretches, return_counts=True)
    says_nothing |= np.isin(stretches, values[counts > n_places]) | _recurs_within(stretches)
    return np.where(says_nothing, np.uint64(0), stretches)


def _n_telling(frames: NDArray[np.uint64]) -> int:
    """Count the consecutive frames that are the same in two places only if they are one."""
    if not _recurs_within(frames).any():
        return 1
    _, counts = np.unique(frames, return_counts=True)
    part = counts / counts.sum()
    bits = float(-(part * np.log2(part)).sum())
    # So many bits make it unlikely that any two of all stretches agree by chance.
    needed = 2 * np.log2(frames.size) + 10
    return int(np.ceil(needed / bits)) if bits > 0 else frames.shape[1]


def _recurs_within(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Mark values that stand twice in their row."""
    order = np.argsort(values, axis=1, kind="stable")
    ranked = np.take_along_axis(values, order, axis=1)
    same = (ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] != 0)
    marked = np.zeros(values.shape, dtype=bool)
    marked[:, 1:] |= same
    marked[:, :-1] |= same
    out = np.zeros_like(marked)
    np.put_along_axis(out, order, marked, axis=1)
    return out


_ODD: Any = np.uint64(0x9E3779B97F4A7C15)


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(32))) * _ODD
    return bits ^ (bits >> np.uint64(29))


def _hash_frames(X: NDArray) -> NDArray[np.uint64]:
    """Return a number for each frame, the same for the same values; zero if all are missing.

    Sums of integers do not depend on their order, as those of floats would.
    """
    # The neurons that most windows hold tell frames apart as well as all do.
    columns = np.argsort(np.isnan(X[:, :, 0]).mean(axis=0), kind="stable")[:_MAX_NEURONS]
    seeds = np.random.default_rng(0).integers(2**63, size=(len(columns), 1), dtype=np.uint64)
    hashed = np.empty((len(X), X.shape[2]), dtype=np.uint64)
    per_window = len(columns) * X.shape[2]
    for rows, part in chunks_of_windows(X, per_window, columns=columns):
        # Adding zero makes one of both zeros.
        part = part.astype(np.float64, copy=False) + 0.0
        words = _mix(part.view(np.uint64) ^ seeds)
        hashed[rows] = np.where(np.isnan(part), 0, words).sum(axis=1)
    return hashed
