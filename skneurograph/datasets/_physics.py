"""Simulated physical systems with known interactions: springs and Kuramoto oscillators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skneurograph.datasets._parameters import generator, integer, number

__all__ = ["InteractingSystems", "make_kuramoto", "make_springs"]


@dataclass(frozen=True, eq=False)
class InteractingSystems:
    """Simulated interacting systems, as ``X, graphs = make_springs(100)`` unpacks them.

    Attributes
    ----------
    X : ndarray of float32, shape (n_simulations, n_particles, n_times, n_features)
        Trajectories, each feature mapped to [-1, 1].
    graphs : ndarray of int, shape (n_simulations, n_particles, n_particles)
        Entry ``[w, i, j]`` is 1 where ``j`` acts on ``i``. The diagonal is 0.
    feature_names : tuple of str
    low, high : ndarray of shape (n_features,)
        What -1 and 1 stand for: ``low + (X + 1) / 2 * (high - low)`` are the units of the
        simulation. Give them to another call as ``limits`` to map new data alike.
    """

    X: NDArray[np.float32]
    graphs: NDArray[np.int64]
    feature_names: tuple[str, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __iter__(self) -> Iterator[Any]:
        yield self.X
        yield self.graphs


Limits = tuple[NDArray[np.float64], NDArray[np.float64]]


def make_springs(
    n_simulations: int = 100,
    *,
    n_particles: int = 5,
    n_times: int = 49,
    edge_probability: float = 0.5,
    stiffness: float = 0.1,
    box_size: float = 5.0,
    noise: float = 0.0,
    frame_interval: float = 0.1,
    n_substeps: int = 100,
    limits: Limits | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> InteractingSystems:
    """Simulate particles in a box, some pairs connected by springs.

    The benchmark of neural relational inference [1]_: whether two particles are connected
    is a fair coin, different in every simulation, and must be told from their motion.

    Parameters
    ----------
    n_simulations : int, default=100
    n_particles : int, default=5
        At least 2. All have mass 1.
    n_times : int, default=49
        Frames that are recorded.
    edge_probability : float, default=0.5
        Probability that a pair is connected.
    stiffness : float, default=0.1
        A connected particle is pulled by ``stiffness`` times the distance.
    box_size : float, default=5.0
        Walls at plus and minus this position reflect particles elastically.
    noise : float, default=0.0
        Standard deviation of the measurement noise on positions and velocities.
    frame_interval : float, default=0.1
        Time between frames.
    n_substeps : int, default=100
        Leapfrog steps between frames.
    limits : tuple of two arrays of shape (4,), optional
        ``(low, high)`` of an earlier call, to map these data to [-1, 1] like those.
        Otherwise positions span that interval, and so do velocities.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    InteractingSystems
        Features are positions and velocities, ``("x", "y", "vx", "vy")``.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    References
    ----------
    .. [1] T. Kipf, E. Fetaya, K.-C. Wang, M. Welling, R. Zemel (2018). Neural relational
       inference for interacting systems. ICML. arXiv:1802.04687

    Examples
    --------
    >>> from skneurograph.datasets import make_springs
    >>> X, graphs = make_springs(3, n_times=10, n_substeps=10, random_state=0)
    >>> X.shape, graphs.shape
    ((3, 5, 10, 4), (3, 5, 5))
    """
    n_simulations = integer("n_simulations", n_simulations, 1)
    n_particles = integer("n_particles", n_particles, 2)
    n_times = integer("n_times", n_times, 1)
    n_substeps = integer("n_substeps", n_substeps, 1)
    edge_probability = number("edge_probability", edge_probability, 0, 1)
    stiffness = number("stiffness", stiffness, 0)
    box_size = number("box_size", box_size, 0, above=True)
    noise = number("noise", noise, 0)
    frame_interval = number("frame_interval", frame_interval, 0, above=True)
    limits = _given_limits(limits, 4)
    rng = generator(random_state)
    graphs = _random_graphs(n_simulations, n_particles, edge_probability, rng, symmetric=True)
    position = np.clip(
        0.5 * rng.standard_normal((n_simulations, n_particles, 2)), -box_size, box_size
    )
    velocity = rng.standard_normal((n_simulations, n_particles, 2))
    velocity *= 0.5 / np.linalg.norm(velocity, axis=2, keepdims=True)
    # Hooke's law with rest length zero: the force is minus the graph Laplacian.
    laplacian = graphs.sum(axis=2)[:, :, None] * np.eye(n_particles) - graphs
    pull = -stiffness * laplacian
    step = frame_interval / n_substeps
    states = np.empty((n_simulations, n_particles, n_times, 4))
    force = pull @ position
    for frame in range(n_times):
        states[:, :, frame, :2], states[:, :, frame, 2:] = position, velocity
        for _ in range(n_substeps if frame < n_times - 1 else 0):
            velocity = velocity + 0.5 * step * force
            position = position + step * velocity
            outside = np.abs(position) > box_size
            if outside.any():
                mirrored = np.sign(position) * 2 * box_size - position
                position = np.where(outside, mirrored, position)
                velocity = np.where(outside, -velocity, velocity)
            force = pull @ position
            velocity = velocity + 0.5 * step * force
    states += noise * rng.standard_normal(states.shape)
    return _systems(states, graphs, ("x", "y", "vx", "vy"), limits, [(0, 1), (2, 3)])


def make_kuramoto(
    n_simulations: int = 100,
    *,
    n_oscillators: int = 5,
    n_times: int = 49,
    edge_probability: float = 0.5,
    coupling: float = 1.0,
    symmetric: bool = True,
    frequencies: tuple[float, float] = (1.0, 10.0),
    noise: float = 0.0,
    frame_interval: float = 0.1,
    n_substeps: int = 10,
    limits: Limits | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> InteractingSystems:
    """Simulate Kuramoto phase oscillators, some pairs coupled.

    The benchmark of neural relational inference [1]_ with the model of Kuramoto [2]_,
    ``dphi_i/dt = omega_i + sum_j k_ij sin(phi_i - phi_j)``, as it is written in [1]_:
    with a positive coupling, oscillators repel each other's phase; a negative one makes
    them synchronise.

    Parameters
    ----------
    n_simulations : int, default=100
    n_oscillators : int, default=5
        At least 2.
    n_times : int, default=49
        Frames that are recorded.
    edge_probability : float, default=0.5
        Probability that a pair is coupled.
    coupling : float, default=1.0
        The ``k_ij`` of coupled pairs.
    symmetric : bool, default=True
        Whether coupling goes both ways; otherwise each direction is a coin of its own.
    frequencies : tuple of two floats, default=(1.0, 10.0)
        Intrinsic frequencies (rad per unit of time) are uniform between these.
    noise : float, default=0.0
        Standard deviation of the measurement noise on all features but ``omega``.
    frame_interval : float, default=0.1
        Time between frames.
    n_substeps : int, default=10
        Runge-Kutta steps (fourth order) between frames.
    limits : tuple of two arrays of shape (4,), optional
        ``(low, high)`` of an earlier call, to map these data to [-1, 1] like those.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    InteractingSystems
        Features are ``("dphi", "sin_phi", "phi", "omega")``: the rate of change of the
        phase, its sine, the phase itself without wrapping, and the intrinsic frequency.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    References
    ----------
    .. [1] T. Kipf, E. Fetaya, K.-C. Wang, M. Welling, R. Zemel (2018). Neural relational
       inference for interacting systems. ICML. arXiv:1802.04687
    .. [2] Y. Kuramoto (1975). Self-entrainment of a population of coupled non-linear
       oscillators. International Symposium on Mathematical Problems in Theoretical
       Physics, Lecture Notes in Physics 39, 420. doi:10.1007/BFb0013365

    Examples
    --------
    >>> from skneurograph.datasets import make_kuramoto
    >>> X, graphs = make_kuramoto(3, n_times=10, random_state=0)
    >>> X.shape, graphs.shape
    ((3, 5, 10, 4), (3, 5, 5))
    """
    n_simulations = integer("n_simulations", n_simulations, 1)
    n_oscillators = integer("n_oscillators", n_oscillators, 2)
    n_times = integer("n_times", n_times, 1)
    n_substeps = integer("n_substeps", n_substeps, 1)
    edge_probability = number("edge_probability", edge_probability, 0, 1)
    coupling = number("coupling", coupling)
    noise = number("noise", noise, 0)
    frame_interval = number("frame_interval", frame_interval, 0, above=True)
    slowest, fastest = _pair("frequencies", frequencies)
    if not isinstance(symmetric, (bool, np.bool_)):
        raise ValueError(f"symmetric: got {symmetric!r}; expected True or False")
    limits = _given_limits(limits, 4)
    rng = generator(random_state)
    graphs = _random_graphs(n_simulations, n_oscillators, edge_probability, rng, symmetric)
    omega = rng.uniform(slowest, fastest, size=(n_simulations, n_oscillators))
    phase = rng.uniform(0, 2 * np.pi, size=(n_simulations, n_oscillators))
    strength = coupling * graphs

    def rate(phase: NDArray[np.float64]) -> NDArray[np.float64]:
        # sin(a - b) = sin a cos b - cos a sin b: two products instead of all pairs of sines.
        sine, cosine = np.sin(phase), np.cos(phase)
        met = strength @ np.stack([cosine, sine], axis=2)
        return omega + sine * met[..., 0] - cosine * met[..., 1]

    step = frame_interval / n_substeps
    states = np.empty((n_simulations, n_oscillators, n_times, 4))
    for frame in range(n_times):
        features = (rate(phase), np.sin(phase), phase, omega)
        states[:, :, frame] = np.stack(features, axis=2)
        for _ in range(n_substeps if frame < n_times - 1 else 0):
            k1 = rate(phase)
            k2 = rate(phase + 0.5 * step * k1)
            k3 = rate(phase + 0.5 * step * k2)
            k4 = rate(phase + step * k3)
            phase = phase + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    states[..., :3] += noise * rng.standard_normal((*states.shape[:3], 3))
    names = ("dphi", "sin_phi", "phi", "omega")
    return _systems(states, graphs, names, limits, [(0,), (1,), (2,), (3,)])


def _random_graphs(
    n_simulations: int,
    n_nodes: int,
    probability: float,
    rng: np.random.Generator,
    symmetric: bool,
) -> NDArray[np.int64]:
    graphs = (rng.random((n_simulations, n_nodes, n_nodes)) < probability).astype(np.int64)
    upper = np.triu(graphs, k=1)
    return upper + (upper.transpose(0, 2, 1) if symmetric else np.tril(graphs, k=-1))


def _pair(name: str, value: Any) -> tuple[float, float]:
    try:
        low, high = (number(name, part) for part in value)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if low > high:
        raise ValueError(f"{name}: got {value!r}; expected two numbers, the lower one first")
    return low, high


def _given_limits(limits: Any, n_features: int) -> Limits | None:
    if limits is None:
        return None
    try:
        low, high = (np.asarray(limit, dtype=np.float64) for limit in limits)
        fits = low.shape == high.shape == (n_features,)
        fits = fits and bool(np.isfinite([low, high]).all() and (low <= high).all())
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(
            f"limits: got {limits!r}; expected (low, high) of an earlier call, each of shape "
            f"({n_features},)"
        )
    return low, high


def _limits(states: NDArray[np.float64], together: list[tuple[int, ...]]) -> Limits:
    low, high = states.min(axis=(0, 1, 2)), states.max(axis=(0, 1, 2))
    for features in map(list, together):
        low[features], high[features] = low[features].min(), high[features].max()
    return low, high


def _systems(
    states: NDArray[np.float64],
    graphs: NDArray[np.int64],
    names: tuple[str, ...],
    limits: Limits | None,
    together: list[tuple[int, ...]],
) -> InteractingSystems:
    if not np.isfinite(states).all():
        raise ValueError(
            "frame_interval: the simulation has left the range of numbers; expected a shorter "
            "frame_interval, more n_substeps or weaker interactions"
        )
    low, high = limits if limits is not None else _limits(states, together)
    span = np.where(high > low, high - low, 1.0)
    X = (2 * (states - low) / span - 1).astype(np.float32)
    return InteractingSystems(X, graphs, names, low, high)
