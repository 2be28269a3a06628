"""The connectome and the dynamics behind the simulated worms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["WormModel", "draw_connectome"]

_LONGEST_STEP = 0.05  # s
_BURN_IN = 20.0  # s
_MEMBRANE = 0.5  # s, time constant of a neuron
_MOTOR_DELAY = 0.5  # s, from the command circuits to the body
_BACKGROUND = 0.8  # size of the weights outside the command circuits
_WITHIN_POOL, _BETWEEN_POOLS, _BETWEEN_CIRCUITS = 1.6, -1.6, 0.15  # summed over senders
# Fatigue sets the pace of switching. The circuits differ, so that they do not lock.
_FATIGUE, _RECOVERY = 2.2, (12.0, 17.0)  # weight, s
_SHARED, _N_SHARED = 3.0, 3  # s, brain-wide fluctuations
_AROUSAL = 0.85
# Fluctuations of one neuron alone; most of it reaches calcium but no synapse.
_PRIVATE, _PRIVATE_ON_RATE = 4.0, 0.6  # s, weight
_HIDING_COMMAND, _HIDING_BODY = 3.0, 0.6  # what calcium adds of it to the rate
_TO_COMMAND, _COMMAND_TO_BODY = 0.25, 0.5  # factors on the other weights
_UNDULATION, _UNDULATION_DRIVE = 0.3, 2.5  # Hz, weight
_BODY_WAVES = 0.75  # wavelengths along the body


def pools(n_neurons: int) -> NDArray[np.intp]:
    """Pool of each neuron: 0 opposes 1 and 2 opposes 3 in the circuits; -1 is the body."""
    pool_size = max(2, 2 * (n_neurons // 20))
    pool = np.arange(n_neurons) // pool_size
    return np.where(pool < 4, pool, -1)


def draw_connectome(
    n_neurons: int, edge_probability: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Signed weights ``[receiver, sender]``; left and right have the same partners."""
    n_classes = (n_neurons + 1) // 2
    sign = rng.choice([1.0, -1.0], size=(n_classes, n_classes), p=[0.6, 0.4])
    sign *= rng.random((n_classes, n_classes)) < edge_probability
    strength = np.exp(0.5 * rng.standard_normal((n_classes, n_classes)))
    scale = _BACKGROUND / np.sqrt(max(1.0, edge_probability * n_neurons))
    graph = np.kron(scale * sign * strength, np.ones((2, 2)))[:n_neurons, :n_neurons]
    graph *= np.exp(0.2 * rng.standard_normal(graph.shape))

    pool = pools(n_neurons)
    command = pool >= 0
    graph[command] *= _TO_COMMAND
    graph[np.ix_(~command, command)] *= _COMMAND_TO_BODY
    circuits = _circuit_weights((pool == 0).sum())[pool[command]][:, pool[command]]
    inner = np.ix_(command, command)
    graph[inner] = np.where(circuits != 0, circuits, graph[inner])
    np.fill_diagonal(graph, 0)
    return graph


def _circuit_weights(pool_size: int) -> NDArray[np.float64]:
    weights = np.zeros((4, 4))
    for first, second in ((0, 1), (2, 3)):
        weights[first, second] = weights[second, first] = _BETWEEN_POOLS / pool_size
    for first, second in ((0, 2), (1, 3)):
        weights[first, second] = weights[second, first] = _BETWEEN_CIRCUITS / pool_size
    np.fill_diagonal(weights, _WITHIN_POOL / (pool_size - 1))
    return weights


class WormModel:
    """Organisms side by side: one connectome, weights and inputs that differ.

    Parameters
    ----------
    graph : ndarray of shape (n_neurons, n_neurons)
        Signed weights ``[receiver, sender]``.
    n_organisms : int
        Number of organisms.
    variation : float
        How much they differ.
    calcium_time_constant : float
        Time constant of the indicator in seconds.
    rng : Generator
        Source of the differences and of the fluctuations.
    """

    def __init__(
        self,
        graph: NDArray[np.float64],
        n_organisms: int,
        variation: float,
        calcium_time_constant: float,
        rng: np.random.Generator,
    ) -> None:
        n_neurons = len(graph)
        self._rng = rng
        self._calcium_time_constant = calcium_time_constant
        self._pool = pools(n_neurons)
        differ = rng.standard_normal((n_organisms, n_neurons, n_neurons))
        self._weights = graph * np.exp(variation * differ)
        self._rest = 0.5 * variation * rng.standard_normal((n_organisms, n_neurons))
        loading = 0.5 * rng.standard_normal((_N_SHARED, (n_neurons + 1) // 2))
        loading[0] += 1  # arousal reaches all neurons with the same sign
        loading = np.repeat(loading, 2, axis=1)[:, :n_neurons]
        differ = rng.standard_normal((n_organisms, *loading.shape))
        self._loading = _AROUSAL * (loading + variation * differ)
        differ = rng.standard_normal((n_organisms, 1))
        self._frequency = _UNDULATION * np.exp(variation * differ)
        self._is_body = self._pool < 0
        self._fatigue = _FATIGUE * ~self._is_body
        self._hiding = np.where(self._is_body, _HIDING_BODY, _HIDING_COMMAND)
        self._recovery = np.where(self._pool < 2, *_RECOVERY)
        self._position = np.cumsum(self._is_body) / self._is_body.sum()

    def run(
        self, n_times: int, sampling_rate: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Simulate all organisms from a random state, after a burn-in.

        Parameters
        ----------
        n_times : int
            Frames.
        sampling_rate : float
            Frames per second (Hz).

        Returns
        -------
        calcium : ndarray of shape (n_times, n_organisms, n_neurons)
            From 0 to 1.
        command : ndarray of shape (n_times, n_organisms, 2)
            State of the two circuits, from -1 (backward) to 1 (forward).
        phase : ndarray of shape (n_times, n_organisms)
            Phase of the undulation in radians.
        """
        n_organisms, n_neurons = self._rest.shape
        n_steps = int(np.ceil(1 / (sampling_rate * _LONGEST_STEP)))
        step = 1 / (sampling_rate * n_steps)
        normal = self._rng.standard_normal
        state = {
            "x": normal((n_organisms, n_neurons)),
            "fatigue": np.zeros((n_organisms, n_neurons)),
            "private": normal((n_organisms, n_neurons)),
            "shared": normal((n_organisms, _N_SHARED)),
            "calcium": np.full((n_organisms, n_neurons), 0.5),
            "command": np.zeros((n_organisms, 2)),
            "phase": 2 * np.pi * self._rng.random((n_organisms, 1)),
        }
        calcium = np.empty((n_times, n_organisms, n_neurons))
        command = np.empty((n_times, n_organisms, 2))
        phase = np.empty((n_times, n_organisms))
        for frame in range(-round(_BURN_IN * sampling_rate), n_times):
            for _ in range(n_steps):
                self._advance(state, step)
            if frame >= 0:
                calcium[frame] = state["calcium"]
                command[frame] = state["command"]
                phase[frame] = state["phase"][:, 0]
        return calcium, command, phase

    def _advance(self, state: dict[str, NDArray[np.float64]], step: float) -> None:
        x = state["x"]
        rate = np.tanh(x)
        self._fluctuate(state["private"], step / _PRIVATE)
        self._fluctuate(state["shared"], step / _SHARED)
        state["phase"] += 2 * np.pi * self._frequency * step

        pooled = np.stack([rate[:, self._pool == i].mean(axis=1) for i in range(4)], axis=1)
        _relax(state["command"], (pooled[:, ::2] - pooled[:, 1::2]) / 2, step / _MOTOR_DELAY)
        # The wave travels with the animal: its phase lag follows the velocity.
        velocity = np.tanh(3 * state["command"].mean(axis=1, keepdims=True))
        lag = 2 * np.pi * _BODY_WAVES * velocity * self._position
        drive = (
            (self._weights @ rate[:, :, None])[:, :, 0]
            + self._rest
            - state["fatigue"]
            + _PRIVATE_ON_RATE * state["private"]
            + (state["shared"][:, None] @ self._loading)[:, 0]
            + _UNDULATION_DRIVE * self._is_body * np.sin(state["phase"] - lag)
        )
        _relax(state["fatigue"], self._fatigue * rate, step / self._recovery)
        seen = (1 + np.tanh(x + self._hiding * state["private"])) / 2
        _relax(state["calcium"], seen, step / self._calcium_time_constant)
        _relax(x, drive, step / _MEMBRANE)

    def _fluctuate(self, value: NDArray[np.float64], steps: float) -> None:
        """Advance an Ornstein-Uhlenbeck process of unit variance, in place."""
        kept = math.exp(-steps)
        value *= kept
        value += math.sqrt(1 - kept**2) * self._rng.standard_normal(value.shape)


def _relax(
    value: NDArray[np.float64], target: NDArray[np.floating], steps: float | NDArray[np.floating]
) -> None:
    """Advance ``d value/dt = target - value`` in place; exact for a constant target."""
    value += -np.expm1(-steps) * (target - value)
