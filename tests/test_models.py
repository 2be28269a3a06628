import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor

from skneurograph import default_models
from skneurograph.decoding import GraphClassifier, GraphRegressor

NETS = {"max_epochs": 1, "hidden_size": 4, "n_members": 1}
NEURONS = ["AVAL", "RIML", "SMDVR"]


def windows(n_windows=60, seed=0):
    X = np.random.default_rng(seed).normal(size=(n_windows, 3, 4)).astype(np.float32)
    X[: n_windows // 3, 1] = np.nan
    return X


def made_small(model):
    """Train nets shortly, leave the others alone."""
    known = [name for name in model.get_params() if name.split("__")[-1] in NETS]
    return clone(model).set_params(**{name: NETS[name.split("__")[-1]] for name in known})


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("classifier", ["chance", "logistic", "pca-logistic", "mlp", "recurrent", "graph"]),
        ("regressor", ["chance", "ridge", "pca-ridge", "mlp", "recurrent", "graph"]),
    ],
)
def test_all_models_are_of_the_kind_asked_for(kind, names):
    models = default_models(kind)
    assert list(models) == names
    judge = is_classifier if kind == "classifier" else is_regressor
    assert all(judge(model) for model in models.values())


def test_models_come_in_the_order_asked_for():
    assert list(default_models(names=["graph", "chance"])) == ["graph", "chance"]
    assert list(default_models("regressor", names=("ridge",))) == ["ridge"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"names": ["graph", "forest"]}, "names: got forest; expected some of chance, logistic"),
        ({"names": []}, "names: got none; expected some of chance"),
        ({"names": ["ridge"]}, "names: got ridge"),
        ({"kind": "regressor", "names": ["logistic"]}, "expected some of chance, ridge"),
        ({"kind": "forecaster", "names": ["logistic"]}, "expected some of persistence, ar, var"),
        (
            {"kind": "cluster"},
            "kind: got 'cluster'; expected 'classifier', 'regressor' or 'forecaster'",
        ),
    ],
)
def test_unknown_models_and_kinds_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        default_models(**arguments)


@pytest.mark.parametrize("name", list(default_models()))
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_every_classifier_reads_windows_with_missing_neurons(name):
    X, y = windows(), np.array(["forward", "reversal", "turn"] * 20)
    model = made_small(default_models()[name]).fit(X, y)
    assert set(model.predict(X)) <= set(y)
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (60, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", list(default_models("regressor")))
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_every_regressor_reads_windows_with_missing_neurons(name):
    X, y = windows(), np.random.default_rng(1).normal(size=60)
    predicted = made_small(default_models("regressor")[name]).fit(X, y).predict(X)
    assert predicted.shape == (60,)
    assert np.isfinite(predicted).all()


@pytest.mark.parametrize("name", ["logistic", "pca-logistic", "mlp"])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_rare_labels_weigh_as_much_as_frequent_ones(name):
    # Activity says nothing about the label: who weighs windows equally says 0.1.
    X = np.random.default_rng(0).normal(size=(600, 3, 4))
    y = np.where(np.arange(600) % 10 == 0, "reversal", "forward")
    model = default_models()[name].fit(X[:500], y[:500])
    probability = model.predict_proba(X[500:])[:, list(model.classes_).index("reversal")]
    assert 0.25 < probability.mean() < 0.75


def test_nets_weigh_labels_equally_too():
    models = default_models()
    assert models["graph"].class_weight == models["recurrent"][-1].class_weight == "balanced"


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_the_weighted_network_multiplies_weights_given_by_the_user():
    X = np.random.default_rng(0).normal(size=(80, 5))
    y = np.array(["forward", "reversal"] * 40)
    mlp = default_models()["mlp"][-1].set_params(max_iter=5, random_state=0)
    plain = clone(mlp).fit(X, y).predict_proba(X)
    ones = clone(mlp).fit(X, y, sample_weight=np.ones(80)).predict_proba(X)
    np.testing.assert_array_equal(ones, plain)
    heavy = np.where(y == "reversal", 20.0, 1.0)
    shifted = clone(mlp).fit(X, y, sample_weight=heavy).predict_proba(X)
    assert (shifted[:, 1] > plain[:, 1]).mean() > 0.9


def test_chance_knows_nothing_of_the_activity():
    X, y = windows(), np.array(["forward", "reversal", "forward"] * 20)
    predicted = default_models()["chance"].fit(X, y).predict_proba(windows(seed=5))
    np.testing.assert_allclose(predicted, np.tile([2 / 3, 1 / 3], (60, 1)))


@pytest.mark.parametrize(
    ("kind", "cls"), [("classifier", GraphClassifier), ("regressor", GraphRegressor)]
)
def test_further_parameters_go_to_the_graph_model(kind, cls):
    graph = default_models(kind, identities=[0, -1, 1], max_epochs=7)["graph"]
    assert isinstance(graph, cls)
    assert (graph.identities, graph.max_epochs) == ([0, -1, 1], 7)
    with pytest.raises(TypeError, match="speed"):
        default_models(kind, speed=3)


@pytest.mark.parametrize(("kind", "name"), [("classifier", "logistic"), ("regressor", "ridge")])
def test_features_of_the_linear_model_bear_the_names_of_the_neurons(kind, name):
    y = np.arange(60) % 2
    model = default_models(kind, neurons=np.array(NEURONS))[name].fit(windows(), y)
    names = model[:-1].get_feature_names_out()
    assert names[[0, 3, 4, 11]].tolist() == ["AVAL[t-3]", "AVAL[t]", "RIML[t-3]", "SMDVR[t]"]


def test_calls_share_no_estimator():
    one, other = default_models(), default_models()
    assert not {id(model) for model in one.values()} & {id(model) for model in other.values()}


def test_one_name_is_a_name_and_none_may_come_twice():
    assert list(default_models(names="graph")) == ["graph"]
    for names, said in {("graph", "graph"): "twice", ("graph", 3): "3", (): "none"}.items():
        with pytest.raises(ValueError, match=f"names: got .*{said}"):
            default_models(names=names)


@pytest.mark.parametrize("missing", [None, np.nan, ""], ids=str)
def test_neurons_without_a_name_are_anonymous(missing):
    graph = default_models(neurons=["AVAL", missing, "RIML"])["graph"]
    assert graph.identities == [0, -1, 2]
    with pytest.raises(ValueError, match="neurons: got 'AVAL'"):
        default_models(neurons="AVAL")
    with pytest.raises(ValueError, match="neurons: got"):
        default_models(neurons=[1, 2])
