"""Validation of the arguments of `compare`, before anything is fitted."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.metrics import get_scorer, get_scorer_names

from skneurograph.data._inputs import InputError, read_labels, read_numbers, unmasked
from skneurograph.data._lazy import LazyWindows
from skneurograph.model_selection._numbers import is_integer

__all__ = [
    "kind_of",
    "read_models",
    "read_n_jobs",
    "read_scoring",
    "read_seeds",
    "read_target",
    "read_windows",
]

CLASSIFICATION_SCORES = ("balanced_accuracy", "accuracy", "f1_macro")
REGRESSION_SCORES = ("r2", "neg_root_mean_squared_error")

Scorer = Callable[..., float]


def read_models(models: Any) -> dict[str, BaseEstimator]:
    """Read models by name from a mapping or pairs."""
    expected = "models by name, {'logistic': model, ...}, or pairs of a name and a model"
    if hasattr(models, "fit"):
        raise InputError("models", f"one {_name_of(models)} without a name", expected)
    if isinstance(models, Mapping):
        pairs = list(models.items())
    else:
        try:
            pairs = list(models)
        except TypeError as error:
            raise InputError("models", type(models).__name__, expected) from error
    if not pairs:
        raise InputError("models", "none", "at least one")
    for pair in pairs:
        if hasattr(pair, "fit"):
            raise InputError("models", f"a {_name_of(pair)} without a name", expected)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InputError("models", repr(pair), expected)
    names = [name for name, _ in pairs]
    for name, estimator in pairs:
        if not isinstance(name, str) or not name.strip():
            raise InputError("models", f"the name {name!r}", "a string to call the model by")
        if isinstance(estimator, type):
            called = estimator.__name__
            raise InputError("models", f"{name!r}: the class {called}", f"an instance, {called}()")
        if not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
            given = f"{name!r}: {type(estimator).__name__}"
            raise InputError("models", given, "an estimator of scikit-learn's kind")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            "models", f"two models called {', '.join(map(repr, twice))}", "a name for each"
        )
    return dict(pairs)


def kind_of(models: Mapping[str, BaseEstimator]) -> str | None:
    """Return whether the models are classifiers or regressors, as far as they say so."""
    kinds = {name: _kind(estimator) for name, estimator in models.items()}
    by_kind = {kind: [name for name in kinds if kinds[name] == kind] for kind in kinds.values()}
    by_kind.pop(None, None)
    if len(by_kind) > 1:
        given = " and ".join(f"{kind}s ({', '.join(names)})" for kind, names in by_kind.items())
        raise InputError("models", given, "all of one kind: they share a target and scores")
    return next(iter(by_kind), None)


def read_scoring(scoring: Any, kind: str | None) -> dict[str, Scorer]:
    """Read scorers by name, the main one first."""
    expected = "names of scikit-learn's scorers, or scorers by name, {'name': scorer}"
    if scoring is None:
        scoring = CLASSIFICATION_SCORES if kind == "classifier" else REGRESSION_SCORES
    if callable(scoring):
        raise InputError("scoring", f"{_name_of(scoring)} without a name", expected)
    if isinstance(scoring, str):
        scoring = (scoring,)
    if isinstance(scoring, (set, frozenset)):
        raise InputError("scoring", "a set, which has no first", f"{expected}, the main one first")
    try:
        given = dict(scoring) if isinstance(scoring, Mapping) else list(scoring)
    except TypeError as error:
        raise InputError("scoring", type(scoring).__name__, expected) from error
    if not given:
        raise InputError("scoring", "none", f"at least one of {expected}")
    if isinstance(given, list):
        for name in given:
            if not isinstance(name, str):
                raise InputError("scoring", f"{_name_of(name)} without a name", expected)
        if len(set(given)) < len(given):
            raise InputError("scoring", f"a name twice in {given}", "each score once")
        given = dict(zip(given, given))
    for name in given:
        if not isinstance(name, str):
            raise InputError("scoring", f"the name {name!r}", "a string")
    return {name: _scorer(scorer) for name, scorer in given.items()}


def _scorer(scorer: Any) -> Scorer:
    if isinstance(scorer, str):
        try:
            return get_scorer(scorer)
        except ValueError as error:
            names = get_scorer_names()
            close = difflib.get_close_matches(scorer, names) or ["balanced_accuracy", "r2"]
            raise InputError(
                "scoring",
                repr(scorer),
                f"a scorer of scikit-learn, such as {', '.join(close)} "
                "(sklearn.metrics.get_scorer_names() lists them)",
            ) from error
    if not callable(scorer):
        raise InputError("scoring", type(scorer).__name__, "a name or a callable (estimator, X, y)")
    module = str(getattr(scorer, "__module__", ""))
    if module.startswith("sklearn.metrics.") and not module.startswith("sklearn.metrics._scorer"):
        name = _name_of(scorer)
        raise InputError("scoring", f"the metric {name}", f"a scorer, make_scorer({name})")
    return scorer


def read_seeds(seeds: Any) -> list[int]:
    """Read different seeds."""
    expected = "a sequence of different integers from 0 on, such as (0, 1, 2)"
    try:
        given = list(seeds)
    except TypeError as error:
        raise InputError("seeds", repr(seeds), expected) from error
    if not given:
        raise InputError("seeds", "none", "at least one integer")
    for seed in given:
        if not is_integer(seed) or not 0 <= seed < 2**32:
            raise InputError("seeds", repr(seed), expected)
    if len(set(given)) < len(given):
        raise InputError("seeds", f"a seed twice in {given}", expected)
    return [int(seed) for seed in given]


def read_n_jobs(n_jobs: Any) -> int | None:
    """Read the number of fits at a time."""
    if n_jobs is None:
        return None
    if not is_integer(n_jobs) or n_jobs == 0:
        raise InputError("n_jobs", repr(n_jobs), "None, a positive integer, or -1 for all cores")
    return int(n_jobs)


def read_windows(X: Any) -> Any:
    """Return windows as what estimators and `_safe_split` can index by row."""
    parts = list(X) if isinstance(X, (list, tuple)) else [X]
    if any(hasattr(part, "activity") and hasattr(part, "sampling_rate") for part in parts):
        raise InputError(
            "X",
            "recordings",
            "windows: windows = sliding_windows(recordings, n_times), then windows.X, windows.y "
            "and groups=windows.groups",
        )
    if hasattr(X, "X") and hasattr(X, "groups"):
        raise InputError(
            "X", type(X).__name__, "its array, windows.X (with windows.y, groups=windows.groups)"
        )
    expected = "windows of shape (n_windows, n_neurons, n_times)"
    if not isinstance(X, LazyWindows) and not hasattr(X, "iloc") and not hasattr(X, "tocsr"):
        try:
            X = np.asarray(unmasked(X))
        except ValueError as error:
            raise InputError("X", "windows of different shapes", expected) from error
    if len(X.shape) < 2 or X.shape[0] == 0:
        raise InputError("X", f"shape {tuple(X.shape)}", expected)
    return X


def read_target(y: Any, n_windows: int, models: Mapping[str, BaseEstimator]) -> NDArray:
    """Read labels for classifiers, numbers for regressors, one per window."""
    kind = kind_of(models)
    if y is None:
        raise InputError("y", "None", "what is to be predicted of each window, as in windows.y")
    if kind == "classifier":
        target = read_labels(y, "y")
        if target.ndim == 2 and target.shape[1] == 1:
            target = target[:, 0]
        if target.ndim != 1:
            raise InputError("y", f"shape {target.shape}", f"a label per window, ({n_windows},)")
    elif kind == "regressor":
        target = read_numbers(y, "y", "numbers to predict; for labels compare classifiers")
    else:
        target = np.asarray(unmasked(y))
    if target.shape[:1] != (n_windows,):
        raise InputError("y", f"shape {target.shape} for {n_windows} windows", "a value per window")
    if kind == "classifier":
        _check_labels(target)
    # Forecasts are of neurons that may be missing; a missing covariate is no target.
    elif kind == "regressor" and not any(hasattr(model, "forecast") for model in models.values()):
        _refuse_missing(np.isnan(target), "a number")
    return target


def _check_labels(labels: NDArray) -> None:
    if labels.dtype.kind == "U":
        _refuse_missing(labels == "", "a label")
    elif labels.dtype.kind == "f":
        _refuse_missing(np.isnan(labels), "a label")
        if (labels != np.round(labels)).any():
            raise InputError("y", "numbers that are not whole", "labels; compare regressors")
    found = np.unique(labels).tolist()
    if len(found) < 2:
        raise ValueError(f"y: got the single label {found}; classifiers need two")


def _refuse_missing(missing: Any, what: str) -> None:
    if missing.any():
        windows = missing.reshape(len(missing), -1).any(axis=1)
        raise InputError(
            "y",
            f"none for {int(windows.sum())} of {len(windows)} windows (the first at position "
            f"{int(windows.argmax())})",
            f"{what} for every window; leave the others out",
        )


def _kind(estimator: BaseEstimator) -> str | None:
    try:
        if is_classifier(estimator):
            return "classifier"
        return "regressor" if is_regressor(estimator) else None
    except (AttributeError, TypeError):  # no tags: it does not say
        return None


def _name_of(thing: Any) -> str:
    return str(getattr(thing, "__name__", type(thing).__name__))
