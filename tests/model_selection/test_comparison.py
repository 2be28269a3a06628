"""Tables whose models did not finish the same folds, metrics or seeds."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from skneurograph import Comparison
from skneurograph.model_selection import corrected_paired_test

NOT_RUN = "not run: interrupted"


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def comparison(scores, *, reference=None, errors=None, sizes=None):
    """Build a result from ``{model: [score of each fold, or of each seed in it]}``.

    With several metrics ``{metric: {model: ...}}``. None is a fit that was never run, NaN one
    that failed.
    """
    metrics = scores if isinstance(next(iter(scores.values())), dict) else {"accuracy": scores}
    rows = []
    for metric, models in metrics.items():
        for model, folds in models.items():
            for fold, given in enumerate(folds):
                for seed, score in enumerate(given if isinstance(given, list) else [given]):
                    error = NOT_RUN if score is None else "boom" * int(np.isnan(score))
                    n_train, n_test = (sizes or {}).get(fold, (30, 10))
                    value = np.nan if score is None else score
                    seconds = np.nan if error else 1.0
                    fit = (model, fold, "abcdef"[fold], seed, metric, value)
                    rows.append((*fit, seconds, seconds, n_train, n_test, error))
    names = "model fold held_out seed metric score fit_time score_time n_train n_test error"
    models = tuple(next(iter(metrics.values())))
    table = pd.DataFrame(rows, columns=names.split())
    return Comparison(table, tuple(metrics), reference or models[0], models)


def line(result, model, metric=None):
    (found,) = [row for row in result.to_text(metric).splitlines() if row.startswith(model + " ")]
    return found


def test_a_model_that_failed_everywhere_does_not_change_what_the_others_are_compared_over():
    good, worse = [1.0, 1.0, 1.0, 0.0], [0.9, 0.9, 0.9, np.nan]
    two = comparison({"good": good, "worse": worse})
    three = comparison({"good": good, "worse": worse, "dead": [np.nan] * 4})
    pd.testing.assert_frame_equal(
        two.summary(), three.summary().drop(index="dead"), check_dtype=False
    )
    means = three.summary()["accuracy", "mean"]
    assert means["good"] == 1.0 > means["worse"] == pytest.approx(0.9)
    assert np.isnan(means["dead"])
    assert three.summary()["accuracy", "folds"].to_dict() == {"good": 3, "worse": 3, "dead": 0}
    assert three.common_folds().index.tolist() == list("abc")
    assert "failed" in line(three, "dead")
    for name, done in (("good", "4/4"), ("worse", "3/4"), ("dead", "0/4")):
        assert f" {done} " in line(three, name)
    assert "over 3 folds that every model with a mean finished (of 4)" in str(three)


@pytest.mark.parametrize("seed", range(5))
def test_means_are_those_of_the_folds_that_all_models_with_a_score_have(seed):
    rng = np.random.default_rng(seed)
    values = {name: rng.random(6) for name in "uvwx"}
    for row in values.values():
        row[rng.random(6) < 0.2] = np.nan
    values["x"][:] = np.nan
    shared = ~np.isnan([values[name] for name in "uvw"]).any(axis=0)
    if not shared.any():
        pytest.skip("nothing is shared")
    result = comparison({name: list(row) for name, row in values.items()})
    for name in "uvw":
        assert result.summary().loc[name, ("accuracy", "mean")] == pytest.approx(
            values[name][shared].mean()
        )
        assert result.summary().loc[name, ("accuracy", "folds")] == shared.sum()


def test_without_a_common_fold_nothing_is_ranked():
    nan = np.nan
    result = comparison({"one": [0.9, 0.9, nan, nan], "other": [nan, nan, 0.1, 0.2]})
    assert result.common_folds().empty
    assert result.summary()["accuracy", "mean"].isna().all()
    assert result.by_fold().notna().to_numpy().sum() == 4
    assert "no means" in str(result)
    assert "no shared fold" in line(result, "one")
    assert "vs one" not in str(result)
    assert result.paired_tests().loc["other", "n_folds"] == 0


def test_a_model_that_shares_no_fold_with_the_others_does_not_cost_them_their_means():
    nan = np.nan
    result = comparison(
        {"one": [0.8, 0.6, 0.7, nan], "two": [0.7, 0.5, 0.6, nan], "odd": [nan, nan, nan, 1.0]}
    )
    means = result.summary()["accuracy", "mean"]
    assert means["one"] == pytest.approx(0.7)
    assert means["two"] == pytest.approx(0.6)
    assert np.isnan(means["odd"])
    assert "no shared fold" in line(result, "odd")
    assert " 1/4 " in line(result, "odd")
    assert line(result, "odd").rstrip().endswith("-")


def test_folds_of_which_only_pairs_are_shared_are_tested_but_not_averaged():
    nan = np.nan
    result = comparison({"u": [0.5, 0.5, nan], "v": [nan, 0.7, 0.7], "w": [0.9, nan, 0.9]})
    assert result.summary()["accuracy", "mean"].isna().all()
    tests = result.paired_tests()
    assert tests["n_folds"].to_dict() == {"v": 1, "w": 1}
    assert tests["difference"].to_dict() == pytest.approx({"v": 0.2, "w": 0.4})
    assert "+0.200 (1/1)" in line(result, "v")


def test_tests_take_the_sizes_of_the_folds_that_both_have():
    sizes = {0: (10, 10), 1: (20, 10), 2: (40, 10), 3: (80, 10)}
    other = [0.5, 0.8, 0.6, np.nan]
    result = comparison({"one": [0.4, 0.6, np.nan, 0.1], "other": other}, sizes=sizes)
    expected = corrected_paired_test([0.1, 0.2], np.mean([1.0, 0.5]))
    row = result.paired_tests().loc["other"]
    assert row["n_folds"] == 2
    assert row["p_value"] == pytest.approx(expected.p_value)
    assert row["high"] == pytest.approx(expected.high)


def test_a_reference_without_a_score_is_said_to_have_none():
    result = comparison({"base": [np.nan] * 3, "u": [0.1, 0.2, 0.3], "v": [0.2, 0.3, 0.4]})
    assert "base, the reference, has no score: nothing is tested" in str(result)
    assert "vs base" not in str(result)
    assert result.summary().loc["v", ("accuracy", "mean")] == pytest.approx(0.3)
    assert result.paired_tests()["n_folds"].tolist() == [0, 0]
    assert result.paired_tests("u").loc["v", "n_folds"] == 3


def test_a_metric_that_failed_has_folds_of_its_own():
    result = comparison(
        {
            "accuracy": {"u": [0.5, 0.6, 0.7], "v": [0.6, 0.7, 0.8]},
            "roc_auc": {"u": [0.5, np.nan, 0.9], "v": [np.nan, 0.7, 0.8]},
        }
    )
    summary = result.summary()
    assert summary["accuracy", "folds"].tolist() == [3, 3]
    assert summary["roc_auc", "folds"].tolist() == [1, 1]
    assert summary["roc_auc", "mean"].tolist() == [0.9, 0.8]
    assert "over 3 folds, roc_auc over 1" in str(result)
    assert "over 1 folds that every model finished (of 3), accuracy over 3" in result.to_text(
        "roc_auc"
    )


def test_a_metric_that_failed_everywhere_spares_the_others():
    result = comparison(
        {
            "accuracy": {"u": [0.5, 0.6], "v": [0.6, 0.7]},
            "log": {"u": [np.nan, np.nan], "v": [-1.0, -2.0]},
        }
    )
    assert result.summary().loc["v", ("log", "mean")] == -1.5
    assert "failed" in line(result, "u")
    assert "0.550 ± 0.071" in line(result, "u")


def test_a_mean_over_fewer_seeds_is_said_to_be_one():
    result = comparison(
        {"u": [[0.5, 0.7, 0.6], [0.4, 0.6, np.nan]], "v": [[0.6, 0.6, 0.6], [0.6, 0.6, 0.6]]}
    )
    assert result.by_fold()["u"].tolist() == pytest.approx([0.6, 0.5])
    assert "fewer seeds: u in b (2 of 3)" in str(result)
    whole = comparison({"u": [[0.5, 0.7], [0.4, 0.6]], "v": [0.6, 0.6]})
    assert "fewer seeds" not in str(whole)


def test_the_spread_over_seeds_is_that_of_the_folds_averaged():
    result = comparison({"u": [[0.5, 0.7], [0.0, 1.0]], "v": [[0.6, 0.6], [np.nan, np.nan]]})
    expected = np.std([0.5, 0.7], ddof=1)
    assert result.summary().loc["u", ("accuracy", "seed_sd")] == pytest.approx(expected)


def test_an_interrupted_result_counts_its_fits_and_names_what_was_not_run():
    result = comparison({"u": [0.5, 0.6, None], "v": [0.6, None, None], "w": [None] * 3})
    assert result.interrupted
    assert (result.n_done, result.n_planned) == (3, 9)
    text = str(result)
    assert "interrupted, 3 of 9 fits" in text
    assert "not run: w" in text
    assert "not run" in line(result, "w")
    assert "failed" not in text
    assert result.models == ["u", "v", "w"]
    assert result.summary()["accuracy", "mean"].iloc[:2].tolist() == [0.5, 0.6]


def test_a_result_that_was_not_interrupted_says_nothing_of_it():
    result = comparison({"u": [0.5, np.nan], "v": [0.6, 0.6]})
    assert not result.interrupted
    assert (result.n_done, result.n_planned) == (4, 4)
    assert "interrupted" not in str(result)
    assert "not run" not in str(result)


def test_a_result_read_from_csv_says_the_same(tmp_path):
    result = comparison({"u": [0.5, 0.6, None], "v": [0.6, np.nan, None], "w": [None] * 3})
    read = pd.read_csv(result.to_csv(tmp_path / "scores.csv"))
    again = Comparison(read, result.metrics, result.reference, ("u", "v", "w"))
    assert str(again) == str(result)
    assert again.n_done == result.n_done


def test_the_picture_keeps_the_place_of_a_model_without_a_score():
    result = comparison({"u": [0.5, 0.6], "dead": [np.nan, np.nan], "v": [0.7, 0.8]})
    display = result.plot()
    labels = [tick.get_text() for tick in display.ax_.get_xticklabels()]
    assert labels == ["u", "dead\n(not compared)", "v"]
    (bars,) = display.ax_.collections
    heights = [segment[0][1] for segment in bars.get_segments() if len(segment)]
    np.testing.assert_allclose(heights, [0.55, 0.75])


def test_the_picture_of_different_folds_shows_them_without_means():
    nan = np.nan
    display = comparison({"one": [0.9, nan], "other": [nan, 0.1]}).plot()
    drawn = np.array([row.get_ydata() for row in display.ax_.get_lines()])
    np.testing.assert_array_equal(drawn, [[0.9, nan], [nan, 0.1]])
    (bars,) = display.ax_.collections
    assert not any(len(segment) for segment in bars.get_segments())


def test_a_table_without_any_score_can_be_shown_and_drawn():
    result = comparison({"u": [np.nan, None], "v": [None, None]})
    assert "no means" in str(result)
    assert "interrupted, 1 of 4 fits" in str(result)
    assert result.summary()["accuracy", "mean"].isna().all()
    assert len(result.plot().ax_.get_xticklabels()) == 2
