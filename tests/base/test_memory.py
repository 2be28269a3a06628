import tracemalloc

import numpy as np
import pytest

from skneurograph.base._memory import available_memory, in_words, require_memory
from skneurograph.decoding import GraphClassifier, GraphRegressor
from skneurograph.embedding import MARBLE, TAVRNN
from skneurograph.forecasting import MLPForecaster, RecurrentForecaster


def test_there_is_memory():
    assert available_memory() > 10_000_000
    require_memory(1, "a byte", "use none")


def test_a_refusal_says_what_is_needed_what_is_free_and_what_to_do():
    with pytest.raises(MemoryError, match=r"^the graph needs about 1,000,000 GB of memory, but "):
        require_memory(1e15, "the graph", "use fewer neurons")
    with pytest.raises(MemoryError, match=r"are free; use fewer neurons$"):
        require_memory(1e15, "the graph", "use fewer neurons")


def test_sizes_are_in_words():
    assert [in_words(size) for size in (8e10, 1.23e9, 8e12)] == ["80 GB", "1.2 GB", "8,000 GB"]


@pytest.mark.parametrize("missing", [True, False])
def test_all_of_the_memory_counts_where_the_system_does_not_say_what_is_free(monkeypatch, missing):
    def unreadable(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", unreadable)
    if missing:
        monkeypatch.delattr("os.sysconf")
        assert available_memory() == 16_000_000_000
    else:
        assert available_memory() > 10_000_000


@pytest.mark.parametrize("model", [GraphClassifier, GraphRegressor])
def test_nets_refuse_graphs_that_do_not_fit(model, monkeypatch):
    monkeypatch.setattr("skneurograph.base._memory.available_memory", lambda: 3_000_000)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(8, 200, 3)).astype("f4"), np.arange(8) % 2
    with pytest.raises(MemoryError, match=r"a graph for each of 4 members, with 200 x 200 pairs"):
        model(max_epochs=1).fit(X, y)
    with pytest.raises(MemoryError, match=r"each of 8 windows.*edge_model='identity'.*batch_size"):
        model(max_epochs=1, edge_model="bilinear").fit(X, y)
    fitted = model(max_epochs=1, hidden_size=2, n_members=1).fit(X[:, :20], y)
    with pytest.raises(MemoryError, match="infer_graphs: 4,000 graphs of 20 neurons"):
        fitted.infer_graphs(np.tile(X[:, :20], (500, 1, 1)))
    model(max_epochs=1, hidden_size=2, n_rounds=0).fit(X, y)


@pytest.mark.parametrize(
    ("model", "needed"),
    [
        (MARBLE(), r"MARBLE\.{}: derivatives of order 1 in 100 dim.*40 windows.*WindowPCA"),
        (MARBLE(order=2), r"MARBLE\.{}: derivatives of order 2 .* lower order"),
        (MARBLE(gauge="local", inner_product_features=True), r"MARBLE\.{}: .*WindowPCA"),
        (TAVRNN(), r"TAVRNN\.{}: a graph of 101 nodes for each of 40 windows .* fewer windows"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value),
)
def test_embeddings_refuse_more_neurons_than_fit(model, needed, monkeypatch):
    X = np.random.default_rng(0).normal(size=(40, 100, 5)).astype("f4")
    model.set_params(max_epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr("skneurograph.base._memory.available_memory", lambda: 1_000_000)
        with pytest.raises(MemoryError, match=needed.format("fit")):
            model.fit(X)
    model.fit(X[:, :12])
    monkeypatch.setattr("skneurograph.base._memory.available_memory", lambda: 10_000)
    with pytest.raises(MemoryError, match=r"transform: "):
        model.transform(X[:, :12])


@pytest.mark.parametrize("model", [MLPForecaster, RecurrentForecaster])
def test_forecasters_without_a_graph_hold_nothing_for_each_pair(model):
    n_neurons = 1500
    X = np.random.default_rng(0).normal(size=(4, n_neurons, 4)).astype("f4")
    model = model(max_epochs=1, n_members=1, hidden_size=2, n_lags=2)
    tracemalloc.start()
    try:
        model.fit(X[:, :, :3], X[:, :, 3])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    buffers = sum(tensor.nbytes for tensor in model.net_.module_.state_dict().values())
    assert max(peak, buffers) < n_neurons**2
