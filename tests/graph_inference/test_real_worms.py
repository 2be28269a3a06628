"""Graphs of real worms beside their wiring, where both are there (see tests/conftest.py)."""

from pathlib import Path

import numpy as np
import pytest

from skneurograph import sliding_windows
from skneurograph.datasets import read_connectome
from skneurograph.graph_inference import CorrelationGraph, PartialCorrelationGraph, VARGraph
from skneurograph.metrics import edge_permutation_null

WIRING = Path(__file__).parents[3] / "shared" / "data" / "connectome"


@pytest.fixture(scope="module")
def windows(real_worms):
    recordings = [worm.zscore() for worm in real_worms]
    return sliding_windows(recordings, 16, target=None, step=4)


@pytest.mark.parametrize("table", ["white_1986_whole.csv", "witvliet_2020_8.csv"])
@pytest.mark.parametrize(
    "model",
    [CorrelationGraph(), PartialCorrelationGraph(estimator="graphical-lasso"), VARGraph()],
    ids=repr,
)
def test_gap_junctions_are_found_above_what_degrees_tell(windows, table, model):
    if not (WIRING / table).exists():
        pytest.skip(f"the wiring tables are not at {WIRING}")
    truth = read_connectome(WIRING / table).graph("electrical", neurons=windows.neurons)
    recorded = ~np.isnan(windows.X).any(axis=2)
    worms = [recorded[windows.groups == worm].any(axis=0) for worm in np.unique(windows.groups)]
    in_all = np.logical_and.reduce(worms)
    graph = model.fit(windows.X).graph_.copy()
    graph[~(in_all[:, None] & in_all)] = np.nan
    null = edge_permutation_null(truth, graph, n_permutations=50, random_state=0)
    assert null.score > 0.65
    assert null.score > null.mean + 2 * null.sd
