"""Cost of neural relational inference, and how well it recovers known graphs.

usage: python benchmarks/relational.py [--only speed memory accuracy] [--runs 3] [--seeds 0]

Speed and memory are those of a training step (forward, backward, optimiser) at a window of 50
frames, one feature, hidden size 256, ten prediction steps and batch 1, on one thread. The
published form ("mlp": a two-layer network on each pair, in encoder and decoder) is our own
implementation of it, run in turn with the others since machines are shared and noisy; it is
left out above 100 neurons, where it needs gigabytes and minutes. Memory is the peak of a
process of its own, above what it holds when everything is imported.
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

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from skneurograph.datasets import make_kuramoto, make_springs
from skneurograph.graph_inference import RelationalGraph
from skneurograph.nn import RelationalModel

# Forms, and neurons up to which each is run.
FORMS: dict[str, tuple[int, ...]] = {
    "factorized": (25, 50, 100, 200, 400),
    "mlp": (25, 50, 100),
    "32 neighbours": (100, 400, 1000, 2000),
}
N_TIMES, HIDDEN_SIZE = 50, 256


def training_step(form: str, n_neurons: int) -> Callable[[], None]:
    """Make a model and a window, and give what one step of training does."""
    torch.manual_seed(0)
    neighbors = None
    if form.endswith("neighbours"):
        k = min(int(form.split()[0]), n_neurons - 1)
        offsets = 1 + torch.arange(k)
        neighbors = (torch.arange(n_neurons)[:, None] + offsets) % n_neurons
    model = RelationalModel(
        N_TIMES,
        1,
        n_edge_types=2,
        hidden_size=HIDDEN_SIZE,
        encoder="mlp",
        decoder="mlp",
        message="mlp" if form == "mlp" else "factorized",
        horizon=10,
        n_lags=1,
        n_burn_in=0,
        edge_prior=0.5,
        variance=None,
        n_annealing_steps=1000,
        temperature=1.5,
        hard=False,
        neighbors=neighbors,
    ).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    window = torch.randn(1, n_neurons, N_TIMES)

    def step() -> None:
        optimizer.zero_grad()
        model(window).mean().backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def exponent(values: dict[int, float]) -> float:
    """Fit ``value ~ n ** exponent`` to the sizes at which the work is what counts."""
    pairs = [(n, value) for n, value in values.items() if n >= 100 or len(values) < 4]
    sizes, costs = map(np.array, zip(*pairs))
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def table(title: str, results: dict[str, dict[int, float]], unit: str) -> None:
    print(f"\n{title}")
    sizes = sorted({n for values in results.values() for n in values})
    print("neurons".ljust(16), *(f"{n:>8d}" for n in sizes), " exponent")
    for form, values in results.items():
        cells = (f"{values[n]:8.3f}" if n in values else " " * 8 for n in sizes)
        print(form.ljust(16), *cells, f"{exponent(values):9.2f}", unit, flush=True)
    for n in sizes:
        if all(n in results[form] for form in ("factorized", "mlp")):
            ratio = results["factorized"][n] / results["mlp"][n]
            print(f"factorized / mlp at {n} neurons: {ratio:.3f}")


def speed(options: argparse.Namespace) -> None:
    results: dict[str, dict[int, float]] = {form: {} for form in FORMS}
    for n_neurons in sorted({n for sizes in FORMS.values() for n in sizes}):
        steps = {form: training_step(form, n_neurons) for form in FORMS if n_neurons in FORMS[form]}
        times: dict[str, list[float]] = {form: [] for form in steps}
        for run in range(options.runs + 1):
            for form, step in steps.items():
                taken = seconds(step)
                if run:  # the first is a warm-up
                    times[form].append(taken)
        for form, values in times.items():
            results[form][n_neurons] = statistics.median(values)
    table("CPU seconds of a training step (the published form up to 100 neurons)", results, "s")


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_memory(form: str, n_neurons: int) -> None:
    before = megabytes()
    step = training_step(form, n_neurons)
    step()
    step()
    print(megabytes() - before)


def memory(options: argparse.Namespace) -> None:
    results: dict[str, dict[int, float]] = {form: {} for form in FORMS}
    for form, sizes in FORMS.items():
        for n_neurons in sizes:
            command = [sys.executable, __file__, "--measure-memory", form, str(n_neurons)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results[form][n_neurons] = float(done.stdout)
    table("peak memory above import, MB (the published form up to 100 neurons)", results, "MB")


def accuracy(options: argparse.Namespace) -> None:
    print(f"\nedges of 2,000 new simulations, trained on 5,000 for {options.epochs} epochs")
    print("(without labels and without relabelling the edge types afterwards)")
    for name, make in (("springs", make_springs), ("kuramoto", make_kuramoto)):
        train = make(5000, n_substeps=10, random_state=0)
        test = make(2000, n_substeps=10, random_state=1, limits=(train.low, train.high))
        others = ~np.eye(train.X.shape[1], dtype=bool)
        for form in options.forms:
            for seed in options.seeds:
                model = RelationalGraph(
                    n_channels=4, message=form, max_epochs=options.epochs, random_state=seed
                )
                taken = seconds(lambda m=model, X=train.X: m.fit(X))
                edges = model.infer_graphs(test.X)[:, others].ravel()
                truth = test.graphs[:, others].ravel()
                right = ((edges > 0.5) == truth).mean()
                auroc = roc_auc_score(truth, edges)
                print(
                    f"{name:9s} {form:11s} seed {seed}: accuracy {right:.4f}, AUROC {auroc:.4f}, "
                    f"fit {taken:.0f} CPU s",
                    flush=True,
                )


PARTS = {"speed": speed, "memory": memory, "accuracy": accuracy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=["speed", "memory"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--forms", nargs="*", default=["factorized"])
    parser.add_argument("--measure-memory", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning)
    if options.measure_memory:
        measure_memory(options.measure_memory[0], int(options.measure_memory[1]))
        return
    for name in options.only:
        PARTS[name](options)


if __name__ == "__main__":
    main()
