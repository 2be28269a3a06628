"""Smoothing of spikes to rates."""

import warnings

import numpy as np
import pandas as pd
import pynapple
import pytest
import xarray

from skneurograph import Recording
from skneurograph.preprocessing import smooth_spikes

KERNELS = pytest.mark.parametrize("kernel", ["gaussian", "causal_gaussian"])


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(0.7, size=(200, 3)).astype(float)


@KERNELS
def test_agrees_with_a_naive_sum_over_bins(counts, kernel):
    found = smooth_spikes(counts, sd=0.075, sampling_rate=40, kernel=kernel)
    for t in (0, 1, 57, 199):
        lag = np.arange(200) - t
        weight = np.exp(-0.5 * (lag / 3) ** 2) * (np.abs(lag) <= 12)
        if kernel == "causal_gaussian":
            weight *= lag <= 0
        expected = 40 * (weight[:, None] * counts).sum(axis=0) / weight.sum()
        np.testing.assert_allclose(found[t], expected)


def test_every_spike_of_a_bin_counts():
    counts = np.zeros((100, 1))
    counts[50] = 7
    rates = smooth_spikes(counts, sd=0.05, sampling_rate=40)
    assert rates.sum() / 40 == pytest.approx(7)


@KERNELS
def test_a_constant_rate_stays_constant_up_to_the_edges(kernel):
    rates = smooth_spikes(np.full((30, 2), 3), sd=0.2, sampling_rate=40, kernel=kernel)
    np.testing.assert_allclose(rates, 120)


def test_only_the_causal_kernel_ignores_the_future(counts):
    later = counts.copy()
    later[100:] = 40
    for kernel, same in (("causal_gaussian", True), ("gaussian", False)):
        first, second = (
            smooth_spikes(c, sd=0.075, sampling_rate=40, kernel=kernel)[:100]
            for c in (counts, later)
        )
        assert np.array_equal(first, second) == same


@KERNELS
def test_stretches_apart_in_time_are_not_mixed(counts, kernel):
    time = np.arange(200) / 40 + 10 * (np.arange(200) >= 80)
    whole = Recording(counts, 40.0, time=time)
    rates = smooth_spikes(whole, sd=0.075, kernel=kernel).activity
    for part in (slice(0, 80), slice(80, 200)):
        alone = smooth_spikes(counts[part], sd=0.075, sampling_rate=40, kernel=kernel)
        np.testing.assert_allclose(rates[part], alone, rtol=1e-6)


def test_missing_bins_stay_missing_and_change_no_other_neuron(counts):
    holed = counts.copy()
    holed[:, 0] = np.nan
    holed[20:25, 1] = np.nan
    rates = smooth_spikes(holed, sd=0.075, sampling_rate=40)
    np.testing.assert_array_equal(np.isnan(rates), np.isnan(holed))
    np.testing.assert_array_equal(
        rates[:, 2], smooth_spikes(counts, sd=0.075, sampling_rate=40)[:, 2]
    )
    constant = np.where(np.isnan(holed), np.nan, 2.0)
    np.testing.assert_allclose(
        smooth_spikes(constant, sd=0.075, sampling_rate=40, unit="count")[:, 1:], constant[:, 1:]
    )


def test_no_width_leaves_the_counts(counts):
    np.testing.assert_array_equal(
        smooth_spikes(counts, sd=0, sampling_rate=40, unit="count"), counts
    )


def test_precision_is_kept_and_integers_become_floats(counts):
    assert smooth_spikes(counts.astype(np.float32), sd=0.009, sampling_rate=40).dtype == np.float32
    assert smooth_spikes(counts.astype(int), sd=0.009, sampling_rate=40).dtype == np.float64
    assert smooth_spikes(counts[:, 0], sd=0.009, sampling_rate=40).shape == (200,)


def test_a_width_far_below_a_bin_is_warned_about(counts):
    with pytest.warns(UserWarning, match=r"less than a quarter of a bin of 0\.025 s"):
        smooth_spikes(counts, sd=0.002, sampling_rate=40)


def test_milliseconds_are_refused_or_warned_about(counts):
    with pytest.raises(ValueError, match=r"sd: got 250 s for 5 s of counts.*250 ms are sd=0\.25"):
        smooth_spikes(counts, sd=250, sampling_rate=40)
    with pytest.raises(ValueError, match=r"sd: got 250 s"):
        smooth_spikes(Recording(counts, 40.0), sd=250)
    with pytest.warns(UserWarning, match=r"sd: 50 s is very wide.*50 ms are sd=0\.05"):
        smooth_spikes(np.tile(counts, (20, 1)), sd=50, sampling_rate=40)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sd": -1, "sampling_rate": 40}, "sd: got -1; expected seconds"),
        ({"sd": None, "sampling_rate": 40}, "sd: got None; expected seconds"),
        ({"sd": "0.05", "sampling_rate": 40}, "sd: got '0.05'; expected seconds"),
        ({"sd": 0.05, "sampling_rate": 0}, "sampling_rate: got 0; expected bins per second"),
        ({"sd": 0.05, "sampling_rate": "x"}, "sampling_rate: got 'x'; expected bins per second"),
        ({"sd": 0.05}, "sampling_rate: got None; expected bins per second"),
        ({"sd": 0.05, "sampling_rate": 40, "kernel": "box"}, "kernel: got 'box'"),
        ({"sd": 0.05, "sampling_rate": 40, "unit": "s"}, "unit: got 's'"),
    ],
)
def test_errors_say_what_was_expected(counts, options, message):
    with pytest.raises(ValueError, match=message):
        smooth_spikes(counts, **options)


def test_infinity_many_dimensions_and_a_second_rate_are_refused(counts):
    with pytest.raises(ValueError, match="counts: got infinity"):
        smooth_spikes(np.where(counts > 3, np.inf, counts), sd=0.05, sampling_rate=40)
    with pytest.raises(ValueError, match="counts: got shape"):
        smooth_spikes(counts[None], sd=0.05, sampling_rate=40)
    with pytest.raises(ValueError, match="which has its own"):
        smooth_spikes(Recording(counts, 40.0), sd=0.05, sampling_rate=40)


@pytest.mark.parametrize(
    "value", [np.zeros((0, 2)), [[1, 2], [3]], ["a", "b"], None, pynapple.Ts(np.arange(9.0))]
)
def test_what_is_no_count_is_named(value):
    with pytest.raises(ValueError, match=r"counts: got .*; expected"):
        smooth_spikes(value, sd=0.05, sampling_rate=40)


def test_masked_bins_are_missing(counts):
    mask = np.random.default_rng(1).random(counts.shape) < 0.1
    found = smooth_spikes(np.ma.array(counts, mask=mask), sd=0.075, sampling_rate=40)
    holed = np.where(mask, np.nan, counts)
    np.testing.assert_array_equal(found, smooth_spikes(holed, sd=0.075, sampling_rate=40))
    assert np.isnan(found[mask]).all()


class TestTables:
    TIME = np.arange(200) / 40 + 10 * (np.arange(200) >= 80)

    def expected(self, counts):
        whole = Recording(counts, 40.0, time=self.TIME)
        return smooth_spikes(whole, sd=0.075).activity

    def test_a_table_comes_back_with_its_labels_and_its_gaps_are_kept(self, counts):
        table = pd.DataFrame(counts, self.TIME, list("abc"))
        for rate in (None, 40):
            rates = smooth_spikes(table, sd=0.075, sampling_rate=rate)
            pd.testing.assert_index_equal(rates.index, table.index)
            assert rates.columns.tolist() == list("abc")
            np.testing.assert_allclose(rates, self.expected(counts))

    def test_a_series_comes_back_as_one(self, counts):
        series = pd.Series(counts[:, 1], self.TIME, name="b")
        rates = smooth_spikes(series, sd=0.075)
        assert isinstance(rates, pd.Series)
        assert rates.name == "b"
        np.testing.assert_allclose(rates, self.expected(counts)[:, 1])

    def test_tables_of_other_packages_come_back_as_pandas(self, counts):
        for table in (
            pynapple.TsdFrame(t=self.TIME, d=counts, columns=list("abc")),
            xarray.DataArray(counts.T, [("unit", list("abc")), ("time", self.TIME)]),
        ):
            rates = smooth_spikes(table, sd=0.075)
            assert isinstance(rates, pd.DataFrame)
            assert rates.columns.tolist() == list("abc")
            np.testing.assert_allclose(rates, self.expected(counts))

    def test_a_table_without_a_clock_needs_the_rate(self, counts):
        table = pd.DataFrame(counts)
        with pytest.raises(ValueError, match="sampling_rate: got None"):
            smooth_spikes(table, sd=0.075)
        with pytest.raises(ValueError, match="sampling_rate: got None"):
            smooth_spikes(table.drop(index=3), sd=0.075)
        rates = smooth_spikes(table, sd=0.075, sampling_rate=40)
        np.testing.assert_array_equal(rates, smooth_spikes(counts, sd=0.075, sampling_rate=40))

    def test_a_rate_at_odds_with_the_clock_is_refused(self, counts):
        with pytest.raises(ValueError, match=r"counts: got frames 0\.025 s apart at 1000 Hz"):
            smooth_spikes(pd.DataFrame(counts, self.TIME), sd=0.075, sampling_rate=1000)


TIMES = np.sort(np.random.default_rng(0).uniform(0, 100, size=(50, 2)), axis=0)


class TestUnits:
    @pytest.mark.parametrize(
        ("values", "said"),
        [
            (TIMES, "increase throughout .*np.histogram"),
            (TIMES[:, 0], "increase throughout"),
            ((TIMES * 1000).astype(int), "increase throughout"),
            (np.r_[TIMES[:, 0], [np.nan] * 9], "increase throughout"),
            (np.column_stack([np.zeros(50), TIMES[:, 0]]), r"increase throughout \(column 1\)"),
            (TIMES[::-1], "values that are not whole .*unit='count'"),
            (np.random.default_rng(0).normal(size=(50, 2)), "negative values .*unit='count'"),
            (np.full((50, 2), 26), "1040 spikes per second on average at 40 bins per second"),
        ],
        ids=["times", "one", "whole", "padded", "column", "reversed", "calcium", "fast"],
    )
    def test_what_can_be_no_count_warns_with_the_remedy(self, values, said):
        with pytest.warns(UserWarning, match=f"counts: got .*{said}"):
            smooth_spikes(values, sd=0.05, sampling_rate=40)
        if values.ndim == 2:
            with pytest.warns(UserWarning, match=f"counts: got .*{said}"):
                smooth_spikes(Recording(values, 40.0), sd=0.05)

    def test_times_of_spikes_warn_in_any_unit(self):
        with pytest.warns(UserWarning, match="increase throughout"):
            smooth_spikes(TIMES, sd=0.05, sampling_rate=40, unit="count")

    def test_counts_and_calcium_in_its_own_unit_do_not_warn(self, counts, real_worms):
        counts[3, 0] = np.nan
        calcium = np.random.default_rng(0).normal(size=(50, 2))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            smooth_spikes(counts, sd=0.05, sampling_rate=40)
            smooth_spikes(np.zeros((50, 2)), sd=0.05, sampling_rate=40)
            smooth_spikes(np.arange(4), sd=0.05, sampling_rate=40)
            smooth_spikes(np.full((50, 2), np.nan), sd=0.05, sampling_rate=40)
            smooth_spikes(calcium, sd=0.05, sampling_rate=40, unit="count")
            for worm in real_worms:
                smooth_spikes(worm, sd=1, unit="count")
