"""Rats and mice on tracks: what benchmarks/marble.py and benchmarks/tavrnn.py have in common.

Recordings are cut into pieces that nothing crosses: the parts for training and for the test
and, of the mice, whose files join their laps, laps. Rates are smoothed within a piece
(Gaussian, 0.25 s, not causal); principal components are fitted to the pieces of training.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor

from skneurograph import Recording, sliding_windows
from skneurograph.preprocessing import smooth_spikes

__all__ = [
    "Passes",
    "States",
    "cut_passes",
    "decode",
    "most_active",
    "mouse_passes",
    "mouse_paths",
    "mouse_states",
    "rat_passes",
    "rat_paths",
    "rat_states",
]

Piece = tuple[int, int]

KERNEL_SECONDS = 0.25
# Parts of the track between which passes are told apart: metres, and bins of the mice.
RAT_SEGMENTS = ((0, 0.2), (0.7, 0.9), (1.4, 1.6))
MOUSE_SEGMENTS = ((3, 9), (10, 15), (16, 22))
# The shortest pass of the first rat; correlations of fewer frames say little.
LEAST_FRAMES = 7


def rat_paths(folder: Path) -> list[Path]:
    return sorted((folder / "rat_hippocampus").glob("rat_*.npz"))


def mouse_paths(folder: Path) -> list[Path]:
    return sorted((folder / "mice").glob("*.npz"))


@dataclass(frozen=True)
class States:
    """States of the part for training and of the part for the test, in this order.

    Attributes
    ----------
    windows : pair of ndarray of shape (n_windows, n_components, 2)
        Principal components of the rates in two frames.
    rates : pair of ndarray of shape (n_windows, n_neurons)
    place : pair of ndarray of shape (n_windows, 2)
        Position and direction (0 or 1) at the first of the two frames.
    n_steps : int
        Frames of the width of the kernel: how far MARBLE follows the flow.
    """

    windows: tuple[NDArray, NDArray]
    rates: tuple[NDArray, NDArray]
    place: tuple[NDArray, NDArray]
    n_steps: int


def make_states(
    recording: Recording,
    direction: NDArray,
    train: Sequence[Piece],
    test: Sequence[Piece],
    n_components: int,
) -> States:
    place = np.column_stack([recording.covariates["position"], direction]).astype(float)
    fs = recording.sampling_rate

    def smoothed(pieces: Sequence[Piece]) -> list[NDArray]:
        counts = recording.activity.astype(float)
        return [
            np.asarray(smooth_spikes(counts[a:b], sd=KERNEL_SECONDS, sampling_rate=fs))
            for a, b in pieces
        ]

    rates = smoothed(train), smoothed(test)
    pca = PCA(n_components, svd_solver="full").fit(np.concatenate(rates[0]))

    def windows(parts: list[NDArray]) -> NDArray:
        return np.concatenate([sliding_windows(pca.transform(part), 2).X for part in parts])

    return States(
        (windows(rates[0]), windows(rates[1])),
        tuple(np.concatenate([part[:-1] for part in parts]) for parts in rates),
        tuple(np.concatenate([place[a : b - 1] for a, b in parts]) for parts in (train, test)),
        round(KERNEL_SECONDS * fs),
    )


def rat_states(path: Path, n_components: int = 20) -> States:
    """States of a rat: the first 80 % of the recording, and the last 20 %."""
    recording = Recording.load(path)
    n_times = len(recording.activity)
    cut = int(0.8 * n_times)
    direction = recording.covariates["direction"] > 0.5
    return make_states(recording, direction, [(0, cut)], [(cut, n_times)], n_components)


def mouse_states(path: Path, n_components: int = 20) -> States:
    """States of a mouse: of each direction, the first 80 % of the laps, and the last 20 %."""
    recording = Recording.load(path)
    direction = np.unique(recording.behavior, return_inverse=True)[1]
    least = 2 * KERNEL_SECONDS * recording.sampling_rate
    train, test = [], []
    for k in np.unique(direction):
        laps = [(a, b) for a, b in laps_of(recording) if direction[a] == k and b - a >= least]
        cut = int(0.8 * len(laps))
        train, test = train + laps[:cut], test + laps[cut:]
    return make_states(recording, direction, train, test, n_components)


def laps_of(recording: Recording) -> list[Piece]:
    """Laps, each in one direction."""
    direction = np.unique(recording.behavior, return_inverse=True)[1]
    return runs_of(np.column_stack([recording.covariates["lap"], direction]))


def runs_of(values: NDArray) -> list[Piece]:
    """Where values stay the same."""
    changes = (np.diff(values.reshape(len(values), -1), axis=0) != 0).any(axis=1)
    bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), len(values)]
    return list(itertools.pairwise(bounds))


def decode(train: NDArray, test: NDArray, states: States) -> tuple[float, float, float]:
    """Median error, R2 of the position, accuracy of the direction; 36 neighbours by cosine."""
    near = KNeighborsRegressor(36, metric="cosine")
    near.fit(train.astype(np.float32), states.place[0])
    found, truth = near.predict(test.astype(np.float32)), states.place[1]
    return (
        float(np.median(np.abs(found[:, 0] - truth[:, 0]))),
        float(r2_score(truth[:, 0], found[:, 0])),
        float(((found[:, 1] > 0.5) == (truth[:, 1] > 0.5)).mean()),
    )


class Passes(NamedTuple):
    """Passes through segments of a track, in order of time.

    Attributes
    ----------
    X : ndarray of shape (n_passes, n_neurons, n_times)
        NaN after the end of a pass.
    segments, lengths, sequences : ndarray of int, shape (n_passes,)
        Which segment; how many frames; of the mice, which direction.
    """

    X: NDArray[np.float32]
    segments: NDArray[np.intp]
    lengths: NDArray[np.intp]
    sequences: NDArray[np.intp]


def cut_passes(
    recording: Recording, segments: Sequence[tuple[float, float]], pieces: NDArray
) -> Passes:
    """Cut passes of at least seven frames; they end with their segment or their piece.

    ``pieces`` tells for each frame in which it lies, its last column in which sequence.
    """
    position = recording.covariates["position"]
    where = np.full(len(position), -1)
    for k, (low, high) in enumerate(segments):
        where[(position >= low) & (position <= high)] = k
    found = [
        (start, stop)
        for start, stop in runs_of(np.column_stack([where, pieces]))
        if where[start] >= 0 and stop - start >= LEAST_FRAMES
    ]
    lengths = np.array([stop - start for start, stop in found])
    X = np.full((len(found), recording.activity.shape[1], lengths.max()), np.nan, np.float32)
    for k, (start, stop) in enumerate(found):
        X[k, :, : stop - start] = recording.activity[start:stop].T
    starts = [start for start, _ in found]
    return Passes(X, where[starts], lengths, pieces[starts, -1])


def rat_passes(path: Path) -> Passes:
    recording = Recording.load(path)
    return cut_passes(recording, RAT_SEGMENTS, np.zeros((len(recording.activity), 1), np.intp))


def mouse_passes(path: Path) -> Passes:
    recording = Recording.load(path)
    direction = np.unique(recording.behavior, return_inverse=True)[1]
    laps = recording.covariates["lap"].astype(np.intp)
    return cut_passes(recording, MOUSE_SEGMENTS, np.column_stack([laps, direction]))


def most_active(X: NDArray, train: NDArray, n_neurons: int) -> NDArray[np.intp]:
    """Return the neurons that are most active in the passes of training."""
    return np.sort(np.argsort(-np.nansum(X[train], axis=(0, 2)), kind="stable")[:n_neurons])
