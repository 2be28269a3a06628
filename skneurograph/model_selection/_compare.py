"""Several estimators on one split, every fold kept, paired statistics."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import LeaveOneGroupOut, check_cv, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from tqdm.auto import tqdm

from skneurograph.lazy import LazyWindows
from skneurograph.model_selection._comparison import Comparison

__all__ = ["compare"]

CLASSIFICATION_SCORES = ("balanced_accuracy", "accuracy", "f1_macro")
REGRESSION_SCORES = ("r2", "neg_root_mean_squared_error")


def compare(
    estimators: Mapping[str, BaseEstimator] | Iterable[tuple[str, BaseEstimator]],
    X: ArrayLike | LazyWindows,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    cv: Any = None,
    scoring: str | Sequence[str] | Mapping[str, Callable[..., float]] | None = None,
    reference: str | None = None,
    seeds: Sequence[int] = (0,),
    n_jobs: int | None = None,
    verbose: int = 0,
    on_result: Callable[[pd.DataFrame], None] | None = None,
) -> Comparison:
    """Score several estimators on the same folds, by default one organism at a time.

    Every estimator is cloned and fitted on the training windows of each fold only.
    ``groups`` are passed to ``fit`` of the estimators that request them, so that early
    stopping holds out whole organisms. The loop goes through joblib: it runs in parallel
    with ``n_jobs``, or on a cluster under ``joblib.parallel_config("dask")``.

    Parameters
    ----------
    estimators : mapping of str to estimator, or iterable of (str, estimator)
        Such as `skneurograph.default_models` gives.
    X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
    y : array-like of shape (n_windows,), or of the shape of the frames to forecast
    groups : array-like of shape (n_windows,), optional
        Organism of each window.
    cv : splitter, int or iterable of splits, default=None
        None holds out one organism at a time (`LeaveOneGroupOut`).
    scoring : str, sequence of str or mapping of str to scorer, default=None
        Names of scikit-learn scorers, or scorers ``(estimator, X, y) -> float`` by name,
        the main one first; higher is better. None takes ``balanced_accuracy, accuracy,
        f1_macro`` for classifiers and ``r2, neg_root_mean_squared_error`` for regressors.
        `forecast_scorers` gives those of forecasts.
    reference : str, default=None
        Model that the others are tested against: by default the first.
    seeds : sequence of int, default=(0,)
        Estimators with a ``random_state`` are fitted once per seed, in place of the
        ``random_state`` that they were given; their scores are averaged within a fold
        before anything is tested.
    n_jobs : int or None, default=None
        Fits at the same time, as in joblib.
    verbose : int, default=0
        1 shows a progress bar.
    on_result : callable, optional
        Called with the new rows of the score table whenever a fit is done.

    Returns
    -------
    Comparison
        A fit that fails leaves NaN and its error in the table, with a warning. An
        interrupt from the keyboard ends the comparison and keeps the folds done so far.

    Raises
    ------
    ValueError
        If there are no groups or only one for the default split, if a label occurs in no
        training window of a fold, or if every fit fails.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skneurograph.model_selection import compare
    >>> from skneurograph.preprocessing import make_baseline
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 4, 5))
    >>> y = np.where(X[:, 0, -1] > 0, "forward", "reversal")
    >>> groups = np.repeat(["one", "two", "three"], 30)
    >>> result = compare(
    ...     {"chance": DummyClassifier(), "logistic": make_baseline(LogisticRegression())},
    ...     X, y, groups=groups)
    >>> result.summary()["balanced_accuracy", "mean"].idxmax()
    'logistic'
    """
    named = dict(estimators)
    if not named:
        raise ValueError("estimators: got none; expected at least one")
    if len(seeds) == 0:
        raise ValueError("seeds: got none; expected at least one integer")
    main = next(iter(named)) if reference is None else reference
    if main not in named:
        raise ValueError(f"reference: got {main!r}; expected one of {', '.join(named)}")
    classifies = is_classifier(next(iter(named.values())))
    if scoring is None:
        scoring = CLASSIFICATION_SCORES if classifies else REGRESSION_SCORES
    metrics = (scoring,) if isinstance(scoring, str) else tuple(scoring)
    scorers = dict(scoring) if isinstance(scoring, Mapping) else list(metrics)
    targets = np.asarray(y)
    organisms = None if groups is None else np.asarray(groups)
    if classifies and len(np.unique(targets)) < 2:
        raise ValueError(
            f"y: got the single label {np.unique(targets).tolist()}; classifiers need two"
        )
    splits = _splits(X, targets, organisms, cv, classifies)
    tasks = [
        delayed(_fit_and_score)(name, estimator, X, targets, organisms, fold, split, scorers, seed)
        for fold, split in enumerate(splits)
        for name, estimator in named.items()
        for seed in (seeds if _is_random(estimator) else seeds[:1])
    ]
    done: list[pd.DataFrame] = []
    results = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks)
    progress = tqdm(results, total=len(tasks), desc="fits", unit="fit", disable=verbose < 1)
    try:
        for rows in progress:
            done.append(rows)
            if on_result is not None:
                on_result(rows)
    except KeyboardInterrupt:
        if not done:
            raise
        warnings.warn(
            f"interrupted: {len(done)} of {len(tasks)} fits are done and kept",
            UserWarning,
            stacklevel=2,
        )
    finally:
        progress.close()
    return _collect(done, metrics, main, tuple(named))


def _collect(
    done: list[pd.DataFrame], metrics: tuple[str, ...], reference: str, order: tuple[str, ...]
) -> Comparison:
    scores = pd.concat(done, ignore_index=True)
    errors = scores[scores["error"] != ""]
    if len(errors) == len(scores):
        raise ValueError(f"every fit failed; the first: {errors['error'].iloc[0]}")
    for name, rows in errors.groupby("model"):
        warnings.warn(
            f"{name} failed in {rows['fold'].nunique()} folds: {rows['error'].iloc[0]}",
            UserWarning,
            stacklevel=3,
        )
    rank = {name: place for place, name in enumerate(order)}
    scores = scores.sort_values(
        ["fold", "model", "seed"],
        key=lambda column: column.map(rank) if column.name == "model" else column,
        kind="stable",
        ignore_index=True,
    )
    return Comparison(scores, metrics, reference, order)


def _splits(
    X: Any, y: NDArray, groups: NDArray | None, cv: Any, classifies: bool
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    if cv is None:
        if groups is None:
            raise ValueError(
                "groups: got None; holding out organisms needs the organism of each "
                "window (Windows.groups), or give another cv"
            )
        organisms = np.unique(groups)
        if len(organisms) < 2:
            raise ValueError(
                f"groups: got one organism only ({str(organisms[0])!r}); holding out organisms "
                "needs at least two"
            )
        cv = LeaveOneGroupOut()
    splitter = check_cv(cv, y, classifier=classifies)
    splits = list(splitter.split(np.zeros(len(y)), y, groups))
    if classifies:
        for fold, (train, test) in enumerate(splits):
            absent = np.setdiff1d(y[test], y[train])
            if len(absent):
                raise ValueError(
                    f"{', '.join(map(repr, absent.tolist()))} occurs in no training window of the "
                    f"fold that holds out {_held_out(groups, test, fold)}: no model can predict "
                    "it; drop that label or add organisms"
                )
    return splits


def _held_out(groups: NDArray | None, test: NDArray[np.intp], fold: int) -> str:
    if groups is None:
        return f"fold {fold}"
    names = np.unique(groups[test])
    return "+".join(map(str, names)) if len(names) <= 3 else f"{len(names)} organisms"


def _is_random(estimator: BaseEstimator) -> bool:
    return any(
        name == "random_state" or name.endswith("__random_state")
        for name in estimator.get_params(deep=True)
    )


def _seed(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    names = [
        name
        for name in estimator.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    ]
    return estimator.set_params(**dict.fromkeys(names, seed))


def _fit_and_score(
    name: str,
    estimator: BaseEstimator,
    X: Any,
    y: NDArray,
    groups: NDArray | None,
    fold: int,
    split: tuple[NDArray[np.intp], NDArray[np.intp]],
    scorers: list[str] | dict[str, Callable[..., float]],
    seed: int,
) -> pd.DataFrame:
    """Fit and score one model on one fold; a row per metric."""
    train, test = split
    model = _seed(clone(estimator), seed)
    error = ""
    found: dict[str, Any] = {}
    try:
        with config_context(enable_metadata_routing=True):
            wants = groups is not None and bool(
                get_routing_for_object(model).consumes("fit", {"groups"})
            )
        with config_context(enable_metadata_routing=wants):
            found = cross_validate(
                model,
                X,
                y,
                cv=[(train, test)],
                scoring=scorers,
                params={"groups": groups} if wants else None,
                error_score="raise",
                return_estimator=True,
            )
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    fitted = found["estimator"][0] if found else None
    last_step = fitted[-1] if isinstance(fitted, Pipeline) else fitted
    if getattr(last_step, "interrupted_", False):
        # The net kept its best state, but its score is not that of the model asked for.
        raise KeyboardInterrupt
    return pd.DataFrame(
        {
            "model": name,
            "fold": fold,
            "held_out": _held_out(groups, test, fold),
            "seed": seed,
            "metric": list(scorers),
            "score": [float(found[f"test_{m}"][0]) if found else np.nan for m in scorers],
            "fit_seconds": float(found["fit_time"][0]) if found else np.nan,
            "score_seconds": float(found["score_time"][0]) if found else np.nan,
            "n_train": len(train),
            "n_test": len(test),
            "error": error,
        }
    )
