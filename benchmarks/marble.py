"""Cost of MARBLE, its scaling, and the quality of its embeddings.

usage: python benchmarks/marble.py [--only speed growth rat mice planar van_der_pol] [--seeds 0 1 2]

Speed and memory: each row of the table runs in a process of its own, on one thread. CPU
seconds are the median of several runs; memory is the peak above what the process holds when
everything is imported. "Construct" is all before training: graph, diffusion, derivatives,
principal components. The published figures were measured with the authors' code on a machine
of the same kind.

Rat and mice: positions on a track from the hippocampus (every rat_hippocampus/rat_*.npz and
mice/*.npz in the folder named by ``--data`` or SKNEUROGRAPH_DATA): rates by a Gaussian of
0.25 s, 20 principal components fitted on the first 80 % (of the laps in each direction, for
mice), embedding fitted there, the rest embedded as new points; 36 nearest neighbours by
cosine. Partners are up to 0.25 s along the flow. See docs/experiments.md.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rats import States, decode, mouse_paths, mouse_states, rat_paths, rat_states
from scipy.stats import spearmanr
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from skneurograph.datasets import make_planar_flows, make_van_der_pol
from skneurograph.embedding import MARBLE
from skneurograph.metrics import consistency, distribution_distances

# Work: points, dimensions, parameters, what is timed, and the published figures.
WORK: dict[str, dict[str, Any]] = {
    "rat CA1, 5,260 points, PCA 20, order 1: construct + 100 epochs": {
        "n": 5260,
        "d": 20,
        "intrinsic": 5,
        "fit": {"order": 1},
        "published": "447 s, 1.66 GB",
        "target": "8 s, 0.3 GB",
    },
    "2,048 points in 2-D, order 2: construct + 100 epochs": {
        "n": 2048,
        "d": 2,
        "fit": {"order": 2},
        "published": "56 s",
        "target": "2 s",
    },
    "4,000 points in R5, local gauges, order 1: construct": {
        "n": 4000,
        "d": 5,
        "fit": {"order": 1, "gauge": "local", "max_epochs": 1},
        "published": "131 s, 2.7 GB",
        "target": "3 s",
    },
    "40,000 points in R8, order 2: whole fit": {
        "n": 40000,
        "d": 8,
        "fit": {"order": 2},
        "published": "does not finish",
        "target": "180 s, 4 GB",
        "runs": 1,
        "new": 1000,
    },
}
GROWTH = (1000, 2000, 4000, 8000, 16000, 32000, 64000)
# What the published figures of the table were measured on.
RAT = "rat_hippocampus/rat_buddy.npz"


class _Clock:
    """Tells when training begins; a callback in the manner of skorch."""

    def __new__(cls) -> Any:
        from skorch.callbacks import Callback

        class Clock(Callback):
            begun = 0.0

            def on_train_begin(self, net: Any, **kwargs: Any) -> None:
                self.begun = time.process_time()

        return Clock()


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work_states(work: dict[str, Any], folder: Path) -> np.ndarray:
    """Windows of two frames for a row of the table, simulated where there is no recording."""
    if "intrinsic" in work and (folder / RAT).exists():
        return rat_states(folder / RAT).windows[0]
    rng = np.random.default_rng(0)
    n, d = work["n"], work["d"]
    k = work.get("intrinsic", d)
    points = rng.normal(size=(n, k)) @ np.linalg.qr(rng.normal(size=(d, k)))[0].T
    turn = rng.normal(size=(d, d)) / np.sqrt(d)
    vectors = 0.1 * (points @ (turn - turn.T)) + 0.01 * rng.normal(size=(n, d))
    return np.stack([points, points + vectors], axis=2).astype(np.float32)


def measure(work: dict[str, Any], folder: Path) -> dict[str, float]:
    windows = work_states(work, folder)
    before = megabytes()
    clock = _Clock()
    start = time.process_time()
    marble = MARBLE(random_state=0, callbacks=[clock], **work["fit"]).fit(windows)
    end = time.process_time()
    found = {"construct": clock.begun - start, "fit": end - start, "memory": megabytes() - before}
    if "new" in work:
        new = work_states({**work, "n": work["new"]}, folder) + np.float32(1e-3)
        start = time.process_time()
        marble.transform(new)
        found["transform"] = time.process_time() - start
    return found


def in_a_process(work: dict[str, Any], folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--data", str(folder), "--measure", json.dumps(work)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def medians(work: dict[str, Any], folder: Path, runs: int) -> dict[str, float]:
    results = [in_a_process(work, folder) for _ in range(runs)]
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def speed(options: argparse.Namespace) -> None:
    print("\nCPU seconds on one thread and peak memory above import")
    for name, work in WORK.items():
        found = medians(work, options.data, work.get("runs", options.runs))
        cells = ", ".join(f"{key} {value:.2f} s" for key, value in found.items() if key != "memory")
        print(
            f"{name}\n    {cells}, {found['memory'] / 1024:.2f} GB"
            f" (published {work['published']}; at most {work['target']})",
            flush=True,
        )


def growth(options: argparse.Namespace) -> None:
    print("\ngrowth with the points, R8, order 1, 20 epochs of batches of 256: CPU seconds")
    print(" points  construct     whole fit  transform 1,000")
    sizes, fits, constructs = [], [], []
    for n in GROWTH:
        work = {"n": n, "d": 8, "fit": {"max_epochs": 20}, "new": 1000}
        found = medians(work, options.data, 1)
        sizes.append(n)
        fits.append(found["fit"])
        constructs.append(found["construct"])
        print(
            f"{n:7d} {found['construct']:10.2f} {found['fit']:13.2f} {found['transform']:16.2f}",
            flush=True,
        )
    for name, values in (("construct", constructs), ("whole fit", fits)):
        slope = np.polyfit(np.log(sizes), np.log(values), 1)[0]
        print(f"exponent of {name}: {slope:.2f}")


def place_table(
    name: str, states: States, unit: float, options: argparse.Namespace
) -> dict[str, Any]:
    """Print how well the place is decoded; return embeddings of the test (first seed)."""
    train, test = states.windows
    print(f"\n{name}: {len(train)} states, {states.rates[0].shape[1]} neurons", flush=True)
    for label, *parts in (
        ("rates", *states.rates),
        ("PCA 10", train[:, :10, 0], test[:, :10, 0]),
        ("PCA 20", train[:, :, 0], test[:, :, 0]),
    ):
        error, *others = decode(*parts, states)
        print(f"{label:28s} {unit * error:6.2f} {others[0]:7.3f} {others[1]:7.3f}", flush=True)
    kept = {}
    for n_components in options.components:
        label, figures = f"MARBLE, {n_components} components", []
        kept[f"PCA {n_components}"] = test[:, :n_components, 0]
        for seed in options.seeds:
            parameters = {"n_steps": states.n_steps, **options.parameters}
            marble = MARBLE(n_components=n_components, random_state=seed, **parameters)
            embedded = marble.fit_transform(train), marble.transform(test)
            kept.setdefault(label, embedded[1])
            error, *others = decode(*embedded, states)
            figures.append((unit * error, *others))
        mean, sd = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=min(1, len(figures) - 1))
        cells = " ".join(f"{m:.{k}f} ± {s:.{k}f}" for m, s, k in zip(mean, sd, (2, 3, 3)))
        print(f"{label:28s} {cells}", flush=True)
    return kept


def place_tables(
    paths: list[Path], unit: float, length: float, options: argparse.Namespace
) -> None:
    """Print the table of each animal, and how far their embeddings agree up to a linear map."""
    embedded, places = {}, {}
    read = mouse_states if paths and paths[0].parent.name == "mice" else rat_states
    for path in paths:
        states = read(path)
        embedded[path.stem] = place_table(path.stem, states, unit, options)
        # Each direction has bins of its own.
        places[path.stem] = states.place[1] @ [1, 2 * length]
    if len(paths) < 2:
        return
    print("\nmean R2 over pairs of animals; bins of position and direction that were held out")
    folds = KFold(5, shuffle=True, random_state=0)
    for n_components in options.components:
        if n_components > 10:
            continue  # more components than a fold has bins to fit them
        for label in (f"PCA {n_components}", f"MARBLE, {n_components} components"):
            values = {name: found[label] for name, found in embedded.items()}
            scores = consistency(values, places, n_bins=options.bins, cv=folds).scores
            print(f"{label:28s} {np.nanmean(scores):.3f}", flush=True)


def rat(options: argparse.Namespace) -> None:
    print("\nposition of rats: median error (cm), R2, accuracy of the direction")
    place_tables(rat_paths(options.data), 100, 1.6, options)


def mice(options: argparse.Namespace) -> None:
    print("\nposition of mice: median error (bins), R2, accuracy of the direction")
    for track in ("straight", "Lshape"):
        paths = [path for path in mouse_paths(options.data) if path.stem.endswith(track)]
        place_tables(paths, 1, 22, options)


def planar(options: argparse.Namespace) -> None:
    print("\nfour planar flows: accuracy of 10 neighbours over the fields, five folds")
    for name, parameters in (("default", {}), ("without positions", {"positions": False})):
        scores = []
        for seed in options.seeds:
            X, groups = make_planar_flows(512, random_state=seed)
            marble = MARBLE(random_state=seed, **{**options.parameters, **parameters})
            embedded = marble.fit_transform(X, groups=groups)
            folds = StratifiedKFold(5, shuffle=True, random_state=0)
            near = KNeighborsClassifier(10)
            scores.append(cross_val_score(near, embedded, groups, cv=folds).mean())
        print(f"{name:28s} {np.mean(scores):.4f} ± {np.std(scores):.4f}", flush=True)


def van_der_pol(options: argparse.Namespace) -> None:
    print("\nVan der Pol oscillators on a paraboloid, 20 values of mu: two clusters of the")
    print("distances against the sign of mu (adjusted Rand index), and the rank correlation of")
    print("distances with differences of mu")
    invariant = {"inner_product_features": True}
    for name, parameters in (
        ("3 components", {}),
        ("8 components", {"n_components": 8}),
        ("8 components, order 2", {"n_components": 8, "order": 2}),
        ("the same, no positions", {"n_components": 8, "order": 2, "positions": False}),
        ("8 inner products, order 2", {"n_components": 8, "order": 2, **invariant}),
    ):
        figures = []
        for seed in options.seeds:
            flows = make_van_der_pol(random_state=seed)
            marble = MARBLE(random_state=seed, **{**options.parameters, **parameters})
            embedded = marble.fit_transform(flows.X, groups=flows.groups)
            found = distribution_distances(embedded, flows.groups)
            mu = np.array([flows.parameters[label] for label in found.groups.tolist()])
            clusters = AgglomerativeClustering(2, metric="precomputed", linkage="average")
            parts = clusters.fit_predict(found.distances)
            pairs = np.triu_indices(len(mu), 1)
            apart = np.abs(mu[:, None] - mu)[pairs]
            figures.append(
                (
                    adjusted_rand_score(mu > 0, parts),
                    min(((mu > 0) == parts).sum(), ((mu > 0) != parts).sum()),
                    float(spearmanr(found.distances[pairs], apart).statistic),
                )
            )
        mean = np.mean(figures, axis=0)
        print(
            f"{name:28s} Rand {mean[0]:.2f}, {mean[1]:.1f} of 20 misplaced, Spearman {mean[2]:.3f}",
            flush=True,
        )


PARTS = {
    "speed": speed,
    "growth": growth,
    "rat": rat,
    "mice": mice,
    "planar": planar,
    "van_der_pol": van_der_pol,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--components", type=int, nargs="*", default=[32, 8, 3])
    parser.add_argument("--bins", type=int, default=80, help="of position and direction")
    parser.add_argument("--parameters", type=json.loads, default={}, help="JSON, of MARBLE")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("SKNEUROGRAPH_DATA", "data"))
    )
    parser.add_argument("--measure", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning)
    if options.measure:
        print(json.dumps(measure(options.measure, options.data)))
        return
    for name in options.only:
        PARTS[name](options)


if __name__ == "__main__":
    main()
