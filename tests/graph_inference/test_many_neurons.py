"""What graphs of many neurons promise: values, cost, and a refusal before memory runs out."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from skneurograph.graph_inference import (
    CorrelationGraph,
    PartialCorrelationGraph,
    RelationalGraph,
    VARGraph,
)
from skneurograph.graph_inference._blocks import add_product, mirror
from skneurograph.graph_inference._inverse import inverse, nearest_correlation

POOLED = [CorrelationGraph(), PartialCorrelationGraph(), VARGraph()]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks and chunks so small that six neurons need several."""
    for module in ("_base", "_pooled"):
        monkeypatch.setattr(f"skneurograph.graph_inference.{module}.CHUNK_ELEMENTS", 150)
    monkeypatch.setattr("skneurograph.graph_inference._blocks._BLOCK_ELEMENTS", 13)
    monkeypatch.setattr("skneurograph.graph_inference._blocks._PRODUCT_ROWS", 4)
    monkeypatch.setattr("skneurograph.graph_inference._blocks._MIRROR_ROWS", 4)


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr("skneurograph.base._memory.available_memory", lambda: 1_000_000)


def activity(n_windows, n_neurons, n_times, missing=0.0):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_windows, n_neurons, n_times)).astype("f4")
    X[rng.random(X.shape[:2]) < missing] = np.nan
    return X


@pytest.mark.parametrize("lag", [0, 1, 3])
@pytest.mark.usefixtures("small_blocks")
def test_each_pair_counts_its_own_windows_wherever_the_first_gap_stands(lag):
    X = activity(40, 6, 5).astype(float) + 3
    X[:, 4] += X[:, 2]
    # The first chunks miss nobody.
    X[25:, 1], X[30:35, 4], X[17, 0] = np.nan, np.nan, np.nan
    graph = CorrelationGraph(lag=lag).fit(X).graph_
    for i, j in np.argwhere(~np.eye(6, dtype=bool)):
        both = ~np.isnan(X[:, [i, j]]).any(axis=(1, 2))
        receiver, sender = X[both, i, lag:].ravel(), X[both, j, : 5 - lag].ravel()
        expected = np.corrcoef(receiver, sender)[0, 1]
        np.testing.assert_allclose(graph[i, j], expected, atol=1e-12)


def test_frames_of_which_each_lacks_other_neurons_give_pairwise_correlations():
    X = activity(300, 40, 1, missing=0.3).astype(float)
    expected = pd.DataFrame(X[:, :, 0]).corr().to_numpy(copy=True)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(CorrelationGraph().fit(X).graph_, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "missing", "n_matrices"),
    [
        (CorrelationGraph(), 0.0, 3),
        (CorrelationGraph(), 0.1, 6),
        (CorrelationGraph(lag=1), 0.1, 9),
        (CorrelationGraph(noise_filter=True), 0.1, 6),
        (PartialCorrelationGraph(), 0.0, 6),
        # Covariances of twice as many columns.
        (VARGraph(), 0.0, 4 * 3),
    ],
)
def test_fit_holds_few_matrices_of_all_pairs(model, missing, n_matrices):
    n_neurons = 700
    X = activity(80, n_neurons, 10, missing)
    model.fit(X[:, :5])
    tracemalloc.start()
    try:
        model.fit(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * (n_matrices + 0.5) * n_neurons**2 + 2 * X.nbytes


def test_a_chunk_of_many_neurons_has_frames_enough():
    X = activity(500, 1500, 2)
    model = CorrelationGraph()
    model.recorded_neurons_, model.n_times_in_ = np.arange(1500), 2
    assert sum(1 for _ in model._chunks(X)) <= 3


@pytest.mark.parametrize("model", [PartialCorrelationGraph(), VARGraph()])
def test_what_windows_of_one_animal_share_is_computed_once(model, monkeypatch):
    X = activity(60, 12, 8)
    animal = np.arange(60) % 3
    X[animal == 1, 4], X[animal == 2, :3] = np.nan, np.nan
    model.fit(X)
    expected = np.concatenate([model.infer_graphs(X[w : w + 1]) for w in range(60)])
    calls = []
    shared = type(model)._shared

    def counted(self, columns):
        calls.append(columns)
        return shared(self, columns)

    monkeypatch.setattr(type(model), "_shared", counted)
    for module in ("_base", "_pooled"):
        monkeypatch.setattr(f"skneurograph.graph_inference.{module}.CHUNK_ELEMENTS", 150)
    np.testing.assert_allclose(model.infer_graphs(X), expected, atol=1e-6)
    assert len(calls) == 3


@pytest.mark.usefixtures("little_memory")
class TestTooMuch:
    """A refusal says what was asked for, what there is, and what to use, and allocates nothing."""

    @pytest.mark.parametrize("model", [*POOLED, RelationalGraph()], ids=repr)
    def test_a_graph_that_does_not_fit_is_refused(self, model):
        X = activity(4, 250, 6)
        name = type(model).__name__
        tracemalloc.start()
        with pytest.raises(
            MemoryError, match=rf"{name}.fit: the graph of 250 neurons.* GB.*free.*select"
        ):
            model.fit(X)
        assert tracemalloc.get_traced_memory()[1] < 250**2 * 8
        tracemalloc.stop()
        assert not hasattr(model, "graph_")

    def test_relational_inference_offers_few_senders(self):
        with pytest.raises(MemoryError, match=r"n_neighbors=32.*batch_size"):
            RelationalGraph().fit(activity(4, 250, 6))
        with pytest.raises(MemoryError, match="free; use a smaller batch_size"):
            RelationalGraph(n_neighbors=32).fit(activity(4, 250, 6))

    @pytest.mark.parametrize("model", POOLED, ids=repr)
    def test_graphs_and_features_of_too_many_windows_are_refused(self, model, monkeypatch):
        X = activity(300, 40, 6)
        model.fit(X)
        with pytest.raises(MemoryError, match=r"transform: (780|1,560) edges of each of 300 win"):
            model.transform(X)
        with pytest.raises(MemoryError, match=r"infer_graphs: 300 graphs of 40 neurons.*100"):
            model.infer_graphs(X)
        assert len(model.infer_graphs(X[:5])) == 5
        monkeypatch.setattr("skneurograph.base._memory.available_memory", lambda: 10_000)
        with pytest.raises(MemoryError, match=r"get_feature_names_out: (780|1,560) names"):
            model.get_feature_names_out()


@pytest.mark.parametrize("n", [1, 5, 40])
def test_inverse_and_products_agree_with_numpy(n, small_blocks):
    rng = np.random.default_rng(n)
    left, right = rng.normal(size=(n, 7)), rng.normal(size=(n + 2, 7))
    total = np.ones((n, n + 2))
    add_product(total, left, right)
    np.testing.assert_allclose(total, 1 + left @ right.T)
    square = np.zeros((n, n))
    add_product(square, left)
    mirror(square)
    np.testing.assert_array_equal(square, square.T)
    np.testing.assert_allclose(square, left @ left.T)
    positive = square + np.eye(n)
    np.testing.assert_allclose(inverse(positive) @ positive, np.eye(n), atol=1e-9)
    indefinite = square - 2 * np.eye(n)
    np.testing.assert_allclose(inverse(indefinite), np.linalg.inv(indefinite), atol=1e-9)


@pytest.mark.parametrize("floor", [0.0, 1e-4])
def test_only_correlations_that_do_not_fit_together_are_changed(floor):
    rng = np.random.default_rng(0)
    good = np.corrcoef(rng.normal(size=(8, 50)))
    assert nearest_correlation(good, floor) is good
    bad = np.clip(good + 0.9 * np.sign(good), -1, 1)
    values, vectors = np.linalg.eigh(bad)
    assert values[0] < -0.1
    clipped = (vectors * np.maximum(values, floor)) @ vectors.T
    scale = np.sqrt(np.diag(clipped))
    expected = clipped / (scale[:, None] * scale)
    np.testing.assert_allclose(nearest_correlation(bad, floor), expected, atol=1e-10)
