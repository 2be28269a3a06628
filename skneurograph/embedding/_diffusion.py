"""Heat diffusion of signals and of vector fields over a graph of states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, dia_array
from scipy.special import ive

__all__ = ["diffuse", "diffuse_vectors", "random_walk"]

# Terms of the Chebyshev sum are added until what is left is smaller than this.
_ACCURACY = 1e-10


def random_walk(adjacency: csr_array) -> csr_array:
    """Transition matrix ``D^-1 A``; a state without neighbours stays where it is.

    It is similar to the symmetric ``D^-1/2 A D^-1/2``, so its eigenvalues are real and within
    [-1, 1], though it is not symmetric itself.
    """
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    alone = degree == 0
    inverse = dia_array((1 / np.where(alone, 1, degree)[None], [0]), shape=adjacency.shape)
    stay = dia_array((alone.astype(np.float64)[None], [0]), shape=adjacency.shape)
    return csr_array(inverse @ adjacency + stay)


def diffuse(walk: csr_array, signal: NDArray[np.floating], time: float) -> NDArray[np.floating]:
    """Apply ``exp(-time L)`` with ``L = 1 - walk``, without an eigendecomposition.

    ``exp(-t (1 - P)) = sum_k c_k(t) T_k(P)`` with ``c_k(t) = (2 - [k = 0]) exp(-t) I_k(t)``, where
    ``I_k`` is the modified Bessel function. The coefficients are positive and sum to one.

    Parameters
    ----------
    walk : csr_array of shape (n_states, n_states)
        See `random_walk`.
    signal : ndarray of shape (n_states, n_columns)
    time : float
        0 or more; 0 gives the signal itself.

    Returns
    -------
    ndarray of shape (n_states, n_columns)
    """
    if time == 0:
        return signal
    coefficients = _coefficients(time)
    before, now = signal, walk @ signal
    total = coefficients[0] * before
    for coefficient in coefficients[1:]:
        total = total + coefficient * now
        before, now = now, 2 * (walk @ now) - before
    return total


def diffuse_vectors(
    walk: csr_array, vectors: NDArray[np.floating], time: float
) -> NDArray[np.floating]:
    """Diffuse vectors, and give each the length that diffusion of lengths would (heat method).

    Diffusion of vectors that point apart shortens them; their direction comes from the
    diffused vectors, their length from the diffused lengths.

    Parameters
    ----------
    walk : csr_array of shape (n_states, n_states)
    vectors : ndarray of shape (n_states, n_neurons)
        In the axes of the state space.
    time : float

    Returns
    -------
    ndarray of shape (n_states, n_neurons)

    References
    ----------
    .. [1] N. Sharp, Y. Soliman and K. Crane (2019). The vector heat method. ACM Transactions
       on Graphics 38(3). doi 10.1145/3243651
    """
    if time == 0:
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    diffused = diffuse(walk, np.hstack([vectors, lengths]), time)
    found = np.linalg.norm(diffused[:, :-1], axis=1, keepdims=True)
    return diffused[:, :-1] * (diffused[:, -1:] / np.where(found > 0, found, 1))


def _coefficients(time: float) -> NDArray[np.float64]:
    # The coefficients fall faster than exponentially beyond a few widths of the heat kernel.
    n_terms = 16 + int(2 * time)
    terms = np.asarray(ive(np.arange(n_terms), time), dtype=np.float64)
    terms[1:] *= 2
    left = 1 - np.cumsum(terms)
    return terms[: max(2, int(np.argmax(left < _ACCURACY)) + 1)] if left[-1] < _ACCURACY else terms
