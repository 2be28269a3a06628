"""The models on real recordings, where they are there (see tests/conftest.py)."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from skneurograph import default_models, sliding_windows


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
    assert scores["pca-logistic"] == pytest.approx(0.54, abs=0.03)
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
