"""Cost of TAVRNN, and how well its embeddings decode the position of a rat and worm behaviour.

usage: python benchmarks/tavrnn.py [--only speed memory scaling regimes rat worms] [--data FOLDER]

Speed is CPU seconds of an epoch (all windows once: forward, backward, optimiser) on one
thread, the fastest of several, since machines are shared; cleaning is that of one correlation
matrix. Memory is the peak of a process of its own, fitting included, above what it holds when
everything is imported. Windows are random, but as many and as long as those of the
recordings. The published figures were measured once with the authors' code, on one thread.

The parts rat and worms read recordings (Recording files) in FOLDER/rat_hippocampus and
FOLDER/worms: see docs/experiments.md for the protocol.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import itertools
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold
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
    TAVRNN(max_epochs=n_epochs, random_state=0, callbacks=[("clock", clock)], **options).fit(X)
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
    TAVRNN(max_epochs=2, random_state=0, threshold=threshold_of(X, density)).fit(X)
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


def rat_passes(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp]]:
    """Cut passes through three segments of the track; give their segment and length."""
    recording = Recording.load(folder / "rat_hippocampus" / "rat_buddy.npz")
    position = recording.covariates["position"]
    segment = np.full(len(position), -1)
    for k, (low, high) in enumerate([(0, 0.2), (0.7, 0.9), (1.4, 1.6)]):
        segment[(position >= low) & (position <= high)] = k
    bounds = np.flatnonzero(np.diff(segment)) + 1
    passes = [
        (start, stop)
        for start, stop in zip(np.r_[0, bounds], np.r_[bounds, len(segment)])
        if segment[start] >= 0
    ]
    lengths = np.array([stop - start for start, stop in passes])
    X = np.full((len(passes), recording.activity.shape[1], lengths.max()), np.nan, np.float32)
    for k, (start, stop) in enumerate(passes):
        X[k, :, : stop - start] = recording.activity[start:stop].T
    return X, segment[[start for start, _ in passes]], lengths


def logistic() -> object:
    return make_pipeline(StandardScaler(), LogisticRegression(C=1, max_iter=5000))


def with_earlier(values: NDArray[np.float64], n_earlier: int) -> NDArray[np.float64]:
    """Put the values of the windows before next to those of each window."""
    n_windows, width = values.shape
    parts = [
        np.concatenate([np.zeros((k, width)), values[: n_windows - k]])
        for k in range(n_earlier + 1)
    ]
    return np.concatenate(parts, axis=1)


def accuracy_and_f1(truth: NDArray, predicted: NDArray) -> NDArray[np.float64]:
    f1 = f1_score(truth, predicted, average="macro")
    return np.array([accuracy_score(truth, predicted), f1])


def probed(
    values: NDArray[np.float64], y: NDArray[np.intp], train: NDArray, test: NDArray
) -> NDArray[np.float64]:
    model = logistic().fit(values[train], y[train])
    return accuracy_and_f1(y[test], model.predict(values[test]))


def without_length(
    embedding: NDArray[np.float64], lengths: NDArray[np.intp], train: NDArray
) -> NDArray[np.float64]:
    """Subtract what the (log) length of a window, and its square, tell linearly."""
    basis = np.log(lengths)[:, None] ** np.arange(3)
    slope, *_ = np.linalg.lstsq(basis[train], embedding[train], rcond=None)
    return embedding - basis @ slope


def rat_scores(
    X: NDArray[np.float32],
    y: NDArray[np.intp],
    lengths: NDArray[np.intp],
    parts: list[tuple[NDArray, NDArray]],
    seed: int,
    *,
    is_supervised: bool,
) -> dict[str, NDArray[np.float64]]:
    """Fit to the training windows of each part, and tell the segments of the others.

    Windows between those of training are left in as gaps.
    """
    found: dict[str, list[NDArray[np.float64]]] = {}
    for train, test in parts:
        seen = np.full_like(X[: train.max() + 1], np.nan)
        seen[train] = X[train]
        model = TAVRNN(random_state=seed).fit(seen, y[: len(seen)] if is_supervised else None)
        embedding = np.concatenate([model.transform(seen), np.zeros((len(X) - len(seen), 16))])
        whole, alone = embedding.copy(), embedding.copy()
        whole[test], alone[test] = model.transform(X)[test], model.transform(X[test])
        for name, values in (
            ("in the session", whole),
            ("without what the length tells", without_length(whole, lengths, train)),
            ("as a sequence of their own", alone),
        ):
            found.setdefault(name, []).append(probed(values, y, train, test))
    return {name: np.mean(values, axis=0) for name, values in found.items()}


def rat(options: argparse.Namespace) -> None:
    X, y, lengths = rat_passes(options.data)
    n_train = int(0.75 * len(X)) + 1
    protocols = {
        "last 25 %": [(np.arange(n_train), np.arange(n_train, len(X)))],
        "five-fold": list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)),
    }
    mean = np.nanmean(X, axis=2)
    norm = np.linalg.norm(mean, axis=1, keepdims=True)
    relative = np.column_stack([mean / norm, np.log(norm)])
    controls = {
        "length of the window": np.log(lengths)[:, None],
        "mean rates": mean,
        "mean rates / their norm, and its logarithm": relative,
        "the same, with two windows before": with_earlier(relative, 2),
    }
    print("\nrat: accuracy, macro-F1 of the held-out windows")
    for protocol, parts in protocols.items():
        print(f"\n{protocol}; mean ± standard deviation over {len(options.seeds)} seeds")
        for name, values in controls.items():
            score = np.mean([probed(values, y, *part) for part in parts], axis=0)
            apart = np.mean(
                [probed(without_length(values, lengths, part[0]), y, *part) for part in parts],
                axis=0,
            )
            print(
                f"  {name:52s} {score[0]:.3f}, {score[1]:.3f}"
                f"; without what the length tells {apart[0]:.3f}, {apart[1]:.3f}"
            )
        for kind, is_supervised in (("unsupervised", False), ("supervised", True)):
            runs = [
                rat_scores(X, y, lengths, parts, seed, is_supervised=is_supervised)
                for seed in options.seeds
            ]
            for name in runs[0]:
                scores = [run[name] for run in runs]
                average, spread = np.mean(scores, axis=0), np.std(scores, axis=0)
                label = f"TAVRNN {kind}, {name}"
                print(
                    f"  {label:52s} {average[0]:.3f} ± {spread[0]:.3f}, "
                    f"{average[1]:.3f} ± {spread[1]:.3f}",
                    flush=True,
                )


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
    "worms": worms,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="*", choices=list(PARTS), default=["speed", "memory", "scaling"]
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=10)
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
