import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from skneurograph.metrics import (
    edge_auroc,
    edge_average_precision,
    edge_direction_auroc,
    edge_permutation_null,
)
from skneurograph.metrics._rewiring import rewired_graphs


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    truth = rng.poisson(0.3 * rng.uniform(0.3, 2, size=(25, 1)), size=(25, 25))
    np.fill_diagonal(truth, 0)
    return truth


def test_scores_are_those_of_scikit_learn_off_the_diagonal(truth):
    graph = np.random.default_rng(1).normal(size=truth.shape)
    apart = ~np.eye(25, dtype=bool)
    connected = truth[apart] > 0
    size = np.abs(graph[apart])
    assert edge_auroc(truth, graph) == roc_auc_score(connected, size)
    assert edge_average_precision(truth, graph) == average_precision_score(connected, size)
    signed = edge_auroc(truth, graph, absolute=False)
    assert signed == roc_auc_score(connected, graph[apart])


def test_booleans_counts_and_signed_weights_are_the_same_truth(truth):
    graph = np.random.default_rng(1).normal(size=truth.shape)
    expected = edge_auroc(truth, graph)
    assert edge_auroc(truth > 0, graph) == expected
    assert edge_auroc(-0.1 * truth, graph) == expected


def test_unknown_pairs_and_the_diagonal_do_not_count(truth):
    graph = np.random.default_rng(1).normal(size=truth.shape)
    partial, known = graph.copy(), truth.astype(float)
    partial[3] = np.nan
    known[:, 5] = np.nan
    kept = np.ix_(np.delete(np.arange(25), 3), np.delete(np.arange(25), 5))
    apart = ~np.eye(25, dtype=bool)[kept]
    expected = roc_auc_score(truth[kept][apart] > 0, np.abs(graph[kept][apart]))
    assert edge_auroc(known, partial) == expected
    np.fill_diagonal(partial, 100.0)
    assert edge_auroc(known, partial) == expected


@pytest.mark.parametrize("symmetric", [False, True])
def test_rewired_graphs_keep_every_degree_and_move_most_edges(truth, symmetric):
    edges = truth > 0
    valid = ~np.eye(25, dtype=bool)
    if symmetric:
        edges = edges & (np.random.default_rng(3).random(edges.shape) < 0.4)
        edges = edges | edges.T
    valid[4, 7] = valid[7, 4] = False
    rewired = list(rewired_graphs(edges, valid, 20, np.random.default_rng(0)))
    assert len(rewired) == 20
    for graph in rewired:
        np.testing.assert_array_equal(graph.sum(axis=0), edges.sum(axis=0))
        np.testing.assert_array_equal(graph.sum(axis=1), edges.sum(axis=1))
        np.testing.assert_array_equal(graph[~valid], edges[~valid])
        assert (graph & edges).sum() < 0.75 * edges.sum()
        if symmetric:
            np.testing.assert_array_equal(graph, graph.T)


@pytest.mark.parametrize("symmetric", [False, True])
def test_twice_as_many_swaps_do_not_change_the_null_of_a_dense_graph(symmetric):
    rng = np.random.default_rng(0)
    partners = rng.uniform(0.5, 1.5, size=40)
    edges = rng.random((40, 40)) < 0.8 * np.outer(partners, partners)
    edges = np.triu(edges) | np.triu(edges).T if symmetric else edges
    valid = ~np.eye(40, dtype=bool)
    edges &= valid
    shared = [
        [(graph & edges).sum() for graph in rewired_graphs(edges, valid, 40, rng, swaps)]
        for swaps in (10, 20)
    ]
    error = np.hypot(*(np.std(one) / np.sqrt(len(one)) for one in shared))
    assert abs(np.mean(shared[0]) - np.mean(shared[1])) < 4 * error


def test_a_graph_without_a_possible_swap_is_its_own_null():
    star = np.zeros((12, 12), dtype=bool)
    star[0, 1:] = star[1:, 0] = True
    for graph in rewired_graphs(star, ~np.eye(12, dtype=bool), 3, np.random.default_rng(0)):
        np.testing.assert_array_equal(graph, star)


def test_a_graph_that_knows_nothing_scores_like_the_null(truth):
    scores = []
    for seed in range(8):
        graph = np.random.default_rng(seed).normal(size=truth.shape)
        null = edge_permutation_null(truth, graph, n_permutations=40, random_state=0)
        assert abs(null.mean - 0.5) < 0.05
        scores.append((null.score - null.mean) / null.sd)
        assert 1 / 41 <= null.p_value <= 1
    assert abs(np.mean(scores)) < 1.5


def test_a_graph_that_knows_only_degrees_is_above_chance_but_not_above_the_null(truth):
    connected = truth > 0
    graph = connected.sum(axis=1, keepdims=True) * np.ones((1, 25))
    null = edge_permutation_null(truth, graph, n_permutations=100, random_state=0)
    assert null.score > 0.65
    assert abs(null.score - null.mean) < 1e-9


@pytest.mark.parametrize("metric", ["auroc", "average_precision", roc_auc_score])
def test_a_graph_that_knows_pairs_is_above_the_null(truth, metric):
    graph = (truth > 0) + np.random.default_rng(1).normal(size=truth.shape)
    null = edge_permutation_null(
        truth, graph, metric=metric, n_permutations=99, absolute=False, random_state=0
    )
    assert null.score > null.mean + 4 * null.sd
    assert null.p_value == 0.01
    assert null.null_scores.shape == (99,)


@pytest.mark.parametrize(
    ("name", "metric"), [("auroc", roc_auc_score), ("average_precision", average_precision_score)]
)
def test_null_scores_are_those_of_scikit_learn_with_ties_too(truth, name, metric):
    graph = np.round(np.random.default_rng(1).normal(size=truth.shape), 1)
    fast, slow = (
        edge_permutation_null(truth, graph, metric=m, n_permutations=10, random_state=0)
        for m in (name, metric)
    )
    np.testing.assert_allclose(fast.null_scores, slow.null_scores, rtol=1e-12)
    assert fast.score == slow.score


def test_the_null_is_reproducible_and_leaves_the_global_generator_alone(truth):
    graph = np.random.default_rng(1).normal(size=truth.shape)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    null = [
        edge_permutation_null(truth, graph, n_permutations=20, random_state=seed).null_scores
        for seed in (0, 0, 1, None)
    ]
    np.testing.assert_array_equal(null[0], null[1])
    assert not np.array_equal(null[0], null[2])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_what_does_not_fit_is_refused(truth):
    with pytest.raises(ValueError, match=r"graph: got shape \(3, 3\)"):
        edge_auroc(truth, np.zeros((3, 3)))
    with pytest.raises(ValueError, match="true_graph: got shape"):
        edge_auroc(truth[:, :3], truth[:, :3])
    with pytest.raises(ValueError, match="true_graph: 0 of the 600 pairs"):
        edge_auroc(np.zeros((25, 25)), truth)
    with pytest.raises(ValueError, match="metric: got 'r2'"):
        edge_permutation_null(truth, truth, metric="r2")
    with pytest.raises(ValueError, match="n_permutations: got 0"):
        edge_permutation_null(truth, truth, n_permutations=0)


def test_masked_pairs_do_not_count(truth):
    hidden = np.random.default_rng(2).random(truth.shape) < 0.3
    graph = np.random.default_rng(1).normal(size=truth.shape)
    absent = edge_auroc(np.where(hidden, np.nan, truth), graph)
    assert edge_auroc(np.ma.array(truth, mask=hidden), graph) == absent != edge_auroc(truth, graph)
    assert edge_auroc(truth, np.ma.array(graph, mask=hidden)) == absent


def test_direction_is_scored_on_pairs_that_are_connected_one_way(truth):
    graph = np.random.default_rng(1).normal(size=truth.shape)
    labels, asymmetry = [], []
    for i in range(25):
        for j in range(25):
            if (truth[i, j] > 0) != (truth[j, i] > 0):
                labels.append(truth[i, j] > 0)
                asymmetry.append(abs(graph[i, j]) - abs(graph[j, i]))
    assert edge_direction_auroc(truth, graph) == roc_auc_score(labels, asymmetry)
    symmetric = graph + graph.T
    rounding = 1 + 1e-15 * np.random.default_rng(2).normal(size=truth.shape)
    assert edge_direction_auroc(truth, symmetric * rounding) == 0.5
    flipped = edge_direction_auroc(truth, graph.T)
    assert flipped == pytest.approx(1 - edge_direction_auroc(truth, graph))
    assert edge_direction_auroc(truth, truth + 0.0) == 1


def test_a_direction_needs_both_directions_known(truth):
    graph = np.random.default_rng(1).normal(size=truth.shape)
    half = np.where(np.triu(np.ones_like(truth, dtype=bool)), truth, np.nan)
    half[1, 0], half[0, 1] = 1, 0
    assert edge_direction_auroc(half, graph) == float(abs(graph[1, 0]) > abs(graph[0, 1]))
    with pytest.raises(ValueError, match="no direction to tell"):
        edge_direction_auroc(truth + truth.T, graph)


def test_a_graph_that_knows_who_sends_tells_directions_no_better_than_the_null():
    rng = np.random.default_rng(0)
    sends, receives = rng.uniform(0, 0.9, size=(2, 40))
    truth = rng.random((40, 40)) < sends[None, :] * receives[:, None]
    np.fill_diagonal(truth, 0)
    graph = truth.sum(axis=0)[None, :] * truth.sum(axis=1)[:, None] * 1.0
    by_degree, by_pair = (
        edge_permutation_null(truth, g, metric="direction", n_permutations=40, random_state=0)
        for g in (graph, graph + 200.0 * truth)
    )
    assert by_degree.score == edge_direction_auroc(truth, graph)
    assert by_degree.score > 0.7
    assert abs(by_degree.score - by_degree.mean) < 4 * by_degree.sd
    assert by_pair.score > by_pair.mean + 4 * by_pair.sd


@pytest.mark.parametrize("symmetric", [False, True])
def test_strata_keep_how_many_edges_there_are_of_each_kind(truth, symmetric):
    rng = np.random.default_rng(4)
    edges = truth[:16, :16] > 0
    kinds = rng.integers(2, size=edges.shape)
    if symmetric:
        edges, kinds = edges | edges.T, np.triu(kinds, 1) + np.triu(kinds, 1).T
    valid = ~np.eye(16, dtype=bool)
    rewired = list(rewired_graphs(edges, valid, 10, rng, kinds=kinds))
    for graph in rewired:
        np.testing.assert_array_equal(graph.sum(axis=0), edges.sum(axis=0))
        np.testing.assert_array_equal(graph.sum(axis=1), edges.sum(axis=1))
        np.testing.assert_array_equal(np.bincount(kinds[graph]), np.bincount(kinds[edges]))
        assert (graph & edges).sum() < 0.85 * edges.sum()
        assert not symmetric or (graph == graph.T).all()


def test_a_graph_that_knows_only_distance_is_above_a_null_of_degrees_but_not_of_distance():
    rng = np.random.default_rng(0)
    place = rng.random(30)
    distance = np.abs(place[:, None] - place)
    truth = (rng.random((30, 30)) < 0.4 * np.exp(-4 * distance)) & ~np.eye(30, dtype=bool)
    strata = np.digitize(distance, np.linspace(0, 1, 7))
    options = {"n_permutations": 30, "absolute": False, "random_state": 0}
    degrees = edge_permutation_null(truth, -distance, **options)
    both = edge_permutation_null(truth, -distance, strata=strata, **options)
    assert degrees.score == both.score
    assert degrees.score > degrees.mean + 4 * degrees.sd
    assert abs(both.score - both.mean) < 0.03 < degrees.score - degrees.mean


def test_one_stratum_is_none_and_strata_that_do_not_fit_are_refused(truth):
    graph = np.random.default_rng(1).normal(size=truth.shape)
    options = {"n_permutations": 5, "random_state": 0}
    without = edge_permutation_null(truth, graph, **options)
    unknown = np.full(truth.shape, np.nan)
    one = edge_permutation_null(truth, graph, strata=unknown, **options)
    np.testing.assert_array_equal(one.null_scores, without.null_scores)
    with pytest.raises(ValueError, match=r"strata: got shape \(25,\); expected \(25, 25\)"):
        edge_permutation_null(truth, graph, strata=np.zeros(25))


def test_strata_that_leave_no_swap_are_warned_of(truth):
    graph = np.random.default_rng(1).normal(size=truth.shape)[:10, :10]
    strata = np.arange(100).reshape(10, 10)
    with pytest.warns(UserWarning, match=r"strata: only 0\.0 swaps .* use fewer kinds"):
        null = edge_permutation_null(truth[:10, :10], graph, strata=strata, n_permutations=3)
    assert (null.null_scores == null.score).all()
