import numpy as np
import pandas as pd
import pytest

from skneurograph.base._prior_graph import by_identity, check_prior_graph
from skneurograph.datasets import Connectome

NAMES = ["AVAL", "AVEL", "RIML"]
GRAPH = np.array([[5.0, 1, 0], [2, 5, 3], [np.nan, 0, 5]])


def test_an_array_is_taken_in_the_order_of_the_columns_without_its_diagonal():
    given = GRAPH.copy()
    graph = check_prior_graph(given, 3, None)
    expected = GRAPH.copy()
    np.fill_diagonal(expected, np.nan)
    np.testing.assert_array_equal(graph, expected)
    np.testing.assert_array_equal(given, GRAPH)
    masked = np.ma.masked_invalid(GRAPH)
    np.testing.assert_array_equal(check_prior_graph(masked, 3, NAMES), expected)


def test_a_table_and_a_connectome_are_joined_by_name():
    expected = check_prior_graph(GRAPH, 3, None)
    order = [2, 0, 1]
    names = [NAMES[i] for i in order]
    table = pd.DataFrame(GRAPH[np.ix_(order, order)], index=names, columns=names)
    np.testing.assert_array_equal(check_prior_graph(table, 3, NAMES), expected)
    lacking = check_prior_graph(table.drop(columns="RIML"), 3, NAMES)
    np.testing.assert_array_equal(lacking[:, :2], expected[:, :2])
    assert np.isnan(lacking[:, 2]).all()
    counts = np.nan_to_num(GRAPH[np.ix_(order, order)])
    connectome = Connectome(np.array(names), counts, np.zeros((3, 3)))
    np.testing.assert_array_equal(
        check_prior_graph(connectome, 4, [*NAMES, "XYZ"])[:3, :3],
        np.where(np.eye(3, dtype=bool), np.nan, np.nan_to_num(GRAPH)),
    )


@pytest.mark.parametrize(
    ("given", "names", "message"),
    [
        (np.ones((2, 2)), None, r"got shape \(2, 2\); expected \(3, 3\)"),
        (-GRAPH, None, r"got negative weights \(-3\); .*np\.abs"),
        (np.zeros((3, 3)), None, "got no positive weight"),
        (np.full((3, 3), np.inf), None, "infin"),
        ([["a"] * 3] * 3, None, "expected numbers"),
        (pd.DataFrame(GRAPH, NAMES, NAMES), None, "needs windows with names"),
        (Connectome(np.array(NAMES), GRAPH, GRAPH), None, "got Connectome; .* needs windows with"),
        (pd.DataFrame(GRAPH, list("abc"), list("abc")), NAMES, "none of the neurons of X"),
        (pd.DataFrame(GRAPH, ["a", "a", "b"], NAMES), NAMES, "got 'a' twice"),
    ],
)
def test_what_is_no_graph_of_these_neurons_is_refused(given, names, message):
    with pytest.raises(ValueError, match=f"^prior_graph: .*{message}"):
        check_prior_graph(given, 3, names)


def test_columns_that_share_an_identity_share_the_mean_of_what_is_known():
    rng = np.random.default_rng(0)
    graph = rng.random((5, 5))
    np.fill_diagonal(graph, np.nan)
    graph[0, 3] = np.nan
    labels = np.array([0, 0, 1, -1, 2])
    table = by_identity(graph, labels)
    assert table.shape == (4, 4)
    assert np.isnan(table[0]).all()
    assert np.isnan(table[:, 0]).all()
    assert table[1, 2] == pytest.approx((graph[0, 2] + graph[1, 2]) / 2)
    assert table[1, 1] == pytest.approx((graph[0, 1] + graph[1, 0]) / 2)
    assert table[3, 2] == graph[4, 2]
    assert np.isnan(table[2, 2])
