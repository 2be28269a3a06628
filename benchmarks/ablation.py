"""What edges are worth: none, equal, learned, from other animals' activity, wiring and the atlas.

usage: python benchmarks/ablation.py --worms worm_*.npz [--immobilised kato_*.npz]
       [--wiring white_1986_whole.csv ...] [--atlas randi2023_funatlas.npz]
       [--only worms immobilised forecast] [--edges learned "white chemical, fixed" ...]
       [--neurons identified all] [--seeds 0 1 2] [--epochs N] [--step 1] [--output FILE]
       python benchmarks/ablation.py --summary FILE ...

One animal is held out at a time, left and right of a class are averaged, columns are the union.
worms: four behaviours from windows of 8 frames. immobilised: forward, reversal, dorsal and ventral
turn of Kato et al. (2015) from windows of 8 frames, one every 4, without the neurons from which the
authors read these states (AVA, SMDD, SMDV, RIB). forecast: the activity of the worms 1, 16 and 48
frames after windows of 16.

Scores are balanced accuracy, and R2 of forecasts over the recorded neurons. "all" adds neurons
without identity as anonymous columns. Of the held-out animal, 0, 30 and 60 % of the recorded
neurons are removed (the mean over three draws; forecasts are scored on those that remain).
Correlation and vector autoregression are those of the training animals.

Every score is printed as a line of CSV, and with --output appended to a file, so that parts may be
run one by one; --summary makes tables of such files: mean and standard deviation over animals of
the mean over seeds, and the difference to learned edges with in how many animals it is positive
and the p-value of the corrected paired test.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from kato_states import READ_OFF, STATES
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from skneurograph import Recording, Windows, sliding_windows
from skneurograph.datasets import read_connectome, read_functional_atlas
from skneurograph.decoding import GraphClassifier
from skneurograph.forecasting import GraphForecaster
from skneurograph.graph_inference import CorrelationGraph, VARGraph
from skneurograph.metrics import masked_r2_score
from skneurograph.model_selection import corrected_paired_test

FIELDS = ["part", "neurons", "edges", "seed", "organism", "missing", "horizon", "score"]
REMOVED = (0.0, 0.3, 0.6)
N_DRAWS = 3
HORIZONS = (1, 16, 48)
# The atlas tells the two AWC by what they express, recordings by their side.
AWC = {"AWCOF": "AWC", "AWCON": "AWC", "AWCL": "AWC", "AWCR": "AWC"}


def load(paths: list[str], *, blind: bool = False) -> tuple[list[Recording], dict[str, str]]:
    """Load recordings averaged over classes, and the class of each neuron in any of them."""
    recordings, classes = [], dict(AWC)
    for path in paths:
        recording = Recording.load(path)
        classes |= dict(zip(recording.neurons.tolist(), recording.neuron_classes.tolist()))
        if blind:
            labels = [STATES[label] for label in recording.behavior.tolist()]
            recording = replace(recording, behavior=labels)
        averaged = recording.zscore().average_classes()
        if blind:
            averaged = without(averaged, READ_OFF)
        recordings.append(averaged.zscore())
    classes.pop("", None)
    return recordings, classes


def without(recording: Recording, names: tuple[str, ...]) -> Recording:
    kept = ~np.isin(recording.neurons, names)
    return replace(
        recording,
        activity=recording.activity[:, kept],
        neurons=recording.neurons[kept],
        neuron_classes=recording.neuron_classes[kept],
    )


def known_graphs(options: argparse.Namespace, classes: dict[str, str], names: NDArray) -> dict:
    """Return wiring and atlas over the columns of windows."""
    graphs = {}
    for path in options.wiring:
        connectome = read_connectome(path).sum_classes(classes)
        for kind, title in (("chemical", "chemical"), ("electrical", "gap")):
            name = f"{Path(path).stem.split('_')[0]} {title}"
            graphs[name] = connectome.graph(kind, neurons=names)
    if options.atlas:
        atlas = read_functional_atlas(options.atlas).merge_classes(classes)
        graphs["atlas"] = atlas.graph(neurons=names)
    return graphs


def edge_options(graphs: dict[str, NDArray]) -> dict[str, dict[str, Any]]:
    """Return the parameters of every kind of edges."""
    kinds: dict[str, dict[str, Any]] = {
        "no rounds": {"n_rounds": 0},
        "uniform": {"edge_model": "uniform"},
        "learned": {},
    }
    for name, graph in graphs.items():
        kinds[f"{name}, prior"] = {"prior_graph": graph}
        kinds[f"{name}, fixed"] = {"prior_graph": graph, "edge_model": "fixed"}
    return kinds


def inferred_graphs(X: NDArray, named: NDArray[np.bool_]) -> dict[str, NDArray]:
    """Return the size of correlations and autoregressive coefficients of training windows."""
    graphs = {}
    for name, method in {
        "correlation": CorrelationGraph(),
        "VAR": VARGraph(strength="coefficient"),
    }.items():
        whole = np.full((len(named), len(named)), np.nan)
        whole[np.ix_(named, named)] = np.abs(method.fit(X[:, named]).graph_)
        graphs[name] = whole
    return graphs


def remove(X: NDArray, fraction: float, seed: int) -> NDArray:
    """Remove a fraction of the neurons that some window holds."""
    held = np.flatnonzero(~np.isnan(X).any(axis=2).all(axis=0))
    rng = np.random.default_rng(seed)
    removed = rng.choice(held, size=round(fraction * len(held)), replace=False)
    X = X.copy()
    X[:, removed] = np.nan
    return X


def draws(X: NDArray) -> Iterator[tuple[float, NDArray]]:
    for fraction in REMOVED:
        for seed in range(N_DRAWS if fraction else 1):
            yield fraction, remove(X, fraction, seed)


class Run:
    """Fit every kind of edges with one animal held out, and write down each score."""

    def __init__(self, part: str, options: argparse.Namespace) -> None:
        self.part, self.options = part, options
        paths = options.immobilised if part == "immobilised" else options.worms
        self.recordings, self.classes = load(paths, blind=part == "immobilised")

    def run(self) -> None:
        """Hold out each animal in turn."""
        for neurons in self.options.neurons:
            for held_out in self.recordings:
                rest = [each for each in self.recordings if each is not held_out]
                self._fold(neurons, rest, held_out)

    def _fold(self, neurons: str, rest: list[Recording], held_out: Recording) -> None:
        columns = "union" if neurons == "identified" else "all"
        windows = sliding_windows([*rest, held_out], neurons=columns, **self._cut())
        test = windows.groups == held_out.organism
        named = windows.neurons != ""
        X = windows.X
        graphs = inferred_graphs(X[~test], named)
        graphs |= known_graphs(self.options, self.classes, windows.neurons)
        for edges, parameters in edge_options(graphs).items():
            if self.options.edges and edges not in self.options.edges:
                continue
            for seed in self.options.seeds:
                start = time.process_time()
                model = self._model(seed).set_params(identities=windows.identities, **parameters)
                self._fit(model, windows, ~test)
                seconds = time.process_time() - start
                scores: dict[tuple[float, int], list[float]] = {}
                for fraction, part in draws(X[test]):
                    for horizon, score in self._scores(model, part, windows, test):
                        scores.setdefault((fraction, horizon), []).append(score)
                for (fraction, horizon), values in scores.items():
                    score = float(np.mean(values))
                    row = [neurons, edges, seed, held_out.organism, fraction, horizon]
                    self._write([self.part, *row, f"{score:.5f}"])
                print(f"# {edges}: {seconds:.0f} CPU s", flush=True)

    def _cut(self) -> dict[str, Any]:
        if self.part == "forecast":
            return {
                "n_times": 16,
                "step": self.options.step,
                "target": "next",
                "horizon": max(HORIZONS),
            }
        return {"n_times": 8, "step": 4 if self.part == "immobilised" else self.options.step}

    def _model(self, seed: int) -> Any:
        forecasts = self.part == "forecast"
        model = GraphForecaster() if forecasts else GraphClassifier(class_weight="balanced")
        if self.options.epochs:
            model.set_params(max_epochs=self.options.epochs)
        return model.set_params(random_state=seed)

    def _fit(self, model: Any, windows: Windows, train: NDArray[np.bool_]) -> None:
        y = windows.y[train]
        model.fit(windows.X[train], y[:, :, :9] if self.part == "forecast" else y)

    def _scores(
        self, model: Any, X: NDArray, windows: Windows, test: NDArray[np.bool_]
    ) -> Iterator[tuple[int, float]]:
        y = windows.y[test]
        if self.part != "forecast":
            yield 0, balanced_accuracy_score(y, model.predict(X))
            return
        forecast = model.forecast(X, max(HORIZONS))
        # The removed neurons are no longer recorded.
        y = np.where(np.isnan(X).any(axis=2)[:, :, None], np.nan, y)
        by_horizon = masked_r2_score(y, forecast, by="horizon")
        yield from ((horizon, float(by_horizon[horizon - 1])) for horizon in HORIZONS)

    def _write(self, row: list[Any]) -> None:
        line = ",".join(f'"{cell}"' if "," in str(cell) else str(cell) for cell in row)
        print(line, flush=True)
        if self.options.output:
            path = Path(self.options.output)
            if not path.exists():
                path.write_text(",".join(FIELDS) + "\n", encoding="utf-8")
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def summarise(paths: list[str]) -> None:
    """Print a table for each part, kind of neurons and horizon."""
    scores = pd.concat([pd.read_csv(path) for path in paths])
    scores = scores.drop_duplicates(FIELDS[:-1], keep="last")
    for (part, neurons, horizon), table in scores.groupby(["part", "neurons", "horizon"]):
        title = f"{part}, {neurons} neurons" + (f", {horizon} frames ahead" if horizon else "")
        fractions = sorted(table["missing"].unique())
        n_seeds, n_animals = table["seed"].nunique(), table["organism"].nunique()
        print(f"\n{title}: {n_animals} animals, {n_seeds} seeds")
        print("| edges | " + " | ".join(f"{f:.0%} removed" for f in fractions) + " |")
        print("|---|" + "---|" * len(fractions))
        means = table.groupby(["edges", "missing", "organism"])["score"].mean()
        for edges in table["edges"].unique():
            cells = [cell(means, edges, fraction, 4 if horizon else 3) for fraction in fractions]
            print(f"| {edges} | " + " | ".join(cells) + " |")


def cell(means: pd.Series, edges: str, fraction: float, digits: int) -> str:
    own = means.get((edges, fraction))
    if own is None:
        return ""
    text = f"{own.mean():.{digits}f} ± {own.std():.{digits}f}"
    if edges == "learned" or ("learned", fraction) not in means.index.droplevel(2):
        return text
    gain = (own - means["learned", fraction]).dropna()
    test = corrected_paired_test(gain, 1 / max(1, len(gain) - 1))
    better = f"{(gain > 0).sum()}/{len(gain)}"
    difference = f"{gain.mean():+.{digits}f} ± {gain.std():.{digits}f}"
    return f"{text} ({difference}, {better}, p = {test.p_value:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worms", nargs="*", default=[])
    parser.add_argument("--immobilised", nargs="*", default=[])
    parser.add_argument("--wiring", nargs="*", default=[])
    parser.add_argument("--atlas")
    parts = ["worms", "immobilised", "forecast"]
    parser.add_argument("--only", nargs="*", choices=parts, default=parts)
    parser.add_argument("--edges", nargs="*", default=[])
    kinds = ["identified", "all"]
    parser.add_argument("--neurons", nargs="*", choices=kinds, default=kinds)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--output")
    parser.add_argument("--summary", nargs="*", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    if options.summary:
        summarise(options.summary)
        return
    for part in options.only:
        if options.immobilised if part == "immobilised" else options.worms:
            Run(part, options).run()


if __name__ == "__main__":
    main()
