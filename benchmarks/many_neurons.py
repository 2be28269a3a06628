"""Cost of the estimators with the many neurons of a two-photon recording, beside a plain method.

usage: python benchmarks/many_neurons.py [--neurons 150 2000 10000] [--only CorrelationGraph ...]

A recording of 1,000 frames of noise is cut into 100 windows of 10, on one thread. Seconds are
of the CPU, medians of `--runs` fits that take turns with the plain method: numpy.corrcoef of
the same frames for graphs, logistic regression of the same windows (``make_baseline``) for the
others. Nets are trained for one epoch of 16 steps, and its cost is scaled to their default
epochs. Those with a graph of each window are trained with few windows in a batch, and scaled
to the default batch; their memory grows with it, too. Memory is the peak of a process of its
own above what it held before the fit. What takes more than `--limit` seconds of CPU is given
up.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNet
from skorch.callbacks import Callback

from skneurograph import sliding_windows
from skneurograph.decoding import GraphClassifier, RecurrentClassifier
from skneurograph.embedding import MARBLE, TAVRNN
from skneurograph.forecasting import (
    GraphForecaster,
    MLPForecaster,
    PersistenceForecaster,
    RecurrentForecaster,
    VARForecaster,
)
from skneurograph.graph_inference import (
    CorrelationGraph,
    PartialCorrelationGraph,
    RelationalGraph,
    VARGraph,
)
from skneurograph.preprocessing import WindowPCA, make_baseline

N_FRAMES, N_TIMES = 1000, 10
# Windows of an epoch of nets, so that it has the least number of steps.
N_TRAINED = 64
# Windows of a batch; their cost is in proportion to them.
BATCHES = {
    "RelationalGraph": 1,
    "RelationalGraph, 32 senders": 1,
    "GraphClassifier, bilinear": 4,
}
# Windows of which a graph each is asked for: their graphs are what takes the memory.
N_PREDICTED = {"transform": 2, "predict": 100}

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "CorrelationGraph": CorrelationGraph,
    "CorrelationGraph, 4 animals": CorrelationGraph,
    "CorrelationGraph, lag": lambda: CorrelationGraph(lag=1),
    "CorrelationGraph, spearman": lambda: CorrelationGraph(method="spearman"),
    "CorrelationGraph, noise filter": lambda: CorrelationGraph(noise_filter=True),
    "PartialCorrelationGraph": PartialCorrelationGraph,
    "VARGraph": VARGraph,
    "RelationalGraph": RelationalGraph,
    "RelationalGraph, 32 senders": lambda: RelationalGraph(n_neighbors=32),
    "GraphClassifier": GraphClassifier,
    "GraphClassifier, bilinear": lambda: GraphClassifier(edge_model="bilinear"),
    "RecurrentClassifier": RecurrentClassifier,
    "GraphForecaster": GraphForecaster,
    "VARForecaster": VARForecaster,
    "MLPForecaster": MLPForecaster,
    "RecurrentForecaster": RecurrentForecaster,
    "PersistenceForecaster": PersistenceForecaster,
    "MARBLE": MARBLE,
    "TAVRNN": TAVRNN,
    "WindowPCA": lambda: WindowPCA(n_components=10),
    "make_baseline": lambda: make_baseline(LogisticRegression()),
}


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds of a call; short ones are repeated, since clocks of CPU time are coarse."""
    start, n_calls, taken = time.process_time(), 0, 0.0
    while taken < 0.1:
        run()
        n_calls += 1
        taken = time.process_time() - start
    return taken / n_calls


def in_use() -> float:
    """Memory of the process in MB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def make_data(name: str, n_neurons: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of noise, and what the estimator is to learn of them."""
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(N_FRAMES + 1, n_neurons)).astype(np.float32)
    windows = sliding_windows(activity, N_TIMES, step=N_TIMES, target="next")
    X = windows.X
    if "animals" in name:
        for members in np.array_split(np.arange(len(X)), 4):
            X[np.ix_(members, np.flatnonzero(rng.random(n_neurons) < 0.3))] = np.nan
    y = windows.y if "Forecaster" in name else (X[:, 0].mean(axis=1) > 0).astype(int)
    return X, y


class EpochTime(Callback):
    """CPU seconds of the last epoch."""

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:  # noqa: D102
        self.start = time.process_time()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:  # noqa: D102
        self.seconds = time.process_time() - self.start


def default_fit(name: str, estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Seconds of a fit; of nets for one epoch, scaled to the default epochs and batches."""
    parameters = estimator.get_params(deep=False)
    if "max_epochs" not in parameters:
        return seconds(lambda: estimator.fit(X, y))
    timer = EpochTime()
    estimator.set_params(max_epochs=1, callbacks=[timer])
    factor = 1.0
    if name in BATCHES:
        estimator.set_params(batch_size=BATCHES[name])
        factor = parameters["batch_size"] / BATCHES[name]
        X, y = X[: 16 * BATCHES[name]], y[: 16 * BATCHES[name]]
    elif not isinstance(estimator, MARBLE | TAVRNN):
        X, y = X[:N_TRAINED], y[:N_TRAINED]
    start = time.process_time()
    estimator.fit(X, y)
    rest = time.process_time() - start - timer.seconds
    return rest + timer.seconds * parameters["max_epochs"] * factor


def measure(name: str, n_neurons: int, n_runs: int) -> None:
    """Print a row of the table."""
    X, y = make_data(name, n_neurons)
    labels = (np.nan_to_num(X[:, 0]).mean(axis=1) > 0).astype(int)
    frames = np.nan_to_num(X.transpose(1, 0, 2).reshape(n_neurons, -1).astype(float))
    estimator = ESTIMATORS[name]()
    is_graph = isinstance(
        estimator, CorrelationGraph | PartialCorrelationGraph | VARGraph | RelationalGraph
    )

    def plain() -> None:
        if is_graph:
            np.corrcoef(frames)
        else:
            make_baseline(LogisticRegression()).fit(X, labels)

    before = in_use()
    ours, theirs = [default_fit(name, estimator, X, y)], []
    method = "predict" if hasattr(estimator, "predict") else "transform"
    n_predicted = N_PREDICTED["transform"] if is_graph else N_PREDICTED["predict"]
    try:
        asked = X[:n_predicted]
        predicting = 1e3 * seconds(lambda: getattr(estimator, method)(asked)) / len(asked)
    except MemoryError:
        predicting = np.nan
    held = max(0.0, peak() - before)
    theirs.append(seconds(plain))
    is_net = hasattr(estimator, "max_epochs")
    while len(ours) < n_runs and not is_net and sum(ours) < 20:
        theirs.append(seconds(plain))
        ours.append(default_fit(name, estimator, X, y))
    fit, reference = statistics.median(ours), statistics.median(theirs)
    print(
        f"{name:32s} {n_neurons:7,d} {fit:10.3f} {fit / reference:8.1f} x {reference:8.3f} "
        f"{predicting:10.1f} {held:8.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, nargs="*", default=[150, 2000, 10000])
    parser.add_argument("--only", nargs="*", choices=list(ESTIMATORS), default=list(ESTIMATORS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--limit", type=int, default=120)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    if options.measure:
        try:
            measure(options.measure[0], int(options.measure[1]), options.runs)
        except MemoryError as error:
            print(f"{options.measure[0]:32s} {int(options.measure[1]):7,d} refused: {error}")
        return
    print(f"{'':32s} neurons      fit, s    ratio    plain, s  ms/window  peak, MB")
    for n_neurons in options.neurons:
        for name in options.only:
            command = [sys.executable, __file__, "--measure", name, str(n_neurons)]
            command += ["--runs", str(options.runs)]
            limits = (resource.RLIMIT_CPU, (options.limit, options.limit))
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                preexec_fn=lambda limits=limits: resource.setrlimit(*limits),
            )
            given_up = f"{name:32s} {n_neurons:7,d} more than {options.limit} s of CPU, given up\n"
            error = done.stderr.strip().splitlines()[-1:] if done.returncode > 0 else []
            row = done.stdout or (f"{name:32s} {n_neurons:7,d} {error[0]}\n" if error else given_up)
            print(row, end="", flush=True)


if __name__ == "__main__":
    main()
