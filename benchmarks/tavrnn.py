"""What TAVRNN costs, and how well its embeddings tell where a rat is and what a worm does.

usage: python benchmarks/tavrnn.py [--only speed memory scaling rat worms] [--data FOLDER]

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
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skneurograph import Recording, sliding_windows
from skneurograph.embedding import TAVRNN
from skneurograph.embedding._snapshots import connectivity

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


class Clock:
    """A callback that notes the CPU time of each epoch."""

    def initialize(self) -> Clock:
        """Forget what was noted."""
        self.seconds: list[float] = []
        return self

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("on_"):
            return lambda *args, **kwargs: None
        raise AttributeError(name)

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
        n_epochs = 4 if n_neurons > 500 else 12
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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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


def rat(options: argparse.Namespace) -> None:
    X, y, lengths = rat_passes(options.data)
    n_train = int(0.75 * len(X)) + 1
    mean = np.nanmean(X, axis=2)
    norm = np.linalg.norm(mean, axis=1, keepdims=True)
    controls = {
        "length of the window": lengths[:, None],
        "mean rates": mean,
        "mean rates / their norm": mean / norm,
    }
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))

    def scores(truth: NDArray, predicted: NDArray) -> NDArray[np.float64]:
        f1 = f1_score(truth, predicted, average="macro")
        return np.array([accuracy_score(truth, predicted), f1])

    print("\nrat: accuracy, macro-F1      last 25 %      five-fold")
    for name, values in controls.items():
        model = logistic().fit(values[:n_train], y[:n_train])
        late = scores(y[n_train:], model.predict(values[n_train:]))
        cross = np.mean(
            [scores(y[b], logistic().fit(values[a], y[a]).predict(values[b])) for a, b in folds],
            axis=0,
        )
        print(f"{name:27s} {late[0]:.3f}, {late[1]:.3f}   {cross[0]:.3f}, {cross[1]:.3f}")
    for name, labels in (("unsupervised", None), ("supervised", y)):
        late, whole, cross, of_length = [], [], [], []
        for seed in options.seeds:
            given = None if labels is None else labels[:n_train]
            model = TAVRNN(random_state=seed).fit(X[:n_train], given)
            probe = logistic().fit(model.transform(X[:n_train]), y[:n_train])
            late.append(scores(y[n_train:], probe.predict(model.transform(X[n_train:]))))
            going_on = model.transform(X)[n_train:]
            whole.append(scores(y[n_train:], probe.predict(going_on)))
            of_length.append(abs(np.corrcoef(going_on.T, np.log(lengths[n_train:]))[-1, :-1]).max())
            for a, b in folds:
                model = TAVRNN(random_state=seed).fit(X[a], None if labels is None else y[a])
                probe = logistic().fit(model.transform(X[a]), y[a])
                cross.append(scores(y[b], probe.predict(model.transform(X[b]))))
        for label, found in (
            ("last 25 %, as a sequence of its own", late),
            ("last 25 %, going on from the first 75 %", whole),
            (
                "five-fold",
                np.array(cross).reshape(-1, 5, 2).mean(axis=1),
            ),
        ):
            mean, spread = np.mean(found, axis=0), np.std(found, axis=0)
            print(
                f"TAVRNN {name}, {label}: accuracy {mean[0]:.3f} ± {spread[0]:.3f}, "
                f"macro-F1 {mean[1]:.3f} ± {spread[1]:.3f}"
            )
        print(f"   largest correlation with the log length: {np.mean(of_length):.2f}", flush=True)


def worms(options: argparse.Namespace) -> None:
    paths = sorted((options.data / "worms").glob("*.npz"))
    prepared = [Recording.load(path).zscore().average_classes().zscore() for path in paths]
    windows = sliding_windows(prepared, 16)
    for name, supervised in (("unsupervised", False), ("supervised", True)):
        found = []
        for organism in np.unique(windows.groups):
            test = windows.groups == organism
            train, held = windows[~test], windows[test]
            model = TAVRNN(random_state=0, max_epochs=options.epochs)
            model.fit(train.X, train.y if supervised else None, groups=train.groups)
            probe = make_pipeline(
                StandardScaler(),
                LogisticRegression(C=0.01, class_weight="balanced", max_iter=5000),
            )
            probe.fit(model.transform(train.X, groups=train.groups), train.y)
            predicted = probe.predict(model.transform(held.X))
            found.append(
                (
                    accuracy_score(held.y, predicted),
                    balanced_accuracy_score(held.y, predicted),
                    f1_score(held.y, predicted, average="macro"),
                )
            )
            print(name, organism, np.round(found[-1], 3), flush=True)
        mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
        cells = ", ".join(f"{m:.3f}±{s:.3f}" for m, s in zip(mean, spread))
        print(f"worms, TAVRNN {name}: accuracy, balanced accuracy, macro-F1 {cells}", flush=True)


PARTS = {"speed": speed, "memory": memory, "scaling": scaling, "rat": rat, "worms": worms}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="*", choices=list(PARTS), default=["speed", "memory", "scaling"]
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=20)
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
