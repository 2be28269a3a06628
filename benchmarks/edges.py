"""Graphs inferred from activity against functional truth, and beside the anatomical tables.

usage: python benchmarks/edges.py --atlas randi2023_funatlas.npz --worms worm_*.npz
       [--immobilised kato_*.npz] [--wiring white_1986_whole.csv ...] [--positions FILE]
       [--correlations uzel2022_correlation.npz] [--only animals pooled] [--methods ...]
       [--seeds 0] [--permutations 200]

Truth is the signal propagation atlas (Randi et al. 2023): ordered pairs observed at least twice,
q < .05 against q > .5 ("wild type", "unc-31") or against what the atlas's test of equivalence
calls negligible ("equivalence"). Scores are the AUROC of detecting connected pairs, and of
telling the direction of those connected one way (the asymmetry g[i, j] - g[j, i]).

animals: a graph of each animal; mean and standard deviation over animals, and of the difference
to correlation, with in how many animals it is positive. Animals are compared on one atlas, so the
spread over them is that of the recordings, not of the truth.
pooled: a graph of all animals; with the mean and standard deviation of a null that keeps all
degrees, the same for one that also keeps distance (thirds of the pairs by distance, and left-right
pairs of one class apart; with more kinds too few swaps are possible), and the 95 % interval of the
difference to correlation from drawing neurons with replacement. Wiring tables, published
correlations and the other strain stand among the methods where responses of the wild type are the
truth.

Nets are given every second window. Positions are read from anatlas_neuron_positions.txt of the
package wormneuroatlas; without it the second null keeps left-right pairs only.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from kato_states import STATES
from numpy.typing import NDArray

from skneurograph import Recording, sliding_windows
from skneurograph.datasets import read_connectome, read_functional_atlas
from skneurograph.decoding import GraphClassifier
from skneurograph.forecasting import GraphForecaster
from skneurograph.graph_inference import (
    CorrelationGraph,
    PartialCorrelationGraph,
    RelationalGraph,
    VARGraph,
)
from skneurograph.metrics import edge_auroc, edge_direction_auroc
from skneurograph.metrics._rewiring import rewired_graphs

Graph = NDArray[np.floating]
N_TIMES = 16
SCORES: dict[str, Callable[[Graph, Graph], float]] = {
    "edges": edge_auroc,
    "direction": edge_direction_auroc,
}
REFERENCE = "correlation"


def relational(seed: int) -> RelationalGraph:
    return RelationalGraph(
        n_lags=2, horizon=5, n_neighbors=16, hidden_size=32, max_epochs=4, random_state=seed
    )


def classifier(seed: int) -> GraphClassifier:
    return GraphClassifier(class_weight="balanced", random_state=seed)


# Methods that are given windows, and whether they depend on a seed.
METHODS: dict[str, tuple[Callable[[int], object], bool]] = {
    REFERENCE: (lambda _: CorrelationGraph(), False),
    "rank correlation": (lambda _: CorrelationGraph(method="spearman"), False),
    "correlation, lag 1": (lambda _: CorrelationGraph(lag=1), False),
    "correlation, noise filter": (lambda _: CorrelationGraph(noise_filter=True), False),
    "correlation of changes": (lambda _: CorrelationGraph(), False),
    "partial correlation": (lambda _: PartialCorrelationGraph(), False),
    # With the default penalty some animals have no solution.
    "graphical lasso": (
        lambda _: PartialCorrelationGraph(estimator="graphical-lasso", alpha=0.3),
        False,
    ),
    "VAR ridge": (lambda _: VARGraph(strength="coefficient"), False),
    "VAR ridge, Granger": (lambda _: VARGraph(strength="granger"), False),
    "VAR lasso": (lambda _: VARGraph(penalty="lasso", strength="coefficient"), False),
    "relational": (relational, True),
    "GraphClassifier": (
        lambda seed: GraphClassifier(class_weight="balanced", random_state=seed),
        1,
    ),
    "GraphForecaster": (lambda seed: GraphForecaster(random_state=seed), True),
}


@dataclass
class Truth:
    """True graphs over some neurons, and what is held against them."""

    neurons: list[str]
    graphs: dict[str, Graph]
    anatomy: dict[str, Graph]
    strata: NDArray[np.intp]


def load(paths: list[str]) -> list[Recording]:
    """Load recordings of identified neurons, z-scored; states of Kato et al. as four behaviours."""
    recordings = []
    for path in paths:
        recording = Recording.load(path)
        if recording.behavior is not None:
            labels = [STATES.get(label, label) for label in recording.behavior.tolist()]
            recording = replace(recording, behavior=labels)
        recordings.append(recording.zscore())
    return recordings


def infer(recordings: list[Recording], names: list[str], method: str, seed: int) -> Graph:
    """Fit a method to recordings, and give its graph over these neurons."""
    make, _ = METHODS[method]
    step = 1 if recordings[0].n_times < 1000 else 2
    if METHODS[method][1] and len(recordings) > 1:  # nets, which take long
        step *= 2
    targets = {"GraphClassifier": "behavior", "GraphForecaster": "next"}
    options = {"target": targets.get(method), "step": step, "neurons": names}
    if method == "GraphForecaster":
        options["horizon"] = 9
    windows = sliding_windows(recordings, N_TIMES, **options)
    X = np.diff(windows.X, axis=2) if method == "correlation of changes" else windows.X
    model = make(seed)
    return (model.fit(X) if windows.y is None else model.fit(X, windows.y)).graph_


def together(recordings: list[Recording], names: list[str]) -> NDArray[np.bool_]:
    """Pairs that are recorded in one animal at least."""
    held = np.array([np.isin(names, recording.neurons) for recording in recordings])
    return (held[:, :, None] & held[:, None, :]).any(axis=0)


def read_truth(options: argparse.Namespace, names: list[str]) -> Truth:
    graphs: dict[str, Graph] = {}
    anatomy: dict[str, Graph] = {}
    atlases = {s: read_functional_atlas(options.atlas, strain=s) for s in ("wild-type", "unc-31")}
    graphs["wild type"] = atlases["wild-type"].graph(neurons=names)
    graphs["equivalence"] = atlases["wild-type"].graph(neurons=names, absence="equivalence")
    graphs["unc-31"] = atlases["unc-31"].graph(neurons=names)
    for path in options.wiring:
        title = Path(path).stem.split("_")[0]
        for kind in ("chemical", "electrical"):
            wiring = read_connectome(path).graph(kind, neurons=names)
            anatomy[f"{title}, {kind}"] = graphs[f"{title}, {kind}"] = wiring
    if options.correlations:
        with np.load(options.correlations) as file:
            place = {name: i for i, name in enumerate(file["neurons"].tolist())}
            anatomy["Uzel 2022, correlation"] = pick(file["correlation"], place, names)
    for strain, atlas in atlases.items():
        place = {name: i for i, name in enumerate(atlas.neurons.tolist())}
        anatomy[f"atlas, {strain}, 1 - q"] = pick(1 - atlas.q, place, names)
    return Truth(names, graphs, anatomy, pair_strata(options.positions, names))


def pick(matrix: Graph, place: dict[str, int], names: list[str]) -> Graph:
    """Entries of a matrix for these neurons; NaN for those that it lacks."""
    rows = np.array([place.get(name, -1) for name in names])
    graph = np.asarray(matrix, dtype=float)[np.ix_(rows, rows)]
    graph[rows < 0] = np.nan
    graph[:, rows < 0] = np.nan
    return graph


def pair_strata(path: str | None, names: list[str]) -> NDArray[np.intp]:
    """Thirds of the pairs by distance; left and right of one class apart."""
    strata = np.zeros((len(names), len(names)), dtype=int)
    if path:
        header, *rows = Path(path).read_text().strip().splitlines()
        known = header.lstrip("#").split()
        places = dict(zip(known, np.array([row.split() for row in rows], dtype=float)))
        at = np.array([places.get(unpadded(name), np.full(3, np.nan)) for name in names])
        distances = np.linalg.norm(at[:, None] - at[None], axis=2)
        pairs = distances[np.triu_indices(len(names), 1)]
        strata = np.digitize(distances, np.nanquantile(pairs, [1 / 3, 2 / 3]))
    side = np.array([name[:-1] if name[-1:] in ("L", "R") else name for name in names])
    return np.where((side[:, None] == side) & ~np.eye(len(names), dtype=bool), 9, strata)


def unpadded(name: str) -> str:
    stem = name.rstrip("0123456789")
    return stem + name[len(stem) :].lstrip("0")


def tell(title: str, rows: dict[str, list[str]], columns: list[str]) -> None:
    print(f"\n{title}\n| method | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def score(metric: str, truth: Graph, graph: Graph) -> float:
    """Score a graph; NaN where the truth has nothing to tell."""
    try:
        return SCORES[metric](truth, graph)
    except ValueError:
        return np.nan


def columns_of(truth: Truth) -> list[tuple[str, str]]:
    """Metrics and truths to report: electrical synapses have no direction."""
    edges = [("edges", name) for name in truth.graphs]
    return edges + [("direction", name) for name in truth.graphs if not name.endswith("electrical")]


def animals(title: str, recordings: list[Recording], options: argparse.Namespace) -> None:
    """Score the graph of each animal."""
    scores: dict[str, list[list[float]]] = {}
    for recording in recordings:
        names = sorted(name for name in recording.neurons.tolist() if name)
        truth = read_truth(options, names)
        wanted = columns_of(truth)
        print(f"# {recording.organism}: " + "; ".join(map(size, truth.graphs.items())))
        for method in options.methods:
            start = time.process_time()
            seeds = options.seeds if METHODS[method][1] else [0]
            graphs = [infer([recording], names, method, seed) for seed in seeds]
            values = [
                np.mean([score(metric, truth.graphs[name], graph) for graph in graphs])
                for metric, name in wanted
            ]
            scores.setdefault(method, []).append(values)
            seconds = time.process_time() - start
            print(f"# {recording.organism} {method}: {seconds:.0f} CPU s", flush=True)
    base = np.array(scores.get(REFERENCE, next(iter(scores.values()))))
    rows = {}
    for method, values in scores.items():
        each = np.array(values)
        rows[method] = [
            spread(column) + ("" if method == REFERENCE else f" ({gain(column - reference)})")
            for column, reference in zip(each.T, base.T)
        ]
    tell(
        f"{title}: {len(recordings)} animals, mean ± sd (difference to {REFERENCE}, "
        "animals in which it is positive)",
        rows,
        [f"{metric}: {name}" for metric, name in wanted],
    )


def size(item: tuple[str, Graph]) -> str:
    """Tell how many pairs a truth knows."""
    name, graph = item
    known = ~np.isnan(graph) & ~np.eye(len(graph), dtype=bool)
    connected = np.nan_to_num(graph) > 0
    one_way = (known & known.T & connected & ~connected.T).sum()
    n_connected = (known & connected).sum()
    return f"{name} {n_connected} of {known.sum()} connected, {one_way} one way"


def spread(values: NDArray[np.floating]) -> str:
    values = values[~np.isnan(values)]
    if not len(values):
        return "-"
    return f"{values.mean():.3f} ± {values.std(ddof=min(1, len(values) - 1)):.3f}"


def gain(values: NDArray[np.floating]) -> str:
    values = values[~np.isnan(values)]
    return f"{values.mean():+.3f} ± {values.std(ddof=1):.3f}, {(values > 0).sum()}/{len(values)}"


def pooled(title: str, recordings: list[Recording], options: argparse.Namespace) -> None:
    """Score one graph of all animals, beside nulls."""
    names = sorted({name for each in recordings for name in each.neurons.tolist() if name})
    truth = read_truth(options, names)
    known = together(recordings, names)
    graphs: dict[str, list[Graph]] = {}
    for method in options.methods:
        seeds = options.seeds if METHODS[method][1] else [0]
        start = time.process_time()
        graphs[method] = [infer(recordings, names, method, seed) for seed in seeds]
        print(f"# pooled {method}: {time.process_time() - start:.0f} CPU s", flush=True)
    for metric, name in columns_of(truth):
        held = dict(graphs)
        if name == "wild type":
            held |= {k: [v] for k, v in truth.anatomy.items() if "wild-type" not in k}
        true = np.where(known, truth.graphs[name], np.nan)
        report(f"{title}, {metric}, {name}", metric, true, held, truth.strata, options)


def report(
    title: str,
    metric: str,
    true: Graph,
    graphs: dict[str, list[Graph]],
    strata: NDArray[np.intp],
    options: argparse.Namespace,
) -> None:
    apart = ~np.eye(len(true), dtype=bool)
    n_pairs, n_connected = (~np.isnan(true) & apart).sum(), (true[apart] > 0).sum()
    columns = ["AUROC", "null of degrees", "null of degrees and distance", "95 % of difference"]
    rows = {}
    base = graphs.get(REFERENCE)
    for method, each in graphs.items():
        scores = [score(metric, true, graph) for graph in each]
        cells = [f"{np.nanmean(scores):.3f}" + (f" ± {np.std(scores):.3f}" if each[1:] else "")]
        for kinds in (None, strata):
            null = null_scores(metric, true, each[0], kinds, options.permutations)
            p = (1 + (null >= scores[0]).sum()) / (1 + len(null))
            cells.append(f"{null.mean():.3f} ± {null.std():.3f}, p = {p:.3f}")
        low, high = bootstrap(metric, true, each[0], base[0]) if base else (np.nan, np.nan)
        cells.append("" if method == REFERENCE else f"{low:+.3f} to {high:+.3f}")
        rows[method] = cells
    tell(f"{title}: {n_connected} of {n_pairs} known pairs are connected", rows, columns)


class Ranked:
    """Pairs that count, ranked once, and the AUROC of any labels and weights of them."""

    def __init__(self, metric: str, graph: Graph, valid: NDArray[np.bool_]) -> None:
        self.metric, self.valid = metric, valid & valid.T if metric == "direction" else valid
        strength = np.abs(np.nan_to_num(graph))
        if metric == "direction":
            same = np.isclose(strength, strength.T, rtol=1e-9, atol=0)
            strength = np.where(same, 0, strength - strength.T)
        values = strength[self.valid]
        self.order = np.argsort(values, kind="stable")
        self.ties = np.flatnonzero(np.append(True, np.diff(values[self.order]) != 0))

    def auroc(self, connected: NDArray[np.bool_], weight: NDArray | None = None) -> float:
        """Score labels of all pairs, in a matrix; NaN where there is nothing to tell."""
        weights = np.ones(connected.shape) if weight is None else weight
        if self.metric == "direction":
            weights = weights * (connected != connected.T)
        weights = weights[self.valid][self.order]
        labels = connected[self.valid][self.order]
        found = np.add.reduceat(weights * labels, self.ties)
        missed = np.add.reduceat(weights * ~labels, self.ties)
        total = found.sum() * missed.sum()
        below = np.cumsum(missed) - missed / 2
        return float((found * below).sum() / total) if total else np.nan


_NULLS: dict[bytes, list[NDArray[np.bool_]]] = {}


def null_scores(
    metric: str, true: Graph, graph: Graph, kinds: NDArray[np.intp] | None, n: int
) -> NDArray[np.floating]:
    """Score a graph against rewired truths, made once for all methods with the same pairs."""
    valid = ~(np.isnan(true) | np.isnan(graph) | np.eye(len(true), dtype=bool))
    connected = (np.nan_to_num(true) != 0) & valid
    key = connected.tobytes() + valid.tobytes() + bytes([kinds is not None])
    if key not in _NULLS:
        rng = np.random.default_rng(0)
        _NULLS[key] = list(rewired_graphs(connected, valid, n, rng, kinds=kinds))
    ranked = Ranked(metric, graph, valid)
    scores = np.array([ranked.auroc(rewired) for rewired in _NULLS[key]])
    return scores[~np.isnan(scores)]


def bootstrap(metric: str, true: Graph, graph: Graph, base: Graph) -> tuple[float, float]:
    """Give the 95 % interval of the difference of two graphs' scores over draws of neurons."""
    rng = np.random.default_rng(0)
    valid = ~(np.isnan(true) | np.isnan(graph) | np.isnan(base) | np.eye(len(true), dtype=bool))
    connected = np.nan_to_num(true) != 0
    new, old = (Ranked(metric, each, valid) for each in (graph, base))
    differences = []
    for _ in range(500):
        times = np.bincount(rng.integers(len(true), size=len(true)), minlength=len(true))
        weight = np.outer(times, times)
        differences.append(new.auroc(connected, weight) - old.auroc(connected, weight))
    low, high = np.nanquantile(differences, [0.025, 0.975])
    return float(low), float(high)


PARTS = {"animals": animals, "pooled": pooled}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atlas", required=True)
    parser.add_argument("--worms", nargs="*", default=[])
    parser.add_argument("--immobilised", nargs="*", default=[])
    parser.add_argument("--wiring", nargs="*", default=[])
    parser.add_argument("--correlations")
    parser.add_argument("--positions")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--permutations", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    groups = {"moving worms": options.worms, "immobilised worms": options.immobilised}
    for title, paths in groups.items():
        if paths:
            recordings = load(paths)
            for part in options.only:
                PARTS[part](title, recordings, options)


if __name__ == "__main__":
    main()
