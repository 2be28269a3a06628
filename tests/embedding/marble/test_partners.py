"""Which points are drawn together."""

import numpy as np
import pytest

from skneurograph.embedding.marble._atlas import Atlas, FlowOptions
from skneurograph.embedding.marble._neighbors import continuous_neighbors
from skneurograph.embedding.marble._partners import flow_partners, join_partners, neighbor_partners

OPTIONS = FlowOptions(
    n_neighbors=5,
    delta=1.5,
    order=0,
    local=False,
    manifold_dimension=None,
    positions=True,
    invariant=False,
)


def graph_of(points, n_neighbors=5):
    return continuous_neighbors(points, n_neighbors=n_neighbors, delta=1.5)


def listed(partners):
    """The partners of each point as a list of lists."""
    starts, found = partners
    return [part.tolist() for part in np.split(found, starts[1:-1])]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("n_steps", [1, 4])
def test_the_flow_leads_to_the_windows_that_follow_in_any_order(rng, n_steps):
    frames = rng.normal(size=(41, 3)).cumsum(axis=0)
    order = rng.permutation(40)
    position = np.argsort(order)
    found = listed(flow_partners(graph_of(frames[order]), frames[order + 1], n_steps))
    for point, time in enumerate(order):
        if time + n_steps < 40:
            assert found[point] == position[time + 1 : time + n_steps + 1].tolist()
        assert len(found[point]) == n_steps


def test_the_flow_leads_to_the_nearest_state_where_none_was_recorded(rng):
    points = rng.uniform(size=(50, 2))
    following = points + 0.2
    nearest = np.linalg.norm(following[:, None] - points, axis=2).argmin(axis=1)
    found = listed(flow_partners(graph_of(points), following, 2))
    assert found == [[first, nearest[first]] for first in nearest]


def test_neighbours_are_those_of_the_graph(rng):
    points = rng.uniform(size=(50, 2))
    graph = graph_of(points)
    adjacency = graph.adjacency.toarray()[graph.which][:, graph.which]
    assert [sorted(part) for part in listed(neighbor_partners(graph))] == [
        np.flatnonzero(row).tolist() for row in adjacency
    ]


def test_partners_stand_in_the_order_of_the_points_so_that_draws_do_not_depend_on_the_axes(rng):
    points = rng.uniform(size=(50, 2))
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    here, there = (
        listed(neighbor_partners(graph_of(states))) for states in (points, points @ turn)
    )
    assert here == there


def test_points_that_coincide_share_their_partners_each_by_its_first_point(rng):
    points = rng.uniform(size=(30, 2))
    often = np.vstack([points, points[[4, 4, 9]]])
    graph = graph_of(often)
    found = listed(neighbor_partners(graph))
    assert found[30] == found[31] == found[4]
    assert found[32] == found[9]
    assert {partner for part in found for partner in part} == set(range(30))
    flow = listed(flow_partners(graph, often[[9] * 33], 1))
    assert flow == [[9]] * 33


def test_a_point_without_neighbours_is_its_own_partner():
    graph = graph_of(np.ones((3, 2)))
    assert listed(neighbor_partners(graph)) == [[0], [0], [0]]
    assert listed(flow_partners(graph, np.zeros((3, 2)), 2)) == [[0, 0]] * 3


def test_joined_partners_are_those_of_each_part_by_the_numbers_of_all():
    one = (np.array([0, 2, 3]), np.array([1, 0, 0]))
    other = (np.array([0, 1, 1, 4]), np.array([2, 0, 1, 2]))
    joined = join_partners([one, other], [np.array([3, 0]), np.array([1, 2, 4])])
    assert listed(joined) == [[3], [4], [], [0, 3], [1, 2, 4]]


@pytest.mark.parametrize("flow", [False, True])
def test_partners_never_cross_groups(rng, flow):
    # The groups lie on top of each other, and shuffled.
    points = rng.uniform(size=(90, 2))
    groups = rng.permutation(np.repeat(["a", "b", "c"], 30))
    atlas = Atlas(points, 0.1 + 0 * points, groups, OPTIONS)
    found = listed(atlas.partners(points + 0.1 if flow else None, 3))
    assert len(found) == 90
    for group, part in zip(groups, found):
        assert set(groups[part]) == {group}
    for label in "abc":
        rows = np.flatnonzero(groups == label)
        graph = graph_of(points[rows])
        own = flow_partners(graph, points[rows] + 0.1, 3) if flow else neighbor_partners(graph)
        assert [found[row] for row in rows] == [rows[part].tolist() for part in listed(own)]
