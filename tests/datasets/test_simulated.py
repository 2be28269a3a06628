import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.tree import DecisionTreeClassifier

from skneurograph import Recording, sliding_windows
from skneurograph.datasets import make_worms
from skneurograph.datasets._worm_model import WormModel

STATES = ("forward", "reversal", "turn")
COMPLETE = {
    "recorded_fraction": 1.0,
    "identified_fraction": 1.0,
    "individual_variation": 0.0,
    "bleaching": 0.0,
    "noise": 0.0,
}


@pytest.fixture(scope="module")
def worms():
    return make_worms(random_state=0)


def short(**parameters):
    return make_worms(**{"n_organisms": 2, "duration": 20.0, "random_state": 0} | parameters)


def across_organisms(make_model, features, labels, groups):
    """Mean balanced accuracy on organisms left out."""
    scores = []
    for train, test in LeaveOneGroupOut().split(features, labels, groups):
        model = make_model().fit(features[train], labels[train])
        scores.append(balanced_accuracy_score(labels[test], model.predict(features[test])))
    return np.mean(scores)


def windows_of(worms):
    return sliding_windows([worm.zscore() for worm in worms.recordings], 16, step=6)


def test_recordings_and_graph_unpack(worms):
    recordings, graph = worms
    assert recordings is worms.recordings
    assert graph is worms.graph


@pytest.mark.parametrize("seed", [3, "state"])
def test_same_random_state_gives_the_same_worms(seed):
    first, second = (
        short(random_state=np.random.RandomState(3) if seed == "state" else seed) for _ in range(2)
    )
    np.testing.assert_array_equal(first.graph, second.graph)
    for one, other in zip(first.recordings, second.recordings):
        np.testing.assert_array_equal(one.activity, other.activity)
        np.testing.assert_array_equal(one.neurons, other.neurons)
        np.testing.assert_array_equal(one.behavior, other.behavior)
    assert not np.array_equal(first.graph, short(random_state=4).graph)


@pytest.mark.parametrize("seed", [None, 0])
def test_global_generator_is_left_alone(seed):
    before = np.random.get_state()[1:3]  # noqa: NPY002
    one, other = short(random_state=seed), short(random_state=seed)
    after = np.random.get_state()[1:3]  # noqa: NPY002
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1] == after[1]
    assert np.array_equal(one.graph, other.graph) == (seed == 0)


@pytest.mark.parametrize("n_neurons", [12, 41, 80])
def test_graph_is_square_signed_sparse_and_directed(n_neurons):
    worms = short(n_neurons=n_neurons)
    graph = worms.graph
    assert graph.shape == (n_neurons, n_neurons)
    assert len(worms.neurons) == len(set(worms.neurons)) == n_neurons
    assert (np.diag(graph) == 0).all()
    assert (graph > 0).any()
    assert (graph < 0).any()
    assert 0 < (graph != 0).mean() < 0.5
    assert not np.array_equal(graph != 0, graph.T != 0)


def test_edge_probability_sets_the_number_of_synapses():
    synapses = [(short(edge_probability=value).graph != 0).mean() for value in (0.05, 0.2, 0.6)]
    assert synapses == sorted(synapses)
    assert synapses[2] > 0.5


@pytest.mark.parametrize("weight", [3.0, -3.0])
def test_synapse_moves_its_receiver_only(weight):
    def simulate(graph):
        model = WormModel(graph, 2, 0.0, 1.0, np.random.default_rng(0))
        return model.run(100, 3.0)[0]

    receiver, sender = 30, 20
    graph = np.zeros((40, 40))
    without = simulate(graph)
    graph[receiver, sender] = weight
    difference = (simulate(graph) - without)[:, 0]
    assert np.flatnonzero(np.abs(difference).max(axis=0)).tolist() == [receiver]
    sent = without[:, 0, sender] - 0.5
    assert np.sign(np.corrcoef(sent, difference[:, receiver])[0, 1]) == np.sign(weight)


def test_recordings_show_the_direction_of_the_graph():
    # A regression that knows nothing of the simulator: the change of a neuron, given all
    # neurons a moment before, should follow the row of the graph where there is no way back.
    worms = make_worms(
        8, duration=300, sampling_rate=10.0, calcium_time_constant=0.05, random_state=0, **COMPLETE
    )
    gram, cross = 0.0, 0.0
    for worm in worms.recordings:
        order = [worm.neurons.tolist().index(name) for name in worms.neurons]
        activity = worm.zscore().activity[:, order].astype(float)
        past, change = activity[:-2], activity[2:] - activity[:-2]
        gram, cross = gram + past.T @ past, cross + past.T @ change
    influence = np.linalg.solve(gram + 10 * np.eye(len(gram)), cross).T
    one_way = (worms.graph != 0) & (worms.graph.T == 0)
    forwards = np.corrcoef(influence[one_way], worms.graph[one_way])[0, 1]
    backwards = np.corrcoef(influence.T[one_way], worms.graph[one_way])[0, 1]
    assert forwards > 0.4
    assert backwards < 0.2


def test_another_subset_is_recorded_and_identified_in_each_organism(worms):
    subsets = [frozenset(worm.neurons) - {""} for worm in worms.recordings]
    assert len(set(subsets)) == len(subsets)
    for worm, subset in zip(worms.recordings, subsets):
        assert worm.n_neurons == round(0.8 * 40)
        assert len(subset) == round(0.8 * worm.n_neurons)
        class_of = dict(zip(worms.neurons, worms.neuron_classes)) | {"": ""}
        assert worm.neuron_classes.tolist() == [class_of[name] for name in worm.neurons]


def test_left_and_right_share_a_class(worms):
    names, counts = np.unique(worms.neuron_classes, return_counts=True)
    assert (counts == 2).all()
    assert sorted(worms.neurons) == sorted(f"{name}{side}" for name in names for side in "LR")


def test_every_state_is_common_in_every_organism():
    for worm in make_worms(30, duration=300, random_state=1).recordings:
        shares = [(worm.behavior == state).mean() for state in STATES]
        assert sum(shares) == pytest.approx(1)
        assert min(shares) >= 0.1


def test_velocity_agrees_with_behavior(worms):
    for worm in worms.recordings:
        velocity = worm.covariates["velocity"]
        assert (velocity[worm.behavior == "forward"] > 0).all()
        assert (velocity[worm.behavior == "reversal"] <= 0).all()
        turning = worm.behavior == "turn"
        assert np.abs(velocity[turning]).mean() < 0.5 * np.abs(velocity[~turning]).mean()
        bend = np.abs(worm.covariates["head_angle"])
        assert bend[turning].mean() > bend[~turning].mean()


def test_behavior_is_read_from_many_neurons_but_not_from_one(worms):
    windows = windows_of(worms)
    X, y, groups = np.nan_to_num(windows.X), windows.y, windows.groups

    def linear():
        return LogisticRegression(C=1e-3, class_weight="balanced", max_iter=300)

    def tree():
        return DecisionTreeClassifier(max_depth=4, class_weight="balanced", random_state=0)

    many = across_organisms(linear, X.reshape(len(X), -1), y, groups)
    single = []
    for neuron in range(X.shape[1]):
        own = ~np.isnan(windows.X[:, neuron, 0])
        if len(np.unique(groups[own])) > 2:
            single.append(across_organisms(tree, X[own, neuron], y[own], groups[own]))
    assert 0.6 < many < 0.9
    assert max(single) < many - 0.1
    assert np.median(single) < 0.45


def test_behavior_of_another_time_cannot_be_read(worms):
    windows = windows_of(worms)
    X, y, groups = np.nan_to_num(windows.X), windows.y.copy(), windows.groups
    for group in np.unique(groups):
        y[groups == group] = np.roll(y[groups == group], (groups == group).sum() // 3)
    model = LogisticRegression(C=1e-3, class_weight="balanced", max_iter=300)
    assert across_organisms(lambda: model, X.reshape(len(X), -1), y, groups) < 0.45


@pytest.mark.parametrize("average_classes", [False, True])
def test_windows_align_the_organisms(worms, average_classes):
    windows = sliding_windows(
        worms.recordings, 16, step=8, neurons="union", average_classes=average_classes
    )
    known = worms.neuron_classes if average_classes else worms.neurons
    assert set(windows.neurons) <= set(known)
    assert set(windows.y) == set(STATES)
    assert len(set(windows.groups)) == 6
    assert np.isnan(windows.X).any()


def test_recordings_survive_a_file(worms, tmp_path):
    worm = worms.recordings[0]
    loaded = Recording.load(worm.save(tmp_path / "worm"))
    np.testing.assert_array_equal(loaded.activity, worm.activity)
    np.testing.assert_array_equal(loaded.neurons, worm.neurons)
    np.testing.assert_array_equal(loaded.behavior, worm.behavior)
    np.testing.assert_array_equal(loaded.covariates["velocity"], worm.covariates["velocity"])
    assert loaded.description == worm.description


def test_description_says_that_the_data_are_simulated(worms):
    assert all(worm.description.startswith("Simulated data") for worm in worms.recordings)


def test_variation_makes_organisms_differ_around_one_connectome():
    # The class means of the activity are a fingerprint of an organism's weights.
    def spread(variation):
        parameters = COMPLETE | {"individual_variation": variation}
        worms = make_worms(6, duration=200, random_state=0, **parameters)
        profiles = []
        for worm in worms.recordings:
            correlation = np.corrcoef(worm.activity[:, np.argsort(worm.neurons)].T)
            profiles.append(correlation[np.triu_indices(len(correlation), 1)])
        return worms.graph, np.corrcoef(profiles)[np.triu_indices(6, 1)].mean()

    (graph, alike), (same_graph, unlike) = spread(0.0), spread(0.8)
    np.testing.assert_array_equal(graph, same_graph)
    assert 0 < unlike < alike - 0.1


def test_bleaching_dims_the_recording():
    def remaining(bleaching):
        worm = make_worms(1, bleaching=bleaching, random_state=0).recordings[0]
        return worm.activity[-100:].mean() / worm.activity[:100].mean()

    assert remaining(0.5) / remaining(0.0) == pytest.approx(0.5, abs=0.1)


def test_slow_indicator_smooths():
    def roughness(decay):
        activity = short(calcium_time_constant=decay, noise=0.0).recordings[0].zscore().activity
        return np.square(np.diff(activity, axis=0)).mean()

    assert roughness(0.2) > 2 * roughness(3.0)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_neurons": 12, "edge_probability": 1.0},
        {"sampling_rate": 0.5, "calcium_time_constant": 0.001},
        {"sampling_rate": 50.0, "individual_variation": 1.0, "duration": 4.0},
        {"noise": 1.0, "bleaching": 0.99, "recorded_fraction": 0.01},
        {"n_organisms": 1, "duration": 0.4, "identified_fraction": 0.01},
    ],
)
def test_activity_stays_finite_at_the_edge_of_the_ranges(parameters):
    for worm in short(**parameters).recordings:
        assert np.isfinite(worm.activity).all()
        assert np.abs(worm.activity).max() < 100
        assert (worm.neurons != "").any()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("n_organisms", 0, "an integer of at least 1"),
        ("n_organisms", True, "an integer of at least 1"),
        ("n_neurons", 11, "an integer of at least 12"),
        ("n_neurons", 40.0, "an integer"),
        ("duration", -1.0, "above 0"),
        ("duration", 0.01, "at least one frame"),
        ("sampling_rate", np.inf, "above 0"),
        ("edge_probability", 0, "above 0 and at most 1"),
        ("recorded_fraction", 1.1, "at most 1"),
        ("identified_fraction", np.nan, "above 0"),
        ("individual_variation", -0.1, "at least 0 and at most 1"),
        ("calcium_time_constant", 0.0, "above 0"),
        ("bleaching", 1.0, "at most 0.99"),
        ("noise", "loud", "a number"),
    ],
)
def test_error_says_what_was_given_and_expected(name, value, expected):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; expected .*{expected}"):
        short(**{name: value})
