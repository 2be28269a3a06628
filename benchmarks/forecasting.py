"""Cost of the forecasters, and their errors under drift, relative to copying the last frame.

usage: python benchmarks/forecasting.py [--recordings FILE ...] [--models ar var mlp ...]

Windows of 48 frames, 16 steps ahead. Without recordings: 140 neurons that fluctuate around
random walks, 480 frames to train (417 windows) and the last 160 of 800 to test; with them, the
first 60 % and the last 20 % of each, in units of the first. CPU seconds (user and system) of
a fit on one thread, in brackets relative to VARForecaster in the same run, since machines
are shared; mean squared error 1 and 16 steps ahead and over all steps, relative to that of
the last frame.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch

from skneurograph import Recording, default_models, sliding_windows
from skneurograph.metrics import masked_mean_squared_error

WINDOW, HORIZON = 48, 16


def drifting(n_neurons: int = 140, n_times: int = 800) -> np.ndarray:
    """Slow random walks under fast fluctuations."""
    rng = np.random.default_rng(0)
    slow = 0.15 * np.cumsum(rng.normal(size=(n_times, n_neurons)), axis=0)
    fast = np.zeros((n_times, n_neurons))
    for step in range(1, n_times):
        fast[step] = 0.9 * fast[step - 1] + 0.3 * rng.normal(size=n_neurons)
    return slow + fast


def traces(paths: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    if not paths:
        yield "simulated drift", drifting()
    for path in paths:
        recording = Recording.load(path)
        yield recording.organism, recording.activity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", nargs="*", default=[])
    parser.add_argument("--models", nargs="*", default=["var", "ar", "mlp", "recurrent", "graph"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, trace in traces(options.recordings):
        train, test = int(0.6 * len(trace)), int(0.8 * len(trace))
        spread = trace[:train].std(axis=0)
        scaled = (trace - trace[:train].mean(axis=0)) / np.where(spread > 0, spread, 1)
        first, last = (
            sliding_windows(part.astype(np.float32), WINDOW, target="next", horizon=HORIZON)
            for part in (scaled[:train], scaled[test - WINDOW :])
        )
        still = np.repeat(last.X[:, :, -1:], HORIZON, axis=2)
        base = masked_mean_squared_error(last.y, still, by="horizon")
        print(f"{name}: {' x '.join(map(str, first.X.shape))}", flush=True)
        seconds: dict[str, float] = {}
        for model_name in dict.fromkeys(["var", *options.models]):
            model = default_models("forecaster", names=[model_name])[model_name]
            if "random_state" in model.get_params():
                model.set_params(random_state=0)
            start = time.process_time()
            model.fit(first.X, first.y)
            seconds[model_name] = time.process_time() - start
            forecast = model.forecast(last.X, HORIZON)
            error = masked_mean_squared_error(last.y, forecast, by="horizon")
            ratio = error / base
            print(
                f"  {model_name:10s} {seconds[model_name]:6.2f} CPU s "
                f"({seconds[model_name] / seconds['var']:6.1f}x)   relative to the last frame "
                f"{ratio[0]:.3f} {ratio[-1]:.3f} {error.mean() / base.mean():.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
