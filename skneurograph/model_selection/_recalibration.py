"""Recalibration of class probabilities for one organism, without its labels or with a few.

Without labels it is a shift of the log-probability of each class, constant (``(n_classes,)``) or,
from the past only, one for each window (``(n_windows, n_classes)``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

__all__ = [
    "Scaling",
    "Training",
    "bounded_log",
    "fit_scaling",
    "shift_of_mean",
    "shift_of_shares",
    "shifted",
]

Floats = NDArray[np.float64]

# One probability of zero says no more than one of a thousandth, or it alone would fix a mean.
_FLOOR = 1e-3
_TOLERANCE = 1e-8
_MAX_ROUNDS = 1000


def bounded_log(proba: NDArray[np.floating]) -> Floats:
    """Return log-probabilities, those below one in a thousand raised to that."""
    return np.log(np.maximum(np.asarray(proba, dtype=np.float64), _FLOOR))


def shifted(proba: NDArray[np.floating], shift: Floats) -> Floats:
    """Add a shift to log-probabilities, and return probabilities."""
    with np.errstate(divide="ignore"):
        return softmax(np.log(np.asarray(proba, dtype=np.float64)) + shift, axis=1)


class Training(NamedTuple):
    """What recalibration knows of the training windows.

    Attributes
    ----------
    mean : ndarray of shape (n_classes,)
        Mean log-probability that the classifier gives each class.
    shares : ndarray of shape (n_classes,)
        Share of each class among the labels.
    offsets : ndarray of shape (n_classes,)
        What has to be added to log-probabilities for the mean probability of each class to
        be its share: zero for logistic regression, minus the logarithm of the weight of a
        class where classes were weighted.
    """

    mean: Floats
    shares: Floats
    offsets: Floats

    @classmethod
    def of(cls, proba: NDArray[np.floating], encoded: NDArray[np.intp]) -> Training:
        """Describe training windows by their probabilities and the number of each label."""
        shares = np.bincount(encoded, minlength=proba.shape[1]) / len(encoded)
        return cls(bounded_log(proba).mean(axis=0), shares, _offsets(proba, shares))

    @property
    def class_weights(self) -> Floats:
        """How the classifier weighed a window of each class, one on average."""
        weights = np.exp(-self.offsets)
        return weights / (self.shares @ weights)


def _offsets(proba: NDArray[np.floating], shares: Floats) -> Floats:
    """Find the offsets that maximise the likelihood of the labels (iterative scaling)."""
    offsets = np.zeros(len(shares))
    for _ in range(_MAX_ROUNDS):
        step = np.log(shares / shifted(proba, offsets).mean(axis=0))
        offsets += step
        if np.abs(step).max() < _TOLERANCE:
            break
    return offsets


def shift_of_mean(
    proba: NDArray[np.floating], target: Floats, prior_weight: float, *, causal: bool
) -> Floats:
    """Move the mean log-probability of each class towards a target.

    Parameters
    ----------
    proba : ndarray of shape (n_windows, n_classes)
        Windows of one organism, in order of time if causal.
    target : ndarray of shape (n_classes,)
    prior_weight : float
        Windows at the target that are counted along: ``n`` windows move the mean by
        ``n / (n + prior_weight)`` of the way.
    causal : bool
        Whether the shift of a window comes from the windows before it alone.

    Returns
    -------
    ndarray of shape (n_classes,), or (n_windows, n_classes) if causal
    """
    excess = bounded_log(proba) - target
    if not causal:
        return -excess.sum(axis=0) / (len(excess) + prior_weight)
    n_before = np.arange(len(excess))[:, None]
    return -_before(excess) / np.maximum(n_before + prior_weight, 1)


def _before(values: Floats) -> Floats:
    """Sum over the windows before each one."""
    return np.cumsum(values, axis=0) - values


def shift_of_shares(
    proba: NDArray[np.floating], training: Training, prior_weight: float, *, causal: bool
) -> Floats:
    """Re-estimate the shares of the classes by expectation maximisation.

    Probabilities are first brought to the shares of training (`Training.offsets`). Of all
    windows, expectation and maximisation alternate until they agree (Saerens et al., 2002).
    Causal, the expectation of each window is taken once, with the shares that were
    estimated from the windows before it.

    Parameters
    ----------
    proba : ndarray of shape (n_windows, n_classes)
        Windows of one organism, in order of time if causal.
    training : Training
    prior_weight : float
        Windows with the shares of training that are counted along.
    causal : bool

    Returns
    -------
    ndarray of shape (n_classes,), or (n_windows, n_classes) if causal
        Logarithm of the estimated shares over those of training.
    """
    calibrated = shifted(proba, training.offsets)
    estimate = _running_shares if causal else _shares
    shares = estimate(calibrated, training.shares, prior_weight)
    return np.log(np.maximum(shares, _TOLERANCE) / training.shares)


def _expected(calibrated: Floats, ratio: Floats) -> Floats:
    weighted = calibrated * ratio
    return weighted / weighted.sum(axis=-1, keepdims=True)


def _shares(calibrated: Floats, known: Floats, prior_weight: float) -> Floats:
    shares = known
    for _ in range(_MAX_ROUNDS):
        expected = _expected(calibrated, shares / known)
        found = (expected.sum(axis=0) + prior_weight * known) / (len(expected) + prior_weight)
        change = np.abs(found - shares).max()
        shares = found
        if change < _TOLERANCE:
            break
    return shares


def _running_shares(calibrated: Floats, known: Floats, prior_weight: float) -> Floats:
    """Estimate the shares before each window; known ones before there is anything to go by."""
    shares = np.empty_like(calibrated)
    total = prior_weight * known
    for row, window in enumerate(calibrated):
        shares[row] = total / total.sum() if total.sum() else known
        total = total + _expected(window, shares[row] / known)
    return shares


class Scaling(NamedTuple):
    """Vector scaling with one temperature: ``softmax(slope * log(p) + offsets)``.

    The slope is that of the bounded logarithm, which what lies below the bound is added to.
    """

    slope: float
    offsets: Floats

    def apply(self, proba: NDArray[np.floating]) -> Floats:
        """Return recalibrated probabilities."""
        logs = bounded_log(proba)
        scaled: Floats = softmax(self.slope * logs + _below(proba) + self.offsets, axis=1)
        return scaled


def _below(proba: NDArray[np.floating]) -> Floats:
    """Return by how much log-probabilities lie below the bound, finite."""
    logs = np.log(np.maximum(np.asarray(proba, dtype=np.float64), np.finfo(np.float64).tiny))
    return np.minimum(logs - np.log(_FLOOR), 0)


def fit_scaling(
    proba: NDArray[np.floating], encoded: NDArray[np.intp], class_weights: Floats, penalty: float
) -> Scaling:
    """Fit a scaling to labelled windows, pulled to the one that changes nothing.

    The loss is the cross-entropy, summed over windows with the weight of their class, plus
    ``penalty / 2`` times the squares of ``slope - 1`` and of the offsets.

    Parameters
    ----------
    proba : ndarray of shape (n_windows, n_classes)
    encoded : ndarray of int of shape (n_windows,)
        Number of the label of each window.
    class_weights : ndarray of shape (n_classes,)
    penalty : float

    Returns
    -------
    Scaling
    """
    logs, below, n_classes = bounded_log(proba), _below(proba), proba.shape[1]
    weight = class_weights[encoded][:, None]
    is_label = np.eye(n_classes)[encoded]
    identity = np.append(1.0, np.zeros(n_classes))

    def loss(values: Floats) -> tuple[float, Floats]:
        log_p = log_softmax(values[0] * logs + below + values[1:], axis=1)
        error = weight * (np.exp(log_p) - is_label)
        gradient = np.append((error * logs).sum(), error.sum(axis=0))
        away = values - identity
        value = penalty / 2 * away @ away - (weight * is_label * log_p).sum()
        return float(value), gradient + penalty * away

    bounds = [(0, None)] + [(None, None)] * n_classes
    found = minimize(loss, identity, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Scaling(float(found[0]), found[1:])
