"""What compare is given is read whatever it is wrapped in, or refused by name."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline

from skneurograph import Recording, compare, default_models, sliding_windows
from skneurograph.model_selection import forecast_scorers

N_WINDOWS = 60
FITS = []


class Spy(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        FITS.append((np.asarray(X)[:, 0, 0].astype(int).tolist(), y))
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture(autouse=True)
def _no_fits():
    FITS.clear()


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(N_WINDOWS, 3, 4))
    X[:, 0] = np.arange(N_WINDOWS)[:, None]
    y = np.tile(["forward", "reversal"], N_WINDOWS // 2)
    return X, y, np.repeat(["a", "b", "c"], N_WINDOWS // 3)


def run(data, **options):
    X, y, groups = data
    return compare(**{"models": {"spy": Spy()}, "X": X, "y": y, "groups": groups} | options)


REFUSED = {
    "one estimator": ({"models": Spy()}, "models: got one Spy without a name"),
    "a pipeline": ({"models": make_pipeline(Spy())}, "models: got one Pipeline"),
    "a list": ({"models": [Spy(), Spy()]}, r"models: got a Spy .*'logistic': model"),
    "no pairs": ({"models": ["spy"]}, "models: got 'spy'; expected models by name"),
    "a number": ({"models": 3}, "models: got int"),
    "a name twice": (
        {"models": [("m", Spy()), ("u", Spy()), ("m", DummyClassifier())]},
        "models: got two models called 'm'",
    ),
    "no string": ({"models": {1: Spy()}}, "models: got the name 1"),
    "no name": ({"models": {"": Spy()}}, "models: got the name ''"),
    "a class": ({"models": {"spy": Spy}}, r"got 'spy': the class Spy; expected .*Spy\(\)"),
    "no estimator": ({"models": {"spy": 5}}, "models: got 'spy': int"),
    "several kinds": (
        {"models": {"spy": Spy(), "ridge": Ridge()}},
        r"got classifiers \(spy\) and regressors \(ridge\)",
    ),
    "a seed": ({"seeds": 3}, "seeds: got 3"),
    "seed texts": ({"seeds": ["0"]}, "seeds: got '0'"),
    "a float seed": ({"seeds": [0, 1.5]}, "seeds: got 1.5"),
    "a boolean seed": ({"seeds": [True]}, "seeds: got True"),
    "a negative seed": ({"seeds": [-1]}, "seeds: got -1"),
    "a seed twice": ({"seeds": [0, 1, 0]}, "seeds: got a seed twice"),
    "no seeds": ({"seeds": None}, "seeds: got None"),
    "no jobs": ({"n_jobs": 0}, "n_jobs: got 0"),
    "half a job": ({"n_jobs": 1.5}, "n_jobs: got 1.5"),
    "a boolean job": ({"n_jobs": True}, "n_jobs: got True"),
    "no callback": ({"on_result": 3}, "on_result: got int"),
    "no scores": ({"scoring": []}, "scoring: got none"),
    "no scorers": ({"scoring": {}}, "scoring: got none"),
    "an unknown score": ({"scoring": "acuracy"}, "scoring: got 'acuracy'; .*accuracy"),
    "one unknown score": ({"scoring": ["accuracy", "nonsense"]}, "scoring: got 'nonsense'"),
    "a score twice": ({"scoring": ["accuracy", "accuracy"]}, "scoring: got a name twice"),
    "a scorer alone": ({"scoring": make_scorer(accuracy_score)}, "scoring: .* without a name"),
    "a metric": (
        {"scoring": {"right": accuracy_score}},
        r"scoring: got the metric accuracy_score; .*make_scorer\(accuracy_score\)",
    ),
    "a metric in a list": ({"scoring": [accuracy_score]}, "accuracy_score without a name"),
    "a set of scores": ({"scoring": {"accuracy", "f1_macro"}}, "scoring: got a set"),
    "a score's number": ({"scoring": {"one": 1}}, "scoring: got int"),
    "scores' numbers": ({"scoring": 3}, "scoring: got int"),
    "no labels": ({"y": None}, "y: got None"),
    "few labels": ({"y": ["a", "b"]}, r"y: got shape \(2,\) for 60 windows"),
    "tables of labels": ({"y": np.full((N_WINDOWS, 2), "a")}, r"y: got shape \(60, 2\)"),
    "continuous labels": ({"y": np.linspace(0, 1, N_WINDOWS)}, "y: got numbers that are not"),
    "few groups": ({"groups": ["a", "b"]}, r"groups: got shape \(2,\)"),
    "one group": ({"groups": "a"}, "groups: got"),
    "lone windows": ({"X": np.zeros(N_WINDOWS)}, r"X: got shape \(60,\)"),
    "no windows": ({"X": np.zeros((0, 3, 4))}, r"X: got shape \(0, 3, 4\)"),
    "ragged windows": ({"X": [np.zeros((3, 8)), np.zeros((3, 9))]}, "X: got windows of different"),
}


@pytest.mark.parametrize(("options", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_by_name_before_anything_is_fitted(data, options, said):
    with pytest.raises(ValueError, match=said):
        run(data, **options)
    assert FITS == []


MISSING = {
    "nan": np.nan,
    "None": None,
    "pandas.NA": pd.NA,
    "NaT": pd.NaT,
    "nothing": "",
}


@pytest.mark.parametrize("value", MISSING.values(), ids=MISSING)
def test_windows_without_a_label_or_an_organism_are_counted_and_refused(data, value):
    _X, y, groups = data
    for name, given in (("y", y), ("groups", groups)):
        holed = given.astype(object)
        holed[[3, 8]] = value
        for container in (holed, holed.tolist(), pd.Series(holed)):
            with pytest.raises(ValueError, match=rf"^{name}: got no.* 2 of 60 .* position 3"):
                run(data, **{name: container})


def test_masked_labels_are_missing_and_bytes_are_text(data):
    _X, y, groups = data
    masked = np.ma.array(y, mask=np.arange(N_WINDOWS) == 5)
    with pytest.raises(ValueError, match=r"^y: got none for 1 of 60 windows"):
        run(data, y=masked)
    expected = run(data).scores["score"]
    given = run(data, y=y.astype("S"), groups=[name.encode() for name in groups])
    np.testing.assert_array_equal(given.scores["score"], expected)
    assert given.by_fold().index.tolist() == ["a", "b", "c"]
    assert FITS[-1][1].dtype.kind == "U"


@pytest.mark.parametrize("missing", [np.nan, None], ids=str)
def test_regressors_need_a_number_for_every_window(data, missing):
    X, _, groups = data
    y = np.linspace(0, 1, N_WINDOWS).astype(object)
    y[7] = missing
    models = {"mean": DummyRegressor()}
    with pytest.raises(ValueError, match=r"^y: got none for 1 of 60 windows .* position 7"):
        compare(models, X, y, groups=groups)
    with pytest.raises(ValueError, match=r"^y: got .*compare classifiers"):
        compare(models, X, np.full(N_WINDOWS, "forward"), groups=groups)


def test_the_frames_to_forecast_may_lack_neurons():
    rng = np.random.default_rng(0)
    worms = [
        Recording(rng.normal(size=(40, 2)), 1.0, neurons=names, organism=name)
        for name, names in (("one", list("AB")), ("two", list("BC")))
    ]
    windows = sliding_windows(worms, 4, target="next", horizon=2)
    assert np.isnan(windows.y).any()
    models = default_models("forecaster", names=["persistence"])
    result = compare(
        models, windows.X, windows.y, groups=windows.groups, scoring=forecast_scorers((1,))
    )
    assert (result.scores["error"] == "").all()


def test_windows_and_recordings_are_told_from_their_arrays(data):
    rng = np.random.default_rng(0)
    worm = Recording(rng.normal(size=(80, 3)), 1.0, neurons=list("ABC"), behavior=["f", "r"] * 40)
    windows = sliding_windows(worm, 4)
    with pytest.raises(ValueError, match=r"X: got Windows; expected .*windows\.X"):
        compare({"spy": Spy()}, windows, windows.y, groups=windows.groups)
    for given in (worm, [worm, worm]):
        with pytest.raises(ValueError, match=r"X: got recordings; expected .*sliding_windows"):
            compare({"spy": Spy()}, given, windows.y)


def test_masked_windows_are_missing_neurons(data):
    X, _y, _groups = data
    masked = np.ma.array(X, mask=np.zeros(X.shape))
    masked[4, 2] = np.ma.masked
    seen = []

    class Look(Spy):
        def fit(self, X, y):
            seen.append(np.isnan(X).any(axis=(1, 2)).sum())
            return super().fit(X, y)

    run(data, models={"look": Look()}, X=masked)
    assert seen == [0, 1, 1]


def test_an_estimator_of_flat_rows_is_told_of_make_baseline(data):
    for model in (LogisticRegression(), GridSearchCV(LogisticRegression(), {}, cv=2)):
        with pytest.raises(ValueError, match=r"make_baseline\(estimator\)"):
            run(data, models={"logistic": model})
        with pytest.warns(UserWarning, match="make_baseline"):
            result = run(data, models={"logistic": model, "spy": Spy()})
        assert result.summary().loc["spy", ("accuracy", "folds")] == 3


def masks(rows):
    mask = np.zeros(N_WINDOWS, dtype=bool)
    mask[rows] = True
    return mask


CONTAINERS = {
    "arrays": np.asarray,
    "unsigned": lambda rows: np.asarray(rows, dtype=np.uint8),
    "lists": list,
    "tuples": tuple,
    "generators": lambda rows: (row for row in list(rows)),
    "Series": pd.Series,
    "masks": masks,
    "lists of booleans": lambda rows: masks(rows).tolist(),
    "boolean Series": lambda rows: pd.Series(masks(rows)),
}


@pytest.mark.parametrize("wrap", CONTAINERS.values(), ids=CONTAINERS)
def test_splits_mean_the_same_in_every_container(data, wrap):
    parts = [(np.arange(20, 60), np.arange(20)), (np.arange(10, 30), np.arange(50, 55))]
    models = {"spy": Spy(), "chance": DummyClassifier()}
    expected = run(data, models=models, cv=parts)
    wrapped = ((wrap(train), wrap(test)) for train, test in parts)
    given = run(data, models=models, cv=wrapped)
    columns = ["fold", "held_out", "score", "n_train", "n_test"]
    pd.testing.assert_frame_equal(given.scores[columns], expected.scores[columns])
    assert given.scores.drop_duplicates("fold")["n_train"].tolist() == [40, 20]
    assert given.scores.drop_duplicates("fold")["n_test"].tolist() == [20, 5]
    pd.testing.assert_frame_equal(given.paired_tests(), expected.paired_tests())
    trained = [rows for rows, _ in FITS]
    assert trained[:2] == trained[2:]


def test_ranges_and_slices_are_splits(data):
    result = run(data, cv=[(range(20, 60), range(20)), (slice(30), slice(30, None))])
    assert result.scores.drop_duplicates("fold")["n_test"].tolist() == [20, 30]


BAD_SPLITS = {
    "nothing": ([], "cv: got no split"),
    "a word": ("organisms", "cv: got 'organisms'"),
    "a boolean": (True, "cv: got True"),
    "a float": (2.5, "cv: got 2.5"),
    "a class": (KFold, r"cv: got the class KFold; expected an instance, KFold\("),
    "one fold": (1, "cv: k-fold"),
    "one pair": ((np.arange(30), np.arange(30, 60)), r"cv: .*no pair.*\[\(train, test\)\]"),
    "three parts": ([([0, 1], [2, 3], [4, 5])], "cv: got a split 0 that is no pair"),
    "no test": ([(np.arange(30), [])], "cv: test of split 0: got no window"),
    "no training": ([(np.zeros(60, bool), np.ones(60, bool))], "cv: train of split 0: got no"),
    "both": ([(np.arange(31), np.arange(30, 60))], "cv: got 1 windows both to train on and"),
    "a short mask": ([(np.ones(30, bool), np.arange(30, 60))], "a mask of 30 booleans"),
    "outside": ([(np.arange(30), [30, 60])], "cv: test of split 0: got 60; expected positions"),
    "negative": ([(np.arange(30), [30, -1])], "cv: test of split 0: got -1"),
    "twice": ([(np.arange(30), [30, 31, 30])], "cv: test of split 0: got a window twice"),
    "floats": ([(np.arange(30.0), np.arange(30, 60))], "cv: train of split 0: got dtype float64"),
    "names": ([(["a", "b"], np.arange(30, 60))], "cv: train of split 0: got dtype <U1"),
    "a table": ([(np.arange(30).reshape(5, 6), [30])], r"cv: train of split 0: got shape \(5, 6\)"),
    "a number": ([(3, np.arange(30, 60))], r"cv: train of split 0: got shape \(\)"),
    "second": ([(np.arange(30), [30, 31]), ([0, 1], [])], "cv: test of split 1"),
}


@pytest.mark.parametrize(("cv", "said"), BAD_SPLITS.values(), ids=BAD_SPLITS)
def test_splits_that_test_nothing_or_leak_are_refused(data, cv, said):
    with pytest.raises(ValueError, match=said):
        run(data, cv=cv)
    assert FITS == []


def test_a_splitter_without_use_for_groups_gets_them_without_a_warning(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(data, cv=KFold(3))


def test_numbers_of_numpy_are_seeds_and_jobs(data):
    result = run(data, seeds=np.arange(2), n_jobs=np.int64(1))
    assert result.n_done == 3
    assert run(data, models=[["spy", Spy()]], seeds=range(1)).models == ["spy"]


def test_labels_of_one_column_are_labels(data):
    _X, y, _groups = data
    expected = run(data).scores["score"]
    for column in (y[:, None], pd.DataFrame({"behavior": y})):
        np.testing.assert_array_equal(run(data, y=column).scores["score"], expected)


def test_a_scorer_that_fails_or_gives_no_number_spares_the_others(data):
    def broken(estimator, X, y):
        raise RuntimeError("no such\nscore")

    scoring = {
        "right": make_scorer(accuracy_score),
        "broken": broken,
        "text": lambda estimator, X, y: "high",
        "endless": lambda estimator, X, y: np.inf,
        "by name": "accuracy",
    }
    with pytest.warns(UserWarning, match="spy failed to give broken, text, endless in 3 folds"):
        result = run(data, scoring=scoring)
    table = result.scores.groupby("metric")
    assert table["score"].apply(lambda scores: scores.notna().all()).to_dict() == {
        "right": True,
        "broken": False,
        "text": False,
        "endless": False,
        "by name": True,
    }
    errors = table["error"].first()
    assert errors["broken"] == "RuntimeError: no such\nscore"
    assert errors["text"] == "scoring: text gave str; expected a number"
    assert errors["endless"] == "the score is inf"
    assert (result.scores["fit_time"] > 0).all()
    expected = run(data, scoring="accuracy").by_fold()["spy"]
    pd.testing.assert_series_equal(result.by_fold("by name")["spy"], expected)
    assert "failed" in str(result)


def test_leaving_one_organism_out_is_what_none_means(data):
    expected = run(data, cv=LeaveOneGroupOut())
    pd.testing.assert_frame_equal(run(data).by_fold(), expected.by_fold())
