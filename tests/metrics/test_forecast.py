import numpy as np
import pytest
from sklearn.metrics import mean_squared_error, r2_score

from skneurograph.metrics import masked_mean_squared_error, masked_r2_score

PAIRS = [(masked_mean_squared_error, mean_squared_error), (masked_r2_score, r2_score)]


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(60, 4, 3))
    return truth, truth + rng.normal(scale=0.5, size=truth.shape)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_without_missing_neurons_they_agree_with_scikit_learn(frames, ours, theirs):
    truth, forecast = frames
    weight = np.random.default_rng(1).random(60)
    flat = [values.reshape(60, -1) for values in frames]
    for options in ({}, {"sample_weight": weight}):
        by_neuron_and_horizon = theirs(*flat, multioutput="raw_values", **options).reshape(4, 3)
        np.testing.assert_allclose(
            ours(truth, forecast, by="both", **options), by_neuron_and_horizon
        )
        np.testing.assert_allclose(
            ours(truth, forecast, by="neuron", **options), by_neuron_and_horizon.mean(axis=1)
        )
        np.testing.assert_allclose(
            ours(truth, forecast, by="horizon", **options), by_neuron_and_horizon.mean(axis=0)
        )
        assert ours(truth, forecast, **options) == pytest.approx(by_neuron_and_horizon.mean())
        one_step = ours(truth[..., 0], forecast[..., 0], **options)
        assert one_step == pytest.approx(by_neuron_and_horizon[:, 0].mean())


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_a_neuron_counts_only_in_the_windows_that_hold_it(frames, ours, theirs):
    truth, forecast = (values[..., 0].copy() for values in frames)
    truth[:20, 1] = np.nan
    forecast[30:, 2] = np.nan
    found = ours(truth, forecast, by="neuron")
    assert found[1] == pytest.approx(theirs(truth[20:, 1], forecast[20:, 1]))
    assert found[2] == pytest.approx(theirs(truth[:30, 2], forecast[:30, 2]))


@pytest.mark.parametrize("metric", [masked_mean_squared_error, masked_r2_score])
def test_a_neuron_that_no_window_holds_changes_nothing(frames, metric):
    truth, forecast = frames
    wider = [np.insert(values, 1, np.nan, axis=1) for values in (truth, forecast)]
    assert metric(*wider) == pytest.approx(metric(truth, forecast))
    assert np.isnan(metric(*wider, by="neuron")[1])


def test_the_mean_of_each_neuron_scores_zero_and_the_truth_one(frames):
    truth, _ = frames
    assert masked_r2_score(truth, truth) == 1
    assert masked_r2_score(truth, np.broadcast_to(truth.mean(axis=0), truth.shape)) == (
        pytest.approx(0)
    )


def test_a_constant_neuron_scores_one_or_zero():
    truth = np.ones((5, 2))
    found = masked_r2_score(truth, np.column_stack([truth[:, 0], truth[:, 1] + 0.1]), by="neuron")
    assert found.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("value", [0.1, -1e6 / 3, 1e-9])
@pytest.mark.parametrize("n_windows", [2, 7, 5001])
def test_a_neuron_that_is_constant_up_to_rounding_scores_one_or_zero(value, n_windows):
    truth = np.full((n_windows, 2), value)
    forecast = np.column_stack([truth.mean(axis=0)[:1].repeat(n_windows), 1.1 * truth[:, 1]])
    weight = np.random.default_rng(0).random(n_windows)
    for options in ({}, {"sample_weight": weight}):
        found = masked_r2_score(truth, forecast, by="neuron", **options)
        assert found.tolist() == [1.0, 0.0]


def test_a_small_spread_about_a_large_mean_is_no_rounding():
    truth = 1 + 1e-9 * np.random.default_rng(0).normal(size=(100, 1))
    assert masked_r2_score(truth, truth + 1e-10) == pytest.approx(0.99, abs=0.005)


@pytest.mark.parametrize("metric", [masked_mean_squared_error, masked_r2_score])
def test_errors_name_the_argument(metric):
    with pytest.raises(ValueError, match=r"got shapes \(3, 2\) and \(3, 1\)"):
        metric(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="every one is NaN"):
        metric(np.full((3, 2), np.nan), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="by: got 'organism'"):
        metric(np.zeros((3, 2)), np.zeros((3, 2)), by="organism")


@pytest.mark.parametrize("metric", [masked_mean_squared_error, masked_r2_score])
@pytest.mark.parametrize("masks", [(True, False), (False, True), (True, True)], ids=str)
def test_what_is_masked_does_not_count(frames, metric, masks):
    hidden = np.random.default_rng(2).random((60, 4, 3)) < 0.2
    absent = [np.where(hidden & given, np.nan, x) for x, given in zip(frames, masks)]
    masked = [np.ma.array(x, mask=hidden & given) for x, given in zip(frames, masks)]
    assert metric(*masked) == metric(*absent) != metric(*frames)
    assert metric(*map(list, masked)) == metric(*absent)
