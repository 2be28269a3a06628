"""The windows that a net is trained on, and those that early stopping looks at."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skneurograph.base._batches import TrainingData, hold_out
from skneurograph.base._seeds import draw_seeds
from skneurograph.base._targets import Target
from skneurograph.base._validation import check_groups, check_weights, recorded_columns
from skneurograph.data._inputs import InputError
from skneurograph.data._lazy import LazyWindows

__all__ = ["Part", "TrainingSplit"]


class Part(NamedTuple):
    """Some windows, with their targets and weights.

    Attributes
    ----------
    windows : ndarray or LazyWindows, shape (n_windows, n_neurons, n_times)
    y : ndarray of shape (n_windows, ...)
    weight : ndarray of float64, shape (n_windows,)
        Above zero.
    organisms : ndarray of shape (n_windows,) or None
    """

    windows: NDArray | LazyWindows
    y: NDArray
    weight: NDArray[np.float64]
    organisms: NDArray | None = None


class TrainingSplit(NamedTuple):
    """Validated windows, as training and early stopping see them.

    Attributes
    ----------
    train : Part
    held_out : Part or None
        With ``patience``: whole organisms if there are groups, else the last part in time.
    columns : ndarray of int
        Neurons that some training window holds.
    seed : int
        For initial values, mini-batches and dropout.
    y : ndarray of shape (n_windows, ...)
        Of all windows that count: also of those in the gap between the two parts.
    """

    train: Part
    held_out: Part | None
    columns: NDArray[np.intp]
    seed: int
    y: NDArray

    @classmethod
    def of(
        cls,
        estimator: Any,
        windows: NDArray | LazyWindows,
        y: NDArray,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        *,
        n_frames: int,
    ) -> TrainingSplit:
        """Choose by an estimator's ``patience``, ``validation_fraction`` and ``random_state``.

        Parameters
        ----------
        estimator : estimator
        windows, y : ndarray or LazyWindows, ndarray
            As `check_windows` gives them.
        sample_weight, groups : array-like of shape (n_windows,) or None
        n_frames : int
            Frames of a window, and after it, that its target reads: the gap before the
            part that is held out in time.

        Raises
        ------
        ValueError
            If weights or groups do not fit, no neuron is recorded, or nothing is left to
            train on.
        """
        organisms = check_groups(groups, len(windows))
        weight = check_weights(sample_weight, len(windows))
        counted = weight > 0
        if not counted.all():
            windows, y, weight = windows[counted], y[counted], weight[counted]
            organisms = None if organisms is None else organisms[counted]
        hold_out_seed, seed = draw_seeds(estimator.random_state, 2)
        if estimator.patience is None:
            train, held_out = Part(windows, y, weight, organisms), None
        else:
            rng, fraction = np.random.default_rng(hold_out_seed), estimator.validation_fraction
            rows = hold_out(len(y), organisms, fraction, n_frames, rng)
            train, held_out = (
                Part(
                    windows[some],
                    y[some],
                    weight[some],
                    None if organisms is None else organisms[some],
                )
                for some in rows
            )
        return cls(train, held_out, recorded_columns(train.windows), seed, y)

    def encoded(
        self,
        target: Target | None,
        columns: NDArray[np.intp] | None,
        min_steps_per_epoch: int | None = None,
    ) -> tuple[TrainingData, TrainingData | None]:
        """Give both parts as training reads them.

        Parameters
        ----------
        target : Target or None
            Learnt from the training part. None leaves ``y`` as it is, for a module that
            computes its own loss.
        columns : ndarray of int or None
            Neurons that the net sees; None for all.
        min_steps_per_epoch : int, optional
            See `TrainingData`.

        Raises
        ------
        ValueError
            If the weights of a part are all zero once those of the target are counted.
        """
        steps = {} if min_steps_per_epoch is None else {"min_steps_per_epoch": min_steps_per_epoch}
        given = []
        for part in (self.train, self.held_out):
            if part is None:
                continue
            y, weight = part.y, part.weight
            if target is not None:
                y, weight = target.encode(y, weight)
            if y.dtype.kind == "f":
                y = self._in_precision(y)
            given.append(TrainingData(part.windows, y, weight, columns, **steps))
        if given[0].weight.sum() == 0:
            raise ValueError(
                "the windows to train on all have weight zero (class_weight or sample_weight), or "
                "do so once some are held out; use other weights, or patience=None"
            )
        if self.held_out is None:
            return given[0], None
        if given[1].weight.sum() == 0:
            raise ValueError(
                "early stopping holds out windows that all have weight zero (class_weight or "
                "sample_weight); use patience=None or other weights"
            )
        return given[0], given[1]

    def _in_precision(self, y: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return a target in the precision of training."""
        with np.errstate(over="ignore"):
            cast: NDArray[np.floating] = y.astype(self.dtype)
        if np.isinf(cast).any() and not np.isinf(y).any():
            raise InputError(
                "y",
                "values that single precision does not hold, in units of the activity",
                "the units of X, or windows in double precision",
            )
        return cast

    @property
    def dtype(self) -> type[np.floating]:
        """Precision of training: that of the windows."""
        return np.float64 if self.train.windows.dtype == np.float64 else np.float32
