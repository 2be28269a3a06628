"""Firing rates from binned spike counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

from skneurograph.data._clock import check_clock, read_clock, stretches
from skneurograph.data._inputs import InputError, read_number
from skneurograph.data._labelled import as_pandas, read_table
from skneurograph.data._recording import Recording
from skneurograph.data._warnings import warn

__all__ = ["smooth_spikes"]

# Where the kernel is cut, in standard deviations: it has fallen to 1/3000 of its peak.
_TRUNCATE = 4.0
# No neuron fires faster than that for the length of a recording (Hz).
_FASTEST = 1000.0
# No rate changes so slowly that it takes a wider kernel (s); milliseconds are of that size.
_WIDEST = 10.0
# So many values that increase throughout are times of events, not counts.
_ORDERED = 5
_EXPECTED = "spikes per bin, numbers of shape (n_times, n_neurons) or (n_times,)"


@overload
def smooth_spikes(
    counts: Recording,
    *,
    sd: float,
    sampling_rate: None = None,
    kernel: Literal["gaussian", "causal_gaussian"] = "gaussian",
    unit: Literal["hz", "count"] = "hz",
) -> Recording: ...
@overload
def smooth_spikes(
    counts: pd.DataFrame,
    *,
    sd: float,
    sampling_rate: float | None = None,
    kernel: Literal["gaussian", "causal_gaussian"] = "gaussian",
    unit: Literal["hz", "count"] = "hz",
) -> pd.DataFrame: ...
@overload
def smooth_spikes(
    counts: pd.Series,
    *,
    sd: float,
    sampling_rate: float | None = None,
    kernel: Literal["gaussian", "causal_gaussian"] = "gaussian",
    unit: Literal["hz", "count"] = "hz",
) -> pd.Series: ...
@overload
def smooth_spikes(
    counts: ArrayLike,
    *,
    sd: float,
    sampling_rate: float | None = None,
    kernel: Literal["gaussian", "causal_gaussian"] = "gaussian",
    unit: Literal["hz", "count"] = "hz",
) -> NDArray[np.floating]: ...
def smooth_spikes(
    counts: Any,
    *,
    sd: float,
    sampling_rate: float | None = None,
    kernel: Literal["gaussian", "causal_gaussian"] = "gaussian",
    unit: Literal["hz", "count"] = "hz",
) -> Any:
    """Estimate firing rates from binned spike counts by Gaussian smoothing.

    Every spike of a bin counts. At the edges the kernel is divided by the part of it that
    lies inside, so that a constant rate stays constant.

    Parameters
    ----------
    counts : Recording, array-like or table of shape (n_times, n_neurons) or (n_times,)
        Spikes per bin, not the times of spikes. Stretches that a gap in time separates,
        by the clock of a recording or the index of a table, are smoothed one by one. NaN,
        or a masked value, is a bin that was not recorded: it stays NaN, and the kernel is
        divided by the part of it over recorded bins.
    sd : float
        Standard deviation of the kernel in seconds (0.05 is 50 ms); 0 leaves the counts as
        they are.
    sampling_rate : float, optional
        Bins per second, for arrays and tables; a recording brings its own, and so does a
        table with times for an index.
    kernel : {"gaussian", "causal_gaussian"}, default="gaussian"
        ``"gaussian"`` is **not causal**: a rate depends on spikes up to four standard
        deviations later, so a forecast or an online decoder made from it has seen the
        future. ``"causal_gaussian"`` is the half of it over the present and the past, and
        lags the rate by about 0.8 standard deviations.
    unit : {"hz", "count"}, default="hz"
        Spikes per second, or the unit of the input, for activity that is no count.

    Returns
    -------
    Recording, ndarray, Series or DataFrame
        As ``counts``, with rates in place of counts; float32 stays float32. Tables of
        xarray and pynapple come back as those of pandas.

    Raises
    ------
    ValueError
        If ``sd`` is negative or longer than the recording, the sampling rate is missing, given
        twice or at odds with the index, or ``counts`` holds infinity or has more than two
        dimensions.

    Warns
    -----
    UserWarning
        If ``counts`` look like times of spikes, if they are no counts although
        ``unit="hz"`` counts spikes, or if a neuron fires at more than 1000 Hz on average; if
        ``sd`` is less than a quarter of a bin, or so many seconds that it is probably
        milliseconds.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.preprocessing import smooth_spikes
    >>> counts = np.zeros(9)
    >>> counts[4] = 2
    >>> smooth_spikes(counts, sd=0.025, sampling_rate=40, unit="count").round(2).tolist()
    [0.0, 0.01, 0.11, 0.48, 0.8, 0.48, 0.11, 0.01, 0.0]
    """
    if kernel not in ("gaussian", "causal_gaussian"):
        raise ValueError(f"kernel: got {kernel!r}; expected 'gaussian' or 'causal_gaussian'")
    if unit not in ("hz", "count"):
        raise ValueError(f"unit: got {unit!r}; expected 'hz' or 'count'")
    sd = read_number(sd, "sd", "seconds, 0 or more")
    if sd < 0:
        raise InputError("sd", f"{sd:g}", "seconds, 0 or more")
    if isinstance(counts, Recording):
        if sampling_rate is not None:
            raise ValueError(
                f"sampling_rate: got {sampling_rate!r} beside a Recording, which has its own "
                f"({counts.sampling_rate:g} Hz); leave it out"
            )
        _warn_of_other_units(counts.activity, counts.sampling_rate, unit)
        _check_width(sd, counts.sampling_rate, counts.n_times)
        weights = _kernel(sd, counts.sampling_rate, kernel)
        scale = counts.sampling_rate if unit == "hz" else 1.0
        rates = _smooth_stretches(counts.activity, weights, counts.segments(), scale)
        return replace(counts, activity=rates)
    table = as_pandas(counts, "counts")
    values = read_table(table, "counts", _EXPECTED)
    if values.ndim not in (1, 2) or 0 in values.shape:
        raise InputError("counts", f"shape {values.shape}", _EXPECTED)
    time, rate = _clock(table, sampling_rate)
    _warn_of_other_units(values, rate, unit)
    _check_width(sd, rate, len(values))
    parts = [(0, len(values))] if time is None else stretches(time, rate)
    scale = rate if unit == "hz" else 1.0
    rates = _smooth_stretches(values, _kernel(sd, rate, kernel), parts, scale)
    if isinstance(table, pd.DataFrame):
        return pd.DataFrame(rates, table.index, table.columns)
    return pd.Series(rates, table.index, name=table.name) if isinstance(table, pd.Series) else rates


def _clock(table: Any, sampling_rate: Any) -> tuple[NDArray[np.float64] | None, float]:
    """Seconds of the bins, if there are any, and the sampling rate."""
    expected = (
        "bins per second, such as 40 for bins of 0.025 s (a Recording and a table with times for "
        "an index bring their own)"
    )
    given = sampling_rate
    if given is not None:
        given = read_number(given, "sampling_rate", expected)
    time, rate = read_clock(table, given, "counts")
    if rate is None or rate <= 0:
        raise InputError("sampling_rate", repr(sampling_rate), expected)
    if time is not None:
        check_clock(time, rate, "counts")
    return time, rate


def _warn_of_other_units(values: NDArray[np.floating], rate: float, unit: str) -> None:
    """Warn if these can be no spikes per bin."""
    columns = values.reshape(len(values), -1)
    is_ordered = [_increases(column) for column in columns.T]
    recorded = ~np.isnan(columns)
    counts = np.where(recorded, columns, 0)
    given, remedy = "", "unit='count' smooths what is no count, such as calcium activity"
    if any(is_ordered):
        given = f"values that increase throughout (column {is_ordered.index(True)})"
        remedy = "times of spikes are counted first, as by np.histogram(times, edges)"
    elif unit == "hz":
        mean_rate = rate * counts.sum(axis=0) / np.maximum(recorded.sum(axis=0), 1)
        if (counts < 0).any():
            given = f"negative values ({counts.min():.4g})"
        elif (counts % 1 != 0).any():
            given = f"values that are not whole ({counts[counts % 1 != 0][0]:.4g})"
        elif mean_rate.size and mean_rate.max() > _FASTEST:
            given = (
                f"{mean_rate.max():.4g} spikes per second on average at {rate:g} bins per second"
            )
            remedy = "a smaller sampling_rate, or counts of single neurons"
    if given:
        warn(f"counts: got {given}; expected spikes per bin; {remedy}")


def _increases(column: NDArray[np.floating]) -> bool:
    """Whether values increase from each to the next; what follows the last may be NaN."""
    present = column[~np.isnan(column)]
    return len(present) >= _ORDERED and bool((np.diff(present) > 0).all())


def _check_width(sd: float, sampling_rate: float, n_bins: int) -> None:
    """Refuse or warn of a kernel that smooths everything away, or nothing."""
    duration, given = n_bins / sampling_rate, ""
    if sd > duration:
        raise InputError(
            "sd",
            f"{sd:g} s for {duration:.4g} s of counts",
            f"seconds, fewer than the counts last ({_in_seconds(sd)})",
        )
    if sd >= _WIDEST:
        given = f"{sd:g} s is very wide for a kernel; {_in_seconds(sd)}"
    elif 0 < sd * sampling_rate < 0.25:
        given = (
            f"{sd:g} s is less than a quarter of a bin of {1 / sampling_rate:g} s, so the counts "
            "are hardly smoothed"
        )
    if given:
        warn(f"sd: {given}")


def _in_seconds(milliseconds: float) -> str:
    return f"{milliseconds:g} ms are sd={milliseconds / 1000:g}"


def _kernel(sd: float, sampling_rate: float, kernel: str) -> NDArray[np.float64]:
    """Weights of the bins around one bin, the later ones last; their sum is 1."""
    bins = sd * sampling_rate
    reach = int(np.ceil(_TRUNCATE * bins))
    lags = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (lags / bins) ** 2) if bins else np.ones(1)
    if kernel == "causal_gaussian":
        weights = np.where(lags <= 0, weights, 0.0)
    return weights / weights.sum()


def _smooth_stretches(
    values: NDArray[np.floating],
    weights: NDArray[np.float64],
    parts: list[tuple[int, int]],
    scale: float,
) -> NDArray[np.floating]:
    smoothed = np.empty_like(values)
    for start, stop in parts:
        smoothed[start:stop] = _smooth(values[start:stop], weights) * scale
    return smoothed


def _smooth(values: NDArray[np.floating], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean of the recorded bins around each bin; NaN where a bin was not recorded."""
    recorded = ~np.isnan(values)
    filled = np.where(recorded, values, 0.0).astype(np.float64)
    total = correlate1d(filled, weights, axis=0, mode="constant")
    mass = correlate1d(recorded.astype(np.float64), weights, axis=0, mode="constant")
    smoothed: NDArray[np.float64] = np.where(recorded, total / np.where(recorded, mass, 1), np.nan)
    return smoothed
