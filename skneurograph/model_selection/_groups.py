"""Routing of groups to the estimators that request them, in scorers as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object
from sklearn.utils.validation import _num_samples

from skneurograph.data._inputs import read_groups

__all__ = [
    "GroupScorer",
    "fit_with_groups",
    "groups_supplied",
    "takes_groups",
]

# Methods that scorers call, or that estimators around a consumer call for them.
_METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "score",
)


@dataclass(frozen=True)
class GroupScorer:
    """Scorer that passes groups to ``predict``, for estimators that need them.

    scikit-learn's scorers call ``predict(X)``; the groups that a cross-validation or a
    search was given end there, and a pipeline with `MARBLE` or `TAVRNN` predicts without
    them. This scorer asks for them and hands them on. `compare` does so by itself, also in
    the searches that it is given.

    Parameters
    ----------
    scoring : str, scorer or None
        As in scikit-learn, such as ``"balanced_accuracy"``; None is the estimator's ``score``.

    Examples
    --------
    >>> import numpy as np, sklearn
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import LeaveOneGroupOut, cross_validate
    >>> from sklearn.pipeline import make_pipeline
    >>> from skneurograph.embedding import TAVRNN
    >>> from skneurograph.model_selection import GroupScorer
    >>> X = np.random.default_rng(0).normal(size=(40, 4, 6))
    >>> y, groups = np.tile(["forward", "reversal"], 20), np.repeat(["one", "two"], 20)
    >>> model = make_pipeline(TAVRNN(max_epochs=1, n_components=2), LogisticRegression())
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     scores = cross_validate(
    ...         model, X, y, cv=LeaveOneGroupOut(), params={"groups": groups},
    ...         scoring=GroupScorer("balanced_accuracy"))
    >>> scores["test_score"].shape
    (2,)
    """

    scoring: Any

    def __call__(
        self, estimator: BaseEstimator, X: Any, y: Any = None, groups: ArrayLike | None = None
    ) -> float:
        """Score windows.

        Parameters
        ----------
        estimator : fitted estimator
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows,)
        groups : array-like of shape (n_windows,), optional
        """
        scorer = check_scoring(estimator, scoring=self.scoring)
        if groups is None:
            return float(scorer(estimator, X, y))
        with groups_supplied(estimator, read_groups(groups, _num_samples(X))):
            return float(scorer(estimator, X, y))

    def get_metadata_routing(self) -> MetadataRequest:
        """Request groups from scikit-learn."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="groups", alias=True)
        return request


def let_searches_score_by_groups(model: BaseEstimator) -> None:
    """Set the scorers of searches to `GroupScorer` where candidates need groups to predict."""
    for part in _parts(model, set()):
        if (
            isinstance(part, (GridSearchCV, RandomizedSearchCV))
            and (part.scoring is None or isinstance(part.scoring, str))
            and any(_requests(inner) for inner in _parts(part.estimator, set()))
        ):
            part.scoring = GroupScorer(part.scoring)


def takes_groups(consumer: Any, method: str) -> bool:
    """Whether an estimator or a scorer, or anything inside it, asks for groups in a method."""
    if not hasattr(consumer, "get_metadata_routing"):
        return False
    with config_context(enable_metadata_routing=True):
        try:
            return bool(get_routing_for_object(consumer).consumes(method, {"groups"}))
        except NotImplementedError:  # some meta-estimators route nothing
            return False


def fit_with_groups(
    model: BaseEstimator, X: Any, y: NDArray, groups: NDArray | None
) -> BaseEstimator:
    """Fit a model, with groups if it asks for them, or anything inside it."""
    given: dict[str, Any] = {}
    if groups is not None and takes_groups(model, "fit"):
        given["groups"] = groups
        let_searches_score_by_groups(model)
    # Routing changes what meta-estimators do, so it is on only for those who need it.
    with config_context(enable_metadata_routing=bool(given)):
        return model.fit(X, y, **given)


@contextmanager
def groups_supplied(fitted: BaseEstimator, groups: NDArray) -> Iterator[None]:
    """Pass ``groups`` to what requests them inside a fitted estimator, however it is called.

    A pipeline hands groups on if its ``predict`` is given them, but scorers give none, and
    searches and ensembles take none. Within the block, the innermost estimators that
    request groups get those of the windows that are scored.
    """
    with ExitStack() as undo:
        for part in _parts(fitted, set()):
            for method, names in _requests(part).items():
                supplied = _supplied(getattr(part, method), names, groups)
                vars(part)[method] = supplied
                undo.callback(vars(part).pop, method, None)
        yield


def _parts(value: Any, seen: set[int]) -> Iterator[BaseEstimator]:
    """Walk through an estimator and all that it holds."""
    if id(value) in seen:
        return
    seen.add(id(value))
    inside: Any = ()
    if isinstance(value, BaseEstimator):
        yield value
        inside = list(vars(value).values())
    elif isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, (list, tuple)) or (
        isinstance(value, np.ndarray) and value.dtype == object
    ):
        inside = value
    for part in inside:
        yield from _parts(part, seen)


def _requests(part: BaseEstimator) -> dict[str, list[str]]:
    """Which arguments of which methods of an estimator are to be groups."""
    with config_context(enable_metadata_routing=True):
        try:
            request = get_routing_for_object(part)
        except NotImplementedError:
            return {}
    if not isinstance(request, MetadataRequest):  # a router: what it holds is looked at itself
        return {}
    found = {
        method: [
            name
            for name, alias in getattr(request, method).requests.items()
            if alias == "groups" or (alias is True and name == "groups")
        ]
        for method in _METHODS
        if hasattr(part, method)
    }
    return {method: names for method, names in found.items() if names}


def _supplied(method: Callable[..., Any], names: list[str], groups: NDArray) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature(method).bind_partial(*args, **kwargs).arguments
        missing = [name for name in names if given.get(name) is None]
        n_windows = _num_samples(args[0] if args else kwargs["X"])
        if missing and n_windows != len(groups):
            raise ValueError(
                f"groups: {method.__qualname__} is asked for {n_windows} windows where "
                f"{len(groups)} are scored; expected all of them, or groups with them"
            )
        return method(*args, **{**kwargs, **dict.fromkeys(missing, groups)})

    return call
