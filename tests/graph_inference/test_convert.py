import numpy as np
import pytest

from skneurograph.graph_inference import to_networkx, to_pyg

GRAPH = np.array([[0, 0.5, np.nan], [-0.2, 0, 0], [np.nan, 0.1, 0]])


def test_edges_run_from_sender_to_receiver_and_unknown_pairs_have_none():
    graph = to_networkx(GRAPH, neurons=["AVAL", "RIML", ""])
    assert list(graph.nodes) == ["AVAL", "RIML", "x2"]
    assert dict(graph.edges) == {
        ("RIML", "AVAL"): {"weight": 0.5},
        ("AVAL", "RIML"): {"weight": -0.2},
        ("RIML", "x2"): {"weight": 0.1},
    }


def test_a_threshold_leaves_weak_edges_out_whatever_their_sign():
    assert list(to_networkx(GRAPH, threshold=0.15).edges) == [(0, 1), (1, 0)]


def test_networkx_gives_the_matrix_back():
    import networkx as nx

    matrix = nx.to_numpy_array(to_networkx(GRAPH)).T
    np.testing.assert_array_equal(matrix, np.nan_to_num(GRAPH))


def test_pytorch_geometric_gives_the_matrix_back():
    data = to_pyg(GRAPH, features=np.ones((3, 4)), neurons=["AVAL", "RIML", "AIBR"])
    data.validate()
    matrix = np.zeros((3, 3))
    senders, receivers = data.edge_index.numpy()
    matrix[receivers, senders] = data.edge_attr[:, 0]
    np.testing.assert_allclose(matrix, np.nan_to_num(GRAPH))
    assert data.x.shape == (3, 4)
    assert data.neurons == ["AVAL", "RIML", "AIBR"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"graph: got shape \(2, 3, 3\)"):
        to_networkx(np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="neurons: got 2 names"):
        to_networkx(GRAPH, neurons=["A", "B"])
    with pytest.raises(ValueError, match="a name twice"):
        to_pyg(GRAPH, neurons=["A", "A", "B"])
    with pytest.raises(ValueError, match="features: got shape"):
        to_pyg(GRAPH, features=np.ones(3))
