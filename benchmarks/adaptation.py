"""Adaptation to a held-out animal: recalibration without its labels, and with a few.

usage: python benchmarks/adaptation.py [--worms FILE ...] [--kato FILE ...] [--step 4]

Leave one animal out: each model is fitted once per fold, and every recalibration of
`AdaptedClassifier` is applied to it. Balanced accuracy per held-out animal, means of balanced
accuracy and accuracy. Traces z-scored per animal, classes of neurons averaged, windows of 8
frames. With labels: those of the first minutes of the held-out animal, scored on its windows
from one window later on. --worms are recordings with behaviour as they are; --kato those of
Kato et al. (2015), their states joined to four, without the neurons these were read from.
Simulated worms, which differ much from one another, always come last.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import copy
import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from kato_states import READ_OFF, STATES
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from skneurograph import Recording, Windows, default_models, make_worms, sliding_windows
from skneurograph.model_selection import AdaptedClassifier

MODELS = ("pca-logistic", "logistic", "graph")
N_TIMES = 8
MINUTES = (1, 2, 5)
METHODS = {
    "none": (None, False),
    "align": ("align", False),
    "align, causal": ("align", True),
    "centre": ("centre", False),
    "centre, causal": ("centre", True),
    "prior": ("prior", False),
    "prior, causal": ("prior", True),
}

Scores = dict[str, list[tuple[float, float]]]


def prepared(recording: Recording) -> Recording:
    return recording.zscore().average_classes().zscore()


def of_kato(path: str) -> Recording:
    recording = Recording.load(path)
    states = np.array([STATES[state] for state in recording.behavior])
    recording = prepared(replace(recording, behavior=states))
    return recording.select([n for n in recording.neurons if n and n not in READ_OFF])


def score(model: AdaptedClassifier, test: Windows) -> tuple[float, float]:
    predicted = model.predict(test.X)
    return balanced_accuracy_score(test.y, predicted), accuracy_score(test.y, predicted)


def folds(windows: Windows, name: str) -> Iterator[tuple[AdaptedClassifier, Windows]]:
    """Fit a model without each animal, and give it with the windows of that animal."""
    for organism in np.unique(windows.groups):
        held_out = windows.groups == organism
        train = windows[~held_out]
        model: BaseEstimator = default_models(names=[name], identities=windows.identities)[name]
        if "random_state" in model.get_params():
            model.set_params(random_state=0)
        frozen = FrozenEstimator(model.fit(train.X, train.y))
        yield AdaptedClassifier(frozen).fit(train.X, train.y), windows[held_out]


def without_labels(model: AdaptedClassifier, test: Windows, scores: Scores) -> None:
    for label, (recalibration, causal) in METHODS.items():
        model.set_params(recalibration=recalibration, causal=causal)
        scores.setdefault(label, []).append(score(model, test))


def with_labels(model: AdaptedClassifier, test: Windows, scores: Scores) -> None:
    model.set_params(recalibration=None, causal=False)
    for minutes in MINUTES:
        n_frames = minutes * 60 * test.sampling_rate
        few = test[test.starts + N_TIMES <= n_frames]
        rest = test[test.starts >= n_frames + N_TIMES]
        adapted = copy.deepcopy(model).adapt(few.X, few.y)
        scores.setdefault(f"none, scored after {minutes} min", []).append(score(model, rest))
        scores.setdefault(f"labels of {minutes} min", []).append(score(adapted, rest))


def table(title: str, scores: Scores, animals: list[str]) -> None:
    print(f"\n{title}")
    print("| recalibration | balanced accuracy | accuracy | " + " | ".join(animals) + " |")
    print("|---" * (3 + len(animals)) + "|")
    for label, values in scores.items():
        balanced, plain = np.transpose(values)
        cells = [f"{value:.3f}" for value in (balanced.mean(), plain.mean())]
        cells += [f"{value:.2f}" for value in balanced]
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def data_sets(options: argparse.Namespace) -> Iterator[tuple[str, list[Recording]]]:
    if options.worms:
        yield "worms", [prepared(Recording.load(path)) for path in options.worms]
    if options.kato:
        yield "Kato et al.", [of_kato(path) for path in options.kato]
    simulated = make_worms(6, duration=480, individual_variation=0.4, random_state=0)
    yield "simulated worms", [prepared(worm) for worm in simulated.recordings]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worms", nargs="*", default=[])
    parser.add_argument("--kato", nargs="*", default=[])
    parser.add_argument("--step", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning)
    for name, recordings in data_sets(options):
        windows = sliding_windows(recordings, N_TIMES, step=options.step)
        print(f"\n{name}: {windows}")
        animals = [str(organism) for organism in np.unique(windows.groups)]
        for label in MODELS:
            scores: Scores = {}
            for model, test in folds(windows, label):
                without_labels(model, test, scores)
                with_labels(model, test, scores)
            table(f"{name}, {label}", scores, animals)


if __name__ == "__main__":
    main()
