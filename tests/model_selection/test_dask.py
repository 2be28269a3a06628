import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold

from skneurograph import compare
from skneurograph.decoding import GraphClassifier
from skneurograph.preprocessing import make_baseline

distributed = pytest.importorskip("distributed")

TIMES = ["fit_time", "score_time"]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two worker processes on this machine, gone after the last test."""
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=None,
        local_directory=str(tmp_path_factory.mktemp("dask")),
    )
    with cluster, distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture(scope="module")
def windows():
    """Windows of three organisms whose first neuron tells the label somewhat."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4, 6))
    y = rng.choice(["forward", "reversal"], 60)
    X[:, 0] += (y == "forward")[:, None]
    return X, y, np.repeat(["a", "b", "c"], 20)


@pytest.fixture
def models():
    return {
        "logistic": make_baseline(LogisticRegression()),
        "graph": GraphClassifier(max_epochs=1, n_members=1),
    }


def test_compare_gives_the_same_scores_on_a_cluster_as_in_one_process(client, windows, models):
    X, y, groups = windows
    serial = compare(models, X, y, groups=groups, seeds=(0, 1))
    with distributed.get_task_stream(client) as stream, joblib.parallel_config("dask"):
        distant = compare(models, X, y, groups=groups, seeds=(0, 1))

    assert stream.data, "no fit ran on the cluster"
    assert (distant.scores["error"] == "").all()
    pd.testing.assert_frame_equal(
        distant.scores.drop(columns=TIMES), serial.scores.drop(columns=TIMES)
    )


def test_each_result_of_a_cluster_is_handed_over_once(client, windows, models):
    X, y, groups = windows
    arrived = []
    with joblib.parallel_config("dask"):
        compare(models, X, y, groups=groups, on_result=arrived.append)
    fits = [(rows["model"].iloc[0], rows["held_out"].iloc[0]) for rows in arrived]
    assert sorted(fits) == [(name, fold) for name in ("graph", "logistic") for fold in "abc"]


def test_a_fit_that_fails_on_a_cluster_leaves_its_error_in_the_table(client, windows, models):
    X, y, groups = windows
    models["graph"].set_params(pooling="nonsense")
    with joblib.parallel_config("dask"), pytest.warns(UserWarning, match="graph failed"):
        result = compare(models, X, y, groups=groups)
    errors = result.scores.groupby("model")["error"].unique()
    assert errors["logistic"].tolist() == [""]
    assert "nonsense" in errors["graph"][0]


def test_grid_search_gives_the_same_on_a_cluster_as_in_one_process(client, windows):
    X, y, groups = windows
    search = GridSearchCV(
        GraphClassifier(max_epochs=1, n_members=1, random_state=0),
        {"hidden_size": [4, 8]},
        cv=GroupKFold(3),
    )

    def scores():
        search.fit(X, y, groups=groups)
        results = search.cv_results_
        return {name: results[name] for name in results if name.startswith("split")}

    serial = scores()
    with distributed.get_task_stream(client) as stream, joblib.parallel_config("dask"):
        distant = scores()
    assert stream.data, "no fit ran on the cluster"
    assert len(serial) == 3
    for name, score in serial.items():
        np.testing.assert_array_equal(distant[name], score)
