"""Correlations without the Marchenko-Pastur band keep what neurons share and lose the rest."""

import numpy as np
import pytest

from skneurograph.base._noise_band import (
    filtered_products,
    noise_edge,
    standardised,
    without_noise,
)


@pytest.mark.parametrize(("n_neurons", "n_frames"), [(300, 600), (200, 1000), (400, 400)])
def test_the_edge_is_the_largest_eigenvalue_of_a_large_correlation_of_noise(n_neurons, n_frames):
    noise = np.random.default_rng(0).normal(size=(n_neurons, n_frames))
    largest = np.linalg.eigvalsh(np.corrcoef(noise))[-1]
    np.testing.assert_allclose(noise_edge(n_neurons, n_frames), largest, rtol=0.04)


def test_the_edge_falls_to_one_with_frames_and_is_finite_without_any():
    edges = [noise_edge(50, n_frames) for n_frames in (10, 100, 1e4, 1e8)]
    assert (np.diff(edges) < 0).all()
    assert edges[-1] == pytest.approx(1, abs=0.01)
    assert np.isfinite(noise_edge(50, 0))


def test_of_independent_noise_next_to_nothing_is_left():
    noise = np.random.default_rng(0).normal(size=(100, 400))
    correlation = np.corrcoef(noise)
    filtered = without_noise(correlation, 400)
    off = ~np.eye(100, dtype=bool)
    assert (filtered[off] ** 2).sum() < 0.05 * (correlation[off] ** 2).sum()


def test_a_signal_of_rank_one_survives_with_its_eigenvalue_and_its_pattern():
    rng = np.random.default_rng(0)
    loading = rng.normal(size=80)
    shared = loading[:, None] * rng.normal(size=500) + rng.normal(size=(80, 500))
    correlation = np.corrcoef(shared)
    filtered = without_noise(correlation, 500)
    values, vectors = np.linalg.eigh(filtered)
    assert (values > 1e-8).sum() == 1
    assert values[-1] == pytest.approx(np.linalg.eigvalsh(correlation)[-1])
    # Loadings as they are in units of each neuron's spread.
    pattern = loading / np.sqrt(1 + loading**2)
    assert abs(np.corrcoef(vectors[:, -1], pattern)[0, 1]) > 0.98


def test_one_matrix_and_a_stack_of_them_are_filtered_alike():
    rng = np.random.default_rng(0)
    stack = np.stack(
        [np.corrcoef(rng.normal(size=(12, 30)) + s * rng.normal(size=30)) for s in (0, 1, 2)]
    )
    filtered = without_noise(stack, 30)
    for matrix, expected in zip(stack, filtered, strict=True):
        np.testing.assert_allclose(without_noise(matrix, 30), expected, atol=1e-12)
    np.testing.assert_array_equal(filtered, filtered.transpose(0, 2, 1))
    assert (without_noise(np.eye(12), 3) == 0).all()


@pytest.mark.parametrize("n_frames", [9, 11, 12, 30])
def test_products_of_z_scores_are_filtered_alike_with_fewer_frames_and_with_more(n_frames):
    rng = np.random.default_rng(0)
    z = standardised(rng.normal(size=(5, 12, n_frames)) + 2 * rng.normal(size=(5, 1, n_frames)))
    for window, found in zip(z, filtered_products(z), strict=True):
        values, vectors = np.linalg.eigh(window @ window.T / n_frames)
        kept = values > (1 + np.sqrt(12 / n_frames)) ** 2
        assert kept.any()
        expected = (vectors[:, kept] * values[kept]) @ vectors[:, kept].T
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_z_scores_have_mean_zero_and_variance_one_and_constants_are_zero():
    windows = 5 + 3 * np.random.default_rng(0).normal(size=(4, 6, 20))
    windows[1, 2] = 0.1
    windows[2, 3] = 1e6 * (1 + 1e-15 * np.arange(20))
    z = standardised(windows)
    varies = np.ones((4, 6), dtype=bool)
    varies[1, 2] = varies[2, 3] = False
    np.testing.assert_allclose(z.mean(axis=2), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=2), varies, atol=1e-12)
    np.testing.assert_allclose(standardised(1e-9 * windows)[varies], z[varies], rtol=1e-6)
