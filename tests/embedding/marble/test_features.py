"""What the network reads of a flow: what turns with the state space, and what does not."""

import warnings

import numpy as np
import pytest

from skneurograph.embedding import MARBLE
from skneurograph.embedding.marble._atlas import Atlas, FlowOptions
from skneurograph.embedding.marble._features import (
    FeatureScaler,
    coordinate_features,
    invariant_features,
)
from skneurograph.embedding.marble._manifold import FlowTerms
from tests.embedding.marble.reference import carried

GAUGES = pytest.mark.parametrize("gauge", ["global", "local"])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def random_turn(rng, size, reflect):
    turn = np.linalg.qr(rng.normal(size=(size, size)))[0]
    if (np.linalg.det(turn) < 0) != reflect:
        turn[:, 0] *= -1
    return turn


def random_tensors(rng, order, n_points=20, size=3):
    return [rng.normal(size=(n_points, *[size] * (k + 1))) for k in range(order + 1)]


def turned(tensors, turn):
    return [np.array([carried(value, turn) for value in tensor]) for tensor in tensors]


@pytest.mark.parametrize("reflect", [False, True])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_invariants_do_not_change_when_the_space_is_turned(rng, order, reflect):
    tensors = random_tensors(rng, order)
    there = turned(tensors, random_turn(rng, 3, reflect))
    expected = invariant_features(FlowTerms(tensors, None))
    for here, found in zip(expected, invariant_features(FlowTerms(there, None))):
        np.testing.assert_allclose(found, here, atol=1e-6)


@pytest.mark.parametrize("order", [1, 2])
def test_invariants_tell_flows_apart_that_no_rotation_maps_on_each_other(rng, order):
    tensors = random_tensors(rng, order)
    expected = invariant_features(FlowTerms(tensors, None))
    # Turned vectors in a derivative that stays are another flow.
    turn = random_turn(rng, 3, False)
    found = invariant_features(FlowTerms([*turned(tensors[:1], turn), *tensors[1:]], None))
    assert not np.allclose(found[1], expected[1], atol=0.1)
    other = [*tensors[:-1], tensors[-1] + rng.normal(size=tensors[-1].shape)]
    assert not np.allclose(invariant_features(FlowTerms(other, None))[-1], expected[-1], atol=0.1)


def test_invariants_have_the_unit_of_the_vectors(rng):
    tensors = random_tensors(rng, 3)
    once = invariant_features(FlowTerms(tensors, None))
    often = invariant_features(FlowTerms([7 * tensor for tensor in tensors], None))
    for one, seven in zip(once, often):
        np.testing.assert_allclose(seven, 7 * one, atol=1e-12)


def test_a_rotation_and_its_mirror_image_have_the_same_invariants_and_a_source_others():
    vector = np.array([[1.0, 0.0]] * 3)
    gradient = np.array([[[0, 1], [-1, 0]], [[0, -1], [1, 0]], [[1, 0], [0, 1]]], dtype=float)
    (_, block) = invariant_features(FlowTerms([vector, gradient], None))
    np.testing.assert_allclose(block[0], block[1])
    assert not np.allclose(block[0], block[2])


def test_a_point_at_rest_has_finite_invariants(rng):
    tensors = random_tensors(rng, 2)
    tensors[0][:] = 0
    blocks = invariant_features(FlowTerms(tensors, None))
    assert all(np.isfinite(block).all() for block in blocks)
    assert blocks[1][:, -3:].any()


def test_coordinate_features_turn_with_the_space(rng):
    tensors, turn = random_tensors(rng, 2), random_turn(rng, 3, True)
    points = rng.normal(size=(20, 3))
    found = coordinate_features(points @ turn.T, FlowTerms(turned(tensors, turn), None))
    for block, tensor in zip(found, [points, *tensors]):
        expected = [carried(value, turn).ravel() for value in tensor]
        np.testing.assert_allclose(block, expected, atol=1e-12)


def test_coordinate_features_stand_in_the_state_space_whatever_the_bases(rng):
    tensors = random_tensors(rng, 2, size=2)
    bases = np.linalg.qr(rng.normal(size=(20, 4, 4)))[0][:, :, :2]
    found = coordinate_features(None, FlowTerms(tensors, bases))
    assert [block.shape[1] for block in found] == [4, 16, 64]
    for block, tensor in zip(found, tensors):
        expected = [carried(value, basis).ravel() for value, basis in zip(tensor, bases)]
        np.testing.assert_allclose(block, expected, atol=1e-12)


def surface_flow(rng, n=60):
    """A flow over a paraboloid, and points beside it."""
    plane = rng.uniform(-1, 1, size=(n, 2))
    points = np.column_stack([plane, 0.4 * (plane**2).sum(axis=1)])
    x, y = plane.T
    return points, np.column_stack([y + 0.5, -x, 0.3 * x * y])


def atlas_blocks(points, vectors, new, new_vectors, *, local, invariant):
    options = FlowOptions(
        n_neighbors=8,
        delta=1.5,
        order=2,
        local=local,
        manifold_dimension=2 if local else None,
        positions=False,
        invariant=invariant,
    )
    atlas = Atlas(points, vectors, None, options)
    own = atlas.own_features([1.0])[0]
    atlas.settle(1.0)
    return [*own, *atlas.features(new, new_vectors, None)]


@pytest.mark.parametrize("reflect", [False, True])
@pytest.mark.parametrize("local", [False, True], ids=["global", "local"])
def test_features_of_a_turned_and_shifted_manifold_are_invariant_or_turn(rng, local, reflect):
    flows = [*surface_flow(rng), *surface_flow(rng, 7)]
    turn, shift = random_turn(rng, 3, reflect), np.array([5.0, -3.0, 100.0])
    there = [flow @ turn.T + (0 if k % 2 else shift) for k, flow in enumerate(flows)]
    here_blocks, there_blocks = (
        atlas_blocks(*data, local=local, invariant=True) for data in (flows, there)
    )
    for here, found in zip(here_blocks, there_blocks):
        np.testing.assert_allclose(found, here, atol=1e-5)
    here_blocks, there_blocks = (
        atlas_blocks(*data, local=local, invariant=False) for data in (flows, there)
    )
    for k, (here, found) in enumerate(zip(here_blocks, there_blocks)):
        tensors = here.reshape(len(here), *[3] * (k % 3 + 1))
        expected = np.array([carried(tensor, turn).ravel() for tensor in tensors])
        np.testing.assert_allclose(found, expected, atol=1e-8)


@GAUGES
@pytest.mark.parametrize("partners", ["flow", "neighbors"])
def test_inner_products_embed_conditions_alike_however_each_state_space_is_turned(
    rng, gauge, partners
):
    flows = [np.stack([p, p + 0.1 * v], axis=2) for p, v in (surface_flow(rng) for _ in range(3))]
    flows[1][:, :, 1] = flows[1][:, :, 0] - (flows[1][:, :, 1] - flows[1][:, :, 0])
    groups = np.repeat(["a", "b", "c"], 60)
    turned = [
        np.einsum("ij,pjt->pit", random_turn(rng, 3, k == 1), flow) + rng.normal(size=(3, 1))
        for k, flow in enumerate(flows)
    ]
    embedded = []
    for X in (np.concatenate(flows), np.concatenate(turned)):
        marble = MARBLE(
            inner_product_features=True,
            gauge=gauge,
            manifold_dimension=2,
            partners=partners,
            order=2,
            n_neighbors=8,
            max_epochs=4,
            random_state=0,
        )
        embedded.append(marble.fit_transform(X, groups=groups))
    np.testing.assert_allclose(embedded[1], embedded[0], atol=1e-3)


def test_coordinates_do_not_survive_a_turn_of_one_condition(rng):
    points, vectors = surface_flow(rng)
    turn = random_turn(rng, 3, False)
    flows = [np.stack([p, p + 0.1 * v], axis=2) for p, v in ((points, vectors),) * 2]
    groups = np.repeat(["a", "b"], 60)
    settings = {"max_epochs": 1, "n_neighbors": 8, "positions": False, "random_state": 0}
    X = np.concatenate([flows[0], np.einsum("ij,pjt->pit", turn, flows[1])])
    one, other = np.split(MARBLE(**settings).fit_transform(X, groups=groups), 2)
    assert np.abs(one - other).max() > 0.1
    marble = MARBLE(**settings, inner_product_features=True)
    one, other = np.split(marble.fit_transform(X, groups=groups), 2)
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_blocks_have_the_same_share_of_the_variance(rng):
    blocks = [rng.normal(size=(500, 2)), 100 + 1e4 * rng.normal(size=(500, 7))]
    scaler = FeatureScaler(9, vectors=0).fit(blocks)
    scores = scaler.transform(blocks)
    assert scores.shape == (500, 9)
    # All components are kept, so nothing is lost: one for each block.
    assert np.square(scores).sum(axis=1).mean() == pytest.approx(2)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(np.sqrt(np.square(scores).mean(axis=0)), scaler.spread_)
    assert (np.diff(scaler.spread_) <= 0).all()


def test_there_are_at_most_as_many_components_as_columns_and_points(rng):
    assert FeatureScaler(64, vectors=0).fit([rng.normal(size=(50, 3))]).spread_.shape == (3,)
    assert FeatureScaler(2, vectors=0).fit([rng.normal(size=(50, 3))]).spread_.shape == (2,)
    assert FeatureScaler(64, vectors=0).fit([rng.normal(size=(5, 30))]).spread_.shape == (5,)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_block_that_does_not_vary_counts_for_nothing(rng, value):
    blocks = [rng.normal(size=(50, 3)), np.full((50, 2), value)]
    scaler = FeatureScaler(5, vectors=0).fit(blocks)
    scores = scaler.transform(blocks)
    np.testing.assert_allclose(scaler.spread_[3:], 0, atol=1e-12)
    # Nor for new points where it does.
    np.testing.assert_allclose(scaler.transform([blocks[0], blocks[1] + 3]), scores, atol=1e-9)


def test_features_of_which_none_varies_become_zeros_without_a_warning():
    blocks = [np.ones((20, 3)), np.zeros((20, 2))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = FeatureScaler(4, vectors=0).fit(blocks).transform(blocks)
    np.testing.assert_allclose(scores, 0, atol=1e-12)
