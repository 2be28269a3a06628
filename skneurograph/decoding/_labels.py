"""Labels of behaviour as a target: encoded as classes, weighted, and decoded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import compute_class_weight
from torch import Tensor

from skneurograph.base._split import TrainingSplit
from skneurograph.base._validation import check_classes
from skneurograph.data._warnings import warn
from skneurograph.nn import cross_entropy

__all__ = ["Labels"]


class Labels:
    """Labels of behaviour, learnt by cross-entropy.

    Parameters
    ----------
    split : TrainingSplit
        Classes are those of all its windows, their frequencies those of training.
    class_weight : None, "balanced" or dict
    smoothing : float
        Of the labels, see `skneurograph.nn.cross_entropy`.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted.

    Raises
    ------
    ValueError
        If the labels are no classes, or weights make no sense.

    Warns
    -----
    UserWarning
        If there is one class only, or one that training does not see.
    """

    def __init__(
        self,
        split: TrainingSplit,
        class_weight: Literal["balanced"] | dict[Any, float] | None,
        smoothing: float,
    ) -> None:
        check_classes(split.y)
        self.classes = np.unique(split.y)
        self.loss: Callable[..., Tensor] = partial(cross_entropy, smoothing=smoothing)
        if len(self.classes) == 1:
            warn(
                f"y has one class only, {self.classes.tolist()[0]!r}: every prediction will be that"
            )
        present = np.unique(split.train.y)
        lost = np.setdiff1d(self.classes, present)
        self._weights = np.ones(len(self.classes))
        if isinstance(class_weight, dict):
            self._weights = _weight_of_classes(class_weight, self.classes)
        elif class_weight is not None:
            # A class that is only held out has no frequency to balance.
            self._weights[np.isin(self.classes, present)] = compute_class_weight(
                class_weight,
                classes=present,
                y=split.train.y,
                sample_weight=split.train.weight,
            )
        if len(lost):
            names = ", ".join(map(str, lost))
            warn(
                f"early stopping holds out every window of {names}, or leaves it out as a gap: the "
                "model never learns it"
            )

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def encode(
        self, y: NDArray, weight: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the number of each label's class, and weights that count that of the class."""
        encoded = np.searchsorted(self.classes, y).astype(np.int64)
        return encoded, weight * self._weights[encoded]

    def decode(self, probabilities: NDArray[np.floating]) -> NDArray:
        """Return the most probable label of each window."""
        return self.classes[probabilities.argmax(axis=1)]


def _weight_of_classes(given: dict[Any, float], classes: NDArray) -> NDArray[np.float64]:
    """Return the weight of each class, and say which of them make no sense."""
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
        warn("class_weight: " + ", and ".join(told))
    return found
