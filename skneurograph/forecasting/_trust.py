"""Drifting baselines: how far forecasts may revert to a level and leave the last frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._lazy import LazyWindows, cut_windows
from skneurograph.forecasting._linear import fit_own
from skneurograph.forecasting._scaling import FrameScaler, is_still

__all__ = [
    "FULL_TRUST",
    "HORIZON",
    "StandardFrames",
    "TrialPart",
    "Trust",
    "cut_thirds",
    "known_frames",
    "measure_trust",
    "roll_out_within",
    "spaced",
]

# Forecasts are tried so many steps ahead, as far as there are frames.
HORIZON = 16
# At most so many windows are fitted, and so many are forecast, in each trial.
_FITTED, _TRIED = 2048, 512
# A third of the windows that is shorter than this tells too little.
_FEWEST = 10
_REVERSIONS = (1.0, 0.75, 0.5, 0.25, 0.0)
# Less than full trust has to reduce the error by so much of that of the last frame.
_GAIN = 0.02


class Trust(NamedTuple):
    """How far forecasts are trusted where baselines may drift.

    Attributes
    ----------
    reversion : float
        Part of a window's level from which forecasts return to the training mean.
    kept : ndarray of shape (n_horizons,)
        Part of the forecast distance from the last frame that is kept at each step; the
        last one holds for all further steps.
    """

    reversion: float
    kept: NDArray[np.float64]

    def at(self, n_steps: int) -> NDArray[np.float64]:
        """Part that is kept at each of the first steps."""
        return self.kept[np.minimum(np.arange(n_steps), len(self.kept) - 1)]


FULL_TRUST = Trust(1.0, np.ones(1))


class StandardFrames(NamedTuple):
    """Windows in units of each neuron's spread.

    Attributes
    ----------
    frames : ndarray of shape (n_windows, n_neurons, n_times)
        Zero where a neuron is missing or silent.
    mean : ndarray of shape (n_windows, n_neurons)
        Of each window.
    missing : ndarray of bool of shape (n_windows, n_neurons)
    """

    frames: NDArray[np.float64]
    mean: NDArray[np.float64]
    missing: NDArray[np.bool_]

    @classmethod
    def of(cls, windows: NDArray, scaler: FrameScaler) -> StandardFrames:
        """Read an array of windows, in units of the activity."""
        missing = np.isnan(windows).any(axis=2)
        frames = scaler.standardise(windows)
        frames[missing] = 0
        return cls(frames, frames.mean(axis=2), missing)

    def relative(
        self, n_lags: int, scaler: FrameScaler, reversion: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the last frames relative to the level of their window, and that level.

        As `skneurograph.nn.RolloutModel` does it: the level is all of what the mean of the
        window lies beyond those of training, and ``1 - reversion`` of what it lies within.
        """
        within = np.clip(self.mean, scaler.low, scaler.high)
        level = np.where(self.missing, 0, self.mean - reversion * within)
        return self.frames[:, :, -n_lags:] - level[:, :, None], level


def known_frames(windows: NDArray, following: NDArray, scaler: FrameScaler) -> NDArray[np.bool_]:
    """Return which neurons teach what follows a window: recorded, and not at rest or silent."""
    rests = is_still(windows) & scaler.rests
    known: NDArray[np.bool_] = ~(np.isnan(windows).any(axis=2) | np.isnan(following) | rests)
    return known & (scaler.scale > 0)


def roll_out_within(
    frames: NDArray[np.float64],
    change: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    n_steps: int,
    limit: float,
) -> NDArray[np.float64]:
    """Feed forecasts back, within the limit or the range of these frames.

    Parameters
    ----------
    frames : ndarray of shape (n_windows, n_neurons, n_times)
    change : callable
        Gives the change (n_windows, n_neurons) after frames of this shape.
    n_steps : int
    limit : float

    Returns
    -------
    ndarray of shape (n_windows, n_neurons, n_steps)
    """
    bound = np.maximum(np.abs(frames).max(axis=2), limit)
    steps = np.empty((*frames.shape[:2], n_steps))
    for step in range(n_steps):
        steps[:, :, step] = np.clip(frames[:, :, -1] + change(frames), -bound, bound)
        frames = np.concatenate([frames[:, :, 1:], steps[:, :, step, None]], axis=2)
    return steps


def measure_trust(
    windows: NDArray | LazyWindows,
    following: NDArray,
    weight: NDArray[np.float64],
    n_lags: int,
) -> Trust:
    """Try on training windows how far forecasts hold elsewhere in time.

    The first and the last third of the windows, which are taken to be in order of time,
    are forecast by autoregressions that are fitted to the rest, a gap apart. Every neuron
    counts the same. Of the distance that a forecast moves away from the last frame, the
    part is kept at each step that gives the least error in the third where it is smaller;
    of the reversions to the mean, that with the least error in both is taken. Both are left
    at one if that costs no more than 2 % of the error of the last frame.

    Parameters
    ----------
    windows : ndarray or LazyWindows of shape (n_windows, n_neurons, n_times)
    following : ndarray of shape (n_windows, n_neurons, n_steps)
        The frames that follow. If they are few, the last frames of the windows are forecast
        as well, from those before.
    weight : ndarray of shape (n_windows,)
    n_lags : int
        Frames that the autoregressions read, at most.

    Returns
    -------
    Trust
        Full trust where there are too few windows to tell.
    """
    trials = [
        _try(earlier, later, n_lags) for earlier, later in cut_thirds(windows, following, weight)
    ]
    return _weigh_up(np.array(trials)) if trials else FULL_TRUST


def cut_thirds(
    windows: NDArray | LazyWindows, following: NDArray, weight: NDArray[np.float64]
) -> Iterator[tuple[TrialPart, TrialPart]]:
    """Cut what is fitted and what is tried: without and within the first and the last third."""
    n_times, n_ahead = windows.shape[2], min(following.shape[2], HORIZON)
    n_inside = max(0, min(HORIZON - n_ahead, n_times // 2))
    for fitted, tried in _thirds(weight, n_times + following.shape[2] - 1):
        earlier, later = (
            TrialPart.cut(windows, following[:, :, :n_ahead], weight, rows, n_inside)
            for rows in (fitted, tried)
        )
        if not np.isnan(earlier.windows).any(axis=2).all():
            yield earlier, later


def _weigh_up(trials: NDArray[np.float64]) -> Trust:
    """Choose from the sums of `_try`, (n_trials, n_reversions, 3, n_steps)."""
    truth, forecast, both = np.moveaxis(trials, 2, 0)
    best = np.divide(both, forecast, out=np.ones_like(both), where=forecast > 0)
    kept = np.clip(best, 0, 1).min(axis=0)
    still = np.maximum(truth.sum(axis=0), np.finfo(np.float64).tiny)

    def error(part: NDArray[np.float64]) -> NDArray[np.float64]:
        left = (truth - 2 * part * both + part**2 * forecast).sum(axis=0)
        return np.mean(left / still, axis=1)

    least = error(kept)
    if error(np.ones_like(kept))[0] <= least.min() + _GAIN:
        return FULL_TRUST
    chosen = int(np.argmin(least))
    return Trust(_REVERSIONS[chosen], kept[chosen])


class TrialPart(NamedTuple):
    """Windows without their last frames, and what follows then."""

    windows: NDArray
    following: NDArray
    weight: NDArray[np.float64]

    @classmethod
    def cut(
        cls,
        windows: NDArray | LazyWindows,
        following: NDArray,
        weight: NDArray[np.float64],
        rows: NDArray[np.intp],
        n_inside: int,
    ) -> TrialPart:
        whole = cut_windows(windows, rows, None)
        start = whole.shape[2] - n_inside
        after = np.concatenate([whole[:, :, start:], following[rows]], axis=2)
        return cls(whole[:, :, :start], after, weight[rows])


def _thirds(
    weight: NDArray[np.float64], gap: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return windows to fit and to try: without and within the first and the last third."""
    n_windows = len(weight)
    # By weight, so that a window of weight two counts as two.
    part = np.cumsum(weight) / weight.sum()
    first, last = np.searchsorted(part, [1 / 3, 2 / 3])
    gap = min(gap, n_windows // 6)
    if min(first, n_windows - last) >= _FEWEST:
        for fitted, tried in (
            (np.arange(first + gap, n_windows), np.arange(first)),
            (np.arange(last - gap), np.arange(last, n_windows)),
        ):
            yield spaced(fitted, _FITTED), spaced(tried, _TRIED)


def spaced(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Take at most so many rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def _try(earlier: TrialPart, later: TrialPart, n_lags: int) -> list[NDArray[np.float64]]:
    """Sum squared changes, squared forecast changes and their products at each step.

    One array (3, n_steps) for each reversion. Anonymous columns count as neurons here: in
    any one organism they are, and it is those whose levels drift.
    """
    scaler = FrameScaler(earlier.windows, earlier.weight, following=earlier.following)
    known = known_frames(earlier.windows, earlier.following[:, :, 0], scaler)
    first = scaler.standardise(earlier.following[:, :, :1])[:, :, 0]
    truth = scaler.standardise(later.following - later.windows[:, :, -1:] + scaler.mean[:, None])
    used = known_frames(later.windows, later.following[:, :, 0], scaler)[:, :, None]
    counted = (used & ~np.isnan(truth)) * later.weight[:, None, None]
    truth = np.where(counted > 0, truth, 0)
    fitted, tried = (StandardFrames.of(x.windows, scaler) for x in (earlier, later))
    found = []
    for reversion in _REVERSIONS:
        lags, level = fitted.relative(n_lags, scaler, reversion)
        change = np.where(known, first - level - lags[:, :, -1], 0)
        own, offset, _ = fit_own(lags, change, known, earlier.weight)
        lags, _ = tried.relative(n_lags, scaler, reversion)
        forecast = _roll_own(lags, own, offset, truth.shape[2], scaler.limit)
        pairs = ((truth, truth), (forecast, forecast), (truth, forecast))
        found.append(np.stack([(counted * a * b).sum(axis=0) for a, b in pairs]))
    # Every neuron counts the same, whatever it does in this part.
    size = found[0][0].sum(axis=1)
    share = np.divide(1, size, out=np.zeros_like(size), where=size > 0)
    return [np.einsum("pnh,n->ph", sums, share) for sums in found]


def _roll_own(
    lags: NDArray[np.float64],
    own: NDArray[np.float64],
    offset: NDArray[np.float64],
    n_steps: int,
    limit: float,
) -> NDArray[np.float64]:
    """Forecast how far neurons move away from the last frame, each by itself."""

    def change(frames: NDArray[np.float64]) -> NDArray[np.float64]:
        moved: NDArray[np.float64] = np.einsum("wnl,nl->wn", frames, own) + offset
        return moved

    return roll_out_within(lags, change, n_steps, limit) - lags[:, :, -1:]
