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
from torch import Tensor
from torch.nn import functional as F

from skneurograph.lazy import LazyWindows

__all__ = ["ClassifierPart", "RegressorPart"]


def cross_entropy(output: Tensor, target: Tensor, training: bool, *, smoothing: float) -> Tensor:
    """Cross-entropy of each window, averaged over the members of an ensemble.

    Parameters
    ----------
    output : Tensor of shape (n_members, n_windows, n_classes)
    target : int Tensor of shape (n_windows,)
    training : bool
        Labels are smoothed in training only, so that validation measures the task.
    smoothing : float
    """
    losses = F.cross_entropy(
        output.permute(1, 2, 0),
        target[:, None].expand(-1, len(output)),
        reduction="none",
        label_smoothing=smoothing if training else 0.0,
    )
    return losses.mean(dim=1)


def squared_error(output: Tensor, target: Tensor, training: bool) -> Tensor:
    """Squared error of each window, averaged over outputs and members."""
    return (output - target).square().mean(dim=(0, 2))


class ClassifierPart(ClassifierMixin):
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
        if self.class_weight is not None:
            per_class = np.ones(n_classes)
            # A class that is only held out has no frequency to balance.
            is_balanced = self.class_weight == "balanced"
            present = np.unique(encoded[kept]) if is_balanced else np.arange(n_classes)
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


class RegressorPart(RegressorMixin):
    """Continuous behaviour: squared error in units of the training spread."""

    _target_constraints: dict[str, list[Any]] = {}  # noqa: RUF012

    def _encode_target(
        self, y: NDArray, weight: NDArray[np.float64], kept: slice | NDArray[np.intp]
    ) -> tuple[NDArray, NDArray[np.float64], int]:
        outputs = np.asarray(y, dtype=np.float64)
        self._is_flat = outputs.ndim == 1
        outputs = outputs.reshape(len(outputs), -1)
        self.y_mean_ = np.average(outputs[kept], axis=0, weights=weight[kept])
        deviation = (outputs[kept] - self.y_mean_) ** 2
        spread = np.sqrt(np.average(deviation, axis=0, weights=weight[kept]))
        self.y_scale_ = np.where(spread > 0, spread, 1.0)
        return (outputs - self.y_mean_) / self.y_scale_, weight, outputs.shape[1]

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
        parts = [output.mean(dim=0) for _, output, _ in self._evaluate(self._checked(X))]
        outputs = torch.cat(parts).cpu().numpy() * self.y_scale_ + self.y_mean_
        return outputs[:, 0] if self._is_flat else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
