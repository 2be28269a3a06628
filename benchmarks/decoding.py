"""Cost of the decoders (fit, predict, latency, scaling), beside that of their baselines.

usage: python benchmarks/decoding.py [--recordings FILE ...] [--runs 3] [--only fit latency ...]

CPU seconds (user and system) on one thread, median of several runs; baselines are timed
in the same run, in turn, since machines are shared and noisy. Without recordings, windows
of noise with the shape of four worms (3,172 windows, 83 neurons) are used.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import resource
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from skneurograph import Recording, default_models, sliding_windows
from skneurograph.decoding import GraphClassifier

MODELS = ("logistic", "pca-logistic", "recurrent", "graph")


def cpu_seconds(action: Callable[[], object], runs: int) -> float:
    """Median CPU time of an action."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return statistics.median(times)


def noise(n_windows: int, n_neurons: int, n_times: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_windows, n_neurons, n_times), dtype=np.float32)
    X[: n_windows // 4, : n_neurons // 4] = np.nan
    return X, rng.choice(["dwell", "forward", "reversal", "turn"], size=n_windows)


def four_worms(paths: list[str], n_times: int) -> tuple[np.ndarray, np.ndarray]:
    if not paths:
        return noise(3172, 83, n_times)
    worms = [Recording.load(path).zscore().average_classes().zscore() for path in paths[:4]]
    windows = sliding_windows(worms, n_times)
    return windows.X, windows.y


def line(name: str, values: dict[str, float], form: str) -> None:
    reference = values["graph"]
    cells = [
        f"{model} {value:{form}} ({value / reference:.2f}x)" for model, value in values.items()
    ]
    print(f"{name:34s}", "   ".join(cells), flush=True)


def fit(paths: list[str], runs: int) -> None:
    print("\nfit with the default budget, CPU s (in brackets: ratio to graph)")
    for n_times in (8, 16):
        X, y = four_worms(paths, n_times)
        models = default_models(names=MODELS)
        times: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(runs):
            for name, model in models.items():
                times[name].append(cpu_seconds(lambda m=model, X=X, y=y: m.fit(X, y), 1))
        medians = {name: statistics.median(values) for name, values in times.items()}
        line(f"{X.shape[0]} x {X.shape[1]} x {X.shape[2]}", medians, ".1f")


def predict(paths: list[str], runs: int) -> None:
    X, y = four_worms(paths, 16)
    print("\npredict, windows per CPU s, and latency of one window, wall ms (p50 of 500; p95)")
    many, single, tail = {}, {}, {}
    for name, model in default_models(names=MODELS).items():
        if "max_epochs" in model.get_params():
            model.set_params(max_epochs=1)
        model.fit(X, y)
        many[name] = len(X) / cpu_seconds(lambda m=model: m.predict(X), max(runs, 5))
        calls = []
        for row in range(550):
            start = time.perf_counter()
            model.predict(X[row : row + 1])
            calls.append(1e3 * (time.perf_counter() - start))
        single[name] = statistics.median(calls[50:])
        tail[name] = float(np.percentile(calls[50:], 95))
    line("windows per CPU s", many, ".0f")
    line("one window, p50 ms", single, ".2f")
    line("one window, p95 ms", tail, ".2f")


def exponent(sizes: list[int], times: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def growth(paths: list[str], runs: int) -> None:
    print("\ngrowth of fit, CPU s of one epoch (max_iter 100 for logistic regression)")
    series = {
        "neurons (1,024 windows, 8 frames)": [(1024, n) for n in (50, 100, 200, 400, 800, 1600)],
        "windows (50 neurons, 8 frames)": [(n, 50) for n in (1000, 4000, 16000, 64000)],
    }
    for title, shapes in series.items():
        print(title)
        sizes, all_times = [], {}
        for n_windows, n_neurons in shapes:
            X, y = noise(n_windows, n_neurons, 8)
            models = default_models(names=("logistic", "recurrent", "graph"))
            models["logistic"].set_params(logisticregression__max_iter=100)
            models["recurrent"].set_params(max_epochs=1)
            models["graph"].set_params(max_epochs=1)
            for kind in ("bilinear", "mlp"):
                if n_windows * n_neurons**2 <= 1024 * 400**2:
                    models[kind] = GraphClassifier(max_epochs=1, n_members=1, edge_model=kind)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                times = {
                    name: cpu_seconds(lambda m=model, X=X, y=y: m.fit(X, y), 1)
                    for name, model in models.items()
                }
            size = n_neurons if title.startswith("neurons") else n_windows
            line(f"  {size}", times, ".2f")
            sizes.append(size)
            for name, value in times.items():
                all_times.setdefault(name, []).append(value)
        fitted = {
            name: exponent(sizes[: len(values)], values)
            for name, values in all_times.items()
            if len(values) > 2
        }
        print("  fitted exponents:", ", ".join(f"{k} {v:.2f}" for k, v in fitted.items()))


def memory(paths: list[str], runs: int) -> None:
    print("\n7 recordings of 140 neurons and 100,000 frames, windows of 16 frames cut lazily")
    rng = np.random.default_rng(0)
    recordings = [
        Recording(
            rng.standard_normal((100_000, 140), dtype=np.float32),
            3.0,
            neurons=[f"N{i:03d}" for i in range(140)],
            behavior=np.where(np.arange(100_000) // 50 % 2, "forward", "reversal"),
            organism=f"worm-{index}",
        )
        for index in range(7)
    ]
    windows = sliding_windows(recordings, 16, lazy=True)
    whole = np.prod(windows.X.shape) * 4 / 1e9
    model = GraphClassifier(max_epochs=1, batch_size=1024, n_members=1, random_state=0)
    start = time.process_time()
    model.fit(windows.X, windows.y, groups=windows.groups)
    fitted = time.process_time()
    model.score(windows.X, windows.y)
    scored = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{len(windows)} windows ({whole:.1f} GB if cut): fit of one epoch {fitted - start:.0f} "
        f"CPU s, score {scored - fitted:.0f} CPU s, peak memory of the process {peak:.2f} GB"
    )


PARTS = {"fit": fit, "predict": predict, "growth": growth, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", nargs="*", default=[])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning)
    # Memory goes first: the peak of a process never falls.
    for name in ("memory", "fit", "predict", "growth"):
        if name in options.only:
            PARTS[name](options.recordings, options.runs)


if __name__ == "__main__":
    main()
