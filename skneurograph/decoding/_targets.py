"""Labels and continuous behaviour: how targets become losses and outputs predictions."""

from __future__ import annotations

import warnings
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from skneurograph.base._containers import check_alignment, read_target_labels
from skneurograph.base._units import power_of_two
from skneurograph.data._inputs import read_numbers, unmasked
from skneurograph.data._lazy import LazyWindows, cut_windows
from skneurograph.nn import cross_entropy, squared_error

__all__ = ["ClassifierPart", "RegressorPart"]


# What a net can read without scaling: activity that is z-scored, or relative to a baseline.
_LARGEST, _SMALLEST = 100.0, 1e-3
# An offset hides changes that are so many times smaller.
_OFFSET = 10.0


class _Decoder:
    """What classifiers and regressors share: nets that take the activity as it is."""

    batch_size: int

    def _prepare(
        self, windows: NDArray | LazyWindows, labels: NDArray, weight: NDArray[np.float64]
    ) -> None:
        fault = describe_scale(_some(windows, self.batch_size))
        self._has_ordinary_units = not fault
        if fault:
            warnings.warn(
                f"X: {fault}, but {type(self).__name__} does not scale, and trains badly on such "
                "numbers; give z-scored activity (Recording.zscore of each recording, or a "
                "WindowScaler before it)",
                UserWarning,
                stacklevel=5,
            )

    def _checked(self, X: ArrayLike | LazyWindows) -> NDArray | LazyWindows:
        windows: NDArray | LazyWindows = super()._checked(X)  # type: ignore[misc]
        if self._has_ordinary_units:
            some = _some(windows, self.batch_size)
            # Ordinary windows, of which there may be one at a time, are known at a glance.
            unusual = np.fmax.reduce(np.abs(some), axis=None) > _OFFSET
            fault = describe_scale(some) if unusual else ""
            if fault:
                warnings.warn(
                    f"X: {fault}, unlike the windows of fit; scale both alike (Recording.zscore)",
                    UserWarning,
                    stacklevel=3,
                )
        return windows


def _some(windows: NDArray | LazyWindows, most: int) -> NDArray:
    """Take at most so many windows, evenly spaced: a batch is all that is held at a time."""
    if len(windows) > most:
        rows = np.linspace(0, len(windows) - 1, most).astype(np.intp)
        return cut_windows(windows, rows, None)
    return np.asarray(windows)


def describe_scale(windows: NDArray) -> str:
    """Say what is wrong with the units of windows for a net; nothing if they are ordinary."""
    values = windows.transpose(1, 0, 2).reshape(windows.shape[1], -1).astype(np.float64)
    values = values[~np.isnan(values).all(axis=1)]
    if not len(values):
        return ""
    unit = float(power_of_two(np.nanmax(np.abs(values))))
    values /= unit
    level = float(np.median(np.abs(np.nanmean(values, axis=1)))) * unit
    spreads = np.nanstd(values, axis=1) * unit
    varying = spreads[spreads > 0]
    spread = float(np.median(varying)) if len(varying) else 0.0
    if max(level, spread) > _LARGEST or level > _OFFSET * max(spread, 1.0):
        word = "large numbers"
    elif 0 < spread < _SMALLEST:
        word = "small numbers"
    else:
        return ""
    return f"got {word} (a neuron's mean is about {level:.2g}, its standard deviation {spread:.2g})"


class ClassifierPart(_Decoder, ClassifierMixin):
    """Labels of behaviour: cross-entropy, class weights, probabilities."""

    _target_constraints: dict[str, list[Any]] = {  # noqa: RUF012
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def _encode_target(
        self, y: NDArray, weight: NDArray[np.float64], kept: slice | NDArray[np.intp]
    ) -> tuple[NDArray, NDArray[np.float64], int]:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes == 1:
            warnings.warn(
                f"y has one class only, {self.classes_[0]!r}: every prediction will be that",
                UserWarning,
                stacklevel=4,
            )
        if isinstance(self.class_weight, dict):
            weight = weight * _weight_of_classes(self.class_weight, self.classes_)[encoded]
        elif self.class_weight is not None:
            per_class = np.ones(n_classes)
            # A class that is only held out has no frequency to balance.
            present = np.unique(encoded[kept])
            per_class[present] = compute_class_weight(
                self.class_weight,
                classes=self.classes_[present],
                y=y[kept],
                sample_weight=weight[kept],
            )
            weight = weight * per_class[encoded]
        return encoded.astype(np.int64), weight, n_classes

    def _loss(self) -> Any:
        return partial(cross_entropy, smoothing=self.label_smoothing)

    def predict_proba(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Probability of each class, averaged over the members of the ensemble.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows, n_classes)
            Columns in the order of ``classes_``.
        """
        parts = [
            torch.softmax(output, dim=-1).mean(dim=0)
            for _, output, _ in self._evaluate(self._checked(X))
        ]
        return torch.cat(parts).cpu().numpy()

    def predict(self, X: ArrayLike | LazyWindows) -> NDArray:
        """Most probable label of each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows,)
            Labels as they were given to ``fit``.
        """
        winners = self.predict_proba(X).argmax(axis=1)
        return self.classes_[winners]

    def score(
        self, X: ArrayLike | LazyWindows, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Give the accuracy: the part of the windows whose label is predicted.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows,)
        sample_weight : array-like of shape (n_windows,), optional

        Returns
        -------
        float
        """
        check_alignment(X=X, y=y, sample_weight=sample_weight)
        return float(super().score(X, read_target_labels(y), unmasked(sample_weight)))


def _weight_of_classes(given: dict[Any, float], classes: NDArray) -> NDArray[np.float64]:
    """Give the weight of each class, and say which of them make no sense."""
    weights: dict[Any, Any] = {
        (key.decode() if isinstance(key, bytes) else key): value for key, value in given.items()
    }
    for label, weight in weights.items():
        is_number = isinstance(weight, Real) and not isinstance(weight, (bool, np.bool_))
        if not (is_number and 0 <= weight < np.inf):
            raise ValueError(
                f"class_weight: got {weight!r} for class {label!r}; expected a positive number"
            )
    names = classes.tolist()
    lacking = [label for label in names if label not in weights]
    if lacking:
        raise ValueError(
            f"class_weight: got weights for {list(weights)}, none for {lacking}; expected one for "
            f"every class of y, {names}"
        )
    found = np.array([weights[label] for label in names], dtype=np.float64)
    if not found.any():
        raise ValueError(
            f"class_weight: got zero for every class, {names}; expected positive numbers"
        )
    never = [label for label in names if weights[label] == 0]
    unknown = [label for label in weights if label not in names]
    told = [f"got zero for {never}, which the model never learns"] if never else []
    told += [f"got weights for {unknown}, which no window of y has ({names})"] if unknown else []
    if told:
        warnings.warn("class_weight: " + ", and ".join(told), UserWarning, stacklevel=5)
    return found


class RegressorPart(_Decoder, RegressorMixin):
    """Continuous behaviour: squared error in units of the training spread."""

    _target_constraints: dict[str, list[Any]] = {}  # noqa: RUF012

    def _encode_target(
        self, y: NDArray, weight: NDArray[np.float64], kept: slice | NDArray[np.intp]
    ) -> tuple[NDArray, NDArray[np.float64], int]:
        return self._encode_continuous(y, weight, kept)

    def _loss(self) -> Any:
        return squared_error

    def predict(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Predict the target of each window, averaged over the members of the ensemble.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows,) or (n_windows, n_outputs)
            In the units of ``y``.
        """
        return self._predict_continuous(self._checked(X))

    def score(
        self, X: ArrayLike | LazyWindows, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Give the coefficient of determination, averaged over outputs.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
        y : array-like of shape (n_windows,) or (n_windows, n_outputs)
        sample_weight : array-like of shape (n_windows,), optional

        Returns
        -------
        float
        """
        check_alignment(X=X, y=y, sample_weight=sample_weight)
        return float(super().score(X, read_numbers(y, "y", finite=True), unmasked(sample_weight)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
