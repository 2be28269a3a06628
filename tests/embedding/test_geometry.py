"""Graphs of states and diffusion over them."""

import warnings

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.distance import cdist

from skneurograph.embedding._diffusion import diffuse, diffuse_vectors, random_walk
from skneurograph.embedding._neighbors import continuous_neighbors


@pytest.fixture(params=[1, 2, 20])
def points(request):
    return np.random.default_rng(0).uniform(size=(150, request.param))


@pytest.mark.parametrize("delta", [1.0, 1.1])
def test_neighbours_are_those_of_the_definition(points, delta):
    graph = continuous_neighbors(points, n_neighbors=10, delta=delta)
    distance = cdist(graph.states, graph.states)
    scale = np.sort(distance, axis=1)[:, 10]
    expected = distance <= delta * np.sqrt(np.outer(scale, scale)) * (1 + 1e-9)
    expected &= ~np.eye(len(points), dtype=bool)
    np.testing.assert_array_equal(graph.adjacency.toarray() > 0, expected)
    np.testing.assert_allclose(graph.scale, scale)
    np.testing.assert_array_equal(graph.states[graph.which], points)


def test_points_that_coincide_are_one_state_and_do_not_tear_the_graph(points):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        once = continuous_neighbors(points, n_neighbors=8, delta=1.5)
        often = continuous_neighbors(
            np.vstack([points, np.repeat(points[:3], 40, axis=0)]), n_neighbors=8, delta=1.5
        )
    np.testing.assert_array_equal(often.states, once.states)
    np.testing.assert_array_equal(often.adjacency.toarray(), once.adjacency.toarray())
    np.testing.assert_array_equal(often.which[150:190], np.full(40, once.which[0]))


def test_the_graph_does_not_depend_on_the_unit_or_on_a_shift(points):
    first = continuous_neighbors(points, n_neighbors=8, delta=1.2).adjacency
    second = continuous_neighbors(4 * points + 8, n_neighbors=8, delta=1.2).adjacency
    np.testing.assert_array_equal(first.toarray(), second.toarray())


def test_pieces_are_named_and_kept(points):
    apart = np.vstack([points, points[:50] + 1000])
    with pytest.warns(UserWarning, match="2 pieces of 150, 50 states"):
        graph = continuous_neighbors(apart, n_neighbors=8, delta=1.5)
    assert len(graph.states) == 200


def test_a_single_state_and_fewer_states_than_neighbours_are_graphs_too():
    alone = continuous_neighbors(np.ones((5, 3)), n_neighbors=8, delta=1.0)
    assert alone.adjacency.nnz == 0
    np.testing.assert_array_equal(random_walk(alone.adjacency).toarray(), [[1.0]])
    few = continuous_neighbors(np.eye(3), n_neighbors=8, delta=1.0)
    np.testing.assert_array_equal(few.adjacency.toarray(), 1 - np.eye(3))


@pytest.mark.parametrize("time", [1e-3, 0.5, 3.0, 40.0])
def test_diffusion_is_the_exponential_of_the_laplacian(points, time):
    walk = random_walk(continuous_neighbors(points, n_neighbors=8, delta=1.5).adjacency)
    signal = np.random.default_rng(1).normal(size=(150, 3))
    expected = expm(-time * (np.eye(150) - walk.toarray())) @ signal
    np.testing.assert_allclose(diffuse(walk, signal, time), expected, atol=1e-8)


def test_no_time_changes_nothing(points):
    walk = random_walk(continuous_neighbors(points, n_neighbors=8, delta=1.5).adjacency)
    vectors = np.random.default_rng(1).normal(size=points.shape)
    np.testing.assert_array_equal(diffuse(walk, vectors, 0), vectors)
    np.testing.assert_array_equal(diffuse_vectors(walk, vectors, 0), vectors)
    np.testing.assert_allclose(diffuse_vectors(walk, vectors, 1e-9), vectors, atol=1e-6)


def test_a_constant_field_stays_and_vectors_keep_the_mean_length_around_them(points):
    walk = random_walk(continuous_neighbors(points, n_neighbors=8, delta=1.5).adjacency)
    np.testing.assert_allclose(diffuse_vectors(walk, np.ones(points.shape), 5.0), 1.0, atol=1e-8)
    vectors = np.random.default_rng(1).normal(size=points.shape)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found = np.linalg.norm(diffuse_vectors(walk, vectors, 2.0), axis=1, keepdims=True)
    np.testing.assert_allclose(found, diffuse(walk, lengths, 2.0), atol=1e-8)


def test_vectors_diffuse_alike_in_rotated_axes():
    rng = np.random.default_rng(0)
    points, vectors = rng.normal(size=(2, 150, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    results = []
    for by in (np.eye(3), turn):
        graph = continuous_neighbors(points @ by, n_neighbors=8, delta=1.5)
        field = np.empty_like(vectors)
        field[graph.which] = vectors @ by
        results.append(diffuse_vectors(random_walk(graph.adjacency), field, 1.5)[graph.which])
    np.testing.assert_allclose(results[0] @ turn, results[1], atol=1e-8)
