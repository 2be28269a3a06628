"""AdaptedClassifier: what it uses of the organism that it predicts, and what not."""

import pickle
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skneurograph import compare
from skneurograph.model_selection import AdaptedClassifier, GroupScorer
from skneurograph.preprocessing import FlattenWindows

RECALIBRATIONS = [(name, causal) for name in ("align", "centre", "prior") for causal in (0, 1)]
MEANS = np.array([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]])
LABELS = np.array(["forward", "reversal", "turn"])


def organism(shares, n_windows=200, seed=0, offset=0.0):
    """Windows of two neurons and two frames; an offset makes a classifier favour forward."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n_windows, p=shares)
    X = MEANS[y][:, :, None] + rng.normal(size=(n_windows, 2, 2))
    X[:, 0] += offset
    return X, LABELS[y]


def flat():
    return make_pipeline(FlattenWindows(), LogisticRegression())


@pytest.fixture(scope="module")
def training():
    return organism([0.4, 0.3, 0.3], n_windows=400)


@pytest.fixture(params=RECALIBRATIONS, ids=lambda p: p[0] + (", causal" if p[1] else ""))
def adapted(request, training):
    recalibration, causal = request.param
    model = AdaptedClassifier(flat(), recalibration=recalibration, causal=bool(causal))
    return model.fit(*training)


def test_each_organism_is_recalibrated_by_its_own_windows(adapted):
    parts = [organism([0.1, 0.1, 0.8], seed=1)[0], organism([0.8, 0.1, 0.1], seed=2)[0]]
    groups = np.tile(["b", "a"], 200)
    X = np.stack(parts, axis=1).reshape(400, 2, 2)
    found = adapted.predict_proba(X, groups=groups)
    for name, part in zip("ba", parts):
        np.testing.assert_allclose(found[groups == name], adapted.predict_proba(part))
    assert not np.allclose(found, adapted.predict_proba(X), atol=1e-3)


def test_causal_recalibration_knows_nothing_of_later_windows(adapted):
    X, _ = organism([0.1, 0.1, 0.8], seed=1)
    later = X.copy()
    later[100:] = organism([0.8, 0.1, 0.1], seed=2)[0][100:]
    before, changed = adapted.predict_proba(X)[:100], adapted.predict_proba(later)[:100]
    plain = adapted.estimator_.predict_proba(X)
    if adapted.causal:
        np.testing.assert_array_equal(before, changed)
        np.testing.assert_allclose(before[0], plain[0])
        np.testing.assert_array_equal(before, adapted.predict_proba(X[:100]))
    else:
        assert not np.allclose(before, changed, atol=1e-3)


def test_the_order_of_windows_matters_only_to_the_causal(adapted):
    X, _ = organism([0.1, 0.1, 0.8], seed=1)
    found = adapted.predict_proba(X[::-1])[::-1]
    assert np.allclose(found, adapted.predict_proba(X), rtol=1e-6) != adapted.causal


def test_nothing_changes_where_nothing_shifts(training):
    X, _ = training
    for recalibration in (None, "align", "prior"):
        model = AdaptedClassifier(flat(), recalibration=recalibration, prior_weight=0)
        found = model.fit(*training).predict_proba(X)
        np.testing.assert_allclose(found, model.estimator_.predict_proba(X), atol=1e-5)


def test_aligned_and_centred_log_probabilities_have_the_mean_they_should_have(training):
    X, _ = organism([0.1, 0.1, 0.8], seed=1, offset=0.3)
    model = AdaptedClassifier(LogisticRegression(C=0.01), prior_weight=0)
    model.fit(training[0][:, :, 0], training[1])
    wanted = np.log(model.estimator_.predict_proba(training[0][:, :, 0])).mean(axis=0)
    for recalibration in ("align", "centre"):
        model.set_params(recalibration=recalibration)
        mean = np.log(model.predict_proba(X[:, :, 0])).mean(axis=0)
        expected = wanted if recalibration == "align" else np.zeros(3)
        np.testing.assert_allclose(mean - mean.mean(), expected - expected.mean(), atol=1e-6)


def test_a_classifier_that_favours_one_behaviour_is_mended_without_labels(adapted):
    X, y = organism([0.4, 0.3, 0.3], seed=3, offset=2.0)
    plain = balanced_accuracy_score(y, adapted.estimator_.predict(X))
    found = balanced_accuracy_score(y, adapted.predict(X))
    assert plain < 0.75
    # Shares are not what has changed here, so to re-estimate them is the wrong remedy.
    assert found > plain + 0.05 or adapted.recalibration == "prior"


def test_adaptation_to_labels_serves_the_organisms_it_was_given(training):
    X, y = organism([0.4, 0.3, 0.3], seed=3, offset=2.0)
    model = AdaptedClassifier(flat()).fit(*training)
    aligned = model.predict_proba(X)
    few = slice(60)
    model.adapt(X[few], y[few], groups=["new"] * 60)
    learnt = model.predict_proba(X, groups=["new"] * 200)
    assert not np.allclose(learnt, aligned, atol=1e-3)
    np.testing.assert_array_equal(model.predict_proba(X, groups=["other"] * 200), aligned)
    np.testing.assert_array_equal(model.predict_proba(X), aligned)
    model.adapt(X[few], y[few])
    np.testing.assert_array_equal(model.predict_proba(X), learnt)
    np.testing.assert_array_equal(model.predict_proba(X, groups=["other"] * 200), learnt)
    # A window no longer depends on others.
    np.testing.assert_allclose(model.predict_proba(X[3:4]), learnt[3:4])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), learnt)
    np.testing.assert_array_equal(model.fit(*training).predict_proba(X), aligned)


def test_a_few_labels_mend_a_shifted_classifier_and_spare_a_good_one(training):
    model = AdaptedClassifier(flat(), recalibration=None).fit(*training)
    for offset, least in ((2.0, 0.03), (0.0, -0.02)):
        X, y = organism([0.4, 0.3, 0.3], seed=4, n_windows=600, offset=offset)
        plain = balanced_accuracy_score(y, model.fit(*training).predict(X))
        for n_labelled in (1, 4, 16, 100):
            few = slice(n_labelled)
            gain = balanced_accuracy_score(y, model.adapt(X[few], y[few]).predict(X)) - plain
            assert gain >= (least if n_labelled == 100 else -0.02)


def test_labels_that_training_did_not_have_are_refused(training):
    model = AdaptedClassifier(flat())
    with pytest.raises(NotFittedError):
        model.adapt(*training)
    model.fit(*training)
    with pytest.raises(ValueError, match=r"y: got \['dwell'\]; expected labels of training"):
        model.adapt(training[0][:2], ["dwell", "turn"])
    with pytest.raises(ValueError, match=r"groups: got shape \(1,\)"):
        model.predict(training[0], groups=["one"])


def test_a_classifier_without_probabilities_is_refused(training):
    with pytest.raises(ValueError, match=r"estimator: got LinearSVC, which has no predict_proba"):
        AdaptedClassifier(LinearSVC()).fit(*training)


def test_a_fitted_classifier_can_be_wrapped_as_it_is(training):
    X, y = training
    fitted = flat().fit(X, y)
    model = AdaptedClassifier(FrozenEstimator(fitted), recalibration=None).fit(X[::2], y[::2])
    np.testing.assert_array_equal(model.predict_proba(X), fitted.predict_proba(X))


def test_a_table_reaches_the_classifier_with_its_columns(training):
    frame = pd.DataFrame(training[0][:, :, 0], columns=["AVA", "RIB"])
    scaled = make_column_transformer((StandardScaler(), ["AVA"]))
    model = AdaptedClassifier(make_pipeline(scaled, LogisticRegression()))
    assert model.fit(frame, training[1]).predict(frame).shape == (400,)


class ByOrganism(ClassifierMixin, BaseEstimator):
    """Needs groups to fit and to predict, and notes them."""

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"groups": True}

    def fit(self, X, y, groups):
        assert len(groups) == len(X)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X, groups):
        is_new = np.asarray(groups) == "new"
        return np.where(is_new[:, None], [[0.2, 0.8]], [[0.7, 0.3]])


def test_a_classifier_that_needs_groups_gets_them():
    X, y = np.random.default_rng(0).normal(size=(8, 2, 3)), ["forward", "turn"] * 4
    groups = ["old"] * 4 + ["new"] * 4
    model = AdaptedClassifier(ByOrganism(), recalibration=None).fit(X, y, groups=groups)
    assert model.predict(X, groups=groups).tolist() == ["forward"] * 4 + ["turn"] * 4
    assert model.adapt(X, y, groups=groups).score(X, y, groups=groups) == 0.5


def test_compare_and_searches_recalibrate_each_organism_apart():
    parts = [organism(np.roll([0.6, 0.3, 0.1], i), 60, seed=i) for i in range(4)]
    X, y = (np.concatenate(values) for values in zip(*parts))
    groups = np.repeat(list("abcd"), 60)
    model = AdaptedClassifier(flat(), recalibration="centre", prior_weight=5)
    search = GridSearchCV(model, {"prior_weight": [5.0]}, cv=GroupKFold(2))
    cv = [(np.arange(120), np.arange(120, 240))]
    models = {"adapted": model, "search": search}
    with sklearn.config_context(enable_metadata_routing=True):
        table = compare(models, X, y, groups=groups, cv=cv, scoring=["balanced_accuracy"]).scores
    predicted = clone(model).fit(X[:120], y[:120]).predict(X[120:], groups=groups[120:])
    expected = balanced_accuracy_score(y[120:], predicted)
    np.testing.assert_allclose(table["score"], [expected, expected])
    together = clone(model).fit(X[:120], y[:120]).predict(X[120:])
    assert (predicted != together).any()
    scorer = GroupScorer("balanced_accuracy")
    fitted = clone(model).fit(X[:120], y[:120])
    assert scorer(fitted, X[120:], y[120:], groups=groups[120:]) == expected
