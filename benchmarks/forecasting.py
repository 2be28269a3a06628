"""Errors and cost of the forecasters, relative to copying the last frame.

usage: python benchmarks/forecasting.py [--recordings FILE ...] [--models ridge graph ...]
           [--split within across] [--steps 16] [--smooth SECONDS] [--every FRAMES]

Within a recording: the first 60 % to train and the last 20 % to test, in units of the first,
windows of 48 frames, all neurons. With --part 0.6 0.8 the test part is what comes between, by
which settings are compared, so that the last 20 % decide nothing. Across recordings: each is
left out in turn; z-scored, averaged by class and z-scored again, windows of 16 frames, classes
that all of them share. Mean squared error at the first and the last step and over all steps, and
its ratio to that of copying the last frame; CPU seconds (user and system) of a fit on one thread.

Without recordings: 140 neurons that fluctuate around random walks, 800 frames. --smooth makes
rates of spike counts with a causal Gaussian kernel, --every takes every n-th frame of them.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from skneurograph import Recording, default_models, sliding_windows
from skneurograph.metrics import masked_mean_squared_error
from skneurograph.preprocessing import smooth_spikes

WINDOW_WITHIN, WINDOW_ACROSS = 48, 16
TRAINED = 0.6
COPY = "persistence"
# One fold: its name, windows to train on with what follows, windows to test with what follows.
Fold = tuple[str, Any, np.ndarray, Any, np.ndarray]


def drifting(n_neurons: int = 140, n_times: int = 800) -> np.ndarray:
    """Slow random walks under fast fluctuations."""
    rng = np.random.default_rng(0)
    slow = 0.15 * np.cumsum(rng.normal(size=(n_times, n_neurons)), axis=0)
    fast = np.zeros((n_times, n_neurons))
    for step in range(1, n_times):
        fast[step] = 0.9 * fast[step - 1] + 0.3 * rng.normal(size=n_neurons)
    return slow + fast


def read(options: argparse.Namespace) -> list[Recording]:
    if not options.recordings:
        return [Recording(drifting(), 1.0, organism="simulated drift")]
    recordings = [Recording.load(path) for path in options.recordings]
    if options.smooth:
        kernel = {"sd": options.smooth, "kernel": "causal_gaussian"}
        recordings = [smooth_spikes(recording, **kernel) for recording in recordings]
    return recordings


def within(recordings: list[Recording], options: argparse.Namespace) -> Iterator[Fold]:
    for recording in recordings:
        trace = recording.activity[:: options.every]
        train, start, end = (int(part * len(trace)) for part in (TRAINED, *options.part))
        spread = trace[:train].std(axis=0)
        moves = spread > 1e-9
        scaled = ((trace - trace[:train].mean(axis=0)) / np.where(moves, spread, 1))[:, moves]
        first, last = (
            sliding_windows(
                part.astype(np.float32), WINDOW_WITHIN, target="next", horizon=options.steps
            )
            for part in (scaled[:train], scaled[start - WINDOW_WITHIN : end])
        )
        yield recording.organism, first.X, first.y, last.X, last.y


def across(recordings: list[Recording], options: argparse.Namespace) -> Iterator[Fold]:
    prepared = [worm.zscore().average_classes().zscore() for worm in recordings]
    cut = sliding_windows(
        prepared, WINDOW_ACROSS, target="next", horizon=options.steps, neurons="intersection"
    )
    for organism in dict.fromkeys(cut.groups):
        test = cut.groups == organism
        yield f"without {organism}", cut.X[~test], cut.y[~test], cut.X[test], cut.y[test]


def report(name: str, errors: np.ndarray, still: np.ndarray, seconds: float) -> None:
    """Print errors at the first step, the last one and over all, and their ratios to copying."""
    shown = [(part[0], part[-1], part.mean()) for part in (errors, still)]
    values = " ".join(f"{value:7.4f}" for value in shown[0])
    ratios = " ".join(f"{mine / copied:6.3f}" for mine, copied in zip(*shown))
    print(f"  {name:12s} mse {values}   ratio {ratios}   {seconds:6.1f} CPU s", flush=True)


def run(folds: Iterator[Fold], options: argparse.Namespace) -> None:
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    spent: dict[str, list[float]] = defaultdict(list)
    for name, X, y, tested, truth in folds:
        print(f"{name}: {' x '.join(map(str, X.shape))}", flush=True)
        for model_name in dict.fromkeys([COPY, *options.models]):
            model = default_models("forecaster", names=[model_name])[model_name]
            if "random_state" in model.get_params():
                model.set_params(random_state=0)
            start = time.process_time()
            model.fit(X, y)
            spent[model_name].append(time.process_time() - start)
            forecast = model.forecast(tested, options.steps)
            found[model_name].append(masked_mean_squared_error(truth, forecast, by="horizon"))
            report(model_name, found[model_name][-1], found[COPY][-1], spent[model_name][-1])
    print("mean over the recordings, and of the ratios over all steps")
    for model_name, errors in found.items():
        mean, still = (np.mean(found[key], axis=0) for key in (model_name, COPY))
        report(model_name, mean, still, float(np.mean(spent[model_name])))
        ratios = [mine.mean() / copied.mean() for mine, copied in zip(errors, found[COPY])]
        print(f"  {'':12s} {np.mean(ratios):.3f}: {' '.join(f'{ratio:.3f}' for ratio in ratios)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", nargs="*", default=[])
    parser.add_argument(
        "--models", nargs="*", default=["ar", "var", "ridge", "mlp", "recurrent", "graph"]
    )
    parser.add_argument("--split", nargs="*", choices=["within", "across"], default=["within"])
    parser.add_argument("--part", nargs=2, type=float, default=[0.8, 1.0])
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--smooth", type=float, default=0.0)
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recordings = read(options)
    for split in options.split:
        print(f"# {split}")
        run({"within": within, "across": across}[split](recordings, options), options)


if __name__ == "__main__":
    main()
