"""The decoders inside scikit-learn's pipelines, searches, splits and ensembles."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    RandomizedSearchCV,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline

from skneurograph.decoding import (
    GraphClassifier,
    GraphRegressor,
    RecurrentClassifier,
    RecurrentRegressor,
)
from skneurograph.preprocessing import WindowScaler

CLASSIFIERS = [GraphClassifier, RecurrentClassifier]
REGRESSORS = [GraphRegressor, RecurrentRegressor]
SMALL = {"max_epochs": 2, "n_members": 1, "hidden_size": 8, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5, 4)).astype(np.float32)
    X[:40, 4] = np.nan
    velocity = X[:, 0].mean(axis=1)
    return X, np.where(velocity > 0, "forward", "reversal"), velocity, np.repeat([0, 1, 2], 40)


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_pipeline_grid_search_over_organisms(model, data):
    X, y, _, groups = data
    pipeline = make_pipeline(WindowScaler(), model(**SMALL))
    name = f"{model.__name__.lower()}__hidden_size"
    search = GridSearchCV(pipeline, {name: [2, 4]}, cv=GroupKFold(3)).fit(X, y, groups=groups)
    assert search.best_params_[name] in (2, 4)
    assert search.predict(X).shape == (120,)


def test_randomized_search_over_the_architecture(data):
    X, y, _, groups = data
    search = RandomizedSearchCV(
        GraphClassifier(**SMALL),
        {"edge_model": ["identity", "bilinear", "mlp"], "n_rounds": [0, 1, 2]},
        n_iter=3,
        random_state=0,
        cv=LeaveOneGroupOut(),
    ).fit(X, y, groups=groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("model", CLASSIFIERS + REGRESSORS)
def test_parallel_cross_validation_gives_what_a_serial_one_gives(model, data):
    X, y, velocity, groups = data
    target = velocity if model in REGRESSORS else y
    options = {"cv": LeaveOneGroupOut(), "groups": groups}
    serial = cross_validate(model(**SMALL), X, target, **options)
    parallel = cross_validate(model(**SMALL), X, target, n_jobs=2, **options)
    np.testing.assert_allclose(serial["test_score"], parallel["test_score"], atol=1e-6)


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_voting_calibration_and_cross_val_predict(model, data):
    X, y, _, groups = data
    voting = VotingClassifier(
        [("net", model(**SMALL)), ("chance", DummyClassifier())], voting="soft"
    ).fit(X, y)
    assert voting.predict(X).shape == (120,)
    calibrated = CalibratedClassifierCV(model(**SMALL), cv=3).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    probabilities = cross_val_predict(
        model(**SMALL), X, y, groups=groups, cv=LeaveOneGroupOut(), method="predict_proba"
    )
    assert probabilities.shape == (120, 2)


@pytest.mark.parametrize("model", REGRESSORS)
def test_voting_regressor(model, data):
    X, _, velocity, _ = data
    voting = VotingRegressor([("a", model(**SMALL)), ("b", model(**SMALL))]).fit(X, velocity)
    np.testing.assert_allclose(
        voting.predict(X), model(**SMALL).fit(X, velocity).predict(X), rtol=1e-5, atol=1e-6
    )


def test_groups_routed_through_a_pipeline_and_a_search_reach_early_stopping(data):
    X, y, _, groups = data
    with sklearn.config_context(enable_metadata_routing=True):
        model = GraphClassifier(patience=1, validation_fraction=0.5, **SMALL)
        pipeline = make_pipeline(WindowScaler(), model)
        pipeline.fit(X, y, groups=groups)
        assert "valid_loss" in pipeline[-1].net_.history[0]
        results = cross_validate(
            pipeline, X, y, cv=GroupKFold(3), params={"groups": groups}, return_estimator=True
        )
        for (train, _), fitted in zip(GroupKFold(3).split(X, y, groups), results["estimator"]):
            direct = clone(pipeline).fit(X[train], y[train], groups=groups[train])
            np.testing.assert_array_equal(direct.predict(X), fitted.predict(X))
