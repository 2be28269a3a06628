"""The features of flows against an independent dense implementation."""

import numpy as np
import pytest

from skneurograph.embedding.marble._atlas import Atlas, FlowOptions
from tests.embedding.marble import reference

# So many that no state has more than the four times as many neighbours that count.
SETTINGS = {"n_neighbors": 8, "delta": 1.2}


def curved_flow(n_points=30, seed=0):
    """States on a paraboloid in space with a flow that need not be tangent to it."""
    rng = np.random.default_rng(seed)
    plane = rng.uniform(-1, 1, size=(n_points, 2))
    points = np.column_stack([plane, 0.4 * (plane**2).sum(axis=1)])
    x, y = plane.T
    vectors = np.column_stack([y, -x + 0.3 * x * y, 0.4 * x]) + 0.1 * rng.normal(size=(n_points, 3))
    return points, vectors


def options(order, local, *, positions=True, invariant=False):
    return FlowOptions(
        **SETTINGS,
        order=order,
        local=local,
        manifold_dimension=2 if local else None,
        positions=positions,
        invariant=invariant,
    )


def expected_terms(points, vectors, seen, seen_vectors, order, local, time):
    return reference.terms(
        points,
        vectors,
        seen,
        seen_vectors,
        **SETTINGS,
        time=time,
        order=order,
        n_dimensions=2 if local else None,
    )


def assert_blocks(blocks, tensors):
    assert len(blocks) == len(tensors)
    for block, tensor in zip(blocks, tensors):
        np.testing.assert_allclose(block, tensor.reshape(len(tensor), -1), atol=1e-7)


def with_duplicates(points, vectors):
    """Some states twice and three times, with other vectors."""
    often = [3, 3, 17]
    return np.vstack([points, points[often]]), np.vstack([vectors, 0.5 - vectors[often]])


@pytest.mark.parametrize("local", [False, True], ids=["global", "local"])
@pytest.mark.parametrize("time", [0.0, 1.3])
@pytest.mark.parametrize("duplicates", [False, True])
def test_training_and_new_points_have_the_features_of_the_definition(local, time, duplicates):
    points, vectors = curved_flow()
    if duplicates:
        points, vectors = with_duplicates(points, vectors)
    new, new_vectors = curved_flow(5, seed=1)
    # One far outside, one on a known state with another vector.
    new[0], new[1] = [3.0, 3.0, 1.0], points[5]
    atlas = Atlas(points, vectors, None, options(2, local))
    expected = expected_terms(points, vectors, points, vectors, 2, local, time)
    assert_blocks(atlas.own_features([time])[0], [points, *expected])
    atlas.settle(time)
    assert_blocks(atlas.features(points, vectors, None), [points, *expected])
    expected = expected_terms(points, vectors, new, new_vectors, 2, local, time)
    assert_blocks(atlas.features(new, new_vectors, None), [new, *expected])


@pytest.mark.parametrize("local", [False, True], ids=["global", "local"])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_every_order_adds_a_block_of_invariants_of_the_definition(local, order):
    points, vectors = curved_flow(25)
    new, new_vectors = curved_flow(5, seed=1)
    atlas = Atlas(points, vectors, None, options(order, local, invariant=True))
    found = [atlas.own_features([1.0])[0]]
    atlas.settle(1.0)
    found.append(atlas.features(new, new_vectors, None))
    for blocks, seen in zip(found, [(points, vectors), (new, new_vectors)]):
        expected = reference.invariants(expected_terms(points, vectors, *seen, order, local, 1.0))
        assert len(blocks) == order + 1
        for block, wanted in zip(blocks, expected):
            # In whatever order the columns stand. Roots of rounding errors are up to 1e-7.
            np.testing.assert_allclose(np.sort(block, axis=1), np.sort(wanted, axis=1), atol=1e-6)


@pytest.mark.parametrize("local", [False, True], ids=["global", "local"])
def test_points_of_an_unseen_group_see_each_other(local):
    points, vectors = curved_flow()
    strangers, their_vectors = curved_flow(20, seed=2)
    atlas = Atlas(points, vectors, np.repeat("a", len(points)), options(1, local))
    atlas.settle(0.7)
    blocks = atlas.features(strangers, their_vectors, np.repeat("b", 20))
    expected = expected_terms(strangers, their_vectors, strangers, their_vectors, 1, local, 0.7)
    assert_blocks(blocks, [strangers, *expected])


def test_positions_are_a_block_only_if_they_count():
    points, vectors = curved_flow()
    atlas = Atlas(points, vectors, None, options(1, False, positions=False))
    assert [block.shape[1] for block in atlas.own_features([1.0])[0]] == [3, 9]
