"""Dear fits first within a fold, an estimate of the rest, progress on a terminal."""

import io
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier

from skneurograph import compare
from skneurograph.model_selection._fit import Task
from skneurograph.model_selection._queue import Queue

SECONDS = {"quick": 1.0, "slow": 10.0, "middle": 3.0}


def run(queue):
    order = []
    for task in queue:
        order.append(task)
        queue.done(task, SECONDS[task.model])
    return order


def make_queue(n_folds=3, seeds=(0,), models=tuple(SECONDS)):
    return Queue(
        Task(model, fold, seed)
        for fold in range(n_folds)
        for model in models
        for seed in (seeds if model == "slow" else seeds[:1])
    )


def test_models_are_measured_in_the_order_given_and_then_the_dearest_starts_first():
    order = run(make_queue())
    assert [task.fold for task in order] == sorted(task.fold for task in order)
    assert [task.model for task in order[:3]] == ["quick", "slow", "middle"]
    for fold in (1, 2):
        models = [task.model for task in order if task.fold == fold]
        assert models == ["slow", "middle", "quick"]


def test_every_model_runs_once_before_further_seeds_of_any():
    order = run(make_queue(n_folds=2, seeds=(0, 1)))
    assert [task.model for task in order[:4]] == ["quick", "slow", "middle", "slow"]
    assert [(task.model, task.seed) for task in order[4:]] == [
        ("slow", 0),
        ("slow", 1),
        ("middle", 0),
        ("quick", 0),
    ]


def test_quick_fits_keep_their_order():
    queue = make_queue(n_folds=2)
    order = []
    for task in queue:
        order.append(task.model)
        queue.done(task, 0.01 * SECONDS[task.model] * (task.model != "slow"))
    assert order == [*SECONDS, *SECONDS]


def test_the_time_left_is_what_the_models_have_taken_so_far():
    queue = make_queue()
    estimates = []
    for task in queue:
        queue.done(task, SECONDS[task.model])
        estimates.append(queue.seconds_left(1))
    assert estimates[:2] == [None, None]
    # Two folds of 14 s are left after the first, then the slow model goes.
    assert estimates[2:] == [28.0, 18.0, 15.0, 14.0, 4.0, 1.0, 0.0]
    fresh = make_queue()
    for task in list(fresh)[:3]:
        fresh.done(task, SECONDS[task.model])
    assert fresh.seconds_left(2) == 14.0
    assert fresh.seconds_left(100) == pytest.approx(28 / 6)


class Sleeper(ClassifierMixin, BaseEstimator):
    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def fit(self, X, y):
        time.sleep(self.seconds)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(30, 2))
    return X, np.tile(["a", "b"], 15), np.repeat(["x", "y", "z"], 10)


def test_dear_models_go_first_and_the_table_keeps_its_order(data):
    X, y, groups = data
    seen = []
    models = {"quick": DummyClassifier(), "slow": Sleeper(0.12), "last": Sleeper()}
    result = compare(
        models, X, y, groups=groups, on_result=lambda rows: seen.append(rows["model"].iloc[0])
    )
    assert seen == [*models, "slow", "quick", "last", "slow", "quick", "last"]
    order = result.scores.drop_duplicates(["fold", "model"])
    assert order["model"].tolist() == list(models) * 3
    alone = compare({"quick": models["quick"]}, X, y, groups=groups)
    pd.testing.assert_frame_equal(result.by_fold()[["quick"]], alone.by_fold())


def test_progress_is_shown_on_a_terminal_with_the_time_left(data, monkeypatch):
    X, y, groups = data

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for verbose, shown in ((None, True), (1, True), (True, True), (0, False)):
        monkeypatch.setattr(sys, "stderr", Terminal())
        compare({"quick": DummyClassifier()}, X, y, groups=groups, verbose=verbose)
        text = sys.stderr.getvalue()
        assert ("3/3" in text) is shown
        assert ("left" in text) is shown


def test_nothing_is_shown_where_there_is_no_terminal(data, capsys):
    X, y, groups = data
    compare({"quick": DummyClassifier()}, X, y, groups=groups)
    assert capsys.readouterr() == ("", "")
