"""How models generalise to animals that they were not trained on, over several studies.

usage: python benchmarks/generalisation.py [--worms worm_*.npz] [--immobilised kato_*.npz]
       [--simulated] [--train 3] [--models pca-logistic graph ...] [--nested] [--seeds 0 1 2]
       [--jobs 2] [--output FILE]
       python benchmarks/generalisation.py --summary FILE ...

One animal is held out at a time, with --train so many others are trained on (those that follow
it in the order of the files) instead of all. Traces are z-scored within each animal, left and
right of a class averaged and z-scored again, columns are the union of classes, windows have 8
frames. worms: four behaviours, every second window. immobilised: forward, reversal, dorsal and
ventral turn of Kato et al. (2015), every fourth window, without the neurons from which the authors
read these states (AVA, SMDD, SMDV, RIB). simulated: `make_worms`, of whose neurons 60 % are
recorded and 70 % of these identified, every second window.

Printed is the balanced accuracy of each animal, mean and standard deviation over animals (of the
mean over seeds), and the margin over ten components and logistic regression: its mean, and that of
the worst animal. The rule for defaults, fixed beforehand: the largest worst margin over all
animals of all studies; of configurations within .01 of it the simpler one.

With --nested every model is searched over its grid within the training animals, by leaving
animals out in turn (three parts at most), so that what is chosen has not seen the held-out animal.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from kato_states import READ_OFF, STATES
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold

from skneurograph import Recording, Windows, compare, default_models, make_worms, sliding_windows

REFERENCE = "pca-logistic"
SIMPLE = ("chance", "logistic", "pca-logistic")
PENALTIES = [1e-4, 1e-3, 1e-2, 1e-1]
GRIDS: dict[str, dict[str, list[Any]]] = {
    "logistic": {"logisticregression__C": PENALTIES},
    "pca-logistic": {
        "logisticregression__C": PENALTIES,
        "windowpca__n_components": [5, 10, 20],
    },
    "mlp": {"_balancedmlpclassifier__alpha": [1.0, 10.0, 100.0]},
    "recurrent": {"projection_size": [5, 10, None]},
    "graph": {"population_size": [None, 10], "linear_share": [0, 1 / 3]},
}


def averaged(recording: Recording) -> Recording:
    """Average left and right of each class, and keep the identified neurons."""
    classes = recording.zscore().average_classes().zscore()
    return classes.select([name for name in classes.neurons.tolist() if name])


def blind(recording: Recording) -> Recording:
    """Read states as behaviours, and leave out the neurons that they were read from."""
    states = [STATES[state] for state in recording.behavior.tolist()]
    classes = averaged(replace(recording, behavior=states))
    return classes.select([name for name in classes.neurons.tolist() if name not in READ_OFF])


def studies(options: argparse.Namespace) -> dict[str, Windows]:
    """Cut the windows of every study."""
    found = {}
    if options.worms:
        worms = [averaged(Recording.load(path)) for path in options.worms]
        found["worms"] = sliding_windows(worms, 8, step=2)
    if options.immobilised:
        worms = [blind(Recording.load(path)) for path in options.immobilised]
        found["immobilised"] = sliding_windows(worms, 8, step=4)
    if options.simulated:
        made = make_worms(
            6,
            duration=400,
            sampling_rate=2,
            recorded_fraction=0.6,
            identified_fraction=0.7,
            random_state=3,
        )
        worms = [averaged(recording) for recording in made.recordings]
        found["simulated"] = sliding_windows(worms, 8, step=2)
    return found


def splits(groups: NDArray, n_train: int | None) -> list[tuple[NDArray, NDArray]]:
    """Hold out each animal, and train on those that follow it in the order given."""
    animals = list(dict.fromkeys(groups.tolist()))
    n_train = n_train or len(animals) - 1
    found = []
    for place, held_out in enumerate(animals):
        others = [animals[(place + 1 + i) % len(animals)] for i in range(n_train)]
        found.append((np.isin(groups, others), groups == held_out))
    return found


def searched(name: str, model: BaseEstimator, n_train: int) -> BaseEstimator:
    """Search a model over its grid, by leaving out some of the animals that it is trained on."""
    if name not in GRIDS or n_train < 2:
        return model
    folds = GroupKFold(min(3, n_train))
    return GridSearchCV(model, GRIDS[name], cv=folds, scoring="balanced_accuracy")


def scores_of(windows: Windows, options: argparse.Namespace) -> pd.DataFrame:
    """Score every model on every animal of a study."""
    labelled = np.asarray(windows.y) != ""
    X, y, groups = windows.X[labelled], windows.y[labelled], windows.groups[labelled]
    cv = splits(groups, options.train)
    models = default_models(names=options.models)
    if options.nested:
        n_train = options.train or len(cv) - 1
        models = {name: searched(name, model, n_train) for name, model in models.items()}
    result = compare(
        models,
        X,
        y,
        groups=groups,
        cv=cv,
        scoring="balanced_accuracy",
        seeds=options.seeds,
        n_jobs=options.jobs,
    )
    return result.scores


def summarise(scores: pd.DataFrame) -> None:
    """Print a table per study, and the worst margin over all animals."""
    models = list(dict.fromkeys(scores["model"]))
    margins = []
    for study, rows in scores.groupby("study", sort=False):
        table = rows.pivot_table(index="held_out", columns="model", values="score", sort=False)
        table = table[[name for name in models if name in table]]
        margin = table.sub(table[REFERENCE], axis=0)
        margins.append(margin)
        seeds = rows["seed"].nunique()
        print(f"\n{study}: {len(table)} animals, {seeds} seed{'s' * (seeds > 1)}")
        overview = pd.DataFrame(
            {
                "mean": table.mean(),
                "sd": table.std(ddof=1),
                "margin": margin.mean(),
                "worst": margin.min(),
                "ahead": (margin > 0).sum(),
            }
        )
        print(overview.join(table.T).to_string(float_format="{:.3f}".format))
        best = table[[name for name in SIMPLE if name in table]].mean().idxmax()
        print(f"best simple model: {best}")
    worst = pd.concat(margins).min().drop(REFERENCE)
    print("\nworst margin over all animals:", worst.round(3).to_dict())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--worms", nargs="+", default=[])
    parser.add_argument("--immobilised", nargs="+", default=[])
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--train", type=int, help="animals to train on (default: all others)")
    parser.add_argument("--models", nargs="+", help="default: all")
    parser.add_argument("--nested", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", help="append the scores to a CSV file")
    parser.add_argument("--summary", nargs="+", help="print the tables of such files")
    options = parser.parse_args()
    if options.summary:
        summarise(pd.concat([pd.read_csv(path) for path in options.summary]))
        return
    sklearn.set_config(enable_metadata_routing=True)
    warnings.filterwarnings("ignore")
    parts = []
    for study, windows in studies(options).items():
        part = scores_of(windows, options)
        part.insert(0, "study", study)
        parts.append(part)
        if options.output:
            new = not os.path.exists(options.output)
            part.to_csv(options.output, mode="a", header=new, index=False)
    if not parts:
        parser.error("give --worms, --immobilised or --simulated")
    summarise(pd.concat(parts))


if __name__ == "__main__":
    main()
