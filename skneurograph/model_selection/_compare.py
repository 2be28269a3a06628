"""Compare several models by cross-validation on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from tqdm.auto import tqdm

from skneurograph.data._inputs import InputError, read_groups
from skneurograph.data._lazy import LazyWindows
from skneurograph.data._warnings import warn
from skneurograph.model_selection._arguments import (
    kind_of,
    read_models,
    read_n_jobs,
    read_scoring,
    read_seeds,
    read_target,
    read_windows,
)
from skneurograph.model_selection._comparison import Comparison
from skneurograph.model_selection._fit import (
    Outcome,
    Task,
    classes_of,
    fit_and_score,
    is_random,
    rows_of,
)
from skneurograph.model_selection._folds import read_folds
from skneurograph.model_selection._overlap import warn_of_shared_frames
from skneurograph.model_selection._queue import Queue
from skneurograph.model_selection._text import NOT_RUN

__all__ = ["compare"]


def compare(
    models: Mapping[str, BaseEstimator] | Iterable[tuple[str, BaseEstimator]],
    X: ArrayLike | LazyWindows,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    cv: Any = None,
    scoring: str | Sequence[str] | Mapping[str, Callable[..., float]] | None = None,
    reference: str | None = None,
    seeds: Sequence[int] = (0,),
    n_jobs: int | None = None,
    verbose: int | None = None,
    on_result: Callable[[pd.DataFrame], None] | None = None,
) -> Comparison:
    """Compare models by cross-validation on the same folds, by default on held-out organisms.

    Every model is cloned and fitted on the training windows of each fold only.
    ``groups`` are passed to the models that request them, so that early stopping holds
    out whole organisms, and `MARBLE` and `TAVRNN` in a pipeline know the organisms of the
    windows they are scored on. The loop goes through joblib: it runs in parallel with
    ``n_jobs``, or on a cluster under ``joblib.parallel_config("dask")``.

    Parameters
    ----------
    models : mapping of str to estimator, or iterable of (str, estimator)
        Estimators by the name of the model, all classifiers or all regressors, such as
        `skneurograph.default_models` gives.
    X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
    y : array-like of shape (n_windows,), or of the shape of the frames to forecast
    groups : array-like of shape (n_windows,), optional
        Organism of each window; none may be missing.
    cv : splitter, int or iterable of splits, default=None
        None holds out one organism at a time (`LeaveOneGroupOut`). Splits are pairs
        ``(train, test)`` of positions or of masks over all windows. If windows that overlap
        stand on both sides of a split, there is a warning.
    scoring : str, sequence of str or mapping of str to scorer, default=None
        Names of scikit-learn scorers, or scorers ``(estimator, X, y) -> float`` by name,
        the main one first; higher is better. None takes ``balanced_accuracy, accuracy,
        f1_macro`` for classifiers and ``r2, neg_root_mean_squared_error`` for regressors.
        `forecast_scorers` gives those of forecasts.
    reference : str, default=None
        Model that the others are tested against: by default the first.
    seeds : sequence of int, default=(0,)
        Models with a ``random_state`` are fitted once per seed, in place of the
        ``random_state`` that they were given; their scores are averaged within a fold
        before anything is tested.
    n_jobs : int or None, default=None
        Fits at the same time, as in joblib.
    verbose : int or None, default=None
        1 shows a progress bar with the time that is left, 0 none; None shows it on a terminal.
    on_result : callable, optional
        Called with the new rows of the score table whenever a fit is done.

    Returns
    -------
    Comparison
        A fit that fails leaves NaN and its error in the table, with a warning. An
        interrupt from the keyboard ends the comparison and keeps the folds done so far;
        fits that were not run stand in the table as such.

    Raises
    ------
    ValueError
        If an argument cannot be read (the message names it), if there are no groups or
        only one for the default split, if a part of a split is empty or shares windows with
        the other, if a label occurs in no training window of a fold, or if every fit fails.
    KeyboardInterrupt
        If the user interrupts before a fit is done.

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
    lineup = read_models(models)
    kind = kind_of(lineup)
    main = next(iter(lineup)) if reference is None else reference
    if not isinstance(main, str) or main not in lineup:
        raise ValueError(f"reference: got {main!r}; expected one of {', '.join(lineup)}")
    scorers = read_scoring(scoring, kind)
    numbers = read_seeds(seeds)
    n_jobs = read_n_jobs(n_jobs)
    if on_result is not None and not callable(on_result):
        raise InputError("on_result", type(on_result).__name__, "a function of a DataFrame")
    windows = read_windows(X)
    n_windows = windows.shape[0]
    targets = read_target(y, n_windows, lineup)
    organisms = None if groups is None else read_groups(groups, n_windows)
    folds = read_folds(cv, targets, organisms, classifies=kind == "classifier")
    warn_of_shared_frames(windows, folds, organisms)
    queue = Queue(
        Task(name, fold, seed)
        for fold in range(len(folds))
        for name, model in lineup.items()
        for seed in (numbers if is_random(model) else numbers[:1])
    )
    n_planned = len(queue.left)
    kinds = classes_of(lineup.values())
    results = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(fit_and_score)(
            task, lineup[task.model], windows, targets, organisms, folds[task.fold], scorers, kinds
        )
        for task in queue
    )
    done: list[pd.DataFrame] = []
    progress = _progress_bar(n_planned, verbose)
    try:
        for rows in results:
            done.append(rows)
            _take_note(queue, rows)
            _show(progress, queue.seconds_left(effective_n_jobs(n_jobs)))
            if on_result is not None:
                on_result(rows)
    except KeyboardInterrupt:
        if not done:
            raise
        warn(f"interrupted: {len(done)} of {n_planned} fits are done and kept")
    finally:
        results.close()
        progress.close()
    missing = [
        rows_of(task, folds[task.fold], Outcome.without_scores(scorers, NOT_RUN))
        for task in queue.left
    ]
    return _collect([*done, *missing], tuple(scorers), main, tuple(lineup))


def _progress_bar(n_fits: int, verbose: int | None) -> tqdm:
    """Make a bar, on a terminal only unless it was asked for."""
    return tqdm(
        total=n_fits,
        desc="fits",
        unit="fit",
        disable=None if verbose is None else verbose < 1,
        bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
    )


def _show(progress: tqdm, seconds_left: float | None) -> None:
    if seconds_left is not None:
        progress.set_postfix_str(
            f"about {tqdm.format_interval(round(seconds_left))} left", refresh=False
        )
    progress.update()


def _take_note(queue: Queue, rows: pd.DataFrame) -> None:
    first = rows.iloc[0]
    # A fit that failed has no time: it takes none.
    seconds = float(first[["fit_time", "score_time"]].sum())
    queue.done(Task(first["model"], int(first["fold"]), int(first["seed"])), seconds)


def _collect(
    parts: list[pd.DataFrame], metrics: tuple[str, ...], reference: str, order: tuple[str, ...]
) -> Comparison:
    scores = pd.concat(parts, ignore_index=True)
    errors = scores[~scores["error"].isin(("", NOT_RUN))]
    if len(errors) == len(scores):
        raise ValueError(f"every fit failed; the first: {errors['error'].iloc[0]}")
    for name, rows in errors.groupby("model", sort=False):
        scored = [metric for metric in metrics if metric in set(rows["metric"])]
        what = "" if len(scored) == len(metrics) else f" to give {', '.join(scored)}"
        warn(f"{name} failed{what} in {rows['fold'].nunique()} folds: {rows['error'].iloc[0]}")
    rank = {name: place for place, name in enumerate(order)}
    scores = scores.sort_values(
        ["fold", "model", "seed"],
        key=lambda column: column.map(rank) if column.name == "model" else column,
        kind="stable",
        ignore_index=True,
    )
    return Comparison(scores, metrics, reference, order)
