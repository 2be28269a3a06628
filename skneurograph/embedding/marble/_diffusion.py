"""Heat diffusion of signals and of vector fields over a graph of states."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.polynomial.chebyshev import chebinterpolate
from numpy.typing import NDArray
from scipy.sparse import csr_array, dia_array

__all__ = ["inflow", "transition_matrix", "with_lengths"]

# Terms of the Chebyshev sum are added until what is left is smaller than this.
_ACCURACY = 1e-10
# Vectors that cancel leave this share of their lengths by rounding, and no direction.
_ROUNDING = 1e-10

Array = NDArray[np.float64]
Transition = Callable[[Array], Array]


def transition_matrix(adjacency: csr_array) -> csr_array:
    """Transition matrix ``D^-1 A``; a state without neighbours stays where it is.

    It is similar to the symmetric ``D^-1/2 A D^-1/2``, so its eigenvalues are real and within
    [-1, 1], though it is not symmetric itself.
    """
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    alone = degree == 0
    inverse = dia_array((1 / np.where(alone, 1, degree)[None], [0]), shape=adjacency.shape)
    stay = dia_array((alone.astype(np.float64)[None], [0]), shape=adjacency.shape)
    return csr_array(inverse @ adjacency + stay)


def inflow(transition: Transition, signal: Array, times: Sequence[float]) -> list[Array]:
    """Return what flows into a point from its neighbours until each of some times.

    A point that diffusion started with ``v`` has, after the time t,
    ``exp(-t) v + P integral_0^t exp(-(t - s)) x(s) ds`` where ``x(s)`` is the diffused signal of
    its neighbours. This is the integral; P, its steps to the neighbours, is left to the caller,
    so that a point that is not part of the graph can receive without giving.

    With ``x(s) = exp(-s (1 - P)) x`` the integral is ``t exp(-t) phi(t P) x``, where
    ``phi(z) = (exp(z) - 1) / z`` is entire.

    Parameters
    ----------
    transition : callable
        Applies P, whose eigenvalues are within [-1, 1], to an array of the shape of ``signal``.
    signal : ndarray of shape (n_states, ...)
    times : sequence of float
        0 or more.

    Returns
    -------
    list of ndarray of shape (n_states, ...)
    """
    return _chebyshev_sums(transition, signal, [_coefficients(time) for time in times])


def with_lengths(vectors: Array, lengths: Array) -> Array:
    """Rescale diffused vectors to the length that diffusion of lengths says (heat method).

    Diffusion of vectors that point apart shortens them; their direction comes from the
    diffused vectors, their length from the diffused lengths.

    Parameters
    ----------
    vectors : ndarray of shape (n_states, n_dimensions)
    lengths : ndarray of shape (n_states,)

    Returns
    -------
    ndarray of shape (n_states, n_dimensions)

    References
    ----------
    .. [1] N. Sharp, Y. Soliman and K. Crane (2019). The vector heat method. ACM Transactions
       on Graphics 38(3). doi 10.1145/3243651
    """
    found = np.linalg.norm(vectors, axis=1)
    has_direction = found > _ROUNDING * lengths
    scale = np.where(has_direction, lengths / np.where(has_direction, found, 1), 0.0)
    return vectors * scale[:, None]


def _coefficients(time: float) -> Array:
    def function(step: Array) -> Array:
        # t exp(-t) phi(t z) for the eigenvalue z of P, such that no exponential overflows.
        small = np.abs(time * step) < 1e-6
        grown = np.exp(-time * (1 - step)) - np.exp(-time)
        near_zero = time * np.exp(-time) * (1 + time * step / 2)
        return np.where(small, near_zero, grown / np.where(small, 1, step))

    # The width of the heat kernel on the spectrum is 1 / time, which is finest at its end.
    return chebinterpolate(function, 20 + int(9 * np.sqrt(time)))  # type: ignore[arg-type]


def _chebyshev_sums(
    transition: Transition, signal: Array, coefficients: Sequence[Array]
) -> list[Array]:
    """Return ``sum_k c_k T_k(P) signal`` for several series at once."""
    kept = [_truncated(series) for series in coefficients]
    before, now = signal, transition(signal)
    sums = [series[0] * before for series in kept]
    for k in range(1, max(map(len, kept))):
        if k > 1:
            before, now = now, 2 * transition(now) - before
        for total, series in zip(sums, kept):
            if k < len(series):
                total += series[k] * now
    return sums


def _truncated(series: Array) -> Array:
    """Cut a series where the rest is too small to matter; at least one term stays."""
    rest = np.cumsum(np.abs(series[::-1]))[::-1]
    return series[: max(1, int((rest > _ACCURACY).sum()))]
