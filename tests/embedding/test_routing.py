"""Groups of embeddings, on every way by which scikit-learn hands them on."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.utils.metadata_routing import MetadataRequest

from skneurograph.embedding import MARBLE, TAVRNN

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 4, 6))
Y = np.where(X[:, 0, -1] > 0, "forward", "reversal")
GROUPS = np.tile(list("abcd"), 12)
MODELS = [
    MARBLE(max_epochs=1, n_neighbors=5, hidden_size=8, random_state=0),
    TAVRNN(max_epochs=1, hidden_size=4, n_components=2, random_state=0),
]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
GAPS = {
    "NaN": np.where(GROUPS == "b", np.nan, 1.0),
    "NaT": np.where(GROUPS == "b", "NaT", "2020-01-01").astype("M8[D]"),
    "None": [None if group == "b" else group for group in GROUPS],
    "NA": pd.array([pd.NA if group == "b" else group for group in GROUPS], dtype="string"),
    "empty": np.where(GROUPS == "b", "", GROUPS),
    "masked": np.ma.masked_array(GROUPS, GROUPS == "b"),
    "mixed": [1 if group == "b" else group for group in GROUPS],
}


class AccuracyWithGroups:
    """A scorer that asks for groups, and hands them to predict."""

    def __call__(self, estimator, windows, truth, groups):
        return accuracy_score(truth, estimator.predict(windows, groups=groups))

    def get_metadata_routing(self):
        request = MetadataRequest(owner=self)
        request.score.add_request(param="groups", alias=True)
        return request


@pytest.fixture(autouse=True)
def _fitted():
    for model in MODELS:
        if not hasattr(model, "net_"):
            model.fit(X, groups=GROUPS)


@each_model
@pytest.mark.parametrize("gaps", [*GAPS.values()], ids=[*GAPS])
def test_groups_with_gaps_are_refused_in_transform(model, gaps):
    with pytest.raises(ValueError, match=r"^groups: got"):
        model.transform(X, groups=gaps)


@each_model
def test_groups_of_bytes_are_those_of_text(model):
    found = model.transform(X, groups=GROUPS.astype("S"))
    np.testing.assert_array_equal(found, model.transform(X, groups=GROUPS))


@each_model
def test_windows_of_several_groups_are_not_embedded_without_them(model):
    with pytest.raises(ValueError, match=r"groups: not given, but .* 4 .*enable_metadata_routing"):
        model.transform(X)
    if isinstance(model, TAVRNN):
        for call in (model.score, model.embed_neurons):
            with pytest.raises(ValueError, match="groups: not given"):
                call(X)
        one = np.zeros(12)
        assert model.transform(X[:12], groups=one).shape == (12, 2)
        np.testing.assert_array_equal(
            model.transform(X[:1]), model.transform(X[:1], groups=one[:1])
        )
        alone = clone(model).fit(X, groups=["rat"] * 48)
        np.testing.assert_array_equal(alone.transform(X), alone.transform(X, groups=["rat"] * 48))


@each_model
def test_groups_reach_a_pipeline_that_fits_predicts_scores_and_is_searched(model):
    pipeline = make_pipeline(clone(model), LogisticRegression())
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline.fit(X, Y, groups=GROUPS)
        embedded = model.transform(X, groups=GROUPS)
        by_hand = LogisticRegression().fit(embedded, Y).predict(embedded)
        np.testing.assert_array_equal(pipeline.predict(X, groups=GROUPS), by_hand)
        assert pipeline.score(X, Y, groups=GROUPS) == np.mean(by_hand == Y)
        options = {"cv": GroupKFold(2), "params": {"groups": GROUPS}, "error_score": "raise"}
        plain = cross_validate(pipeline, X, Y, **options)["test_score"]
        asking = cross_validate(pipeline, X, Y, scoring=AccuracyWithGroups(), **options)
        np.testing.assert_array_equal(asking["test_score"], plain)
        with pytest.raises(ValueError, match="scikit-learn's named scorers never do"):
            cross_validate(pipeline, X, Y, scoring="accuracy", **options)
        search = GridSearchCV(pipeline, {"logisticregression__C": [1.0]}, cv=GroupKFold(2))
        search.fit(X, Y, groups=GROUPS)
        assert search.best_score_ == plain.mean()
        best = search.best_estimator_.predict(X, groups=GROUPS)
        np.testing.assert_array_equal(best, by_hand)
        assert search.score(X, Y, groups=GROUPS) == np.mean(by_hand == Y)


def test_groups_of_another_kind_than_in_fit_are_refused_not_taken_for_strangers():
    with pytest.raises(ValueError, match=r"groups: got int64, but MARBLE was fitted with .*'a'"):
        MODELS[0].transform(X, groups=np.repeat([1, 2], 24))
