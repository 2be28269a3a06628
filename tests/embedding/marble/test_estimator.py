"""What MARBLE promises beyond the batteries; most tests are of defects that others have shown."""

import copy
import io
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from skneurograph import Recording, sliding_windows
from skneurograph.datasets import make_planar_flows, make_van_der_pol
from skneurograph.embedding import MARBLE
from skneurograph.embedding.marble import _atlas as atlas_module
from skneurograph.embedding.marble._atlas import Atlas

SMALL = {"max_epochs": 2, "n_neighbors": 8, "hidden_size": 16, "random_state": 0}
MODES = {
    "global": {},
    "local": {"gauge": "local", "manifold_dimension": 2},
    "second order": {"order": 2},
    "no derivatives": {"order": 0},
    "no diffusion": {"diffusion_time": 0},
    "inner products": {"inner_product_features": True},
    "local inner products": {"inner_product_features": True, "gauge": "local", "order": 2},
    "learned": {"diffusion_time": "learned", "temperature": "learned"},
}


def marble(**parameters):
    return MARBLE(**{**SMALL, **parameters})


def spiral(n_windows=80, n_times=2, seed=0):
    """Windows of one trajectory in space, each a frame later than the one before it."""
    rng = np.random.default_rng(seed)
    time = np.arange(n_windows + n_times - 1) * 0.15
    radius = 1 + 0.2 * np.sin(0.3 * time)
    frames = np.column_stack([radius * np.cos(time), radius * np.sin(time), 0.3 * np.sin(time)])
    frames += 0.02 * rng.normal(size=frames.shape)
    return np.stack([frames[k : k + n_windows] for k in range(n_times)], axis=2)


def two_groups(n_windows=60):
    X = np.concatenate([spiral(n_windows), 1.3 * spiral(n_windows, seed=1)[:, [1, 0, 2]]])
    return X, np.repeat(["one", "two"], n_windows)


class Trained(Callback):
    """Keeps what the net was trained on."""

    def on_train_begin(self, net, **kwargs):
        module = net.module_
        self.tables = module._tables.numpy().copy()
        self.partners = np.split(module._partners.numpy(), module._starts.numpy()[1:-1])


class InterruptAfter(Callback):
    """Interrupts after some steps of some epoch; 0 is its end."""

    def __init__(self, epoch, step=0):
        self.epoch, self.step = epoch, step

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch and len(net.history[-1, "batches"]) == self.step:
            raise KeyboardInterrupt

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch and self.step == 0:
            raise KeyboardInterrupt


def features_of(fitted, X, groups=None):
    """What the network of a fitted MARBLE reads of windows."""
    points, vectors, _ = fitted._states(X)
    return fitted._scaler.transform(fitted._atlas.features(points, vectors, groups))


@pytest.mark.parametrize("mode", [*MODES.values()], ids=[*MODES])
@pytest.mark.parametrize("duplicates", [False, True])
def test_features_in_transform_are_those_of_training_for_every_point(mode, duplicates):
    X, groups = two_groups()
    if duplicates:
        often = [0, 0, 5, 70]
        other = X[often] + np.array([0.0, 0.3])
        X, groups = np.concatenate([X, other]), np.concatenate([groups, groups[often]])
    seen = Trained()
    fitted = marble(**mode, callbacks=[seen]).fit(X, groups=groups)
    table = seen.tables[0]
    if mode.get("diffusion_time") == "learned":
        # Trained on tables at some times; read at the time that was learnt.
        weights = fitted.net_.module_.grid().detach().numpy()
        table = np.tensordot(weights, seen.tables, axes=1)
        atol = 0.05
    else:
        atol = 1e-5
    np.testing.assert_allclose(features_of(fitted, X, groups), table, atol=atol)


@pytest.mark.parametrize("mode", [*MODES.values()], ids=[*MODES])
def test_a_window_is_embedded_alike_in_any_company(mode, monkeypatch):
    X, groups = two_groups()
    fitted = marble(**mode)
    whole = fitted.fit_transform(X, groups=groups)
    new = X + np.random.default_rng(0).normal(size=(120, 3, 1)) * 0.01
    for windows, expected in ((X, whole), (new, fitted.transform(new, groups=groups))):
        for rows in (slice(3, 4), slice(50, 70), np.random.default_rng(1).permutation(120)):
            found = fitted.transform(windows[rows], groups=groups[rows])
            np.testing.assert_allclose(found, expected[rows], atol=1e-5)
        with monkeypatch.context() as patched:
            patched.setattr(atlas_module, "_CHUNK_ELEMENTS", 200)
            found = fitted.transform(windows, groups=groups)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_diffusion_the_vectors_are_left_as_they_are():
    X = spiral()
    fitted = marble(diffusion_time=0, order=0).fit(X)
    points, vectors, _ = fitted._states(X)
    blocks = fitted._atlas.features(points, vectors, None)
    np.testing.assert_array_equal(blocks[0], X[:, :, 0])
    np.testing.assert_allclose(blocks[1], X[:, :, 1] - X[:, :, 0], rtol=1e-12)
    assert fitted.diffusion_time_ == 0


def test_diffusion_can_be_as_long_as_one_likes():
    fitted = marble(diffusion_time=2000.0, order=0)
    points, vectors, _ = fitted.fit(spiral())._states(spiral())
    _, flow = fitted._atlas.features(points, vectors, None)
    # Of an only piece, every state has the same.
    np.testing.assert_allclose(flow, np.tile(flow[:1], (80, 1)), atol=1e-6)
    assert np.isfinite(fitted.transform(spiral())).all()


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_net_left_in_training_mode_and_a_pickled_one_embed_the_same(dropout):
    X = spiral()
    fitted = marble(dropout=dropout)
    expected = fitted.fit_transform(X)
    fitted.net_.module_.train()
    np.testing.assert_array_equal(fitted.transform(X), expected)
    np.testing.assert_array_equal(fitted.transform(X), expected)
    fitted.net_.module_.train()
    buffer = io.BytesIO()
    joblib.dump(fitted, buffer)
    buffer.seek(0)
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), joblib.load(buffer)):
        np.testing.assert_array_equal(other.transform(X), expected)


def test_a_pickle_holds_the_states_and_not_what_training_needed():
    X = spiral(400)
    lean = marble(order=2).fit(X)
    states = X[:, :, 0].nbytes
    # Fields of the flow: vectors, first and second derivatives for each state, and the graph.
    assert len(pickle.dumps(lean)) < states * (5 + 3 + 9) + 1_000_000


def test_the_seed_decides_what_is_dropped_and_drawn():
    X = spiral()
    options = {"max_epochs": 10, "partners": "neighbors", "batch_size": 32, "dropout": 0.1}
    first = marble(**options).fit_transform(X)
    np.testing.assert_array_equal(marble(**options).fit_transform(X), first)
    other = marble(**options, **{"random_state": 1}).fit_transform(X)
    assert np.abs(other - first).max() > 1e-4
    generator = marble(**{**options, "random_state": np.random.RandomState(0)})
    np.testing.assert_array_equal(generator.fit_transform(X), first)


def test_pieces_are_named_by_their_sizes_and_the_fit_goes_on():
    X = np.concatenate([spiral(60), spiral(30) + 100])
    with pytest.warns(UserWarning, match="2 pieces of 60, 30 states"):
        embedded = marble().fit_transform(X)
    assert np.isfinite(embedded).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        marble().fit(X, groups=np.repeat([0, 1], [60, 30]))


def test_windows_that_start_at_the_same_state_are_no_pieces_and_no_error():
    X = np.repeat(spiral(40), 3, axis=0)
    X[1::3, :, 1] += 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = marble().fit(X)
    embedded = fitted.transform(X)
    np.testing.assert_array_equal(embedded[::3], embedded[2::3])
    assert np.abs(embedded[::3] - embedded[1::3]).max() > 1e-3


def lazy(frames):
    return sliding_windows(frames, 2, lazy=True).X


@pytest.mark.parametrize("make", [np.asarray, lazy], ids=["array", "lazy"])
def test_nan_is_refused_in_fit_and_in_transform_with_a_way_out(make):
    if make is lazy:
        good = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
        bad = good.copy()
        bad[17, 1] = np.nan
    else:
        good, bad = spiral(), spiral()
        bad[17, 1, 0] = np.nan
    message = "Input X contains NaN .* put a WindowImputer before it, or reduce each animal"
    with pytest.raises(ValueError, match=message):
        marble().fit(make(bad))
    fitted = marble().fit(make(good))
    with pytest.raises(ValueError, match=message):
        fitted.transform(make(bad))


def test_lazy_windows_that_lack_a_neuron_are_refused_and_nan_that_no_window_holds_is_not():
    frames = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    frames[30:32] = np.nan
    windows = lazy(frames)
    held = np.isnan(np.asarray(windows)).any(axis=(1, 2))
    assert windows.has_nan()
    assert not windows[~held].has_nan()
    assert windows[held].has_nan()
    expected = marble().fit_transform(np.asarray(windows[~held]))
    np.testing.assert_array_equal(marble().fit_transform(windows[~held]), expected)
    animals = [
        Recording(frames[:30, :n], 2.0, neurons=list("ABC"[:n]), organism=name)
        for n, name in ((3, "one"), (2, "other"))
    ]
    both = sliding_windows(animals, 2, lazy=True, target=None)
    assert both.X.has_nan()
    assert not both.X[both.groups == "one"].has_nan()
    assert not sliding_windows(
        animals, 2, neurons="intersection", lazy=True, target=None
    ).X.has_nan()


@pytest.mark.parametrize("mode", [*MODES.values()], ids=[*MODES])
def test_a_state_of_one_dimension_is_embedded(mode):
    mode = {**mode, "manifold_dimension": None}
    X = spiral()[:, :1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = marble(**mode).fit(X)
    assert fitted.manifold_dimension_ == 1
    embedded = fitted.transform(X)
    assert embedded.shape == (80, 3)
    assert np.isfinite(embedded).all()
    assert np.linalg.matrix_rank(embedded) > 1


def test_one_frame_has_no_flow_and_the_error_shows_the_line_that_makes_windows():
    X = spiral()
    frames = X[:, :, 0]
    for single in (frames, frames[:, :, None], pd.DataFrame(frames)):
        with pytest.raises(ValueError, match=r"needs at least 2: .* sliding_windows\(recordings, "):
            marble().fit(single)
    with pytest.raises(ValueError, match="windows of 1 frame"):
        marble().fit(X).transform(frames)
    marble().fit(sliding_windows(frames, 2).X)


def test_a_single_window_is_refused():
    with pytest.raises(ValueError, match="1 window, but MARBLE needs at least 2"):
        marble().fit(spiral(1))


@pytest.mark.parametrize("n_windows", [2, 3, 8])
@pytest.mark.parametrize("mode", [*MODES.values()], ids=[*MODES])
def test_a_handful_of_windows_is_embedded(n_windows, mode):
    embedded = marble(**mode).fit_transform(spiral(n_windows))
    assert np.isfinite(embedded).all()


@pytest.mark.parametrize("mode", [*MODES.values()], ids=[*MODES])
def test_a_far_group_leaves_the_features_of_the_first_alone(mode):
    X, groups = two_groups()
    both = np.concatenate([X[groups == "one"], 5 * X[groups == "two"] + 1000])
    options = marble(**{**mode, "manifold_dimension": 2})
    options.n_features_in_ = 3
    one = groups == "one"
    points, vectors, _ = options._states(both)
    alone = Atlas(points[one], vectors[one], groups[one], options._flow_options())
    together = Atlas(points, vectors, groups, options._flow_options())
    for time in (0.0, 1.0):
        for block, expected in zip(together.own_features([time])[0], alone.own_features([time])[0]):
            np.testing.assert_allclose(block[one], expected, atol=1e-12)


def test_groups_that_lie_in_the_same_place_do_not_mix():
    X = spiral()
    # The same states, and vectors across those of the first group.
    across = np.cross(X[:, :, 1] - X[:, :, 0], [0.0, 0.0, 1.0])
    other = np.stack([X[:, :, 0], X[:, :, 0] + across], axis=2)
    both, groups = np.concatenate([X, other]), np.repeat(["along", "across"], 80)
    points, vectors, _ = marble()._states(both)

    def angle(labels):
        """Cosine between the flows at the same state."""
        fitted = marble(order=0).fit(both, groups=labels)
        _, flow = fitted._atlas.features(points, vectors, labels)
        return np.median(np.abs(cosines(*np.split(flow, 2))))

    assert angle(groups) < 0.2
    assert angle(None) > 0.4


def cosines(one, other):
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(axis=1) / lengths


@pytest.mark.parametrize("mode", [*MODES.values()], ids=[*MODES])
def test_windows_of_an_unseen_group_are_connected_to_each_other(mode):
    X, groups = two_groups()
    fitted = marble(**mode).fit(X, groups=groups)
    known = fitted.transform(X[60:], groups=groups[60:])
    # A copy of a group under another name sees what that group sees.
    np.testing.assert_allclose(fitted.transform(X[60:], groups=["new"] * 60), known, atol=1e-5)
    # And does not care for those around it, nor for its own order.
    order = np.random.default_rng(0).permutation(120)
    mixed = np.where(groups == "two", "new", groups)[order]
    found = fitted.transform(X[order], groups=mixed)
    np.testing.assert_allclose(found[mixed == "new"], known[order[mixed == "new"] - 60], atol=1e-4)


def test_a_group_too_small_to_show_a_flow_is_warned_of_by_name():
    X, groups = two_groups()
    fitted = marble().fit(X, groups=groups)
    with pytest.warns(UserWarning, match="group 'new' was not seen in fit and has 8 windows"):
        embedded = fitted.transform(X[:8], groups=["new"] * 8)
    assert np.isfinite(embedded).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.transform(X[:1], groups=groups[:1])
        fitted.transform(X[:9], groups=["new"] * 9)


def test_groups_are_asked_for_where_they_matter():
    X, groups = two_groups()
    with pytest.raises(ValueError, match="groups: not given, but MARBLE was fitted with 2 groups"):
        marble().fit(X, groups=groups).transform(X)
    with pytest.raises(ValueError, match="groups: given, but MARBLE was fitted without"):
        marble().fit(X).transform(X, groups=groups)
    with pytest.raises(ValueError, match=r"groups: got shape \(119,\)"):
        marble().fit(X, groups=groups[1:])
    with pytest.raises(ValueError, match=r"groups: got shape \(3,\)"):
        marble().fit(X, groups=groups).transform(X[:2], groups=groups[:3])
    fitted = marble().fit(X, groups=["all"] * 120)
    assert fitted.groups_.tolist() == ["all"]
    np.testing.assert_array_equal(fitted.transform(X), fitted.transform(X, groups=["all"] * 120))
    np.testing.assert_array_equal(fitted.transform(X), marble().fit_transform(X))
    assert marble().fit(X).groups_ is None


@pytest.mark.parametrize("labels", [[3, -1], [True, False], ["b", "a"], [0.5, 2.0]])
def test_groups_of_any_kind_of_label_are_known_again(labels):
    X, groups = two_groups(20)
    marked = np.array(labels)[(groups == "one").astype(int)]
    expected = marble().fit_transform(X, groups=marked)
    fitted = marble().fit(X, groups=list(marked))
    assert fitted.groups_.tolist() == sorted(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fitted.transform(X[:3], groups=marked[:3])
        np.testing.assert_allclose(found, expected[:3], atol=1e-5)
        as_objects = pd.Series(marked, dtype=object)
        np.testing.assert_array_equal(fitted.transform(X, groups=as_objects), expected)


@pytest.mark.parametrize("mode", [*MODES.values()], ids=[*MODES])
def test_new_points_beside_known_ones_are_embedded_beside_them(mode):
    rng = np.random.default_rng(0)
    X, _ = make_van_der_pol([0.5], n_trajectories=120, n_times=4, random_state=0)
    fitted = MARBLE(**mode, max_epochs=5, random_state=0)
    embedded = fitted.fit_transform(X)
    near = fitted.transform(X + 1e-4 * rng.normal(size=(len(X), 3, 1)))
    distance = np.linalg.norm(near - embedded, axis=1)
    spread = np.linalg.norm(embedded - embedded[rng.permutation(len(X))], axis=1)
    assert np.median(distance) < 0.05 * np.median(spread)
    held_out = make_van_der_pol([0.5], n_trajectories=30, n_times=4, random_state=1).X
    # The nearest known window says where a new one lies.
    nearest = np.linalg.norm(held_out[:, None, :, 0] - X[:, :, 0], axis=2).argmin(axis=1)
    distance = np.linalg.norm(fitted.transform(held_out) - embedded[nearest], axis=1)
    assert np.median(distance) < 0.25 * np.median(spread)


def test_rounding_to_single_precision_hardly_moves_a_known_point():
    X, groups = make_planar_flows(128, random_state=0)
    for options in ({}, {"inner_product_features": True, "order": 2}):
        fitted = MARBLE(**options, max_epochs=5, random_state=0).fit(X, groups=groups)
        single = fitted.transform(X.astype(np.float32), groups=groups)
        moved = np.abs(single - fitted.transform(X, groups=groups))
        assert moved.max() < 0.01


def test_a_point_far_outside_is_embedded():
    fitted = marble().fit(spiral())
    assert np.isfinite(fitted.transform(spiral(3) + 1e4)).all()


@pytest.mark.parametrize("n_steps", [1, 3])
def test_along_the_flow_partners_are_the_windows_that_follow(n_steps):
    X = spiral()
    seen = Trained()
    marble(n_steps=n_steps, callbacks=[seen]).fit(X)
    for point in range(80 - n_steps):
        assert seen.partners[point].tolist() == [*range(point + 1, point + n_steps + 1)]


def test_neighbours_as_partners_are_states_close_by_and_of_the_same_group():
    X, groups = two_groups()
    seen = Trained()
    fitted = marble(partners="neighbors", callbacks=[seen]).fit(X, groups=groups)
    for label in ("one", "two"):
        rows = np.flatnonzero(groups == label)
        graph = fitted._atlas._manifolds[label].graph
        adjacency = graph.adjacency.toarray()[graph.which][:, graph.which] > 0
        for row, near in zip(rows, adjacency):
            assert sorted(seen.partners[row]) == rows[near].tolist()


def test_training_that_draws_every_point_to_itself_is_warned_of():
    X = np.random.default_rng(0).uniform(size=(100, 2))
    # Steps so short that the nearest state to the next one is the state itself.
    X = np.stack([X, X + 1e-6], axis=2)
    with pytest.warns(UserWarning, match="partner"):
        marble().fit(X)


def test_a_slope_is_the_difference_for_two_frames_and_smoother_for_more():
    X = spiral()
    by_slope = marble(derivative="slope").fit(X)
    np.testing.assert_allclose(
        by_slope.transform(X), marble(derivative="difference").fit_transform(X), atol=1e-6
    )
    # A straight line: all slopes agree. With noise, the longer one errs less.
    rng = np.random.default_rng(0)
    velocity = np.array([0.5, -1.0, 0.2])
    line = rng.normal(size=(200, 3, 1)) + velocity[:, None] * np.arange(6.0)
    noisy = line + 0.1 * rng.normal(size=line.shape)
    errors = {}
    for derivative in ("difference", "slope"):
        points, vectors, following = marble(derivative=derivative)._states(line)
        np.testing.assert_array_equal(points, line[:, :, -2])
        np.testing.assert_array_equal(following, line[:, :, -1])
        np.testing.assert_allclose(vectors, np.tile(velocity, (200, 1)), atol=1e-12)
        errors[derivative] = np.std(marble(derivative=derivative)._states(noisy)[1] - velocity)
    # Of six frames the slope has the variance 12 / (6 * 35), the difference 2.
    assert errors["slope"] / errors["difference"] == pytest.approx(np.sqrt(6 / 210), rel=0.2)


@pytest.mark.parametrize("gauge", ["global", "local"])
def test_what_is_learnt_stays_in_its_range_and_decides_the_features(gauge):
    X = spiral()
    options = {"gauge": gauge, "manifold_dimension": 2, "learning_rate": 0.02, "max_epochs": 10}
    fitted = marble(diffusion_time="learned", temperature="learned", **options).fit(X)
    assert 0 < fitted.diffusion_time_ < 4
    assert abs(fitted.diffusion_time_ - 1) > 0.01
    assert fitted.temperature_ > 0
    # It starts at the default.
    assert abs(fitted.temperature_ - MARBLE().temperature) > 0.01
    points, vectors, _ = fitted._states(X)
    atlas = Atlas(points, vectors, None, fitted._flow_options())
    expected = fitted._scaler.transform(atlas.own_features([fitted.diffusion_time_])[0])
    np.testing.assert_allclose(features_of(fitted, X), expected, atol=1e-9)
    at_start = fitted._scaler.transform(atlas.own_features([1.0])[0])
    assert np.abs(features_of(fitted, X) - at_start).max() > 1e-4
    plain = marble(temperature=0.3, diffusion_time=0.5).fit(X)
    assert (plain.temperature_, plain.diffusion_time_) == (pytest.approx(0.3), 0.5)


def test_weight_decay_does_not_choose_the_diffusion_time():
    # The same vector everywhere: no time is better than another.
    X = np.random.default_rng(0).uniform(size=(60, 2))
    X = np.stack([X, X + np.array([0.25, 0.5])], axis=2)
    options = {"positions": False, "order": 0, "learning_rate": 0.05, "max_epochs": 10}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = marble(diffusion_time="learned", **options).fit(X)
    assert fitted.diffusion_time_ == pytest.approx(1.0, abs=0.01)


def test_output_is_named_and_can_be_a_table():
    X = spiral()
    fitted = marble(n_components=2).fit(X)
    assert fitted.get_feature_names_out().tolist() == ["marble0", "marble1"]
    assert fitted.get_feature_names_out().dtype == object
    assert fitted.n_components_ == 2
    table = fitted.set_output(transform="pandas").transform(X)
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == ["marble0", "marble1"]
    np.testing.assert_array_equal(table, marble(n_components=2).fit_transform(X))


def test_groups_are_routed_through_a_pipeline_to_fit_and_transform():
    X, groups = two_groups()
    y = np.where(np.arange(120) % 2, "a", "b")
    with sklearn.config_context(enable_metadata_routing=True):
        for method in ("fit", "transform"):
            request = MARBLE().get_metadata_routing()
            assert request.consumes(method, {"groups"}) == {"groups"}
        pipeline = make_pipeline(marble(), KNeighborsClassifier(3))
        pipeline.fit(X, y, groups=groups)
        found = pipeline.predict(X, groups=groups)
        assert pipeline[0].groups_.tolist() == ["one", "two"]
        with pytest.raises(ValueError, match="groups: not given"):
            pipeline.predict(X)
    embedded = marble().fit_transform(X, groups=groups)
    np.testing.assert_array_equal(KNeighborsClassifier(3).fit(embedded, y).predict(embedded), found)


def test_a_search_over_a_pipeline_needs_no_groups():
    X = spiral()
    y = np.where(X[:, 0, 0] > 0, "right", "left")
    pipeline = make_pipeline(marble(), KNeighborsClassifier(5))
    grid = {"marble__gauge": ["global", "local"], "marble__diffusion_time": [0.0, "learned"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.8
    with joblib.parallel_config("threading", n_jobs=2):
        again = GridSearchCV(pipeline, grid, cv=2, error_score="raise", n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(
        again.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )


def test_planar_flows_separate():
    X, groups = make_planar_flows(random_state=0)
    embedded = MARBLE(max_epochs=60, random_state=0).fit_transform(X, groups=groups)
    accuracy = cross_val_score(KNeighborsClassifier(10), embedded, groups, cv=5)
    assert accuracy.mean() > 0.99


def test_training_brings_partners_together():
    X, groups = two_groups()
    fitted = marble(max_epochs=15, learning_rate=0.01).fit(X, groups=groups)
    assert fitted.loss_curve_.shape == (15,) == (fitted.n_epochs_,)
    assert fitted.loss_curve_[-3:].mean() < fitted.loss_curve_[:3].mean()
    assert not fitted.interrupted_


def test_strong_weight_decay_keeps_the_leading_principal_components():
    X = spiral()
    seen = Trained()
    embedded = marble(weight_decay=1e3, callbacks=[seen]).fit_transform(X)
    leading = seen.tables[0][:, :3]
    leading /= np.linalg.norm(leading, axis=1, keepdims=True)
    np.testing.assert_allclose(embedded, leading, atol=0.02)


def test_embeddings_have_length_one_and_the_precision_of_the_input():
    X = spiral()
    for dtype in (np.float32, np.float64):
        embedded = marble().fit_transform(X.astype(dtype))
        assert embedded.dtype == dtype
        np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("n_principal", [1, 64])
def test_more_components_than_features_can_be_asked_for(n_principal):
    fitted = marble(n_components=7, n_principal=n_principal, max_epochs=5, order=0, positions=False)
    embedded = fitted.fit_transform(spiral()[:, :2])
    assert embedded.shape == (80, 7)
    assert np.isfinite(embedded).all()
    assert (embedded.std(axis=0) > 0).all()


@pytest.mark.parametrize("mode", [*MODES.values()], ids=[*MODES])
def test_windows_that_are_all_the_same_are_embedded_in_one_place(mode):
    X = np.tile(spiral(1), (30, 1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        embedded = marble(**mode).fit_transform(X)
    assert np.isfinite(embedded).all()
    np.testing.assert_array_equal(embedded, np.tile(embedded[:1], (30, 1)))


@pytest.mark.parametrize("inner_product_features", [False, True])
def test_rounding_is_not_mistaken_for_derivatives_of_a_flow_that_is_the_same_everywhere(
    inner_product_features,
):
    points = np.random.default_rng(0).uniform(size=(60, 2))
    X = np.stack([points, points + np.array([0.1, 0.05])], axis=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = marble(order=2, inner_product_features=inner_product_features).fit(X)
    # Only the positions vary, if they count.
    scores = features_of(fitted, X)
    n_varying = 0 if inner_product_features else 2
    np.testing.assert_allclose(scores[:, n_varying:], 0, atol=1e-6)


def test_a_group_of_a_single_window_is_embedded():
    for mode in MODES.values():
        embedded = marble(**mode).fit_transform(spiral(40), groups=[0] * 39 + [1])
        assert np.isfinite(embedded).all()


def test_counts_that_come_again_and_again_are_embedded():
    counts = np.random.default_rng(0).poisson(1.0, size=(201, 2)).astype(float)
    X = sliding_windows(counts, 2).X
    for mode in MODES.values():
        assert np.isfinite(marble(**mode).fit_transform(X)).all()


def test_states_at_rest_are_embedded():
    X = spiral()
    X[:, :, 1] = X[:, :, 0]
    for mode in MODES.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert np.isfinite(marble(**mode).fit_transform(X)).all()


def test_batches_of_one_point_teach_nothing_and_are_warned_of():
    with pytest.warns(UserWarning, match="batch_size"):
        marble(batch_size=1).fit(spiral(20))


def test_the_dimension_of_the_manifold_is_found():
    rng = np.random.default_rng(0)
    plane = rng.uniform(-1, 1, size=(300, 2)) @ rng.normal(size=(2, 5))
    X = np.stack([plane, plane + 0.1], axis=2)
    assert marble(max_epochs=1).fit(X).manifold_dimension_ == 2
    line = np.linspace(0, 1, 100)[:, None] * rng.normal(size=5)
    X = np.stack([line, line + 0.1], axis=2)
    assert marble(max_epochs=1).fit(X).manifold_dimension_ == 1
    assert marble(max_epochs=1, manifold_dimension=4).fit(X).manifold_dimension_ == 4


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"manifold_dimension": 4}, "manifold_dimension: got 4; expected at most the 3 neurons"),
        ({"positions": True, "inner_product_features": True}, "positions: got True with inner"),
        ({"positions": np.True_, "inner_product_features": True}, "positions: got"),
        ({"n_components": 0}, "'n_components' parameter of MARBLE"),
        ({"diffusion_time": -1.0}, "'diffusion_time' parameter of MARBLE"),
        ({"diffusion_time": "auto"}, "'diffusion_time' parameter of MARBLE"),
        ({"temperature": 0.0}, "'temperature' parameter of MARBLE"),
        ({"gauge": "both"}, "'gauge' parameter of MARBLE"),
        ({"partners": "time"}, "'partners' parameter of MARBLE"),
        ({"order": -1}, "'order' parameter of MARBLE"),
        ({"delta": 0.0}, "'delta' parameter of MARBLE"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(parameters, message):
    with pytest.raises(ValueError, match=message):
        marble(**parameters).fit(spiral())


@pytest.mark.parametrize(("epoch", "step"), [(1, 2), (3, 0)])
def test_an_interrupted_fit_lets_go_of_its_data(epoch, step):
    X = spiral()
    model = marble(callbacks=[InterruptAfter(epoch, step)], max_epochs=9)
    with pytest.warns(UserWarning, match=f"interrupted in epoch {epoch}"):
        model.fit(X)
    assert model.transform(X).shape == (80, 3)
    assert model.net_.module_._tables is None


def test_a_second_fit_forgets_the_first():
    X, groups = two_groups()
    model = marble().fit(X[:, :2], groups=groups)
    assert model.n_features_in_ == 2
    np.testing.assert_array_equal(model.fit_transform(X[:60]), marble().fit_transform(X[:60]))
    assert model.groups_ is None
    assert model.n_features_in_ == 3


def test_animals_with_other_neurons_are_compared_after_a_reduction():
    rng = np.random.default_rng(0)
    embedded = []
    X = spiral(150)
    parts = []
    for n_neurons in (12, 20):
        # The same states in the activity of other neurons, each with an offset.
        mixing = np.linalg.qr(rng.normal(size=(n_neurons, 3)))[0]
        activity = np.einsum("ij,pjt->pit", mixing, X) + rng.normal(size=(n_neurons, 1))
        reduced = PCA(3).fit(activity[:, :, 0])
        parts.append(np.stack([reduced.transform(activity[:, :, t]) for t in (0, 1)], axis=2))
    groups = np.repeat(["mouse", "rat"], 150)
    both = np.concatenate(parts)
    embedded = marble(inner_product_features=True, max_epochs=3).fit_transform(both, groups=groups)
    np.testing.assert_allclose(embedded[:150], embedded[150:], atol=1e-3)
