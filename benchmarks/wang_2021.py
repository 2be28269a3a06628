"""The experiment of Wang et al. (2021) on the recordings of Kato et al. (2015).

usage: python benchmarks/wang_2021.py kato_*.npz [--only classify forecast] [--without-read-off]
       [--models logistic graph ...] [--forecasters ar graph ...] [--seeds 0 1 2] [--jobs 2]
       [--output FILE]

Models are trained on one, two, three ... worms, and tested on these worms (seen) and on those that
they were not trained on (unseen). Of every worm the first 80 % of the windows is for training and
the last 20 % for testing, with a window between, so that both tests are of the same frames. Traces
are z-scored within each worm, left and right of a class averaged and z-scored again, columns are
the union of classes. classify: forward, reversal, dorsal and ventral turn from windows of 8 frames,
one every 4; with --without-read-off without the neurons from which the authors read these states
(AVA, SMDD, SMDV, RIB). forecast: the shared classes 1, 8 and 16 frames ahead, windows of 16.

Printed are balanced accuracy, and the squared error of forecasts relative to copying the last
frame: mean and standard deviation over all sets of worms (of the mean over seeds). "published" is
the architecture of the paper (`WANG_2021`), which reads two frames.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from kato_states import READ_OFF, STATES
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skneurograph import Recording, compare, default_models, sliding_windows
from skneurograph.decoding import WANG_2021, GraphClassifier

HORIZONS = (1, 8, 16)


def load(path: str, left_out: tuple[str, ...]) -> Recording:
    """Read a worm: classes averaged, states as the four behaviours of the paper."""
    recording = Recording.load(path)
    states = [STATES[state] for state in recording.behavior.tolist()]
    classes = replace(recording, behavior=states).zscore().average_classes().zscore()
    named = [name for name in classes.neurons.tolist() if name and name not in left_out]
    return classes.select(named)


def last_two(X: NDArray) -> NDArray:
    """Return the last two frames: the activity and its change, the inputs of the paper."""
    return X[:, :, -2:]


def split(
    groups: NDArray, worms: tuple[str, ...], tested: list[str], gap: int
) -> tuple[NDArray, NDArray]:
    """Train on the first 80 % of some worms, and test on the last 20 % of others."""
    place = pd.Series(groups).groupby(groups).cumcount().to_numpy()
    share = place / pd.Series(groups).groupby(groups).transform("size").to_numpy()
    late = share >= 0.8
    soon_late = np.zeros_like(late)
    soon_late[:-gap] = late[gap:]
    return np.isin(groups, worms) & ~late & ~soon_late, np.isin(groups, tested) & late


def designs(groups: NDArray, gap: int) -> list[tuple[int, str, tuple[NDArray, NDArray]]]:
    """Give number of worms, test and split of every set of worms to train on."""
    worms = list(dict.fromkeys(groups.tolist()))
    found = []
    for n_worms in range(1, len(worms) + 1):
        for chosen in combinations(worms, n_worms):
            others = [worm for worm in worms if worm not in chosen]
            found.append((n_worms, "seen", split(groups, chosen, list(chosen), gap)))
            if others:
                found.append((n_worms, "unseen", split(groups, chosen, others, gap)))
    return found


def table(
    models: dict[str, BaseEstimator],
    data: tuple[Any, Any, NDArray],
    gap: int,
    options: argparse.Namespace,
    **scoring: Any,
) -> pd.DataFrame:
    """Score all models on all designs."""
    X, y, groups = data
    plans = designs(groups, gap)
    cv = [folds for _, _, folds in plans]
    result = compare(
        models, X, y, groups=groups, cv=cv, seeds=options.seeds, n_jobs=options.jobs, **scoring
    )
    scores = result.scores
    scores["worms"] = [plans[fold][0] for fold in scores["fold"]]
    scores["test"] = [plans[fold][1] for fold in scores["fold"]]
    return scores


def show(scores: pd.DataFrame, title: str) -> None:
    print(f"\n{title}")
    folds = scores.groupby(["test", "worms", "fold", "model"], sort=False)["score"].mean()
    cells = folds.groupby(["test", "worms", "model"], sort=False).agg(["mean", "std"])
    text = cells.apply(lambda row: f"{row['mean']:.3f} ± {row['std']:.3f}", axis=1)
    order = list(dict.fromkeys(scores["model"]))
    print(text.unstack("model")[order].to_string())


def classify(options: argparse.Namespace) -> pd.DataFrame:
    left_out = READ_OFF if options.without_read_off else ()
    windows = sliding_windows([load(path, left_out) for path in options.files], 8, step=4)
    labelled = np.asarray(windows.y) != ""
    data = windows.X[labelled], windows.y[labelled], windows.groups[labelled]
    published = GraphClassifier(class_weight="balanced", **WANG_2021)
    models = default_models(names=options.models) | {
        "published": make_pipeline(FunctionTransformer(last_two), published)
    }
    scores = table(models, data, 2, options, scoring="balanced_accuracy")
    name = "without" if left_out else "with"
    show(scores, f"balanced accuracy, {name} the neurons that the states were read from")
    return scores


def error_relative_to_copy(step: int, model: Any, X: NDArray, y: NDArray) -> float:
    """Return the squared error of a step ahead over that of the last frame."""
    truth = y[:, :, step - 1]
    forecast = model.forecast(X, step)[:, :, -1]
    return float(np.mean((forecast - truth) ** 2) / np.mean((X[:, :, -1] - truth) ** 2))


def forecast(options: argparse.Namespace) -> pd.DataFrame:
    worms = [load(path, ()) for path in options.files]
    windows = sliding_windows(
        worms, 16, step=2, target="next", horizon=max(HORIZONS), neurons="intersection"
    )
    scorers: dict[str, Callable[..., float]] = {
        f"{step} ahead": partial(error_relative_to_copy, step) for step in HORIZONS
    }
    models = default_models("forecaster", names=options.forecasters)
    data = windows.X, windows.y, windows.groups
    scores = table(models, data, 16, options, scoring=scorers)
    for metric, rows in scores.groupby("metric", sort=False):
        show(rows, f"error relative to copying the last frame, {metric}")
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+")
    parts = {"classify": classify, "forecast": forecast}
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--without-read-off", action="store_true")
    parser.add_argument("--models", nargs="+", help="default: all classifiers")
    parser.add_argument("--forecasters", nargs="+", help="default: all forecasters")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", help="write the scores to a CSV file")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    found = pd.concat([parts[name](options) for name in options.only])
    if options.output:
        found.to_csv(options.output, index=False)


if __name__ == "__main__":
    main()
