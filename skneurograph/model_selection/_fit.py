"""Fit and score one model on one fold, and make its rows of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring
from sklearn.utils.metaestimators import _safe_split

from skneurograph.base._interrupt import noticing_interrupts
from skneurograph.model_selection._folds import Fold
from skneurograph.model_selection._groups import (
    fit_with_groups,
    groups_supplied,
    takes_groups,
)

__all__ = ["Task", "classes_of", "fit_and_score", "is_random", "rows_of"]

Scorers = Mapping[str, Callable[..., float]]


class Task(NamedTuple):
    """A fit: which model, on which fold, with which seed."""

    model: str
    fold: int
    seed: int


class Outcome(NamedTuple):
    """Scores of a fit, what went wrong with each, and what it took."""

    scores: dict[str, float]
    errors: dict[str, str]
    fit_time: float = np.nan
    score_time: float = np.nan

    @classmethod
    def without_scores(cls, metrics: Any, error: str) -> Outcome:
        """Every metric is missing for the same reason."""
        return cls(dict.fromkeys(metrics, np.nan), dict.fromkeys(metrics, error))


def rows_of(task: Task, fold: Fold, outcome: Outcome) -> pd.DataFrame:
    """Return the rows of the score table that belong to a fit, one per metric."""
    return pd.DataFrame(
        {
            "model": task.model,
            "fold": task.fold,
            "held_out": fold.held_out,
            "seed": task.seed,
            "metric": list(outcome.scores),
            "score": list(outcome.scores.values()),
            "fit_time": outcome.fit_time,
            "score_time": outcome.score_time,
            "n_train": len(fold.train),
            "n_test": len(fold.test),
            "error": list(outcome.errors.values()),
        }
    )


def fit_and_score(
    task: Task,
    estimator: BaseEstimator,
    X: Any,
    y: NDArray,
    groups: NDArray | None,
    fold: Fold,
    scorers: Scorers,
    kinds: Sequence[type] = (),
) -> pd.DataFrame:
    """Fit and score a clone of an estimator on a fold.

    A worker process that is sent ``kinds``, those of `classes_of` all models, has imported what
    any of them needs before its first fit. joblib takes the memory of then for what a worker
    needs, and one that imports torch later for one that leaks, and starts it anew.

    Raises
    ------
    KeyboardInterrupt
        Also if the estimator itself takes no notice of an interrupt: its score would be
        that of a half-trained model.
    """
    with noticing_interrupts() as noticed:
        try:
            start = perf_counter()
            model = _fit(estimator, X, y, groups, fold.train, task.seed)
            fitted = perf_counter()
            if noticed:
                raise KeyboardInterrupt
            scores, errors = _score(model, X, y, groups, fold, scorers)
            outcome = Outcome(scores, errors, fitted - start, perf_counter() - fitted)
        except Exception as problem:
            outcome = Outcome.without_scores(scorers, _explained(problem, X))
    if noticed:
        raise KeyboardInterrupt
    return rows_of(task, fold, outcome)


def classes_of(models: Iterable[BaseEstimator]) -> list[type]:
    """Return the classes of models and of their parts, but for those of the main script."""
    parts = (part for model in models for part in (model, *model.get_params().values()))
    found = {type(part) for part in parts if isinstance(part, BaseEstimator)}
    return sorted((kind for kind in found if kind.__module__ != "__main__"), key=repr)


def is_random(estimator: BaseEstimator) -> bool:
    """Whether an estimator, or a part of it, takes a seed."""
    return bool(_seed_names(estimator))


def _seed_names(estimator: BaseEstimator) -> list[str]:
    return [
        name
        for name in estimator.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    ]


def _fit(
    estimator: BaseEstimator,
    X: Any,
    y: NDArray,
    groups: NDArray | None,
    train: NDArray[np.intp],
    seed: int,
) -> BaseEstimator:
    model = clone(estimator)
    model.set_params(**dict.fromkeys(_seed_names(model), seed))
    X_train, y_train = _safe_split(model, X, y, train)
    return fit_with_groups(model, X_train, y_train, None if groups is None else groups[train])


def _score(
    model: BaseEstimator,
    X: Any,
    y: NDArray,
    groups: NDArray | None,
    fold: Fold,
    scorers: Scorers,
) -> tuple[dict[str, float], dict[str, str]]:
    """Score on the test windows; a score that fails spares the others."""
    X_test, y_test = _safe_split(model, X, y, fold.test, fold.train)
    scorer = check_scoring(model, scoring=dict(scorers), raise_exc=False)
    given: dict[str, Any] = {}
    supplied: Any = nullcontext()
    if groups is not None:
        if any(takes_groups(each, "score") for each in scorers.values()):
            given["groups"] = groups[fold.test]
        if takes_groups(model, "fit"):
            supplied = groups_supplied(model, groups[fold.test])
    with config_context(enable_metadata_routing=bool(given)), supplied:
        found = scorer(model, X_test, y_test, **given)
    scores, errors = {}, {}
    for name, value in found.items():
        scores[name], errors[name] = _read_score(name, value)
    return scores, errors


def _read_score(name: str, value: Any) -> tuple[float, str]:
    if isinstance(value, str) and value.startswith("Traceback"):
        return np.nan, _last_error(value)
    try:
        score = float(value)
    except (TypeError, ValueError):
        return np.nan, f"scoring: {name} gave {type(value).__name__}; expected a number"
    return (score, "") if np.isfinite(score) else (np.nan, f"the score is {score}")


def _last_error(traceback: str) -> str:
    """Return the message at the end of a traceback, which may have several lines."""
    lines = traceback.rstrip().splitlines()
    code = max((place for place, line in enumerate(lines) if line.startswith("  ")), default=-1)
    return "\n".join(lines[code + 1 :] or lines[-1:]).strip()


def _explained(problem: Exception, X: Any) -> str:
    error = f"{type(problem).__name__}: {problem}"
    if len(X.shape) == 3 and re.search(r"Found array with dim 3|Expected 2D array", error):
        error += (
            " X holds windows of several frames; wrap a model that reads one row per sample: "
            "make_baseline(estimator)"
        )
    return error
