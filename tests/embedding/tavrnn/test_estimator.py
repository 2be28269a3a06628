"""TAVRNN: what it finds, and what it promises of windows in sequence."""

import itertools
import warnings

import numpy as np
import pytest
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skneurograph import Recording
from skneurograph.embedding import TAVRNN
from skneurograph.embedding.tavrnn._sequences import Snapshots
from skneurograph.embedding.tavrnn._snapshots import (
    FeatureScale,
    connectivity,
    measure_activity,
    measure_halves,
    split_windows,
)
from skneurograph.graph_inference import CorrelationGraph
from tests.conftest import REAL_WORMS

RAT = REAL_WORMS.parent / "rat_hippocampus" / "rat_buddy.npz"
CHEAP = {"max_epochs": 3, "hidden_size": 6, "n_components": 3, "random_state": 0}
VARIANTS = [
    {},
    {"node_features": "weights", "weighted": False},
    {"node_features": "exchangeable", "attention_width": 1, "activity_features": "mean+slope"},
    {"activity_features": None, "noise_filter": False, "sequence_length": None},
]


def cheap(**options):
    return TAVRNN(**{**CHEAP, **options})


@pytest.fixture
def X():  # noqa: N802
    """Neuron 1 is never recorded, 3 not in every window; windows of 5 to 12 frames."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 6, 12)) + rng.normal(size=(30, 1, 12))
    # Activity that differs from window to window, so that all features count.
    X += 3 * rng.normal(size=(30, 6, 1)) + 3 * rng.normal(size=(30, 6, 1)) * np.linspace(-1, 1, 12)
    X *= np.exp(rng.normal(size=(30, 1, 1)))
    X[:, 1] = np.nan
    X[10:20, 3] = np.nan
    for k, length in enumerate(rng.integers(5, 13, size=30)):
        X[k, :, length:] = np.nan
    return X


def make_regimes(n_windows=160, n_neurons=16, n_times=30, seed=1):
    """Two patterns of correlation that alternate; every neuron has the same statistics in both."""
    rng = np.random.default_rng(seed)
    regime = (np.arange(n_windows) // 8) % 2
    signs = rng.choice([-1, 1], size=(2, n_neurons))
    groups = np.stack([np.arange(n_neurons) % 2, np.arange(n_neurons) // (n_neurons // 2)])
    shared = rng.normal(size=(n_windows, 2, n_times))
    own = rng.normal(size=(n_windows, n_neurons, n_times))
    loading = np.array([shared[k][groups[r]] * signs[r][:, None] for k, r in enumerate(regime)])
    return (0.8 * loading + 0.6 * own).astype(np.float32), regime


def test_regimes_of_connectivity_are_told_apart_although_mean_rates_are_not():
    X, regime = make_regimes()
    train, test = slice(0, 112), slice(112, 160)
    probe = make_pipeline(StandardScaler(), LogisticRegression())
    rates = X.mean(axis=2)
    assert probe.fit(rates[train], regime[train]).score(rates[test], regime[test]) < 0.7
    model = TAVRNN(max_epochs=60, random_state=0).fit(X[train])
    embedding = model.transform(X)
    accuracy = probe.fit(embedding[train], regime[train]).score(embedding[test], regime[test])
    assert accuracy > 0.95


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_a_window_does_not_depend_on_later_ones(options, X):
    model = cheap(**options).fit(X)
    whole, graphs, neurons = model.transform(X), model.infer_graphs(X), model.embed_neurons(X)
    for n in (1, 2, 9, 29):
        np.testing.assert_allclose(model.transform(X[:n]), whole[:n], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.embed_neurons(X[:n]), neurons[:n], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(model.infer_graphs(X[7:9]), graphs[7:9])
    if model.attention_width > 1:
        assert not np.allclose(model.transform(X[1:]), whole[1:])


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_sequences_do_not_know_of_each_other_and_may_be_interleaved(options, X):
    model = cheap(**options).fit(X)
    first, second = np.arange(0, 12), np.arange(12, 30)
    alone = np.concatenate([model.transform(X[first]), model.transform(X[second])])
    groups = np.repeat(["rat-b", "rat-a"], [12, 18])
    np.testing.assert_allclose(model.transform(X, groups=groups), alone, rtol=1e-9, atol=1e-12)
    order = np.argsort(np.random.default_rng(0).random(30))
    # Windows of the two sequences mixed, each sequence in its order.
    mixed = np.empty(30, dtype=int)
    mixed[np.sort(order[:12])], mixed[np.sort(order[12:])] = first, second
    found = model.transform(X[mixed], groups=groups[mixed])
    np.testing.assert_allclose(found, alone[mixed], rtol=1e-9, atol=1e-12)


def test_sequences_train_apart(X):
    groups = np.repeat([0, 1], 15)
    apart = cheap(sequence_length=None).fit(X, groups=groups)
    assert not np.allclose(apart.loss_curve_, cheap(sequence_length=None).fit(X).loss_curve_)
    np.testing.assert_array_equal(apart.attention_[[0, 15]], np.eye(8)[[0, 0]])


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_padding_and_unrecorded_neurons_change_nothing(options, X):
    shorter = np.delete(X, 1, axis=1)
    padded = np.concatenate([X, np.full((30, 6, 4), np.nan)], axis=2)
    plain, wider = cheap(**options).fit(shorter), cheap(**options).fit(padded)
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(plain.transform(shorter), wider.transform(padded), **close)
    kept = [0, 2, 3, 4, 5]
    neurons = wider.embed_neurons(padded)
    np.testing.assert_allclose(neurons[:, kept], plain.embed_neurons(shorter), **close)
    assert np.isnan(neurons[:, 1]).all()
    assert np.isnan(neurons[10:20, 3]).all()
    assert np.isfinite(neurons[:10, 3]).all()
    np.testing.assert_allclose(wider.graph_[kept][:, kept], plain.graph_, **close)
    assert plain.score(shorter) == pytest.approx(wider.score(padded))


def test_exchangeable_neurons_need_not_have_been_in_training(X):
    model = cheap(node_features="exchangeable").fit(X)
    order = np.array([3, 5, 1, 0, 4, 2])
    turned = X[:, order]
    np.testing.assert_allclose(model.transform(turned), model.transform(X), rtol=1e-9, atol=1e-9)
    neurons = model.embed_neurons(turned)
    np.testing.assert_allclose(neurons, model.embed_neurons(X)[:, order], rtol=1e-9, atol=1e-9)
    assert np.isfinite(neurons[:10, 0]).all()
    identified = cheap().fit(X)
    assert not np.allclose(identified.transform(turned), identified.transform(X), atol=1e-3)


def test_the_graph_of_a_window_is_its_cleaned_thresholded_correlation():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 8, 40)) + rng.normal(size=(20, 1, 40))
    X[:, ::3] *= -1  # some correlations are negative
    for noise_filter in (True, False):
        reference = CorrelationGraph(noise_filter=noise_filter).fit(X).infer_graphs(X)
        model = cheap(noise_filter=noise_filter, threshold=0.3).fit(X)
        graphs = model.infer_graphs(X)
        np.testing.assert_allclose(graphs, np.where(np.abs(reference) > 0.3, reference, 0))
        np.testing.assert_allclose(model.graph_, graphs.mean(axis=0), atol=1e-12)
        edges = cheap(noise_filter=noise_filter, threshold=0.3, weighted=False).fit(X)
        np.testing.assert_array_equal(edges.infer_graphs(X), graphs != 0)


def test_independent_noise_has_no_edges_and_a_shared_signal_one_eigenvalue():
    """Bounds that belong to correlations: those of shuffled covariances keep nearly all."""
    rng = np.random.default_rng(0)
    recorded, lengths = np.ones((1, 48), dtype=bool), np.array([40])
    kept = []
    for strength in (0.0, 1.5):
        activity = 7 * (rng.normal(size=(1, 48, 40)) + strength * rng.normal(size=(1, 1, 40)))
        graph = connectivity(
            activity, lengths, recorded, noise_filter=True, threshold=0.0, weighted=True
        )[0]
        np.fill_diagonal(graph, 0.7)
        kept.append(int((np.linalg.eigvalsh(graph) > 1).sum()))
    assert kept[0] <= 1
    assert kept[1] == 1


def test_windows_end_where_all_neurons_are_nan(X):
    (_, activity, lengths, recorded), *_ = split_windows(X, np.arange(6))
    expected = [np.flatnonzero(~np.isnan(window).all(axis=0))[-1] + 1 for window in X]
    np.testing.assert_array_equal(lengths, expected)
    np.testing.assert_array_equal(recorded.all(axis=0), [True, False, True, False, True, True])
    measured = measure_activity(activity, lengths, recorded, ("mean", "slope"))
    found = measured.values[:, 0] * measured.levels
    for window, n_frames, (mean, slope) in zip(X, lengths, found):
        assert mean == pytest.approx(window[0, :n_frames].mean())
        frames = np.arange(n_frames)
        line = np.polyfit(frames, window[0, :n_frames], 1)
        assert slope == pytest.approx(line[0] * (n_frames - 1))


def measured_scale(X, measures=("mean", "slope"), own=True):
    (_, activity, lengths, recorded), *_ = split_windows(X, np.arange(X.shape[1]))
    halves = measure_halves(activity, lengths, recorded, measures)
    whole = measure_activity(activity, lengths, recorded, measures)
    return FeatureScale(own=own).fit(whole, halves, recorded)


@pytest.mark.parametrize("own", [True, False])
def test_activity_counts_as_far_as_it_is_more_than_what_frames_vary_by_chance(own):
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(2000, 60, 1))
    noise = 3 * rng.normal(size=(2000, 60, 20))
    reliability = measured_scale(signal + noise, own=own).reliability
    assert reliability.shape == (60 if own else 1, 2)
    # Variance 1 of the signal, 9 / 20 of the mean of the noise; the slope is all noise.
    assert reliability[:, 0].mean() == pytest.approx(1 / (1 + 9 / 20), abs=0.03)
    assert reliability[:, 1].mean() < 0.02
    # A signal that all neurons share makes the level of a window, not its pattern.
    shared = np.abs(signal[:, :1]) + 0.3 * noise
    scale = measured_scale(shared, own=own)
    assert scale.level_reliability[0] > 0.95
    assert scale.reliability[:, 0].mean() < 0.5


def test_noise_that_neurons_share_is_not_mistaken_for_a_reliable_level():
    rng = np.random.default_rng(0)
    X = np.abs(rng.normal(size=(500, 10, 20)) + 2 * rng.normal(size=(500, 1, 20)))
    assert measured_scale(X).level_reliability.max() < 0.1


def test_too_few_windows_to_tell_what_is_reliable_are_trusted():
    X = np.random.default_rng(0).normal(size=(5, 4, 12))
    assert (measured_scale(X).reliability == 1).all()
    short = np.random.default_rng(0).normal(size=(50, 4, 3))  # half of it has no slope
    assert (measured_scale(short).reliability[:, 1] == 1).all()
    assert (measured_scale(short).reliability[:, 0] < 1).all()


def test_windows_that_are_too_short_empty_or_without_edges_are_embedded_all_the_same():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8, 4, 6))
    X[1, :, 1:] = np.nan  # one frame
    X[2] = np.nan  # nothing recorded
    X[3] = 1.0  # constant
    X[4] = X[4, :1]  # complete graph
    X[5] = 0.0
    model = cheap().fit(X)
    assert np.isfinite(model.loss_curve_).all()
    assert np.isfinite(model.transform(X)).all()
    assert (model.infer_graphs(X)[[1, 3, 5]] == 0).all()
    assert np.isnan(model.infer_graphs(X)[2]).all()
    with pytest.raises(ValueError, match="no neuron is recorded"):
        cheap().fit(np.full((3, 4, 6), np.nan))


def test_labels_shape_the_embedding_only_if_they_are_wanted(X):
    y = np.where(np.arange(30) % 3, "run", "rest")
    plain, ignored, told = cheap().fit(X), cheap(label_weight=0).fit(X, y), cheap().fit(X, y)
    np.testing.assert_array_equal(plain.transform(X), ignored.transform(X))
    assert not np.allclose(plain.transform(X), told.transform(X))
    assert told.classes_.tolist() == ["rest", "run"]
    assert not hasattr(told.fit(X), "classes_")
    cheap(label_weight=0).fit(X, np.arange(30) / 7)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        cheap().fit(X, np.arange(30) / 7)


def test_a_gap_keeps_time_and_its_label_is_not_looked_at(X):
    y = np.where(np.arange(30) % 3, "run", "rest")
    gaps = [4, 11, 12]
    X[gaps] = np.nan
    hidden = y.copy()
    hidden[gaps] = "unknown"
    model = cheap(sequence_length=None).fit(X, y)
    blind = cheap(sequence_length=None).fit(X, hidden)
    np.testing.assert_array_equal(blind.transform(X), model.transform(X))
    assert blind.classes_.tolist() == ["rest", "run"]
    # The window after the gap meets another state than if the gap were not there.
    without = np.delete(X, gaps, axis=0)
    assert not np.allclose(model.transform(without)[4:], np.delete(model.transform(X), gaps, 0)[4:])


def test_gaps_do_not_change_how_other_windows_are_read_and_are_not_silence(X):
    gaps = np.full((12, 6, 12), np.nan)
    model, with_gaps = cheap().fit(X), cheap().fit(np.concatenate([X, gaps]))
    plain, other = (m._reader.read(X, m.recorded_neurons_) for m in (model, with_gaps))
    torch.testing.assert_close(other.levels, plain.levels)
    torch.testing.assert_close(other.features, plain.features)
    silence = np.where(np.isnan(X[:1]), np.nan, 0.0)
    assert model._reader.read(silence, model.recorded_neurons_).levels.abs().max() > 1
    assert model._reader.read(gaps[:1], model.recorded_neurons_).levels.abs().max() == 0
    assert model.score(np.concatenate([X, gaps])) == pytest.approx(model.score(X))


def test_the_scale_of_features_is_that_of_training(X):
    model = cheap().fit(X)
    part, whole = (model._reader.read(windows, model.recorded_neurons_) for windows in (X[:7], X))
    torch.testing.assert_close(part.levels, whole.levels[:7])
    torch.testing.assert_close(part.features, whole.features[:7])
    assert whole.levels.abs().max() > 0.5


def test_what_rounding_leaves_is_no_activity():
    X = np.random.default_rng(0).normal(size=(40, 6, 12))
    X = (X - X.mean(axis=2, keepdims=True)) / X.std(axis=2, keepdims=True)
    model = cheap().fit(X)
    np.testing.assert_allclose(model.transform(X + 1e-13), model.transform(X), atol=1e-9)


def test_passes_that_are_padded_are_not_merged():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 1, 5, 8))
    first[0, 1], second[0, 1] = first[0, 0], -second[0, 0]
    apart = np.concatenate(
        [np.concatenate([p, np.full((1, 5, 8), np.nan)], 2) for p in (first, second)]
    )
    merged = np.concatenate([first, second], axis=2)
    model = cheap(noise_filter=False, threshold=0.5).fit(np.concatenate([apart, merged]))
    graphs = model.infer_graphs(np.concatenate([apart, merged]))
    np.testing.assert_allclose(graphs[:2, 0, 1], [1, -1])
    assert abs(graphs[2, 0, 1]) < 0.9


@pytest.mark.parametrize(
    "options",
    [
        {"kl_weight": 10.0},
        {"sequence_length": 3},
        {"weighted": False},
        {"node_features": "weights"},
        {"threshold": 0.6},
        {"attention_width": 2},
        {"label_weight": 7.0},
        {"n_members": 1},
        {"hidden_size": 5},
        {"batch_size": 1},
    ],
    ids=str,
)
def test_every_option_reaches_what_is_learnt(options, X):
    y = np.tile([0, 1, 1], 10)
    assert not np.allclose(cheap(**options).fit(X, y).transform(X), cheap().fit(X, y).transform(X))


def test_rows_of_weights_are_features_if_they_are_to_tell_neurons_apart(X):
    model = cheap(node_features="weights").fit(X)
    read = model._reader.read(X, model.recorded_neurons_)
    graphs = model.infer_graphs(X)[:, model.recorded_neurons_][:, :, model.recorded_neurons_]
    np.testing.assert_allclose(read.features[:, :, :-1], np.nan_to_num(graphs))


def test_the_score_is_a_bound_whatever_weight_the_divergence_had_in_training(X):
    model = cheap().fit(X)
    score = model.score(X)
    for member in model.net_.module_:
        member.kl_weight = 100.0
    assert model.score(X) == score


def test_pieces_are_cut_elsewhere_each_epoch_and_weigh_by_their_windows(X):
    model = cheap().fit(X)
    read = model._reader.read(X, model.recorded_neurons_)
    labels = torch.arange(30)
    sequences = [np.arange(30)]
    data = Snapshots(read.propagation, read.features, read.levels, labels, sequences, 8)
    epochs = data.batches(2, torch.device("cpu"), np.random.default_rng(0))
    seen = [list(epochs) for _ in range(4)]
    assert {len(epoch) for epoch in seen} <= {data.n_steps(2), data.n_steps(2) - 1}
    starts = [
        sorted(int(b[0]["labels"][0, k]) for b in e for k in range(b[0]["labels"].shape[1]))
        for e in seen
    ]
    assert any(start != starts[0] for start in starts)
    for inputs, (_, weight) in itertools.chain(*seen):
        valid = inputs["propagation"][..., 0, 0] != 0
        assert (weight[~valid] == 0).all()
        assert weight.mean() == pytest.approx(1)
        assert len(set(weight[valid].tolist())) == 1


@pytest.mark.parametrize(("n_sequences", "length"), [(1, 9), (16, 9), (1, 128), (7, 20)])
def test_the_learning_rate_ends_at_zero(n_sequences, length):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_sequences * length, 3, 5))
    groups = np.repeat(np.arange(n_sequences), length)
    model = cheap(max_epochs=4).fit(X, groups=groups)
    (group,) = model.net_.optimizer_.param_groups
    assert group["lr"] < 0.02 * model.learning_rate


@pytest.mark.parametrize("max_epochs", [1, 18, 19, 20, np.int64(3)])
def test_any_number_of_steps_can_be_trained(max_epochs, X):
    model = cheap(max_epochs=max_epochs, sequence_length=None).fit(X[:8])
    assert model.n_epochs_ == len(model.loss_curve_) == max_epochs


def test_windows_broken_by_a_frame_of_nan_are_named(X):
    X[::3, :, 2] = np.nan
    with pytest.warns(UserWarning, match="10 windows have frames, but no neuron without NaN"):
        cheap().fit(X)


def test_labels_of_one_class_are_warned_of(X):
    with pytest.warns(UserWarning, match="one class only, 'a'"):
        cheap().fit(X, ["a"] * 30)


def test_attention_weights_sum_to_one_and_the_width_is_kept(X):
    for width in (1, 3):
        model = cheap(attention_width=width).fit(X)
        assert model.attention_.shape == (30, width)
        np.testing.assert_allclose(model.attention_.sum(axis=1), 1)


def test_training_raises_the_score():
    X, _ = make_regimes(n_windows=60, n_neurons=8)
    scores = [
        TAVRNN(max_epochs=n, n_components=4, kl_weight=1, batch_size=8, random_state=0)
        .fit(X[:40])
        .score(X[40:])
        for n in (1, 20)
    ]
    assert scores[1] > scores[0]
    curve = TAVRNN(max_epochs=5, random_state=0).fit(X).loss_curve_
    assert len(curve) == 5
    assert curve[-1] < curve[0]


def test_groups_are_routed_through_a_pipeline(X):
    y = np.tile([0, 1, 1], 10)
    groups = np.repeat([0, 1, 2], 10)
    with sklearn.config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pipeline = make_pipeline(cheap(), LogisticRegression())
        pipeline.fit(X, y, groups=groups)
        direct = cheap().fit_transform(X, y, groups=groups)
        routed = pipeline.transform if hasattr(pipeline, "transform") else pipeline[0].transform
        np.testing.assert_array_equal(routed(X, groups=groups), direct)
    assert len(cross_val_score(make_pipeline(cheap(), LogisticRegression()), X, y, cv=2)) == 2


def test_names_of_the_features_and_messages_are_in_the_users_words(X):
    model = cheap().fit(X)
    assert model.get_feature_names_out().tolist() == ["tavrnn0", "tavrnn1", "tavrnn2"]
    with pytest.raises(ValueError, match=r"groups: got shape \(29,\)"):
        model.transform(X, groups=np.zeros(29))
    mixed = np.array([0, "worm"] * 15, dtype=object)
    with pytest.raises(ValueError, match=r"groups: got .*; expected the organism of each"):
        model.transform(X, groups=mixed)
    with pytest.raises(ValueError, match="needs at least 3"):
        cheap().fit(X[:, :, :2])
    with pytest.raises(ValueError, match="needs at least 2: a graph is made of pairs"):
        cheap().fit(X[:, :1])


def test_a_model_of_another_device_or_precision_reads_windows_of_any(X):
    single = cheap().fit(X.astype(np.float32))
    assert single.transform(X.astype(np.float32)).dtype == np.float32
    assert single.transform(X).dtype == np.float64
    assert next(single.net_.module_.parameters()).dtype == torch.float32


@pytest.fixture(scope="module")
def rat_passes():
    """117 passes of a rat through three segments of a track (Grosmark and Buzsaki, 2016)."""
    if not RAT.exists():
        pytest.skip(f"the real recording is not at {RAT}")
    recording = Recording.load(RAT)
    position = recording.covariates["position"]
    segment = np.full(len(position), -1)
    for k, (low, high) in enumerate([(0, 0.2), (0.7, 0.9), (1.4, 1.6)]):
        segment[(position >= low) & (position <= high)] = k
    bounds = np.r_[0, np.flatnonzero(np.diff(segment)) + 1, len(segment)]
    passes = [(a, b) for a, b in itertools.pairwise(bounds) if segment[a] >= 0]
    X = np.full((len(passes), 48, 154), np.nan, dtype=np.float32)
    for k, (start, stop) in enumerate(passes):
        X[k, :, : stop - start] = recording.activity[start:stop].T
    return X, segment[[start for start, _ in passes]]


def test_windows_of_passes_are_never_merged(rat_passes):
    X, segment = rat_passes
    lengths = (~np.isnan(X).all(axis=1)).sum(axis=1)
    assert np.bincount(segment).tolist() == [30, 57, 30]
    assert (lengths.min(), lengths.max()) == (7, 154)


@pytest.mark.slow
def test_where_a_rat_is_can_be_told_from_passes_that_the_model_never_saw(rat_passes):
    X, segment = rat_passes
    model = TAVRNN(max_epochs=100, n_members=1, random_state=0).fit(X[:88], segment[:88])
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(model.transform(X[:88]), segment[:88])
    predicted = probe.predict(model.transform(X)[88:])
    # Mean firing rates reach .855, the published model .69.
    assert f1_score(segment[88:], predicted, average="macro") > 0.9
