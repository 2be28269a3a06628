"""Groups reach whoever asks for them: in fit, and while the test windows are scored."""

from typing import ClassVar

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut, cross_validate
from sklearn.pipeline import FeatureUnion, make_pipeline

from skneurograph import compare
from skneurograph.embedding import MARBLE, TAVRNN
from skneurograph.model_selection import GroupScorer

# What the models below were given, for the tests to read.
LOG = []


@pytest.fixture(autouse=True)
def _fresh_log():
    LOG.clear()


@pytest.fixture
def data():
    """Windows whose first neuron is their row; interleaved organisms."""
    X = np.random.default_rng(0).normal(size=(80, 3, 4))
    X[:, 0] = np.arange(80)[:, None]
    y = np.where(X[:, 1, -1] > 0, "forward", "reversal")
    return X, y, np.tile(list("abcd"), 20)


def note(event, X, groups):
    rows = np.asarray(X).reshape(len(X), -1)[:, 0].astype(int).tolist()
    LOG.append((event, rows, None if groups is None else list(groups)))


class Flatten(TransformerMixin, BaseEstimator):
    """Gives the features as they are and remembers the groups of each call."""

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__transform: ClassVar[dict[str, bool]] = {"groups": True}

    def fit(self, X, y=None, groups=None):
        note("fit", X, groups)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X, groups=None):
        note("transform", X, groups)
        return np.asarray(X).reshape(len(X), -1)

    def fit_transform(self, X, y=None, groups=None):
        return self.fit(X, y, groups).transform(X, groups)


class Predictor(ClassifierMixin, BaseEstimator):
    """Predicts chance, and remembers the groups of each call."""

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"groups": True}

    def fit(self, X, y, groups=None):
        note("fit", X, groups)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X, groups=None):
        note("predict", X, groups)
        return np.full(len(X), self.classes_[0])

    def predict_proba(self, X, groups=None):
        note("predict_proba", X, groups)
        return np.full((len(X), 2), 0.5)


def flat():
    return make_pipeline(Flatten(), LogisticRegression(C=1e-3))


MODELS = {
    "pipeline": flat,
    "pipeline in a pipeline": lambda: make_pipeline(flat()),
    "search": lambda: GridSearchCV(flat(), {"logisticregression__C": [1.0]}, cv=GroupKFold(3)),
    "vote": lambda: VotingClassifier([("one", flat()), ("two", flat())]),
    "soft vote": lambda: VotingClassifier([("one", flat())], voting="soft"),
    "search over a vote": lambda: GridSearchCV(
        VotingClassifier([("one", flat())]), {}, cv=GroupKFold(3)
    ),
    "union": lambda: make_pipeline(
        FeatureUnion([("one", Flatten()), ("two", Flatten())]), LogisticRegression(C=1e-3)
    ),
    "alone": Predictor,
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("routing", [False, True], ids=["", "routing"])
def test_every_call_knows_the_groups_of_its_windows(data, make, routing):
    X, y, groups = data
    scoring = ["accuracy", "f1_macro"]
    if hasattr(make(), "predict_proba"):
        scoring.append("neg_log_loss")
    with sklearn.config_context(enable_metadata_routing=routing):
        result = compare({"spy": make()}, X, y, groups=groups, scoring=scoring)
    assert (result.scores["error"] == "").all()
    tested = 0
    for _, rows, given in LOG:
        assert given == groups[rows].tolist()
        tested += len(set(given)) == 1
    assert tested >= 4


def test_a_request_of_the_user_is_heard_under_whatever_name(data):
    X, y, groups = data

    class Named(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None, animal=None):
            note("fit", X, animal)
            return self

        def transform(self, X, animal=None):
            note("transform", X, animal)
            return np.asarray(X).reshape(len(X), -1)

        def fit_transform(self, X, y=None, animal=None):
            return self.fit(X, y, animal).transform(X, animal)

    with sklearn.config_context(enable_metadata_routing=True):
        named = Named().set_fit_request(animal="groups").set_transform_request(animal="groups")
    model = make_pipeline(named, LogisticRegression(C=1e-3))
    result = compare({"spy": model}, X, y, groups=groups)
    assert (result.scores["error"] == "").all()
    assert all(given == groups[rows].tolist() for _, rows, given in LOG)
    assert len({tuple(given) for _, _, given in LOG if len(set(given)) == 1}) == 4


def test_a_scorer_sees_the_estimator_itself_and_leaves_it_as_it_was(data):
    X, y, groups = data
    seen = []

    def look(estimator, X, y):
        seen.append(estimator)
        assert type(estimator).__name__ == "Pipeline"
        assert estimator.classes_.tolist() == ["forward", "reversal"]
        return accuracy_score(y, estimator.predict(X))

    result = compare({"spy": flat()}, X, y, groups=groups, scoring={"look": look})
    assert (result.scores["error"] == "").all()
    assert all("transform" not in vars(estimator[0]) for estimator in seen)
    LOG.clear()
    seen[0].predict(X[:3])
    assert LOG == [("transform", [0, 1, 2], None)]


def test_groups_that_a_scorer_gives_itself_come_first(data):
    X, y, groups = data

    def own(estimator, X, y):
        part = estimator[0].transform(X[:3], groups=["x", "y", "z"])
        return float(len(part))

    compare({"spy": flat()}, X, y, groups=groups, scoring={"own": own})
    assert [given for event, _, given in LOG if event == "transform" and len(given) == 3] == [
        ["x", "y", "z"]
    ] * 4


def test_a_scorer_that_asks_for_other_windows_is_told_that_their_groups_are_unknown(data):
    X, y, groups = data

    def part(estimator, X, y):
        return accuracy_score(y[:5], estimator.predict(X[:5]))

    with pytest.raises(ValueError, match=r"groups: .*transform is asked for 5 windows where 20"):
        compare({"spy": flat()}, X, y, groups=groups, scoring={"part": part})


def test_a_scorer_that_requests_groups_gets_those_of_the_test_windows(data):
    X, y, groups = data
    seen = []

    def metric(truth, predicted, groups):
        seen.append(list(groups))
        return accuracy_score(truth, predicted)

    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(metric).set_score_request(groups=True)
    compare({"spy": Predictor()}, X, y, groups=groups, scoring={"metric": scorer})
    assert seen == [[name] * 20 for name in "abcd"]


def test_without_groups_nothing_is_supplied(data):
    X, y, _ = data
    compare({"spy": flat()}, X, y, cv=3)
    assert {given for _, _, given in LOG} == {None}


def test_models_that_cannot_route_groups_are_fitted_without(data):
    X, y, groups = data

    class Deaf(ClassifierMixin, BaseEstimator):
        def __init__(self, inner):
            self.inner = inner

        def get_metadata_routing(self):
            raise NotImplementedError

        def fit(self, X, y):
            self.inner_ = sklearn.clone(self.inner).fit(X, y)
            self.classes_ = self.inner_.classes_
            return self

        def predict(self, X):
            return self.inner_.predict(X)

    result = compare({"deaf": Deaf(flat())}, X, y, groups=groups)
    assert (result.scores["error"] == "").all()
    assert {given for _, _, given in LOG} == {None}


def short_marble():
    return make_pipeline(
        MARBLE(max_epochs=1, n_neighbors=5, hidden_size=8, random_state=0),
        LogisticRegression(C=1e-3),
    )


def short_tavrnn():
    return make_pipeline(
        TAVRNN(max_epochs=1, hidden_size=4, n_components=2, random_state=0),
        LogisticRegression(C=1e-3),
    )


@pytest.mark.parametrize("make", [short_marble, short_tavrnn], ids=["MARBLE", "TAVRNN"])
def test_embeddings_are_scored_with_the_groups_of_the_test_windows(data, make):
    X, y, groups = data
    result = compare({"model": make()}, X, y, groups=groups, cv=GroupKFold(2), seeds=[0])
    expected = []
    for train, test in GroupKFold(2).split(X, y, groups):
        with sklearn.config_context(enable_metadata_routing=True):
            model = make().fit(X[train], y[train], groups=groups[train])
            predicted = model.predict(X[test], groups=groups[test])
        expected.append(balanced_accuracy_score(y[test], predicted))
    np.testing.assert_array_equal(result.by_fold()["model"], expected)


def test_the_scorer_brings_groups_where_scikit_learn_leaves_them_out(data):
    X, y, groups = data
    given = {"cv": LeaveOneGroupOut(), "params": {"groups": groups}}
    with sklearn.config_context(enable_metadata_routing=True):
        right = cross_validate(flat(), X, y, **given)["test_score"]
        LOG.clear()
        scores = cross_validate(flat(), X, y, scoring=GroupScorer("accuracy"), **given)
        assert all(part == groups[rows].tolist() for _, rows, part in LOG)
        np.testing.assert_array_equal(scores["test_score"], right)
        LOG.clear()
        search = GridSearchCV(
            flat(), {"logisticregression__C": [1.0, 2.0]}, cv=GroupKFold(2),
            scoring=GroupScorer("balanced_accuracy"),
        )  # fmt: skip
        search.fit(X, y, groups=groups)
    assert all(part == groups[rows].tolist() for _, rows, part in LOG)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("scoring", ["balanced_accuracy", GroupScorer("accuracy"), None], ids=str)
def test_searches_inside_a_comparison_score_by_groups_as_well(data, scoring):
    X, y, groups = data
    search = GridSearchCV(flat(), {}, cv=GroupKFold(2), scoring=scoring)
    result = compare({"search": search}, X, y, groups=groups)
    assert (result.scores["error"] == "").all()
    assert all(given == groups[rows].tolist() for _, rows, given in LOG)
    assert search.scoring is scoring


def test_the_scorer_without_groups_is_that_of_scikit_learn(data):
    X, y, _ = data
    model = flat().fit(X, y)
    assert GroupScorer("accuracy")(model, X, y) == model.score(X, y)
    with pytest.raises(ValueError, match="groups: got no organism for 1 of 80 windows"):
        GroupScorer("accuracy")(model, X, y, groups=[None] + ["a"] * 79)


def test_groups_reach_processes_that_predict(data):
    X, y, groups = data
    with joblib.parallel_config(n_jobs=2):
        result = compare({"spy": flat()}, X, y, groups=groups)
    assert (result.scores["error"] == "").all()
