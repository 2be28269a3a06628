import signal
import time
import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from skorch.callbacks import Callback

from skneurograph import Comparison, LazyWindows, compare, sliding_windows
from skneurograph.decoding import GraphClassifier
from skneurograph.embedding import TAVRNN
from skneurograph.model_selection import TemporalSplit, corrected_paired_test
from skneurograph.preprocessing import make_baseline

ORGANISMS = ["a", "b", "c"]
# What the models below were given, for the tests to read.
LOG = []


@pytest.fixture(autouse=True)
def _fresh_log():
    LOG.clear()


@pytest.fixture(autouse=True)
def _fits_in_the_order_given(monkeypatch):
    """On a busy machine a cheap fit may take long and be moved; test_queue.py is about that."""
    monkeypatch.setattr("skneurograph.model_selection._queue._NEGLIGIBLE", np.inf)


def make_data():
    """Windows whose first neuron holds their row, the second tells the label somewhat."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3, 4))
    X[:, 0] = np.arange(90)[:, None]
    y = rng.choice(["forward", "reversal"], 90)
    X[:, 1, -1] += 1.5 * (y == "forward")
    groups = np.repeat(ORGANISMS, [25, 30, 35])
    return X, y, groups


@pytest.fixture
def data():
    return make_data()


def rows_of(X):
    return np.asarray(X)[:, 0, 0].astype(int).tolist()


class Spy(ClassifierMixin, BaseEstimator):
    """Predicts the most frequent label, remembers what it was given."""

    def fit(self, X, y, groups=None):
        LOG.append(("fit", rows_of(X), groups))
        self.classes_, counts = np.unique(y, return_counts=True)
        self.prediction_ = self.classes_[counts.argmax()]
        return self

    def predict(self, X):
        LOG.append(("predict", rows_of(X), None))
        return np.full(len(X), self.prediction_)


class GroupSpy(Spy):
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}


class Memoriser(Spy):
    """Knows the label of every window that it was trained on."""

    def fit(self, X, y):
        super().fit(X, y)
        self.memory_ = dict(zip(rows_of(X), y))
        return self

    def predict(self, X):
        return np.array([self.memory_.get(row, self.prediction_) for row in rows_of(X)])


class SeedSpy(Spy):
    """Guesses with its seed."""

    def __init__(self, *, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        LOG.append(("seed", self.random_state, None))
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.random.default_rng(self.random_state).choice(self.classes_, len(X))


class Failing(Spy):
    """Raises when an organism (by one of its rows) is not among the training windows."""

    def __init__(self, *, unless=0, error=RuntimeError):
        self.unless = unless
        self.error = error

    def fit(self, X, y):
        if self.unless not in rows_of(X):
            raise self.error("too hot")
        return super().fit(X, y)


def test_every_organism_is_held_out_once_and_never_trained_on(data):
    X, y, groups = data
    result = compare({"spy": Spy()}, X, y, groups=groups)
    fits = [rows for event, rows, _ in LOG if event == "fit"]
    for fold, organism in enumerate(ORGANISMS):
        assert fits[fold] == np.flatnonzero(groups != organism).tolist()
    tested = {tuple(rows) for event, rows, _ in LOG if event == "predict"}
    assert tested == {tuple(np.flatnonzero(groups == organism)) for organism in ORGANISMS}
    table = result.scores.drop_duplicates("fold")
    assert table["held_out"].tolist() == ORGANISMS
    assert table["n_test"].tolist() == [25, 30, 35]
    assert table["n_train"].tolist() == [65, 60, 55]


def test_knowing_the_training_windows_by_heart_is_worth_nothing(data):
    X, y, groups = data
    models = {"memoriser": Memoriser(), "chance": DummyClassifier(strategy="most_frequent")}
    table = compare(models, X, y, groups=groups).by_fold("accuracy")
    np.testing.assert_array_equal(table["memoriser"], table["chance"])
    twice = [np.concatenate([array, array]) for array in data]
    with pytest.warns(UserWarning, match="90 of 90 windows that are tested share frames"):
        leaking = compare(models, *twice[:2], cv=[(np.arange(90), np.arange(90, 180))])
    assert leaking.by_fold("accuracy")["memoriser"].tolist() == [1.0]


@pytest.mark.parametrize("cv", [None, "logo"])
def test_scores_agree_with_scikit_learn(data, cv):
    X, y, groups = data
    models = {
        "tree": make_baseline(DecisionTreeClassifier(max_depth=3)),
        "logistic": make_baseline(LogisticRegression()),
    }
    result = compare(
        models, X, y, groups=groups, seeds=[5], cv=LeaveOneGroupOut() if cv == "logo" else None
    )
    assert result.metrics == ("balanced_accuracy", "accuracy", "f1_macro")
    for metric in result.metrics:
        for name, model in models.items():
            seeded = clone(model)
            if name == "tree":
                seeded.set_params(decisiontreeclassifier__random_state=5)
            expected = cross_val_score(
                seeded, X, y, groups=groups, cv=LeaveOneGroupOut(), scoring=metric
            )
            np.testing.assert_array_equal(result.by_fold(metric)[name], expected)


def without_times(result):
    return result.scores.drop(columns=["fit_time", "score_time"])


def test_workers_give_the_same_result_in_the_same_order(data):
    X, y, groups = data
    models = {
        "tree": make_baseline(DecisionTreeClassifier(max_features=1)),
        "chance": DummyClassifier(),
    }
    alone = compare(models, X, y, groups=groups, seeds=[3, 1])
    together = compare(models, X, y, groups=groups, seeds=[3, 1], n_jobs=2)
    pd.testing.assert_frame_equal(without_times(alone), without_times(together))
    assert str(alone).split("fit [s]")[0] == str(together).split("fit [s]")[0]


def test_random_models_are_fitted_once_per_seed_and_others_once(data):
    X, y, groups = data
    models = {
        "spy": SeedSpy(random_state=99),
        "nested": make_pipeline(FunctionTransformer(), SeedSpy()),
        "fixed": Spy(),
    }
    result = compare(models, X, y, groups=groups, seeds=[3, 7])
    seeds = [seed for event, seed, _ in LOG if event == "seed"]
    assert sorted(seeds) == sorted([3, 7] * 3 * 2)
    rows = result.scores[result.scores["metric"] == "accuracy"]
    used = rows.groupby("model")["seed"].apply(lambda seed: sorted(set(seed)))
    assert used.to_dict() == {"spy": [3, 7], "nested": [3, 7], "fixed": [3]}
    assert models["spy"].random_state == 99
    mean = rows[rows["model"] == "spy"].groupby("fold")["score"].mean()
    np.testing.assert_allclose(result.by_fold("accuracy")["spy"], mean)
    np.testing.assert_array_equal(
        rows.loc[rows["model"] == "spy", "score"], rows.loc[rows["model"] == "nested", "score"]
    )
    summary = result.summary()
    spread = rows[rows["model"] == "spy"].groupby("fold")["score"].std(ddof=1).mean()
    assert summary.loc["spy", ("accuracy", "seed_sd")] == pytest.approx(spread)
    assert np.isnan(summary.loc["fixed", ("accuracy", "seed_sd")])
    assert "averaged over 2 seeds" in str(result)


@pytest.mark.parametrize(
    "estimator",
    [
        GroupSpy(),
        make_pipeline(FunctionTransformer(), GroupSpy()),
        make_pipeline(make_pipeline(FunctionTransformer(), GroupSpy())),
    ],
    ids=["alone", "pipeline", "nested"],
)
def test_groups_of_the_training_windows_reach_who_requests_them(data, estimator):
    X, y, groups = data
    compare({"other": Spy(), "spy": estimator}, X, y, groups=groups)
    fits = [(rows, given) for event, rows, given in LOG if event == "fit"]
    assert [given for _, given in fits[::2]] == [None] * 3
    for (rows, given), organism in zip(fits[1::2], ORGANISMS, strict=True):
        assert organism not in given
        np.testing.assert_array_equal(given, groups[rows])


def test_groups_reach_the_splitter_of_an_inner_search(data):
    X, y, groups = data
    search = GridSearchCV(Memoriser(), {}, cv=GroupKFold(2))
    result = compare({"search": search}, X, y, groups=groups)
    assert not result.scores["score"].isna().any()
    inner = [rows for event, rows, _ in LOG if event == "fit" and len(set(groups[rows])) == 1]
    assert len(inner) == 2 * 3


def test_early_stopping_of_a_graph_model_holds_out_an_organism(data):
    X, y, groups = data
    model = GraphClassifier(max_epochs=1, n_members=1, hidden_size=4, patience=1)
    result = compare({"graph": model}, X, y, groups=groups)
    assert not result.scores["score"].isna().any()
    # With groups of one training organism none can be held out: so groups do arrive.
    two = groups != "c"
    with pytest.raises(ValueError, match="early stopping holds out whole organisms"):
        compare({"graph": model}, X[two], y[two], groups=groups[two])


def test_the_configuration_of_scikit_learn_is_left_alone(data):
    X, y, groups = data
    for routing in (False, True):
        with sklearn.config_context(enable_metadata_routing=routing):
            before = sklearn.get_config()
            compare({"spy": GroupSpy()}, X, y, groups=groups)
            assert sklearn.get_config() == before


def test_inputs_are_not_changed(data):
    X, y, groups = data
    copies = [array.copy() for array in data]
    compare({"logistic": make_baseline(LogisticRegression())}, X, y, groups=groups)
    for array, before in zip(data, copies):
        np.testing.assert_array_equal(array, before)


def test_a_failed_fit_leaves_nan_and_its_error_and_spares_the_others(data):
    X, y, groups = data
    models = {"failing": Failing(unless=30), "spy": Spy()}
    with pytest.warns(UserWarning, match="failing failed in 1 folds: RuntimeError: too hot"):
        result = compare(models, X, y, groups=groups, reference="spy")
    table = result.by_fold()
    assert table["failing"].isna().tolist() == [False, True, False]
    assert table["spy"].notna().all()
    failed = result.scores["error"] == "RuntimeError: too hot"
    assert set(result.scores.loc[failed, "held_out"]) == {"b"}
    assert failed.sum() == len(result.metrics)
    assert result.summary()["folds", "done"].to_dict() == {"failing": 2, "spy": 3}
    assert result.paired_tests().loc["failing", "n_folds"] == 2
    assert "fits failed for: failing" in str(result)


def test_if_every_fit_fails_the_first_error_is_raised(data):
    X, y, groups = data
    with pytest.raises(ValueError, match="every fit failed; the first: RuntimeError: too hot"):
        compare({"failing": Failing(unless=-1)}, X, y, groups=groups)


def test_an_interrupt_keeps_the_folds_that_are_done(data):
    X, y, groups = data
    models = {"spy": Spy(), "impatient": Failing(unless=60, error=KeyboardInterrupt)}
    with pytest.warns(UserWarning, match="interrupted: 5 of 6 fits"):
        result = compare(models, X, y, groups=groups)
    assert result.by_fold()["spy"].notna().tolist() == [True, True, True]
    assert result.by_fold()["impatient"].notna().tolist() == [True, True, False]
    assert result.summary()["folds", "done"].to_dict() == {"spy": 3, "impatient": 2}
    assert "impatient" in str(result)


def test_an_interrupt_before_the_first_fit_is_done_is_passed_on(data):
    X, y, groups = data
    with pytest.raises(KeyboardInterrupt):
        compare({"spy": Failing(unless=-1, error=KeyboardInterrupt)}, X, y, groups=groups)


def test_results_are_reported_while_they_come(data):
    X, y, groups = data
    seen = []
    result = compare(
        {"spy": Spy(), "chance": DummyClassifier()},
        X,
        y,
        groups=groups,
        on_result=lambda rows: seen.append((len(LOG), rows)),
    )
    fitted_before = [n_events for n_events, _ in seen]
    assert fitted_before[0] < fitted_before[-1]
    reported = pd.concat([rows for _, rows in seen], ignore_index=True)
    pd.testing.assert_frame_equal(reported, result.scores)


def test_a_label_that_no_training_window_has_is_named_with_its_fold(data):
    X, y, groups = data
    y = y.astype("U8")
    y[70:72] = "turn"
    with pytest.raises(ValueError, match=r"'turn' occurs in no training .* holds out c: .* drop"):
        compare({"spy": Spy()}, X, y, groups=groups)
    assert LOG == []


def test_one_organism_cannot_be_held_out(data):
    X, y, groups = data
    one = groups == "a"
    with pytest.raises(ValueError, match=r"one organism only \('a'\).* at least two"):
        compare({"spy": Spy()}, X[one], y[one], groups=groups[one])


def test_the_default_split_needs_groups(data):
    X, y, _ = data
    with pytest.raises(ValueError, match=r"groups: got None; .*Windows\.groups"):
        compare({"spy": Spy()}, X, y)


@pytest.mark.parametrize("with_groups", [False, True])
@pytest.mark.parametrize(
    ("cv", "splitter"),
    [
        (3, StratifiedKFold(3)),
        (KFold(4, shuffle=True, random_state=0), KFold(4, shuffle=True, random_state=0)),
        (TemporalSplit(gap=4), TemporalSplit(gap=4)),
        ("iterator", KFold(2)),
    ],
    ids=["int", "splitter", "temporal", "iterator"],
)
def test_any_split_of_scikit_learn_can_be_given(data, cv, splitter, with_groups):
    X, y, groups = data
    groups = groups if with_groups else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The groups parameter is ignored")
        expected = list(splitter.split(X, y, groups))
        given = iter(expected) if cv == "iterator" else cv
        models = {"spy": Spy(), "chance": DummyClassifier()}
        result = compare(models, X, y, groups=groups, cv=given)
    fits = [rows for event, rows, _ in LOG if event == "fit"]
    assert fits == [train.tolist() for train, _ in expected]
    sizes = result.scores.drop_duplicates("fold")["n_test"].tolist()
    assert sizes == [len(test) for _, test in expected]
    assert len(str(result)) > 0


def test_lazy_windows_and_missing_neurons_can_be_compared():
    rng = np.random.default_rng(0)
    windows = sliding_windows(rng.normal(size=(60, 3)), 4, lazy=True)
    y = np.where(rng.random(len(windows)) > 0.5, "forward", "reversal")
    groups = np.repeat(["a", "b", "c"], 19)
    models = {"chance": DummyClassifier(), "logistic": make_baseline(LogisticRegression())}
    assert isinstance(windows.X, LazyWindows)
    lazy = compare(models, windows.X, y, groups=groups)
    eager = np.asarray(windows.X)
    pd.testing.assert_frame_equal(
        without_times(lazy), without_times(compare(models, eager, y, groups=groups))
    )
    eager[groups == "b", 1] = np.nan
    assert compare(models, eager, y, groups=groups).scores["error"].eq("").all()


@pytest.fixture(scope="module")
def result():
    X, y, groups = make_data()
    models = {
        "logistic": make_baseline(LogisticRegression()),
        "tree": make_baseline(DecisionTreeClassifier(max_depth=2)),
        "chance": DummyClassifier(),
    }
    return compare(models, X, y, groups=groups, seeds=[0, 1])


def test_the_summary_is_mean_and_spread_over_folds(result):
    summary = result.summary()
    assert summary.index.tolist() == result.models == ["logistic", "tree", "chance"]
    for metric in result.metrics:
        rows = result.scores[result.scores["metric"] == metric]
        for name in result.models:
            own = rows[rows["model"] == name]
            per_fold = [own.loc[own["fold"] == fold, "score"].mean() for fold in range(3)]
            assert summary.loc[name, (metric, "mean")] == pytest.approx(np.mean(per_fold))
            assert summary.loc[name, (metric, "sd")] == pytest.approx(np.std(per_fold, ddof=1))
            assert result.by_fold(metric)[name].tolist() == pytest.approx(per_fold)
    assert (summary["fit_time", "mean"] > 0).all()
    assert summary.loc["chance", ("balanced_accuracy", "mean")] == 0.5


@pytest.mark.parametrize("reference", [None, "chance"])
@pytest.mark.parametrize("metric", [None, "accuracy"])
def test_paired_tests_know_how_much_data_the_folds_share(result, reference, metric):
    table = result.by_fold(metric)
    fraction = np.mean([25 / 65, 30 / 60, 35 / 55])
    tests = result.paired_tests(reference=reference, metric=metric)
    base = reference or "logistic"
    assert tests.index.tolist() == [name for name in result.models if name != base]
    for name, row in tests.iterrows():
        difference = table[name] - table[base]
        expected = corrected_paired_test(difference, fraction)
        for column, value in expected._asdict().items():
            assert row[column] == pytest.approx(value)
        assert row["wins"] == sum(value > 0 for value in difference)


def test_scores_survive_a_round_trip_through_csv(result, tmp_path):
    path = result.to_csv(tmp_path / "scores.csv")
    assert path == tmp_path / "scores.csv"
    read = pd.read_csv(path, keep_default_na=False)
    pd.testing.assert_frame_equal(read, result.scores, check_dtype=False)


def test_the_text_shows_every_model_with_its_scores_and_tests(result):
    text = str(result)
    assert text == repr(result)
    summary, tests = result.summary(), result.paired_tests()
    for name in result.models:
        (line,) = [line for line in text.splitlines() if line.startswith(name)]
        for metric in result.metrics:
            mean, sd = summary.loc[name, (metric, "mean")], summary.loc[name, (metric, "sd")]
            assert f"{mean:.3f} ± {sd:.3f}" in line
        if name != "logistic":
            assert f"{tests.loc[name, 'difference']:+.3f} (p=" in line
            assert f"{tests.loc[name, 'wins']:.0f}/3" in line
    assert "vs logistic" in text
    assert "mean ± sd over 3 folds" in text


def test_one_model_alone_and_one_fold_alone_can_be_shown(data):
    X, y, groups = data
    alone = compare({"spy": Spy()}, X, y, groups=groups)
    assert alone.paired_tests().empty
    assert "spy" in str(alone)
    models = {"spy": Spy(), "chance": DummyClassifier()}
    once = compare(models, X, y, groups=groups, cv=TemporalSplit(gap=4))
    assert "mean ± sd over 1 folds" in str(once)
    assert np.isnan(once.paired_tests().loc["chance", "p_value"])


def test_regressors_are_compared_by_their_own_scores(data):
    X, _, groups = data
    y = X[:, 1, -1] + 0.1 * X[:, 2, 0]
    models = {"mean": DummyRegressor(), "ridge": make_baseline(Ridge())}
    result = compare(models, X[:, 1:], y, groups=groups, reference="ridge")
    assert result.metrics == ("r2", "neg_root_mean_squared_error")
    expected = cross_val_score(models["ridge"], X[:, 1:], y, groups=groups, cv=LeaveOneGroupOut())
    np.testing.assert_array_equal(result.by_fold()["ridge"], expected)
    assert result.paired_tests().loc["mean", "wins"] == 0
    assert (result.by_fold()["ridge"] > 0.9).all()


@pytest.mark.parametrize("scoring", ["accuracy", ["f1_macro", "accuracy"]])
def test_the_scores_asked_for_are_given_the_first_one_first(data, scoring):
    X, y, groups = data
    result = compare(
        [("spy", Spy()), ("chance", DummyClassifier())], X, y, groups=groups, scoring=scoring
    )
    expected = [scoring] if isinstance(scoring, str) else scoring
    assert list(result.metrics) == expected
    pd.testing.assert_frame_equal(result.by_fold(), result.by_fold(expected[0]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"models": {}}, "models: got none"),
        ({"reference": "graph"}, "reference: got 'graph'; expected one of spy"),
        ({"seeds": ()}, "seeds"),
    ],
)
def test_errors_name_the_argument(data, options, said):
    X, y, groups = data
    with pytest.raises(ValueError, match=said):
        compare(**{"models": {"spy": Spy()}, "X": X, "y": y, "groups": groups} | options)


def test_unknown_metrics_and_references_of_a_result_are_named(result):
    assert isinstance(result, Comparison)
    with pytest.raises(ValueError, match="metric: got 'auc'; expected one of balanced_accuracy"):
        result.by_fold("auc")
    with pytest.raises(ValueError, match="reference: got 'graph'; expected one of logistic"):
        result.paired_tests(reference="graph")


def test_progress_is_shown_only_if_asked_for(data, capsys):
    X, y, groups = data
    compare({"spy": Spy()}, X, y, groups=groups)
    assert capsys.readouterr() == ("", "")
    compare({"spy": Spy()}, X, y, groups=groups, verbose=1)
    assert "3/3" in capsys.readouterr().err


class InterruptSecondEpoch(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_an_interrupt_inside_a_net_ends_the_comparison_and_its_half_score_does_not_count():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3, 4)), np.array(["a", "b"] * 30)
    groups = np.repeat([0, 1, 2], 20)
    net = GraphClassifier(max_epochs=9, n_members=1, callbacks=[InterruptSecondEpoch()])
    models = {"chance": DummyClassifier(), "net": net}
    with pytest.warns(UserWarning, match="interrupted"):
        result = compare(models, X, y, groups=groups)
    assert result.interrupted
    assert (result.n_done, result.n_planned) == (1, 6)
    assert result.by_fold()["chance"].notna().all()
    assert result.by_fold()["net"].isna().all()


def test_models_are_averaged_over_the_folds_that_all_have_finished():
    rows = [("x", 0, 0.9), ("x", 1, 0.5), ("x", 2, 0.3), ("y", 0, 0.9), ("y", 1, 0.55)]
    scores = pd.DataFrame(rows, columns=["model", "fold", "score"]).assign(
        held_out=lambda table: table["fold"].astype(str),
        seed=0,
        metric="accuracy",
        fit_time=1.0,
        score_time=1.0,
        n_train=20,
        n_test=10,
        error="",
    )
    result = Comparison(scores, ("accuracy",), "x", ("x", "y"))
    means = result.summary()["accuracy", "mean"]
    assert means["x"] == pytest.approx(0.7)
    assert means["y"] == pytest.approx(0.725)
    assert "2 folds that every model finished (of 3)" in str(result)


class SignalSecondEpoch(Callback):
    """Presses Ctrl-C, so to say, in the second epoch that is trained at all."""

    epochs = 0

    def on_epoch_end(self, net, **kwargs):
        SignalSecondEpoch.epochs += 1
        if SignalSecondEpoch.epochs == 2:
            signal.raise_signal(signal.SIGINT)


class HalfTrained(MLPClassifier):
    """scikit-learn's network, interrupted in its second epoch, which it swallows."""

    def _update_no_improvement_count(self, *args):
        SignalSecondEpoch.epochs += 1
        if SignalSecondEpoch.epochs == 2:
            signal.raise_signal(signal.SIGINT)
        super()._update_no_improvement_count(*args)


class ThreeFits(ClassifierMixin, BaseEstimator):
    """Of no library that is known: fits clones of an estimator."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.fitted_ = [clone(self.estimator).fit(X, y) for _ in range(3)]
        self.classes_ = self.fitted_[0].classes_
        return self

    def predict(self, X):
        return self.fitted_[0].predict(X)


def _net():
    return GraphClassifier(
        max_epochs=3, n_members=1, hidden_size=4, callbacks=[SignalSecondEpoch()]
    )


def _embedding():
    return TAVRNN(max_epochs=3, n_components=2, hidden_size=4, callbacks=[SignalSecondEpoch()])


INTERRUPTED = {
    "net": _net,
    "pipeline": lambda: make_pipeline(FunctionTransformer(), _net()),
    "embedding in a pipeline": lambda: make_pipeline(_embedding(), LogisticRegression()),
    "search": lambda: GridSearchCV(_net(), {"n_rounds": [0, 1]}, cv=2),
    "search over a pipeline": lambda: GridSearchCV(
        make_pipeline(_embedding(), LogisticRegression()), {}, cv=2
    ),
    "vote": lambda: VotingClassifier([("one", _net()), ("two", _net())]),
    "loop": lambda: ThreeFits(_net()),
    "network of scikit-learn": lambda: make_baseline(HalfTrained(max_iter=9)),
}


@pytest.mark.parametrize("make", INTERRUPTED.values(), ids=INTERRUPTED)
@pytest.mark.filterwarnings("ignore:Training interrupted by user")
def test_an_interrupt_ends_the_comparison_however_deep_the_net_is(make):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3, 4)), np.array(["a", "b"] * 30)
    SignalSecondEpoch.epochs = 0
    handler = signal.getsignal(signal.SIGINT)
    models = {"chance": DummyClassifier(), "model": make()}
    with pytest.warns(UserWarning, match="interrupted: 1 of 6 fits"):
        result = compare(models, X, y, groups=np.repeat([0, 1, 2], 20), seeds=[0])
    assert SignalSecondEpoch.epochs == 2
    assert signal.getsignal(signal.SIGINT) is handler
    assert result.interrupted
    assert (result.n_done, result.n_planned) == (1, 6)
    missing = result.scores[result.scores["error"] == "not run: interrupted"]
    assert missing["score"].isna().all()
    assert len(missing) == 5 * len(result.metrics)
    assert set(zip(missing["model"], missing["held_out"])) == {
        ("chance", "1"),
        ("chance", "2"),
        ("model", "0"),
        ("model", "1"),
        ("model", "2"),
    }
    text = str(result)
    assert "interrupted, 1 of 6 fits" in text
    assert "not run: model" in text
    # The next run knows nothing of it.
    again = compare({"chance": DummyClassifier()}, X, y, groups=np.repeat([0, 1, 2], 20))
    assert not again.interrupted


class InterruptAfterAnotherFit(InterruptSecondEpoch):
    """Waits until another worker has told by a file that its fit is done."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        patience = time.monotonic() + 60
        while not self.path.exists() and time.monotonic() < patience:
            time.sleep(0.1)
        time.sleep(0.5)
        super().on_epoch_end(net, **kwargs)


class TellingWhenScored(DummyClassifier):
    def __init__(self, path=None, strategy="prior"):
        super().__init__(strategy=strategy)
        self.path = path

    def predict(self, X):
        self.path.touch()
        return super().predict(X)


def test_an_interrupt_in_a_worker_process_ends_the_comparison(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3, 4)), np.array(["a", "b"] * 30)
    path = tmp_path / "scored"
    net = GraphClassifier(max_epochs=9, n_members=1, callbacks=[InterruptAfterAnotherFit(path)])
    models = {"chance": TellingWhenScored(path), "search": GridSearchCV(net, {}, cv=2)}
    with pytest.warns(UserWarning, match="interrupted"):
        result = compare(models, X, y, groups=np.repeat([0, 1, 2], 20), n_jobs=2)
    assert result.interrupted
    assert result.by_fold()["search"].isna().all()
