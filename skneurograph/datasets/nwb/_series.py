"""Time series of NWB files, in their units, resampled to the frames of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._clock import GAP_IN_INTERVALS
from skneurograph.datasets.nwb._file import is_a

__all__ = [
    "Frames",
    "Placement",
    "at_frames",
    "events_at_frames",
    "intervals_at_frames",
    "kind_of",
    "lacks_unit_of_angles",
    "sampling_rate",
    "times_of",
    "values_in_units",
]

Kind = Literal["values", "step", "events", "intervals", "annotations"]

_PIECE = 2**21  # values read at once where they have to be scaled
_PERIODS = {
    **dict.fromkeys(("rad", "radian", "radians"), 2 * np.pi),
    **dict.fromkeys(("deg", "degree", "degrees", "°"), 360.0),
}


@dataclass(frozen=True)
class Frames:
    """When the frames of the activity are: seconds on the clock of the file, and Hz."""

    time: NDArray[np.float64]
    rate: float

    @property
    def slack(self) -> float:
        """What absorbs the rounding of times, as in `Recording.between`; seconds."""
        return 5e-4 / self.rate


def kind_of(series: Any) -> Kind:
    """Return the kind of a series: sampled values, steps, events, intervals or annotations."""
    if is_a(series, "IntervalSeries"):
        return "intervals"
    if is_a(series, "AnnotationSeries"):
        return "annotations"
    continuity = getattr(series, "continuity", None)
    irregular = series.timestamps is not None and continuity is None
    if (
        continuity == "instantaneous"
        or is_a(series, "SpikeEventSeries")
        or (is_a(series.parent, "BehavioralEvents") and irregular)
    ):
        return "events"
    return "step" if continuity == "step" or is_a(series, "IndexSeries") else "values"


def values_in_units(path: str, series: Any, channel_axis: int = 1) -> NDArray:
    """Read ``data * channel_conversion * conversion + offset`` piece by piece.

    Parameters
    ----------
    path : str
        For the messages.
    series : pynwb.TimeSeries
        Of one or two dimensions.
    channel_axis : int, default=1
        The axis of the channels, if there are two.
    """
    data = series.data
    if np.dtype(data.dtype).kind not in "buif":
        return np.asarray(data[:])
    scale = _scale(path, series, data.shape, channel_axis)
    offset = series.offset
    if np.all(scale == 1) and offset == 0:
        return np.asarray(data[:])
    if not (np.isfinite(scale).all() and np.isfinite(offset)):
        raise ValueError(f"{path}: got a conversion or offset that is not finite; expected numbers")
    values = np.empty(data.shape, dtype=np.result_type(data.dtype, scale, np.asarray(offset)))
    scale = np.broadcast_to(scale, (len(values), *scale.shape[1:]))
    n_rows = max(1, _PIECE // max(1, int(np.prod(data.shape[1:]))))
    for start in range(0, len(values), n_rows):
        rows = slice(start, start + n_rows)
        np.multiply(data[rows], scale[rows], out=values[rows])
        values[rows] += offset
    return values


def _scale(path: str, series: Any, shape: tuple[int, ...], channel_axis: int) -> NDArray:
    """Return the factor of each channel, or of all, in a shape that goes with the data."""
    factors = getattr(series, "channel_conversion", None)
    if factors is None:
        return np.full((1,) * len(shape), series.conversion)
    factors = np.asarray(factors[:]) * series.conversion
    n_channels = shape[channel_axis] if len(shape) == 2 else 1
    if factors.shape != (n_channels,):
        raise ValueError(
            f"{path}: got a channel_conversion of shape {factors.shape}; expected one factor for "
            f"each of {n_channels} channels"
        )
    return factors.reshape(
        (1, -1) if len(shape) == 2 and channel_axis == 1 else (-1, 1)[: len(shape)]
    )


def times_of(path: str, series: Any, n_samples: int, *, ties: bool = False) -> NDArray[np.float64]:
    """Seconds of the samples on the clock of the file; `ties` allows equal ones."""
    if not n_samples and not ties:
        raise ValueError(f"{path}: got no sample; expected at least one")
    if series.timestamps is None:
        start, rate = series.starting_time or 0.0, series.rate or 0.0
        if not (np.isfinite(rate) and rate > 0 and np.isfinite(start)):
            raise ValueError(
                f"{path}: got a rate of {rate:g} Hz and a starting_time of {start:g} s; expected "
                "a positive rate and a finite start"
            )
        return start + np.arange(n_samples) / rate
    times = np.asarray(series.timestamps[:], dtype=np.float64)
    if len(times) != n_samples:
        raise ValueError(f"{path}: got {n_samples} samples, but {len(times)} timestamps")
    steps = np.diff(times)
    wrong = ~np.isfinite(times)
    wrong[1:] |= steps < 0 if ties else steps <= 0
    if wrong.any():
        k = int(wrong.argmax())
        after = f" after {times[k - 1]:.10g} s" if k and np.isfinite(times[k]) else ""
        order = "do not decrease" if ties else "increase"
        raise ValueError(
            f"{path}: expected timestamps that are finite and {order}; got {times[k]:.10g} s"
            f"{after} at sample {k}"
        )
    return times


def sampling_rate(path: str, series: Any, times: NDArray[np.float64]) -> float:
    """Hz of a series: its own, or one over the median interval between its timestamps."""
    if series.rate:
        return float(series.rate)
    if len(times) < 2:
        raise ValueError(f"{path}: one timestamp tells no sampling rate; expected at least two")
    return float(1 / np.median(np.diff(times)))


@dataclass(frozen=True)
class Placement:
    """Where the frames lie among the samples of a series.

    Attributes
    ----------
    before, after, nearest : ndarray of int, shape (n_frames,)
        Samples around each frame; the first or last one for frames outside.
    fraction : ndarray of shape (n_frames,)
        How far a frame lies from `before` to `after`; 0 or 1 where no line joins them.
    known : ndarray of bool, shape (n_frames,)
        Whether the series covers the frame.
    """

    before: NDArray[np.intp]
    after: NDArray[np.intp]
    nearest: NDArray[np.intp]
    fraction: NDArray[np.float64]
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, path: str, series: Any, n_samples: int, frames: Frames) -> Placement:
        """Place frames among the samples of a series of values or of steps."""
        samples = times_of(path, series, n_samples)
        if kind_of(series) == "step":
            return cls._steps(series, samples, frames)
        interval = 1 / sampling_rate(path, series, samples)
        time = frames.time
        # A frame at a sample takes its value alone, whatever rounding did to their times.
        rounding = max(1e-6 * interval, 4 * np.spacing(np.abs(samples).max()))
        last = np.searchsorted(samples, time + rounding, side="right") - 1
        before, after = last.clip(0), (last + 1).clip(0, n_samples - 1)
        since, until = time - samples[before], samples[after] - time
        nearest = np.where(since <= until, before, after)
        nearest = np.where(last < 0, 0, np.where(last == n_samples - 1, last, nearest))
        apart = samples[after] - samples[before]
        joined = (last >= 0) & (after > before) & (apart <= GAP_IN_INTERVALS * interval)
        # A thousandth more absorbs the rounding of times.
        close = np.abs(time - samples[nearest]) <= 0.501 * interval
        fraction = np.where(nearest == after, 1.0, 0.0)
        np.divide(since, apart, out=fraction, where=joined)
        fraction[np.abs(since) <= rounding] = 0.0
        return cls(before, after, nearest, fraction, close | joined)

    @classmethod
    def _steps(cls, series: Any, samples: NDArray[np.float64], frames: Frames) -> Placement:
        """Let a value hold until the next sample, a last one without a rate to the end."""
        last = np.searchsorted(samples, frames.time + frames.slack, side="right") - 1
        known = last >= 0
        if series.timestamps is None:
            known &= frames.time < samples[-1] + 1 / series.rate - frames.slack
        before = last.clip(0)
        return cls(before, before, before, np.zeros(len(before)), known)


def at_frames(series: Any, values: NDArray, placement: Placement) -> NDArray[np.float64]:
    """Return one column of a series at the frames, NaN where it covers none.

    Numbers are interpolated linearly, angles along the shorter arc. Booleans, integers without
    a scale and columns of nothing but 0 and 1 are states: they take the nearest sample, as
    a fraction of a state has no meaning.
    """
    values_at = values.astype(np.float64, copy=False)
    first = values_at[placement.before]
    if _is_state(series, values):
        result = values_at[placement.nearest]
    else:
        change = values_at[placement.after] - first
        period = _period_of(series, values_at)
        if period is not None:
            change -= period * np.round(change / period)
        between = (placement.fraction > 0) & (placement.fraction < 1)
        result = np.where(
            between, first + placement.fraction * change, values_at[placement.nearest]
        )
        if period is not None:
            result = np.where(between, _within_turn(result, values_at, period), result)
    return np.where(placement.known, result, np.nan)


def _is_state(series: Any, values: NDArray) -> bool:
    if values.dtype.kind == "b" or kind_of(series) == "step" or lacks_unit_of_angles(series):
        return True
    if getattr(series, "continuity", None) == "continuous":
        return False
    known = values[~np.isnan(values)]
    return values.dtype.kind in "iu" or bool(((known == 0) | (known == 1)).all())


def lacks_unit_of_angles(series: Any) -> bool:
    """Whether a series is of directions, but nobody can tell where a turn is full."""
    return is_a(series.parent, "CompassDirection") and _unit(series) not in _PERIODS


def _unit(series: Any) -> str:
    return str(series.unit).strip().lower()


def _period_of(series: Any, values: NDArray[np.float64]) -> float | None:
    """Return a full turn in the unit of angles; None for what is no angle or counts turns."""
    period = _PERIODS.get(_unit(series))
    known = values[np.isfinite(values)]
    if period is None or not len(known) or np.ptp(known) > period * (1 + 1e-6):
        return None
    return period


def _within_turn(
    angles: NDArray[np.float64], values: NDArray[np.float64], period: float
) -> NDArray[np.float64]:
    """Bring angles back to the turn that the values lie in."""
    low = np.nanmin(values)
    start = 0.0 if low >= 0 else min(low, -period / 2)
    outside = (angles < start) | (angles > start + period)
    return np.where(outside, start + (angles - start) % period, angles)


def intervals_at_frames(path: str, series: Any, frames: Frames) -> dict[str, NDArray[np.float64]]:
    """Return 1 inside the intervals of an `IntervalSeries` and 0 outside, for each of its types.

    An interval without a start reaches back to the first frame, one without an end to the last.
    """
    marks = np.asarray(series.data[:], dtype=np.float64)
    times = times_of(path, series, len(marks), ties=True)
    if not np.isfinite(marks).all() or (marks == 0).any():
        raise ValueError(
            f"{path}: got 0 or NaN; expected a positive number where an interval starts and "
            "its negative where it ends"
        )
    inside = {}
    for kind in np.unique(np.abs(marks)):
        own = np.abs(marks) == kind
        starts, when = marks[own] > 0, times[own]
        again = np.flatnonzero(starts[1:] == starts[:-1])
        if len(again):
            word = "start" if starts[again[0]] else "end"
            raise ValueError(
                f"{path}: two intervals of type {kind:g} {word} in a row, at {when[again[0]]:g} "
                f"and {when[again[0] + 1]:g} s; expected starts and ends in turn"
            )
        last = np.searchsorted(when, frames.time + frames.slack, side="right") - 1
        inside[f"{kind:g}"] = np.where(last < 0, ~starts[0], starts[last]).astype(np.float64)
    return inside


def events_at_frames(path: str, series: Any, n_events: int, frames: Frames) -> NDArray[np.float64]:
    """Count events; each belongs to the nearest frame, if within half a frame of it."""
    times = times_of(path, series, n_events, ties=True)
    middles = (frames.time[1:] + frames.time[:-1]) / 2
    frame = np.searchsorted(middles, times, side="right")
    near = np.abs(times - frames.time[frame]) <= 0.501 / frames.rate
    return np.bincount(frame[near], minlength=len(frames.time)).astype(np.float64)
