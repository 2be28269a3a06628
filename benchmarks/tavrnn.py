"""Cost of TAVRNN, and how well its embeddings decode the position of a rat and worm behaviour.

usage: python benchmarks/tavrnn.py [--only speed memory scaling regimes rat mice worms]

Speed is CPU seconds of an epoch of one member (all windows once: forward, backward, optimiser)
on one thread, the fastest of several, since machines are shared; cleaning is that of one
correlation matrix. Memory is the peak of a process of its own with one member, fitting
included, above what it holds when everything is imported. Windows are random, but as many and
as long as those of the recordings. The published figures were measured once with the authors'
code, on one thread.

The parts rat, mice and worms read recordings (Recording files) in FOLDER/rat_hippocampus,
FOLDER/mice and FOLDER/worms: see docs/experiments.md for the protocols.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import itertools
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from passes import last_part, passes_table, probed
from rats import most_active, mouse_passes, mouse_paths, rat_passes, rat_paths
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skneurograph import Recording, sliding_windows
from skneurograph.embedding import TAVRNN
from skneurograph.embedding.tavrnn._snapshots import connectivity

# Windows, neurons, frames, density of edges; seconds and MB published, seconds and MB to reach.
WORK = {
    "rat CA1": (117, 48, 40, None, 0.46, 593, 0.05, None),
    "large": (20, 900, 100, 0.3, 3.66, 1660, 0.4, 600),
    "long": (200, 48, 40, None, 1.60, 978, 0.1, None),
}


def make_windows(n_windows: int, n_neurons: int, n_times: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(n_windows, 8, n_times))
    loadings = rng.normal(size=(n_neurons, 8))
    own = rng.normal(size=(n_windows, n_neurons, n_times))
    return (np.einsum("nk,wkt->wnt", loadings, shared) + 2 * own).astype(np.float32)


def threshold_of(X: NDArray[np.float32], density: float | None) -> float:
    """Find the threshold at which this part of the pairs is connected."""
    if density is None:
        return 0.2
    part = X[:1].astype(float)
    whole = np.ones(part.shape[:2], dtype=bool)
    graph = connectivity(
        part, np.array([X.shape[2]]), whole, noise_filter=True, threshold=0, weighted=True
    )
    return float(np.quantile(np.abs(graph[0][np.triu_indices(X.shape[1], 1)]), 1 - density))


class Clock(Callback):
    """Notes the CPU time of each epoch."""

    def on_train_begin(self, net: object, **kwargs: object) -> None:
        """Forget what was noted."""
        self.seconds: list[float] = []

    def on_epoch_begin(self, net: object, **kwargs: object) -> None:
        """Start the clock."""
        self._start = time.process_time()

    def on_epoch_end(self, net: object, **kwargs: object) -> None:
        """Stop the clock."""
        self.seconds.append(time.process_time() - self._start)


def epoch_seconds(X: NDArray[np.float32], n_epochs: int, **options: object) -> float:
    clock = Clock()
    settings = {"max_epochs": n_epochs, "n_members": 1, **options}
    TAVRNN(random_state=0, callbacks=[("clock", clock)], **settings).fit(X)
    return min(clock.seconds)


def speed(options: argparse.Namespace) -> None:
    print("\nCPU seconds of an epoch            published   at most  measured  (uncut sequences)")
    for name, (n_windows, n_neurons, n_times, density, published, _, most, _) in WORK.items():
        X = make_windows(n_windows, n_neurons, n_times)
        settings = {"threshold": threshold_of(X, density)}
        n_epochs = 8 if n_neurons > 500 else 20
        found = epoch_seconds(X, n_epochs, **settings)
        uncut = epoch_seconds(X, n_epochs, **settings, sequence_length=None)
        shape = f"{name}: {n_windows} windows, {n_neurons} neurons"
        print(f"{shape:33s} {published:9.2f} {most:9.2f} {found:9.3f} {uncut:10.3f}", flush=True)
    X = make_windows(1, 900, 2000)
    for n_times in (100, 2000):
        part = X[:, :, :n_times].astype(float)
        times = []
        for _ in range(3):
            start = time.process_time()
            connectivity(
                part,
                np.array([n_times]),
                np.ones((1, 900), dtype=bool),
                noise_filter=True,
                threshold=0.2,
                weighted=True,
            )
            times.append(time.process_time() - start)
        label = f"cleaning 900 neurons, {n_times} frames"
        print(f"{label:33s} {64:9.2f} {0.3:9.2f} {min(times):9.3f}", flush=True)


def megabytes() -> float:
    """Peak memory of this process; what getrusage gives starts at that of its parent."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the peak of memory is read from /proc, which this system lacks")


def measure_memory(name: str) -> None:
    n_windows, n_neurons, n_times, density, *_ = WORK[name]
    before = megabytes()
    X = make_windows(n_windows, n_neurons, n_times)
    TAVRNN(max_epochs=2, n_members=1, random_state=0, threshold=threshold_of(X, density)).fit(X)
    print(megabytes() - before)


def memory(options: argparse.Namespace) -> None:
    print("\npeak memory above import, MB       published   at most  measured")
    for name, (n_windows, n_neurons, _, _, _, published, _, most) in WORK.items():
        command = [sys.executable, __file__, "--measure-memory", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        shape = f"{name}: {n_windows} windows, {n_neurons} neurons"
        limit = f"{most:9d}" if most else " " * 9
        print(f"{shape:33s} {published:9d} {limit} {float(done.stdout):9.0f}", flush=True)


def scaling(options: argparse.Namespace) -> None:
    sizes = [20, 60, 200, 600, 2000]
    for label, length in (("pieces of the default length", None), ("uncut", 10**6)):
        settings = {} if length is None else {"sequence_length": length}
        costs = [epoch_seconds(make_windows(n, 48, 20), 5, **settings) for n in sizes]
        slope = np.polyfit(np.log(sizes), np.log(costs), 1)[0]
        cells = ", ".join(f"{n}: {cost:.3f}" for n, cost in zip(sizes, costs))
        print(f"\nCPU seconds of an epoch by windows, {label}: {cells}; exponent {slope:.2f}")


def make_regimes(seed: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Spike counts of 24 neurons in two assemblies, whose members swap every eight windows.

    Each neuron's counts are distributed alike in both regimes.
    """
    rng = np.random.default_rng(seed)
    n_windows, n_neurons, n_times = 160, 24, 40
    regime = (np.arange(n_windows) // 8) % 2
    assembly = np.stack([np.arange(n_neurons) % 2, np.arange(n_neurons) // (n_neurons // 2)])
    drive = rng.normal(size=(n_windows, 2, n_times))
    rates = np.exp(0.8 * np.array([d[assembly[r]] for d, r in zip(drive, regime)]))
    return rng.poisson(rates).astype(np.float32), regime


def regimes(options: argparse.Namespace) -> None:
    found = {"mean rates": [], "TAVRNN": [], "TAVRNN without activity_features": []}
    for seed in options.seeds:
        X, regime = make_regimes(seed)
        train, test = np.arange(112), np.arange(112, 160)
        embeddings = {"mean rates": X.mean(axis=2)}
        for name, given in (("TAVRNN", "mean"), ("TAVRNN without activity_features", None)):
            model = TAVRNN(random_state=seed, activity_features=given).fit(X[train])
            embeddings[name] = model.transform(X)
        for name, values in embeddings.items():
            found[name].append(probed(values, regime, train, test)[0])
    print("\ntwo regimes of connectivity, unsupervised: accuracy in later windows, by seed")
    for name, values in found.items():
        print(f"  {name:35s} {np.round(values, 3)} mean {np.mean(values):.3f}", flush=True)


def rat(options: argparse.Namespace) -> None:
    print("\nrats: accuracy, macro-F1 of the held-out passes")
    for path in rat_paths(options.data):
        passes_table(path.stem, rat_passes(path), options)


def mice(options: argparse.Namespace) -> None:
    """Thirds of the track; the neurons that are most active in the first part."""
    print("\nmice: accuracy, macro-F1 of the held-out thirds of laps")
    for path in mouse_paths(options.data):
        passes = mouse_passes(path)
        chosen = most_active(passes.X, last_part(passes)[0][0], options.neurons)
        passes_table(path.stem, passes._replace(X=passes.X[:, chosen]), options)


def worms(options: argparse.Namespace) -> None:
    paths = sorted((options.data / "worms").glob("*.npz"))
    prepared = [Recording.load(path).zscore().average_classes().zscore() for path in paths]
    windows = sliding_windows(prepared, 8, step=4)
    held_out = [windows.groups == organism for organism in np.unique(windows.groups)]

    def scores(train: NDArray, test: NDArray, part: NDArray[np.bool_], C: float) -> NDArray:
        probe = make_pipeline(
            StandardScaler(), LogisticRegression(C=C, class_weight="balanced", max_iter=5000)
        )
        truth, predicted = windows.y[part], probe.fit(train, windows.y[~part]).predict(test)
        return np.array(
            [
                balanced_accuracy_score(truth, predicted),
                accuracy_score(truth, predicted),
                f1_score(truth, predicted, average="macro"),
            ]
        )

    def report(name: str, found: list[NDArray]) -> None:
        mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
        cells = ", ".join(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread))
        each = " ".join(f"{score[0]:.3f}" for score in found)
        print(f"  {name:42s} {cells}; by worm {each}", flush=True)

    print("\nworms, left out one by one: balanced accuracy, accuracy, macro-F1")
    flat = np.nan_to_num(windows.X).reshape(len(windows.X), -1)
    report("logistic regression", [scores(flat[~p], flat[p], p, 1e-3) for p in held_out])
    for features, is_supervised in itertools.product(("mean", "mean+slope"), (False, True)):
        found = []
        for part in held_out:
            figures = []
            for seed in options.seeds:
                model = TAVRNN(
                    activity_features=features, max_epochs=options.epochs, random_state=seed
                )
                groups = windows.groups[~part]
                y = windows.y[~part] if is_supervised else None
                train = model.fit_transform(windows.X[~part], y, groups=groups)
                held = model.transform(windows.X[part], groups=windows.groups[part])
                figures.append(scores(train, held, part, 1e-2))
            found.append(np.mean(figures, axis=0))
        kind = "supervised" if is_supervised else "unsupervised"
        report(f"TAVRNN, {features}, {kind}", found)


PARTS = {
    "speed": speed,
    "memory": memory,
    "scaling": scaling,
    "regimes": regimes,
    "rat": rat,
    "mice": mice,
    "worms": worms,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="*", choices=list(PARTS), default=["speed", "memory", "scaling"]
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--fold-seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--components", type=int, nargs="*", default=[16])
    parser.add_argument(
        "--kinds", nargs="*", choices=["unsupervised", "supervised"], default=["unsupervised"]
    )
    parser.add_argument("--neurons", type=int, default=60, help="of a mouse")
    parser.add_argument("--parameters", type=json.loads, default={}, help="JSON, of TAVRNN")
    parser.add_argument("--epochs", type=int, default=10, help="on worms")
    parser.add_argument("--measure-memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning)
    if options.measure_memory:
        measure_memory(options.measure_memory)
        return
    for name in options.only:
        PARTS[name](options)


if __name__ == "__main__":
    main()
