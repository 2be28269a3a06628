"""What decoders share: one ``fit``, and predictions of labels or of continuous behaviour."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from torch import nn

from skneurograph.base._columns import Columns
from skneurograph.base._containers import check_alignment, read_target_labels
from skneurograph.base._fit_net import fit_net
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._net_estimator import NetEstimator
from skneurograph.base._split import TrainingSplit
from skneurograph.base._targets import Continuous, DecodedTarget
from skneurograph.base._validation import check_windows
from skneurograph.data._inputs import read_numbers, unmasked
from skneurograph.data._lazy import LazyWindows
from skneurograph.data._warnings import warn
from skneurograph.decoding._labels import Labels
from skneurograph.decoding._scale import scale_fault

__all__ = ["ClassifierPart", "Decoder", "RegressorPart"]


class Decoder(NetEstimator, ABC):
    """Train a net to predict a target from windows as they are.

    The class says what the target is (`ClassifierPart`, `RegressorPart`), which columns the
    net reads by what identity, and how it is built.
    """

    _target: Any

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | LazyWindows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the network to windows.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            Windows of activity, roughly z-scored (`Recording.zscore`): nets do not scale.
            A neuron with NaN (or a masked value) in a window is missing in it. Two
            dimensions are read as windows of one frame. float32 windows, as
            `sliding_windows` gives them, are trained in single precision, all others in
            double precision.
        y : array-like of shape (n_windows,)
            Labels, none missing, or continuous behaviour (then also
            ``(n_windows, n_outputs)``).
        sample_weight : array-like of shape (n_windows,), optional
            A weight of two counts as the window standing there twice.
        groups : array-like of shape (n_windows,), optional
            Organism of each window. With ``patience``, whole organisms are held out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit; the message names the argument. If training diverged,
            its loss or a parameter being NaN or infinite.

        Warns
        -----
        UserWarning
            If the windows are far from z-scored, such as raw fluorescence.
        """
        windows, target = check_windows(self, X, y, reset=True)
        n_frames = self.n_times_in_
        split = TrainingSplit.of(self, windows, target, sample_weight, groups, n_frames=n_frames)
        self.recorded_neurons_ = split.columns
        self._columns = self._identify(split)
        fault = scale_fault(split.train.windows, self.batch_size)
        self._has_ordinary_scale = not fault
        if fault:
            warn(
                f"X: {fault}, but {type(self).__name__} does not scale, and trains badly on such "
                "numbers; give z-scored activity (Recording.zscore of each recording, or a "
                "WindowScaler before it)"
            )
        self._target = self._learn_target(split)
        self._prepare(split)
        data = split.encoded(self._target, self._columns.trained)
        build = partial(self._build, self._target.n_outputs)
        fit_net(self, build, self._target.loss, *data, seed=split.seed, dtype=split.dtype)
        self._keep(split)
        return self

    @abstractmethod
    def _learn_target(self, split: TrainingSplit) -> DecodedTarget:
        """Learn what the net has to predict, and set what of it is public."""

    @abstractmethod
    def _build(self, n_outputs: int) -> nn.Module:
        """Make the module; called under a seed."""

    def _identify(self, split: TrainingSplit) -> Columns:
        """Say which columns the net reads, and what it knows of them."""
        return Columns(split.columns, self.n_features_in_)

    def _prepare(self, split: TrainingSplit) -> None:
        """Learn what stands beside the net."""

    def _keep(self, split: TrainingSplit) -> None:
        """Set fitted attributes that need the trained net."""

    def _checked(self, X: ArrayLike | LazyWindows) -> NDArray | LazyWindows:
        windows = super()._checked(X)
        if self._has_ordinary_scale:
            fault = scale_fault(windows, self.batch_size, glance=True)
            if fault:
                warn(f"X: {fault}, unlike the windows of fit; scale both alike (Recording.zscore)")
        return windows


class ClassifierPart(ClassifierMixin):
    """What decoders of labels add: the target, classes, probabilities."""

    _target: Labels

    def _learn_target(self, split: TrainingSplit) -> Labels:
        target = Labels(split, self.class_weight, self.label_smoothing)
        self.classes_ = target.classes
        return target

    def predict_proba(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Predict the probability of each class, averaged over the members of the ensemble.

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
        """Predict the label of each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of shape (n_windows,)
            Labels as they were given to ``fit``.
        """
        probabilities = self.predict_proba(X)
        return self._target.decode(probabilities)

    def score(
        self, X: ArrayLike | LazyWindows, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the accuracy: the fraction of windows whose label is predicted.

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


class RegressorPart(RegressorMixin):
    """What decoders of continuous behaviour add: the target, and its units."""

    _target: Continuous

    def _learn_target(self, split: TrainingSplit) -> Continuous:
        target = Continuous(split.train.y, split.train.weight)
        self.y_mean_, self.y_scale_ = target.mean, target.scale
        return target

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
        return self._predict_continuous(self._checked(X), self._target)

    def score(
        self, X: ArrayLike | LazyWindows, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the coefficient of determination (R²), averaged over outputs.

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
