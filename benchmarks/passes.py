"""Segments of a track told from passes: TAVRNN beside logistic regression on rates."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rats import Passes
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skneurograph.embedding import TAVRNN

__all__ = ["last_part", "passes_table", "probed"]

Parts = list[tuple[NDArray, NDArray]]


def accuracy_and_f1(truth: NDArray, predicted: NDArray) -> NDArray[np.float64]:
    f1 = f1_score(truth, predicted, average="macro")
    return np.array([accuracy_score(truth, predicted), f1])


def probed(
    values: NDArray[np.float64], y: NDArray[np.intp], train: NDArray, test: NDArray
) -> NDArray[np.float64]:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1, max_iter=5000))
    model.fit(values[train], y[train])
    return accuracy_and_f1(y[test], model.predict(values[test]))


def with_earlier(
    values: NDArray[np.float64], sequences: NDArray[np.intp], n_earlier: int
) -> NDArray[np.float64]:
    """Put the values of the windows before in its sequence next to those of each window."""
    parts = [values]
    for k in range(1, n_earlier + 1):
        before = np.zeros_like(values)
        before[k:] = values[:-k] * (sequences[k:] == sequences[:-k])[:, None]
        parts.append(before)
    return np.concatenate(parts, axis=1)


def without_length(
    embedding: NDArray[np.float64], lengths: NDArray[np.intp], train: NDArray
) -> NDArray[np.float64]:
    """Subtract what the (log) length of a window, and its square, tell linearly."""
    basis = np.log(lengths)[:, None] ** np.arange(3)
    slope, *_ = np.linalg.lstsq(basis[train], embedding[train], rcond=None)
    return embedding - basis @ slope


def last_part(passes: Passes, share: float = 0.75) -> Parts:
    """Train on the first part of each sequence, test on the last."""
    train = []
    for sequence in np.unique(passes.sequences):
        rows = np.flatnonzero(passes.sequences == sequence)
        train.append(rows[: int(share * len(rows)) + 1])
    rows = np.concatenate(train)
    return [(rows, np.setdiff1d(np.arange(len(passes.X)), rows))]


def embedded_scores(
    passes: Passes, parts: Parts, model: TAVRNN, *, is_supervised: bool
) -> dict[str, NDArray[np.float64]]:
    """Fit to the training windows of each part, and tell the segments of the others.

    Windows between those of training are left in as gaps.
    """
    X, y, lengths, groups = passes
    found: dict[str, list[NDArray[np.float64]]] = {}
    for train, test in parts:
        seen = np.full_like(X[: train.max() + 1], np.nan)
        seen[train] = X[train]
        of_seen = groups[: len(seen)]
        model.fit(seen, y[: len(seen)] if is_supervised else None, groups=of_seen)
        whole = np.zeros((len(X), model.n_components))
        whole[: len(seen)] = model.transform(seen, groups=of_seen)
        alone = whole.copy()
        whole[test] = model.transform(X, groups=groups)[test]
        alone[test] = model.transform(X[test], groups=groups[test])
        for name, values in (
            ("in the session", whole),
            ("without what the length tells", without_length(whole, lengths, train)),
            ("as a sequence of their own", alone),
        ):
            found.setdefault(name, []).append(probed(values, y, train, test))
    return {name: np.mean(values, axis=0) for name, values in found.items()}


def passes_table(name: str, passes: Passes, options: argparse.Namespace) -> None:
    """Print accuracy and macro-F1 of passes that were held out."""
    X, y, lengths, sequences = passes
    mean = np.nanmean(X, axis=2)
    norm = np.linalg.norm(mean, axis=1, keepdims=True)
    relative = np.column_stack([mean / np.where(norm > 0, norm, 1), np.log(norm + 1e-6)])
    earlier = with_earlier(relative, sequences, 2)
    controls = {
        "length of the window": np.log(lengths)[:, None],
        "mean rates": mean,
        "mean rates / their norm, and its logarithm": relative,
        "the same, with two windows before": earlier,
    }
    print(f"\n{name}: {len(X)} passes of {X.shape[1]} neurons, {np.bincount(y).tolist()}")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for protocol, parts, seeds in (
        ("last 25 %", last_part(passes), options.seeds),
        ("five-fold", list(folds.split(X, y)), options.fold_seeds),
    ):
        if not seeds:
            continue
        print(f"\n{protocol}; mean ± standard deviation over {len(seeds)} seeds")
        for label, values in controls.items():
            _print_control(label, parts, y, lengths, lambda _, values=values: values)
        for n in options.components:
            label = f"{n} principal components of mean rates / norm"
            _print_control(label, parts, y, lengths, _components(relative, n))
        for n_components in options.components:
            for kind in options.kinds:
                runs = [
                    embedded_scores(
                        passes,
                        parts,
                        TAVRNN(n_components=n_components, random_state=seed, **options.parameters),
                        is_supervised=kind == "supervised",
                    )
                    for seed in seeds
                ]
                for where in runs[0]:
                    scores = np.array([run[where] for run in runs])
                    average = scores.mean(axis=0)
                    spread = scores.std(axis=0, ddof=min(1, len(scores) - 1))
                    label = f"TAVRNN ({n_components}) {kind}, {where}"
                    print(
                        f"  {label:52s} {average[0]:.3f} ± {spread[0]:.3f}, "
                        f"{average[1]:.3f} ± {spread[1]:.3f}; from {scores[:, 0].min():.3f} "
                        f"to {scores[:, 0].max():.3f}",
                        flush=True,
                    )


def _components(values: NDArray, n: int) -> Callable[[NDArray], NDArray]:
    return lambda train: PCA(n).fit(values[train]).transform(values)


def _print_control(
    label: str,
    parts: Parts,
    y: NDArray,
    lengths: NDArray,
    features: Callable[[NDArray], NDArray],
) -> None:
    whole, apart = [], []
    for train, test in parts:
        values = features(train)
        whole.append(probed(values, y, train, test))
        apart.append(probed(without_length(values, lengths, train), y, train, test))
    (a, f), (a_apart, f_apart) = np.mean(whole, axis=0), np.mean(apart, axis=0)
    print(
        f"  {label:52s} {a:.3f}, {f:.3f}; without what the length tells "
        f"{a_apart:.3f}, {f_apart:.3f}",
        flush=True,
    )
