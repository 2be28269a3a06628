"""Means and derivatives of fields over neighbours, in global and in local gauges."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.sparse import csr_array

from skneurograph.embedding.marble import _calculus
from skneurograph.embedding.marble._calculus import (
    FlatNeighborhood,
    TangentNeighborhood,
    local_covariance,
)
from skneurograph.embedding.marble._manifold import FlowTerms, Manifold
from skneurograph.embedding.marble._neighbors import continuous_neighbors
from tests.embedding.marble.reference import carried

SHAPES = [(), (3,), (3, 3)]


def turns(rng, n, size):
    """Random orthogonal matrices."""
    return np.linalg.qr(rng.normal(size=(n, size, size)))[0]


def random_steps(rng, n_points, n_states):
    """A few neighbours each, of different weights; the first point has only one."""
    rows = rng.uniform(size=(n_points, n_states)) * (rng.uniform(size=(n_points, n_states)) < 0.3)
    rows[:, 0] += 0.1
    rows[0, 1:] = 0
    return csr_array(rows / rows.sum(axis=1, keepdims=True))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def scene(rng):
    """Points that look at states of a space of four dimensions."""
    points, states = rng.normal(size=(9, 4)), rng.normal(size=(20, 4))
    return random_steps(rng, 9, 20), points, states


def tangent(rng, scene, n_dimensions=3):
    rows, points, states = scene
    bases, state_bases = (turns(rng, len(x), 4)[:, :, :n_dimensions] for x in (points, states))
    return bases, state_bases, TangentNeighborhood(rows, points, states, bases, state_bases)


def looped(scene, field, own, bases=None, state_bases=None):
    """Means and derivatives, neighbour by neighbour."""
    rows, points, states = scene
    means, gradients = [], []
    for p, row in enumerate(rows.toarray()):
        basis = np.eye(4) if bases is None else bases[p]
        mean, gradient, square = 0.0, 0.0, 0.0
        for j in np.flatnonzero(row):
            value = field[j]
            if bases is not None:
                value = carried(value, orthogonal_procrustes(basis, state_bases[j])[0])
            offset = basis.T @ (states[j] - points[p])
            mean = mean + row[j] * value
            gradient = gradient + row[j] * np.multiply.outer(offset, value - own[p])
            square += row[j] * offset @ offset
        means.append(mean)
        gradients.append(gradient / np.sqrt(square))
    return np.array(means), np.array(gradients)


@pytest.mark.parametrize("shape", [(), (4,), (4, 4), (2, 3)])
def test_flat_means_and_gradients_agree_with_a_loop_over_neighbours(rng, scene, shape):
    field, own = rng.normal(size=(20, *shape)), rng.normal(size=(9, *shape))
    around = FlatNeighborhood(*scene)
    mean, gradient = looped(scene, field, own)
    np.testing.assert_allclose(around.mean(field), mean, atol=1e-12)
    np.testing.assert_allclose(around.gradient(field, own), gradient, atol=1e-12)


@pytest.mark.parametrize("elements", [1, 50, 10**9])
@pytest.mark.parametrize("shape", SHAPES)
def test_local_means_and_gradients_agree_with_a_loop_over_neighbours(
    monkeypatch, rng, scene, shape, elements
):
    monkeypatch.setattr(_calculus, "_CHUNK_ELEMENTS", elements)
    bases, state_bases, around = tangent(rng, scene)
    field, own = rng.normal(size=(20, *shape)), rng.normal(size=(9, *shape))
    mean, gradient = looped(scene, field, own, bases, state_bases)
    np.testing.assert_allclose(around.mean(field), mean, atol=1e-12)
    np.testing.assert_allclose(around.gradient(field, own), gradient, atol=1e-12)


def test_local_covariance_agrees_with_a_loop_over_neighbours(scene):
    rows, points, states = scene
    expected = [
        sum(w * np.outer(x - p, x - p) for w, x in zip(row, states))
        for row, p in zip(rows.toarray(), points)
    ]
    found = local_covariance(rows, points, states)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(found, found.transpose(0, 2, 1))


def test_a_constant_field_has_no_derivative(scene):
    constant = np.tile([2.0, -1.0, 0.5, 7.0], (20, 1))
    gradient = FlatNeighborhood(*scene).gradient(constant, constant[:9])
    np.testing.assert_allclose(gradient, 0, atol=1e-12)


def test_a_linear_field_on_a_symmetric_neighbourhood_has_its_matrix_as_derivative(rng):
    # The corners of a cube turned at random: second moments are alike in all directions.
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T @ turns(rng, 1, 3)[0]
    matrix, point = rng.normal(size=(3, 3)), rng.normal(size=3)
    states, rows = point + 0.1 * corners, csr_array(np.full((1, 8), 1 / 8))
    gradient = FlatNeighborhood(rows, point[None], states).gradient(
        states @ matrix, (point @ matrix)[None]
    )
    # The change over the radius, shared by three directions.
    radius = 0.1 * np.sqrt(3)
    np.testing.assert_allclose(gradient[0], matrix * radius / 3, atol=1e-12)
    # The second derivative of a linear field vanishes.
    second = FlatNeighborhood(rows, point[None], states).gradient(
        np.tile(gradient, (8, 1, 1)), gradient
    )
    np.testing.assert_allclose(second, 0, atol=1e-12)


def test_rotated_axes_rotate_derivatives_of_first_and_second_order(rng, scene):
    rows, points, states = scene
    (turn,) = turns(rng, 1, 4)
    vectors, own = rng.normal(size=(20, 4)), rng.normal(size=(9, 4))
    matrices, own_matrices = rng.normal(size=(20, 4, 4)), rng.normal(size=(9, 4, 4))
    here = FlatNeighborhood(rows, points, states)
    there = FlatNeighborhood(rows, points @ turn.T, states @ turn.T)
    for field, value in ((vectors, own), (matrices, own_matrices)):
        turned, turned_value = (
            np.array([carried(tensor, turn) for tensor in tensors]) for tensors in (field, value)
        )
        expected = [carried(tensor, turn) for tensor in here.gradient(field, value)]
        np.testing.assert_allclose(there.gradient(turned, turned_value), expected, atol=1e-12)


@pytest.mark.parametrize("local", [False, True])
def test_a_large_shift_of_all_states_loses_few_digits(rng, scene, local):
    rows, points, states = scene
    field, own = rng.normal(size=(20, 3)), rng.normal(size=(9, 3))
    bases, state_bases, _ = tangent(rng, scene)
    found, moments = [], []
    for shift in (0.0, 1e6):
        moved = points + shift, states + shift
        if local:
            around = TangentNeighborhood(rows, *moved, bases, state_bases)
        else:
            around = FlatNeighborhood(rows, *moved)
        found.append(around.gradient(field, own))
        moments.append(local_covariance(rows, *moved))
    # The states themselves are rounded to 1e-10.
    np.testing.assert_allclose(found[1], found[0], atol=1e-8)
    np.testing.assert_allclose(moments[1], moments[0], atol=1e-8)


def test_local_results_turn_with_the_bases_and_with_nothing_else(rng, scene):
    rows, points, states = scene
    bases, state_bases, around = tangent(rng, scene)
    by, state_by = turns(rng, 9, 3), turns(rng, 20, 3)
    turned = TangentNeighborhood(rows, points, states, bases @ by, state_bases @ state_by)
    for shape in SHAPES[1:]:
        field, own = rng.normal(size=(20, *shape)), rng.normal(size=(9, *shape))
        there = np.array([carried(tensor, turn.T) for tensor, turn in zip(field, state_by)])
        own_there = np.array([carried(tensor, turn.T) for tensor, turn in zip(own, by)])
        for name, here, found in (
            ("mean", around.mean(field), turned.mean(there)),
            ("gradient", around.gradient(field, own), turned.gradient(there, own_there)),
        ):
            back = [carried(tensor, turn) for tensor, turn in zip(found, by)]
            np.testing.assert_allclose(back, here, atol=1e-12, err_msg=name)


def saddle(rng, n=60):
    plane = rng.uniform(-1, 1, size=(n, 2))
    points = np.column_stack([plane, plane[:, 0] * plane[:, 1]])
    return points, rng.normal(size=(n, 3))


def manifold_of(points, vectors, n_dimensions):
    manifold = Manifold(points, vectors, n_neighbors=8, delta=1.5)
    manifold.take_bases(n_dimensions)
    return manifold


def looks(manifold, vectors, new, new_vectors):
    """Tensors of own and of new points, in the state space."""
    (fields,) = manifold.diffuse([0.8], 2)
    own = manifold.look_at_own(vectors, fields, 2)
    rows = manifold.graph.connect(new)
    return [
        *own.in_state_space(),
        *manifold.look(rows, new, new_vectors, fields, 2).in_state_space(),
    ]


def test_tensors_in_the_state_space_do_not_depend_on_the_bases(rng):
    points, vectors = saddle(rng)
    new, new_vectors = saddle(rng, 7)
    plain, turned = (manifold_of(points, vectors, 2) for _ in range(2))
    turned._bases = turned._bases @ turns(rng, 60, 2)
    for here, there in zip(
        looks(plain, vectors, new, new_vectors), looks(turned, vectors, new, new_vectors)
    ):
        np.testing.assert_allclose(there, here, atol=1e-9)


def test_full_bases_on_flat_data_give_the_global_result(rng):
    points, vectors = rng.uniform(size=(60, 2)), rng.normal(size=(60, 2))
    new, new_vectors = rng.uniform(size=(7, 2)), rng.normal(size=(7, 2))
    flat = Manifold(points, vectors, n_neighbors=8, delta=1.5)
    local = manifold_of(points, vectors, 2)
    for here, there in zip(
        looks(flat, vectors, new, new_vectors), looks(local, vectors, new, new_vectors)
    ):
        np.testing.assert_allclose(there, here, atol=1e-9)


def test_vectors_across_the_manifold_are_not_seen_in_local_gauges(rng):
    # A line in a plane, and a field across it: nothing of it is tangent.
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    points = np.column_stack([rng.uniform(size=50), np.zeros(50)]) @ turn.T
    across = np.tile(turn[:, 1], (50, 1))
    manifold = manifold_of(points, across, 1)
    for time in (0.0, 1.0):
        (fields,) = manifold.diffuse([time], 1)
        for tensor in manifold.look_at_own(across, fields, 1).in_state_space():
            np.testing.assert_allclose(tensor, 0, atol=1e-9)


def test_without_diffusion_local_gauges_see_the_vectors_projected_on_tangent_spaces(rng):
    points, vectors = saddle(rng)
    manifold = manifold_of(points, vectors, 2)
    (fields,) = manifold.diffuse([0.0], 0)
    found = manifold.look_at_own(vectors, fields, 0).in_state_space()[0]
    bases = manifold._bases[manifold.graph.which]
    projected = np.einsum("pni,pmi,pm->pn", bases, bases, vectors)
    np.testing.assert_allclose(found, projected, atol=1e-12)


def on_cylinder(rng, n=400):
    angle, height = rng.uniform(0, 2 * np.pi, n), rng.uniform(-1, 1, n)
    points = np.column_stack([np.cos(angle), np.sin(angle), height])
    around = np.column_stack([-np.sin(angle), np.cos(angle), np.zeros(n)])
    return points, around, np.stack([around, np.tile([0.0, 0.0, 1.0], (n, 1))], axis=2)


def on_sphere_near_equator(rng, n=400):
    angle, height = rng.uniform(0, 2 * np.pi, n), rng.uniform(-0.2, 0.2, n)
    radius = np.sqrt(1 - height**2)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])
    east = np.column_stack([-np.sin(angle), np.cos(angle), np.zeros(n)])
    return points, east, np.stack([east, np.cross(points, east)], axis=2)


@pytest.mark.parametrize("surface", [on_cylinder, on_sphere_near_equator])
def test_a_parallel_field_on_a_curved_surface_hardly_changes_once_it_is_carried(rng, surface):
    points, field, bases = surface(rng)
    # Any bases of the tangent spaces will do.
    bases = bases @ turns(rng, len(points), 2)
    graph = continuous_neighbors(points, n_neighbors=10, delta=1.5)
    order = np.argsort(graph.which)
    field, bases = field[order], bases[order]
    states = graph.states
    local = TangentNeighborhood(graph.transition, states, states, bases, bases)
    coordinates = np.einsum("pni,pn->pi", bases, field)
    covariant = local.gradient(coordinates, coordinates)
    extrinsic = FlatNeighborhood(graph.transition, states, states).gradient(field, field)
    size, flat_size = (np.sqrt(np.square(g).sum(axis=(1, 2))) for g in (covariant, extrinsic))
    assert np.median(size) < 0.1 * np.median(flat_size)
    # Carried vectors keep their length, so that means of parallel ones do.
    lost, flat_lost = (
        1 - np.linalg.norm(mean, axis=1).mean()
        for mean in (local.mean(coordinates), graph.transition @ field)
    )
    assert lost < 0.1 * flat_lost


def test_bases_of_a_curved_surface_span_its_tangent_spaces(rng):
    points, _, expected = on_cylinder(rng, 2000)
    manifold = manifold_of(points, points, 2)
    bases = manifold._bases[manifold.graph.which]
    inner = np.abs(points[:, 2]) < 0.8
    # Cosines of the angles between the planes.
    cosine = np.linalg.svd(expected.transpose(0, 2, 1) @ bases, compute_uv=False)
    assert cosine[inner].min() > 0.98
    np.testing.assert_allclose(
        bases.transpose(0, 2, 1) @ bases, np.tile(np.eye(2), (2000, 1, 1)), atol=1e-12
    )


def test_chunks_change_nothing(monkeypatch, rng):
    points, vectors = saddle(rng)
    new, new_vectors = saddle(rng, 7)
    whole = looks(manifold_of(points, vectors, 2), vectors, new, new_vectors)
    monkeypatch.setattr(_calculus, "_CHUNK_ELEMENTS", 40)
    parts = looks(manifold_of(points, vectors, 2), vectors, new, new_vectors)
    for here, there in zip(whole, parts):
        np.testing.assert_allclose(there, here, atol=1e-12)


@pytest.mark.parametrize("n_dimensions", [None, 1, 2])
def test_a_state_without_neighbours_has_no_derivative(rng, n_dimensions):
    points, vectors = np.ones((4, 2)), rng.normal(size=(4, 2))
    manifold = Manifold(points, vectors, n_neighbors=3, delta=1.5)
    if n_dimensions:
        manifold.take_bases(n_dimensions)
    (fields,) = manifold.diffuse([1.0], 2)
    tensors = manifold.look_at_own(vectors, fields, 2).tensors
    assert all(np.isfinite(tensor).all() for tensor in tensors)
    assert not tensors[1].any()
    assert not tensors[2].any()


def test_tensors_without_bases_are_in_the_state_space_already(rng):
    tensors = [rng.normal(size=(5, 3)), rng.normal(size=(5, 3, 3))]
    assert FlowTerms(tensors, None).in_state_space() is tensors
    bases = turns(rng, 5, 4)[:, :, :3]
    for found, tensor in zip(FlowTerms(tensors, bases).in_state_space(), tensors):
        expected = [carried(value, basis) for value, basis in zip(tensor, bases)]
        np.testing.assert_allclose(found, expected, atol=1e-12)
