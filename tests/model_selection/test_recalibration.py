"""Recalibration of probabilities: against plain loops, and by what it has to hold."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skneurograph.model_selection._recalibration import (
    Training,
    fit_scaling,
    shift_of_mean,
    shift_of_shares,
    shifted,
)

MEANS = np.array([[0.0, 2.0], [1.5, 0.0], [-1.5, 0.0]])


def draw(shares, n_windows=3000, seed=0):
    """Features of three classes, with the shares given, and labels."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n_windows, p=shares)
    return MEANS[y] + rng.normal(size=(n_windows, 2)), y


def proba_of(shares, X):
    """The posterior that a classifier has which knows the truth, but assumes other shares."""
    log_p = -0.5 * ((X[:, None] - MEANS) ** 2).sum(axis=2) + np.log(shares)
    p = np.exp(log_p)
    return p / p.sum(axis=1, keepdims=True)


SHARES = np.array([0.5, 0.3, 0.2])
NEW = np.array([0.1, 0.3, 0.6])


@pytest.fixture(params=[SHARES, np.ones(3) / 3], ids=["shares of training", "balanced"])
def assumed(request):
    """The shares that the classifier assumes."""
    return request.param


def training(assumed):
    X, y = draw(SHARES)
    return Training.of(proba_of(assumed, X), y)


def test_offsets_tell_how_classes_were_weighted(assumed):
    known = training(assumed)
    expected = assumed / SHARES
    np.testing.assert_allclose(known.class_weights, expected / (SHARES @ expected), rtol=0.2)
    np.testing.assert_allclose(known.shares, SHARES, atol=0.03)
    brought = shifted(proba_of(assumed, draw(SHARES)[0]), known.offsets)
    np.testing.assert_allclose(brought.mean(axis=0), known.shares, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_shifted_shares_are_recovered_whatever_shares_the_classifier_assumes(assumed, causal):
    known = training(assumed)
    X, _ = draw(NEW, seed=1)
    shift = shift_of_shares(proba_of(assumed, X), known, 10.0, causal=causal)
    found = known.shares * np.exp(shift)
    if causal:
        np.testing.assert_allclose(found[0], known.shares)
        found = found[-1]
    np.testing.assert_allclose(found / found.sum(), NEW, atol=0.04)


def test_shares_are_those_of_a_plain_loop():
    known = training(SHARES)
    proba = proba_of(SHARES, draw(NEW, n_windows=60, seed=2)[0])
    calibrated = proba * np.exp(known.offsets)
    calibrated /= calibrated.sum(axis=1, keepdims=True)
    shares = known.shares.copy()
    for _ in range(2000):
        counts = 20 * known.shares
        for row in calibrated:
            expected = row * shares / known.shares
            counts = counts + expected / expected.sum()
        shares = counts / counts.sum()
    found = shift_of_shares(proba, known, 20.0, causal=False)
    np.testing.assert_allclose(found, np.log(shares / known.shares), atol=1e-5)


def test_the_shares_before_a_window_are_those_of_a_plain_loop():
    known = training(SHARES)
    proba = proba_of(SHARES, draw(NEW, n_windows=20, seed=2)[0])
    calibrated = shifted(proba, known.offsets)
    counts = 7 * known.shares
    for row, shift in zip(calibrated, shift_of_shares(proba, known, 7.0, causal=True)):
        shares = counts / counts.sum()
        np.testing.assert_allclose(shift, np.log(shares / known.shares), atol=1e-12)
        expected = row * shares / known.shares
        counts = counts + expected / expected.sum()


def test_the_mean_moves_by_a_part_that_grows_with_the_windows():
    target = np.log([0.2, 0.3, 0.5])
    proba = np.tile([0.6, 0.3, 0.1], (30, 1))
    expected = (target - np.log(proba[0])) * 30 / 40
    np.testing.assert_allclose(shift_of_mean(proba, target, 10.0, causal=False), expected)
    running = shift_of_mean(proba, target, 10.0, causal=True)
    for before in range(30):
        part = before / (before + 10)
        np.testing.assert_allclose(running[before], (target - np.log(proba[0])) * part, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_without_windows_counted_along_nothing_is_divided_by_zero(causal):
    known = training(SHARES)
    proba = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    for shift in (
        shift_of_mean(proba, known.mean, 0.0, causal=causal),
        shift_of_shares(proba, known, 0.0, causal=causal),
    ):
        assert np.isfinite(shift).all()
        assert np.isfinite(shifted(proba, shift)).all()


def test_many_labels_recover_a_distorted_classifier():
    X, y = draw(SHARES, seed=3)
    truth = proba_of(SHARES, X)
    distorted = shifted(truth**0.5, np.array([1.0, -1.0, 0.0]))
    scaling = fit_scaling(distorted, y, np.ones(3), 1e-3)
    reference = LogisticRegression(C=np.inf, max_iter=1000).fit(np.log(truth), y)
    assert scaling.slope == pytest.approx(2, abs=0.2)
    assert log_loss(scaling.apply(distorted), y) <= log_loss(truth, y) + 1e-3
    # The reference has a slope for each pair of classes.
    best = log_loss(reference.predict_proba(np.log(truth)), y)
    assert log_loss(scaling.apply(distorted), y) == pytest.approx(best, abs=0.01)


def log_loss(proba, y):
    return -np.log(proba[np.arange(len(y)), y]).mean()


def test_few_labels_hardly_make_a_good_classifier_worse():
    X, y = draw(SHARES, seed=4)
    proba = proba_of(SHARES, X)
    lost = []
    for n_labelled in (1, 3, 10, 30):
        for start in range(0, 2000, 100):
            few = slice(start, start + n_labelled)
            scaling = fit_scaling(proba[few], y[few], np.ones(3), 50.0)
            before = log_loss(proba[few], y[few])
            assert log_loss(scaling.apply(proba[few]), y[few]) <= before + 1e-9
            lost.append(log_loss(scaling.apply(proba), y) - log_loss(proba, y))
    assert max(lost) < 0.03


def test_labels_of_one_class_alone_do_not_hide_the_others():
    X, y = draw(SHARES, seed=5)
    proba = proba_of(SHARES, X)
    few = np.flatnonzero(y == 0)[:40]
    predicted = fit_scaling(proba[few], y[few], np.ones(3), 50.0).apply(proba).argmax(axis=1)
    changed = (predicted != proba.argmax(axis=1)).mean()
    assert changed < 0.08
