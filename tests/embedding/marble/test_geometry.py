"""Graphs of states and diffusion over them."""

import warnings

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.distance import cdist

from skneurograph.embedding.marble._diffusion import inflow, transition_matrix, with_lengths
from skneurograph.embedding.marble._neighbors import continuous_neighbors


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
    np.testing.assert_array_equal(transition_matrix(alone.adjacency).toarray(), [[1.0]])
    few = continuous_neighbors(np.eye(3), n_neighbors=8, delta=1.0)
    np.testing.assert_array_equal(few.adjacency.toarray(), 1 - np.eye(3))


def diffused(transition, signal, times):
    """Values of the states after some times, by what flows into them."""
    flows = inflow(lambda values: transition @ values, signal, times)
    return [np.exp(-time) * signal + transition @ flow for time, flow in zip(times, flows)]


def lengths_of(vectors):
    return np.linalg.norm(vectors, axis=1)


def diffused_vectors(transition, vectors, time):
    (lengths,), (found,) = (diffused(transition, s, [time]) for s in (lengths_of(vectors), vectors))
    return with_lengths(found, lengths)


@pytest.mark.parametrize("shape", [(150,), (150, 3), (150, 3, 2)])
def test_what_stays_and_what_flows_in_is_the_exponential_of_the_laplacian(points, shape):
    transition = continuous_neighbors(points, n_neighbors=8, delta=1.5).transition
    signal = np.random.default_rng(1).normal(size=shape)
    times = [1e-3, 0.5, 3.0, 40.0]
    laplacian = np.eye(150) - transition.toarray()
    flat = signal.reshape(150, -1)

    def step(values):
        return (transition @ values.reshape(150, -1)).reshape(shape)

    for time, flow in zip(times, inflow(step, signal, times)):
        expected = (expm(-time * laplacian) @ flat).reshape(shape)
        np.testing.assert_allclose(
            np.exp(-time) * signal + step(flow), expected, atol=1e-8, err_msg=f"time {time}"
        )


def test_a_point_outside_the_graph_receives_as_if_it_were_a_sink_of_it(points):
    rng = np.random.default_rng(1)
    graph = continuous_neighbors(points, n_neighbors=8, delta=1.5)
    new = rng.uniform(size=(4, points.shape[1]))
    rows = graph.connect(new).toarray()
    signal, own = rng.normal(size=(150, 2)), rng.normal(size=(4, 2))
    steps = np.zeros((154, 154))
    steps[:150, :150], steps[150:, :150] = graph.transition.toarray(), rows
    expected = expm(-1.7 * (np.eye(154) - steps)) @ np.vstack([signal, own])
    (flow,) = inflow(lambda values: graph.transition @ values, signal, [1.7])
    np.testing.assert_allclose(np.exp(-1.7) * own + rows @ flow, expected[150:], atol=1e-8)


def test_a_very_long_time_leaves_the_mean():
    points = np.random.default_rng(0).uniform(size=(60, 2))
    transition = continuous_neighbors(points, n_neighbors=8, delta=1.5).transition
    degree = transition.astype(bool).sum(axis=1)
    signal = np.random.default_rng(1).normal(size=60)
    for found in diffused(transition, signal, [700.0, 2000.0]):
        np.testing.assert_allclose(found, np.average(signal, weights=degree), atol=1e-6)


def test_no_time_changes_nothing(points):
    transition = continuous_neighbors(points, n_neighbors=8, delta=1.5).transition
    vectors = np.random.default_rng(1).normal(size=points.shape)
    np.testing.assert_array_equal(inflow(lambda values: transition @ values, vectors, [0.0])[0], 0)
    np.testing.assert_array_equal(diffused(transition, vectors, [0.0])[0], vectors)
    np.testing.assert_allclose(diffused_vectors(transition, vectors, 0.0), vectors, rtol=1e-14)
    np.testing.assert_allclose(diffused_vectors(transition, vectors, 1e-9), vectors, atol=1e-6)


def test_inflow_does_not_change_its_input(points):
    transition = continuous_neighbors(points, n_neighbors=8, delta=1.5).transition
    vectors = np.random.default_rng(1).normal(size=points.shape)
    before = vectors.copy()
    inflow(lambda values: transition @ values, vectors, [0.0, 1.0])
    with_lengths(vectors, np.ones(150))
    np.testing.assert_array_equal(vectors, before)


def test_a_constant_field_stays_and_vectors_keep_the_mean_length_around_them(points):
    transition = continuous_neighbors(points, n_neighbors=8, delta=1.5).transition
    np.testing.assert_allclose(
        diffused_vectors(transition, np.ones(points.shape), 5.0), 1.0, atol=1e-8
    )
    vectors = np.random.default_rng(1).normal(size=points.shape)
    found = lengths_of(diffused_vectors(transition, vectors, 2.0))
    np.testing.assert_allclose(
        found, diffused(transition, lengths_of(vectors), [2.0])[0], atol=1e-8
    )


def test_lengths_are_given_without_a_turn_and_zero_has_no_direction():
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [-1.0, 0.0]])
    found = with_lengths(vectors, np.array([10.0, 2.0, 0.0]))
    np.testing.assert_allclose(found, [[6.0, 8.0], [0.0, 0.0], [0.0, 0.0]])


def test_what_rounding_leaves_of_vectors_that_cancel_is_no_direction():
    # 0.1 + 0.2 - 0.3 is 5e-17.
    vectors = np.array([[0.1 + 0.2 - 0.3, 0.0], [1e-9, 0.0]])
    found = with_lengths(vectors, np.array([0.2, 2e-9]))
    np.testing.assert_allclose(found, [[0.0, 0.0], [2e-9, 0.0]], rtol=1e-6)


def test_vectors_diffuse_alike_in_rotated_axes():
    rng = np.random.default_rng(0)
    points, vectors = rng.normal(size=(2, 150, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    results = []
    for by in (np.eye(3), turn):
        graph = continuous_neighbors(points @ by, n_neighbors=8, delta=1.5)
        field = np.empty_like(vectors)
        field[graph.which] = vectors @ by
        results.append(diffused_vectors(graph.transition, field, 1.5)[graph.which])
    np.testing.assert_allclose(results[0] @ turn, results[1], atol=1e-8)


def test_the_transition_matrix_steps_to_all_neighbours_alike(points):
    graph = continuous_neighbors(points, n_neighbors=8, delta=1.5)
    adjacency = graph.adjacency.toarray()
    expected = adjacency / adjacency.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(graph.transition.toarray(), expected)


def test_known_points_step_like_their_states_also_among_new_ones(points):
    graph = continuous_neighbors(points, n_neighbors=8, delta=1.5)
    new = np.random.default_rng(1).uniform(size=(20, points.shape[1]))
    mixed = np.vstack([new, points])
    order = np.random.default_rng(2).permutation(len(mixed))
    rows = graph.connect(mixed[order]).toarray()
    expected = np.vstack([graph.connect(new).toarray(), graph.transition.toarray()[graph.which]])
    np.testing.assert_array_equal(rows, expected[order])
    np.testing.assert_allclose(rows.sum(axis=1), 1)


@pytest.mark.parametrize("delta", [1.0, 1.5])
def test_new_points_have_the_neighbours_of_the_definition(points, delta):
    # More than a fourth of the states, so that all may be neighbours.
    graph = continuous_neighbors(points, n_neighbors=40, delta=delta)
    new = np.random.default_rng(1).uniform(size=(30, points.shape[1]))
    distance = cdist(new, graph.states)
    scale = np.sort(distance, axis=1)[:, 39]
    near = distance <= delta * np.sqrt(np.outer(scale, graph.scale)) * (1 + 1e-9)
    assert near.any(axis=1).all()
    rows = graph.connect(new)
    np.testing.assert_allclose(rows.toarray(), near / near.sum(axis=1, keepdims=True))
    assert rows.has_sorted_indices


def test_a_point_far_outside_steps_to_the_nearest_states():
    points = np.random.default_rng(0).uniform(size=(150, 2))
    graph = continuous_neighbors(points, n_neighbors=8, delta=1.0)
    far = np.array([[1000.0, 300.0], [-50.0, 2.0]])
    rows = graph.connect(far).toarray()
    for row, distance in zip(rows, cdist(far, graph.states)):
        expected = np.zeros(150)
        expected[np.argsort(distance)[:8]] = 1 / 8
        np.testing.assert_allclose(row, expected)


def test_the_steps_of_a_point_do_not_depend_on_the_others(points):
    graph = continuous_neighbors(points, n_neighbors=8, delta=1.5)
    new = np.vstack([np.random.default_rng(1).uniform(size=(20, points.shape[1])), points[:5]])
    together = graph.connect(new).toarray()
    alone = np.vstack([graph.connect(point[None]).toarray() for point in new])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(graph.connect(new[::-1]).toarray(), together[::-1])


def test_points_can_be_connected_to_a_single_state_and_to_few():
    alone = continuous_neighbors(np.ones((5, 3)), n_neighbors=8, delta=1.0)
    np.testing.assert_array_equal(alone.connect(np.array([[1.0] * 3, [7.0] * 3])).toarray(), 1)
    few = continuous_neighbors(np.eye(3), n_neighbors=8, delta=1.5)
    rows = few.connect(np.vstack([np.zeros(3), np.eye(3)[1]])).toarray()
    np.testing.assert_allclose(rows, [[1 / 3] * 3, [0.5, 0.0, 0.5]])
