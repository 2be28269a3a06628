import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skneurograph.model_selection import corrected_paired_test


def differences(n_folds=8, seed=0):
    return np.random.default_rng(seed).normal(0.03, 0.05, n_folds)


@pytest.mark.parametrize("n_folds", [2, 5, 30])
@pytest.mark.parametrize("test_train_ratio", [0.0, 0.1, 1 / 3, 1.0])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_it_agrees_with_the_formula_of_nadeau_and_bengio(n_folds, test_train_ratio, confidence):
    values = differences(n_folds)
    variance = sum((v - values.mean()) ** 2 for v in values) / (n_folds - 1)
    error = ((1 / n_folds + test_train_ratio) * variance) ** 0.5
    expected = stats.t(df=n_folds - 1, loc=values.mean(), scale=error)
    result = corrected_paired_test(values, test_train_ratio, confidence=confidence)
    assert result.difference == pytest.approx(values.mean())
    assert (result.low, result.high) == pytest.approx(expected.interval(confidence))
    assert result.statistic == pytest.approx(values.mean() / error)
    assert result.p_value == pytest.approx(2 * min(expected.cdf(0), expected.sf(0)))
    assert result.n_folds == n_folds


def test_without_shared_training_data_it_is_the_ordinary_t_test():
    values = differences()
    ordinary = stats.ttest_1samp(values, 0)
    result = corrected_paired_test(values, 0.0)
    assert (result.statistic, result.p_value) == pytest.approx(tuple(ordinary))
    interval = ordinary.confidence_interval(0.95)
    assert (result.low, result.high) == pytest.approx(tuple(interval))


def test_the_interval_widens_with_the_part_of_data_that_is_tested():
    values = differences()
    results = [corrected_paired_test(values, fraction) for fraction in (0, 0.1, 0.25, 1)]
    widths = [result.high - result.low for result in results]
    p_values = [result.p_value for result in results]
    assert widths == sorted(widths)
    assert p_values == sorted(p_values)
    assert len(set(widths)) == len(set(p_values)) == 4


def test_swapping_the_models_mirrors_the_result():
    one, other = (corrected_paired_test(sign * differences(), 0.25) for sign in (1, -1))
    assert one.p_value == pytest.approx(other.p_value)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.statistic == pytest.approx(-other.statistic)


def test_the_test_does_not_depend_on_the_unit_of_the_score():
    one, other = (corrected_paired_test(unit * differences(), 0.25) for unit in (1, 100))
    assert one.p_value == pytest.approx(other.p_value)
    assert 100 * one.high == pytest.approx(other.high)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_the_interval_holds_zero_exactly_if_the_test_does_not_reject(confidence):
    for seed in range(30):
        result = corrected_paired_test(differences(seed=seed), 0.25, confidence=confidence)
        assert (result.low < 0 < result.high) is (result.p_value > 1 - confidence)


@pytest.mark.parametrize(("value", "p_value"), [(0.0, 1.0), (0.25, 0.0), (-0.25, 0.0)])
def test_equal_differences_leave_no_doubt(value, p_value):
    result = corrected_paired_test([value] * 5, 0.25)
    assert result.difference == result.low == result.high == value
    assert result.p_value == p_value
    assert np.sign(result.statistic) == np.sign(value)


def test_folds_that_failed_are_left_out():
    values = differences()
    with_nan = np.insert(values, [0, 4], np.nan)
    assert corrected_paired_test(with_nan, 0.25) == corrected_paired_test(values, 0.25)


@pytest.mark.parametrize(("values", "mean"), [([], np.nan), ([np.nan], np.nan), ([0.2], 0.2)])
def test_fewer_than_two_folds_give_no_test(values, mean):
    result = corrected_paired_test(values, 0.25)
    assert result.n_folds == int(np.isfinite(values).sum())
    np.testing.assert_equal(result.difference, mean)
    assert np.isnan([result.low, result.high, result.statistic, result.p_value]).all()


def test_correlated_folds_deceive_it_less_than_the_ordinary_test():
    # Folds that share training data: one common error and one of their own. Nadeau and
    # Bengio assume the correlation n_test / (n_test + n_train).
    n_folds, n_repeats, fraction = 10, 4000, 1 / 9
    correlation = fraction / (1 + fraction)
    rng = np.random.default_rng(0)
    common = rng.normal(size=(n_repeats, 1)) * correlation**0.5
    folds = common + rng.normal(size=(n_repeats, n_folds)) * (1 - correlation) ** 0.5
    corrected = np.mean([corrected_paired_test(row, fraction).p_value < 0.05 for row in folds])
    ordinary = np.mean(stats.ttest_1samp(folds, 0, axis=1).pvalue < 0.05)
    assert ordinary > 0.10
    # Three standard errors of 4000 repeats.
    assert abs(corrected - 0.05) < 3 * (0.05 * 0.95 / n_repeats) ** 0.5


def test_differences_that_cannot_be_tested_are_refused_by_name():
    for options, said in {
        ("a", "b"): "differences: got",
        (np.inf, 0.1): "differences: got infinity",
    }.items():
        with pytest.raises(ValueError, match=said):
            corrected_paired_test(list(options), 0.25)
    with pytest.raises(ValueError, match=r"differences: got shape \(2, 2\)"):
        corrected_paired_test(np.zeros((2, 2)), 0.25)
    for ratio in (-0.1, np.nan, np.inf, "a", None, True):
        with pytest.raises(ValueError, match="test_train_ratio: got"):
            corrected_paired_test([0.1, 0.2], ratio)
    for confidence in (0, 1, 95, np.nan, "a", None):
        with pytest.raises(ValueError, match="confidence: got"):
            corrected_paired_test([0.1, 0.2], 0.25, confidence=confidence)


def test_missing_differences_are_folds_left_out():
    expected = corrected_paired_test([0.1, 0.2, 0.4], 0.25)
    masked = np.ma.array([0.1, 9.0, 0.2, 0.4], mask=[False, True, False, False])
    for given in ([0.1, None, 0.2, 0.4], pd.array([0.1, pd.NA, 0.2, 0.4]), masked):
        assert corrected_paired_test(given, 0.25) == expected
