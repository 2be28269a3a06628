"""A classifier recalibrated for each organism that it predicts."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import nullcontext
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skneurograph.base._containers import check_alignment, read_target_labels
from skneurograph.base._described import described
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._validation import check_classes, check_groups, check_windows
from skneurograph.data._inputs import InputError, unmasked
from skneurograph.data._lazy import LazyWindows
from skneurograph.model_selection._groups import fit_with_groups, groups_supplied
from skneurograph.model_selection._recalibration import (
    Scaling,
    Training,
    fit_scaling,
    shift_of_mean,
    shift_of_shares,
    shifted,
)
from skneurograph.preprocessing import make_baseline

__all__ = ["AdaptedClassifier"]

# The key of what was adapted to labels without groups: it serves every other organism.
_ANY = None


@described()
class AdaptedClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    r"""Adapt a classifier to a new animal: recalibrate its probabilities for each organism.

    Any classifier with ``predict_proba`` can be wrapped. Fitted on some organisms, it predicts
    others by the same rule, though they may use behaviours more or less often, and though the
    classifier may favour one behaviour in all of an animal's windows. The shift of
    log-probabilities that corrects this is estimated for each organism that is predicted, from
    its own windows, **without labels**; `adapt` uses a few labelled ones instead.

    Predictions of a window thus depend on the other windows of its organism that are given
    with it: on all of them, or if ``causal`` on those before it.

    Parameters
    ----------
    estimator : classifier or None
        Must have ``predict_proba``; it may be a Pipeline or a search. None is logistic
        regression on the flattened window with balanced classes.
    recalibration : {"align", "centre", "prior"} or None
        ``"align"`` gives each class the mean log-probability that it has in training.
        ``"centre"`` gives all classes the same mean log-probability: none is favoured.
        ``"prior"`` re-estimates the shares of the classes by expectation maximisation [1]_,
        and multiplies probabilities by the new share over that in training; it trusts
        probabilities to be calibrated. None changes nothing but for what `adapt` learnt.
    causal : bool
        Whether to use for each window only the windows of its organism before it, which must
        be given in order of time. The first window is not changed. With ``"prior"`` each
        window counts once, by the shares that were estimated before it.
    prior_weight : float
        How many windows without any shift are counted along with those of the organism: of a
        shift seen in ``n`` windows, ``n / (n + prior_weight)`` is made. Also the penalty that
        pulls what `adapt` learns towards no change.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    classes_ : ndarray of shape (n_classes,)
        Labels.
    class_shares_ : ndarray of shape (n_classes,)
        Share of each class among the training windows.
    n_features_in_ : int
        Number of neurons.
    n_times_in_ : int
        Frames of a window.
    feature_names_in_ : ndarray of str
        Names of the neurons, where ``fit`` was given any.

    See Also
    --------
    skneurograph.compare : Passes the organisms of held-out windows on.

    Notes
    -----
    What is used of the organism that is predicted: its activity, all of it unless ``causal``,
    and labels only in `adapt`. Z-scoring a recording as a whole uses later frames, too.

    References
    ----------
    .. [1] M. Saerens, P. Latinne, C. Decaestecker (2002). Adjusting the outputs of a
       classifier to new a priori probabilities: a simple procedure. Neural Computation 14,
       21-41. doi:10.1162/089976602753284446

    Examples
    --------
    >>> from skneurograph import default_models, make_worms, sliding_windows
    >>> from skneurograph.model_selection import AdaptedClassifier
    >>> worms = [worm.zscore() for worm in make_worms(3, duration=60, random_state=0).recordings]
    >>> windows = sliding_windows(worms, 8, step=4, average_classes=True)
    >>> new = windows.groups == worms[2].organism
    >>> (model,) = default_models(names="logistic").values()
    >>> adapted = AdaptedClassifier(model, recalibration="centre")
    >>> adapted = adapted.fit(windows.X[~new], windows.y[~new])
    >>> adapted.predict(windows.X[new]).shape  # without its labels
    (44,)
    >>> few, rest = windows[new][:15], windows[new][17:]
    >>> adapted.adapt(few.X, few.y).predict(rest.X).shape  # with some
    (27,)
    """

    # Groups are wanted whenever metadata routing is on, without a request.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [None, HasMethods(["fit"])],
        "recalibration": [None, StrOptions({"align", "centre", "prior"})],
        "causal": ["boolean"],
        "prior_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        *,
        recalibration: Literal["align", "centre", "prior"] | None = "align",
        causal: bool = False,
        prior_weight: float = 100.0,
    ) -> None:
        self.estimator = estimator
        self.recalibration = recalibration
        self.causal = causal
        self.prior_weight = prior_weight

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | LazyWindows,
        y: ArrayLike,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the wrapped classifier, and forget what `adapt` learnt.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            Windows of the training organisms. Two dimensions are read as windows of one
            frame, and passed on as they are.
        y : array-like of shape (n_windows,)
            Labels, none missing.
        groups : array-like of shape (n_windows,), optional
            Organism of each window, for a classifier that asks for it.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit, or if the classifier gives no probabilities.
        """
        windows, labels = check_windows(self, X, y, reset=True)
        check_classes(labels)
        organisms = check_groups(groups, len(windows))
        self.estimator_ = fit_with_groups(
            clone(self._wrapped()), _as_given(X, windows), labels, organisms
        )
        self.classes_ = self.estimator_.classes_
        proba = self._wrapped_proba(_as_given(X, windows), organisms)
        self._training = Training.of(proba, np.searchsorted(self.classes_, labels))
        self.class_shares_ = self._training.shares
        self._scalings: dict[Hashable, Scaling] = {}
        return self

    def adapt(
        self, X: ArrayLike | LazyWindows, y: ArrayLike, groups: ArrayLike | None = None
    ) -> Self:
        """Learn from a few labelled windows of an organism how to recalibrate its others.

        A slope and one offset per class of the log-probabilities are fitted to the labels,
        pulled by ``prior_weight`` towards no change, and used in place of ``recalibration``.
        Classes are weighed as in training. The classifier itself stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows,)
            Labels, of classes that training had; not all have to occur.
        groups : array-like of shape (n_windows,), optional
            Organism of each window: then each has a recalibration of its own, used where
            ``predict`` is given its name. Without, one holds for all other organisms, and for
            windows that are predicted without groups.

        Returns
        -------
        self
            What was learnt before of the same organism is replaced.

        Raises
        ------
        ValueError
            If the input does not fit, or if there is a label that training did not have.
        """
        check_is_fitted(self)
        check_alignment(X=X, y=y, groups=groups)
        windows, labels = check_windows(self, X, y, reset=False)
        unknown = np.setdiff1d(labels, self.classes_).tolist()
        if unknown:
            raise InputError("y", f"{unknown}", f"labels of training, {self.classes_.tolist()}")
        organisms = check_groups(groups, len(windows))
        proba = self._wrapped_proba(_as_given(X, windows), organisms)
        encoded = np.searchsorted(self.classes_, labels)
        weights = self._training.class_weights
        for organism, rows in _by_organism(organisms, len(windows)):
            self._scalings[organism] = fit_scaling(
                proba[rows], encoded[rows], weights, self.prior_weight
            )
        return self

    def predict_proba(
        self, X: ArrayLike | LazyWindows, groups: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Predict the probability of each class, recalibrated for each organism.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            Those of each organism in order of time, if ``causal``.
        groups : array-like of shape (n_windows,), optional
            Organism of each window; without, all windows are of one.

        Returns
        -------
        ndarray of shape (n_windows, n_classes)
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        check_alignment(X=X, groups=groups)
        windows, _ = check_windows(self, X, reset=False)
        organisms = check_groups(groups, len(windows))
        proba = self._wrapped_proba(_as_given(X, windows), organisms)
        recalibrated = np.empty_like(proba)
        for organism, rows in _by_organism(organisms, len(windows)):
            recalibrated[rows] = self._recalibrated(proba[rows], organism)
        return recalibrated

    def predict(self, X: ArrayLike | LazyWindows, groups: ArrayLike | None = None) -> NDArray:
        """Predict the label of each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            Those of each organism in order of time, if ``causal``.
        groups : array-like of shape (n_windows,), optional
            Organism of each window; without, all windows are of one.

        Returns
        -------
        ndarray of shape (n_windows,)
        """
        proba = self.predict_proba(X, groups)
        return self.classes_[proba.argmax(axis=1)]

    def score(
        self,
        X: ArrayLike | LazyWindows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Return the accuracy: the fraction of windows whose label is predicted.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows,)
        sample_weight : array-like of shape (n_windows,), optional
        groups : array-like of shape (n_windows,), optional
            Organism of each window.

        Returns
        -------
        float
        """
        check_alignment(X=X, y=y, sample_weight=sample_weight, groups=groups)
        is_right = self.predict(X, groups) == read_target_labels(y)
        return float(np.average(is_right, weights=unmasked(sample_weight)))

    def _wrapped(self) -> BaseEstimator:
        if self.estimator is None:
            return make_baseline(LogisticRegression(class_weight="balanced", max_iter=3000))
        if not hasattr(self.estimator, "predict_proba"):
            raise InputError(
                "estimator",
                f"{type(self.estimator).__name__}, which has no predict_proba",
                "a classifier that gives probabilities, such as one in a CalibratedClassifierCV",
            )
        return self.estimator

    def _wrapped_proba(self, X: Any, groups: NDArray | None) -> NDArray[np.floating]:
        """Return what the wrapped classifier predicts, which may need groups itself."""
        supplied: Any = nullcontext()
        if groups is not None:
            supplied = groups_supplied(self.estimator_, groups)
        with supplied:
            return np.asarray(self.estimator_.predict_proba(X))

    def _recalibrated(
        self, proba: NDArray[np.floating], organism: Hashable
    ) -> NDArray[np.floating]:
        """Recalibrate the windows of one organism."""
        scaling = self._scalings.get(organism, self._scalings.get(_ANY))
        if scaling is not None:
            return scaling.apply(proba)
        if self.recalibration is None:
            return proba
        weight, causal = self.prior_weight, self.causal
        if self.recalibration == "prior":
            shift = shift_of_shares(proba, self._training, weight, causal=causal)
        else:
            target = self._training.mean
            if self.recalibration == "centre":
                target = np.full_like(target, target.mean())
            shift = shift_of_mean(proba, target, weight, causal=causal)
        return shifted(proba, shift)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        wrapped = get_tags(self.estimator) if self.estimator is not None else None
        tags.input_tags.allow_nan = wrapped is None or wrapped.input_tags.allow_nan
        tags.input_tags.three_d_array = wrapped is None or wrapped.input_tags.three_d_array
        return tags


def _as_given(X: Any, windows: NDArray | LazyWindows) -> Any:
    """Return windows for the wrapped classifier: a table as it is, else an array as given."""
    if hasattr(X, "iloc") or isinstance(windows, LazyWindows):
        return X
    is_flat = (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) == 2
    return windows[:, :, 0] if is_flat else windows


def _by_organism(
    groups: NDArray | None, n_windows: int
) -> Iterator[tuple[Hashable, NDArray[np.intp]]]:
    """Yield the windows of each organism, in their order; all of them without groups."""
    if groups is None:
        yield _ANY, np.arange(n_windows)
        return
    organisms, which = np.unique(groups, return_inverse=True)
    for number, organism in enumerate(organisms):
        yield organism, np.flatnonzero(which == number)
