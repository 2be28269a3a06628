"""The models on real recordings, where they are there (see tests/conftest.py)."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from skneurograph import compare, default_models, sliding_windows
from skneurograph.metrics import masked_mean_squared_error
from skneurograph.model_selection import forecast_scorers


@pytest.fixture(scope="module")
def windows(real_worms):
    prepared = [worm.zscore().average_classes().zscore() for worm in real_worms]
    return sliding_windows(prepared, 8)


def test_windows_of_real_worms_are_aligned_on_the_classes_of_all(windows, real_worms):
    assert windows.X.shape[1:] == (83, 8)
    assert len(windows) == sum(worm.n_times - 7 for worm in real_worms)
    recorded = ~np.isnan(windows.X).any(axis=2)
    in_every_worm = [recorded[windows.groups == g].all(axis=0) for g in np.unique(windows.groups)]
    assert np.logical_and.reduce(in_every_worm).sum() == 39


def test_behaviour_of_an_unseen_worm_is_decoded_better_than_by_logistic_regression(windows):
    """A small budget on one worm that is neither the easiest nor the hardest."""
    test = windows.groups == "worm_2022-07-27-31"
    models = default_models(names=["pca-logistic", "graph"])
    models["graph"].set_params(n_members=1, max_epochs=20, random_state=0)
    scores = {}
    for name, model in models.items():
        model.fit(windows.X[~test], windows.y[~test])
        scores[name] = balanced_accuracy_score(windows.y[test], model.predict(windows.X[test]))
    assert scores["pca-logistic"] == pytest.approx(0.59, abs=0.03)
    assert scores["graph"] > scores["pca-logistic"]


def test_without_names_nothing_transfers(windows):
    """Shuffled columns of the unseen worm decode like chance, so identities are what is used."""
    test = windows.groups == "worm_2022-07-27-31"
    model = default_models(names=["graph"])["graph"]
    model.set_params(n_members=1, max_epochs=8, random_state=0)
    model.fit(windows.X[~test], windows.y[~test])
    columns = np.random.default_rng(0).permutation(windows.X.shape[1])
    shuffled = model.predict(windows.X[test][:, columns])
    named = model.predict(windows.X[test])
    assert balanced_accuracy_score(windows.y[test], shuffled) < 0.38
    assert balanced_accuracy_score(windows.y[test], named) > 0.48


def test_forecasts_of_unseen_worms_reach_what_simple_models_are_known_to(real_worms):
    """Mean squared error 1 and 16 steps ahead, 39 shared classes, history 16 (leave one worm out).

    Computed before this package existed: persistence .2106 and .8429, an autoregression of order 5
    per class .1776 and .6379 (fitted at each horizon; iterated, the second is higher).
    """
    prepared = [worm.zscore().average_classes().zscore() for worm in real_worms]
    windows = sliding_windows(prepared, 16, target="next", horizon=16, neurons="intersection")
    assert len(windows.neurons) == 39
    result = compare(
        default_models("forecaster", names=["persistence", "ar", "var"]),
        windows.X,
        windows.y,
        groups=windows.groups,
        scoring=forecast_scorers((1, 16)),
    )
    one, sixteen = (-result.summary()[f"neg_mse@{steps}", "mean"] for steps in (1, 16))
    assert one["persistence"] == pytest.approx(0.2106, abs=0.002)
    assert sixteen["persistence"] == pytest.approx(0.8429, abs=0.002)
    assert one["ar"] == pytest.approx(0.1776, abs=0.002)
    assert one["var"] < one["ar"]
    assert sixteen["var"] < 0.64


@pytest.mark.slow
def test_within_a_worm_the_ridge_regression_of_changes_is_ahead_of_copying(real_worms):
    """First 60 % to train, last 20 % to test, 48 frames of history, 16 ahead, all neurons."""
    ratios = []
    for worm in real_worms:
        train, start = int(0.6 * worm.n_times), int(0.8 * worm.n_times) - 48
        trace = worm.zscore(until=worm.time[train]).activity.astype(np.float32)
        first, last = (
            sliding_windows(part, 48, target="next", horizon=16)
            for part in (trace[:train], trace[start:])
        )
        model = default_models("forecaster", names=["ridge"])["ridge"].fit(first.X, first.y)
        copied = np.mean((last.X[:, :, -1:] - last.y) ** 2)
        ratios.append(np.mean((model.forecast(last.X, 16) - last.y) ** 2) / copied)
    assert max(ratios) < 0.94
    assert np.mean(ratios) < 0.88


@pytest.mark.slow
def test_the_graph_forecaster_beats_its_rivals_on_an_unseen_worm(real_worms):
    """A small budget on one worm; the table of all worms is in the documentation."""
    prepared = [worm.zscore().average_classes().zscore() for worm in real_worms]
    windows = sliding_windows(prepared, 16, target="next", horizon=16, neurons="intersection")
    train = windows.groups != "worm_2022-08-02-38"
    errors = {}
    for name, model in default_models("forecaster", names=["ar", "mlp", "graph"]).items():
        if name != "ar":
            model.set_params(random_state=0, n_members=1, max_epochs=8)
        model.fit(windows.X[train], windows.y[train][:, :, 0])
        forecast = model.forecast(windows.X[~train], 16)
        errors[name] = masked_mean_squared_error(windows.y[~train], forecast, by="horizon")
    assert errors["graph"][0] < min(errors["ar"][0], errors["mlp"][0])
    assert errors["graph"][15] < errors["mlp"][15]
