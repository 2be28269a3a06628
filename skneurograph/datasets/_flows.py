"""Simulated flow fields: states of a population, and the next state of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skneurograph.datasets._parameters import generator, integer, number

__all__ = ["FlowFields", "make_planar_flows", "make_van_der_pol"]

# Keeps the vectors of a vortex continuous at its centre.
_SOFTENING = 0.1
# Radii of the discs where Van der Pol trajectories start and where they end.
_START, _REGION = 1.5, 3.5
# Longest Runge-Kutta step at |mu| <= 1: the error of a window stays below 1e-7.
_STEP = 0.0025


@dataclass(frozen=True, eq=False)
class FlowFields:
    """Simulated flow fields, as ``X, groups = make_planar_flows()`` unpacks them.

    Attributes
    ----------
    X : ndarray of shape (n_windows, n_neurons, 2)
        Frame 0 is a state, frame 1 the next one; a neuron is a dimension of the state.
    groups : ndarray of str, shape (n_windows,)
        The condition of each window: which flow field it is a sample of.
    parameters : dict of str to float
        The parameter of each condition, in their order. Empty if they have none.
    """

    X: NDArray[np.float64]
    groups: NDArray[np.str_]
    parameters: dict[str, float] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        yield self.X
        yield self.groups


def make_planar_flows(
    n_points: int = 512,
    *,
    noise: float = 0.0,
    frame_interval: float = 0.1,
    random_state: int | np.random.RandomState | None = None,
) -> FlowFields:
    """Simulate four flow fields in a plane: two constant fields and two vortices.

    The first example of MARBLE [1]_: fields that an embedding should tell apart, and whose
    places where they look alike, far from a vortex's centre, it should put close together.

    Parameters
    ----------
    n_points : int, default=512
        States of each field, drawn uniformly in the square [-1, 1] x [-1, 1], anew for each.
    noise : float, default=0.0
        Standard deviation of the noise on each component of a vector, in units of state per
        unit of time. States have none.
    frame_interval : float, default=0.1
        Time between the two frames of a window: frame 1 is the state plus ``frame_interval``
        times its vector, one straight step.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    FlowFields
        ``X`` of shape (4 * n_points, 2, 2) and the groups ``"constant -"``,
        ``"constant +"``, ``"vortex left"`` and ``"vortex right"``, in this order.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    The vectors of the constant fields are (-1, -1) and (1, 1), of length 1.41. The vortices
    turn clockwise around ``(c, 0)`` with ``c = -1`` (left) and ``c = 1`` (right), by vectors
    ``(y, c - x) / sqrt((x - c)^2 + y^2 + 0.1)``, whose length is nearly 1 off the centre.

    References
    ----------
    .. [1] A. Gosztolai, R. L. Peach, A. Arnaudon, M. Barahona, P. Vandergheynst (2025).
       MARBLE: interpretable representations of neural population dynamics using geometric
       deep learning. Nature Methods 22, 612-620. doi:10.1038/s41592-024-02582-2

    Examples
    --------
    >>> from skneurograph.datasets import make_planar_flows
    >>> X, groups = make_planar_flows(100, random_state=0)
    >>> X.shape
    (400, 2, 2)
    >>> print(groups[0], (X[0, :, 1] - X[0, :, 0]).round(3))
    constant - [-0.1 -0.1]
    """
    n_points = integer("n_points", n_points, 1)
    noise = number("noise", noise, 0)
    frame_interval = number("frame_interval", frame_interval, 0, above=True)
    rng = generator(random_state)
    states = rng.uniform(-1, 1, size=(4, n_points, 2))
    vectors = np.empty_like(states)
    vectors[:2] = np.array([-1.0, 1.0])[:, None, None]
    x, y = states[2:, :, 0] - np.array([[-1.0], [1.0]]), states[2:, :, 1]
    vectors[2:] = np.stack([y, -x], axis=2) / np.sqrt(x**2 + y**2 + _SOFTENING)[:, :, None]
    following = states + frame_interval * vectors
    X = _windows(states.reshape(-1, 2), following.reshape(-1, 2), frame_interval * noise, rng)
    names = ["constant -", "constant +", "vortex left", "vortex right"]
    return FlowFields(X, np.repeat(names, n_points))


def make_van_der_pol(
    mus: ArrayLike | None = None,
    *,
    n_trajectories: int = 20,
    n_times: int = 26,
    frame_interval: float = 0.1,
    curvature: float = 0.04,
    noise: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> FlowFields:
    """Simulate the Van der Pol oscillator on a paraboloid, one flow field for each damping.

    A benchmark of MARBLE [1]_: a good embedding orders the conditions by ``mu`` and shows
    that the dynamics change in kind where ``mu`` changes its sign. The oscillator [2]_,
    ``dx/dt = y, dy/dt = mu (1 - x^2) y - x``, has a limit cycle, which attracts the states
    around it if ``mu`` is positive and repels them if it is negative.

    Parameters
    ----------
    mus : array-like of shape (n_conditions,), optional
        Distinct values of ``mu``. By default 20 evenly spaced values from -1 to 1, so without
        0. Large ones, positive or negative, take more time.
    n_trajectories : int, default=20
        Trajectories of each condition, which start at states drawn uniformly in the disc
        ``x^2 + y^2 <= 2.25``, anew for each condition.
    n_times : int, default=26
        Frames of a trajectory, at least 2. Two consecutive ones are a window.
    frame_interval : float, default=0.1
        Time between frames; a turn around the limit cycle takes about 6.3 to 6.7.
    curvature : float, default=0.04
        States lie on ``z = -curvature * (x^2 + y^2)``. 0 is a plane; the code of [1]_
        has 0.0025, nearly a plane, and 0.04.
    noise : float, default=0.0
        Standard deviation of the noise on each component of a vector, in units of state per
        unit of time: frame 1 of a window gets ``frame_interval`` times this, frame 0 none.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    FlowFields
        ``X`` of shape (n_windows, 3, 2), ordered by condition, trajectory and time; groups
        such as ``"mu=+0.26"``, with as many decimals as tell the conditions apart, at least
        two; ``parameters`` has the ``mu`` of each, in the order of ``mus``.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or if a condition has no window at all.

    Notes
    -----
    Trajectories start inside the limit cycle: with a positive ``mu`` they grow to it, with a
    negative one they come to rest. A trajectory that passes the radius 3.5 ends, and windows that
    reach beyond are dropped; this happens only for ``mu`` well beyond 1, or through noise.

    The code of [1]_ takes ``(dx/dt, dy/dt)`` as the step from a state; here windows are
    consecutive frames of the flow, as in a recording. Those of one trajectory share frames,
    so a random split of the windows leaks.

    References
    ----------
    .. [1] A. Gosztolai, R. L. Peach, A. Arnaudon, M. Barahona, P. Vandergheynst (2025).
       MARBLE: interpretable representations of neural population dynamics using geometric
       deep learning. Nature Methods 22, 612-620. doi:10.1038/s41592-024-02582-2
    .. [2] B. van der Pol (1926). On relaxation-oscillations. The London, Edinburgh, and Dublin
       Philosophical Magazine and Journal of Science 2, 978-992.
       doi:10.1080/14786442608564127

    Examples
    --------
    >>> from skneurograph.datasets import make_van_der_pol
    >>> flows = make_van_der_pol([-0.1, 0.1], random_state=0)
    >>> flows.X.shape
    (1000, 3, 2)
    >>> flows.parameters
    {'mu=-0.10': -0.1, 'mu=+0.10': 0.1}
    """
    values = _check_mus(mus)
    n_trajectories = integer("n_trajectories", n_trajectories, 1)
    n_times = integer("n_times", n_times, 2)
    frame_interval = number("frame_interval", frame_interval, 0, above=True)
    curvature = number("curvature", curvature, 0)
    noise = number("noise", noise, 0)
    rng = generator(random_state)
    # Uniform in a disc: the root of a uniform number is the radius.
    radius, angle = np.moveaxis(rng.random((len(values), n_trajectories, 2)), 2, 0)
    turn = 2 * np.pi * angle
    start = _START * np.sqrt(radius) * np.stack([np.cos(turn), np.sin(turn)])
    plane, inside = _van_der_pol(values[:, None], start, n_times, frame_interval)
    lifted = np.concatenate([plane, -curvature * (plane**2).sum(axis=-1, keepdims=True)], axis=-1)
    kept = inside[:, :, 1:]
    counts, labels = kept.sum(axis=(1, 2)), _labels(values)
    if not counts.all():
        raise ValueError(
            f"n_trajectories: got {n_trajectories}, and at {labels[int(counts.argmin())]} none "
            f"stays in x^2 + y^2 <= {_REGION**2:g} for a frame_interval of {frame_interval:g}; "
            "expected more trajectories or a shorter frame_interval"
        )
    states, following = lifted[:, :, :-1][kept], lifted[:, :, 1:][kept]
    X = _windows(states, following, frame_interval * noise, rng)
    return FlowFields(X, np.repeat(labels, counts), dict(zip(labels, values.tolist())))


def _van_der_pol(
    mu: NDArray[np.float64], start: NDArray[np.float64], n_times: int, frame_interval: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Integrate from ``start (2, n_conditions, n_trajectories)``.

    Returns states ``(n_conditions, n_trajectories, n_times, 2)``, and whether each was reached
    inside the region.
    """

    def rate(state: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = state
        return np.stack([y, mu * (1 - x**2) * y - x])

    n_steps = int(np.ceil(frame_interval * max(1.0, np.abs(mu).max()) / _STEP))
    step = frame_interval / n_steps
    state, inside = start, np.ones(start.shape[1:], dtype=bool)
    states = np.empty((*start.shape[1:], n_times, 2))
    valid = np.empty((*start.shape[1:], n_times), dtype=bool)
    for frame in range(n_times):
        states[:, :, frame], valid[:, :, frame] = np.moveaxis(state, 0, -1), inside
        for _ in range(n_steps if frame < n_times - 1 else 0):
            k1 = rate(state)
            k2 = rate(state + 0.5 * step * k1)
            k3 = rate(state + 0.5 * step * k2)
            k4 = rate(state + step * k3)
            # What has left waits outside: it would reach infinity in finite time.
            state = np.where(inside, state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4), state)
            inside = inside & ((state**2).sum(axis=0) <= _REGION**2)
    return states, valid


def _windows(
    states: NDArray[np.float64],
    following: NDArray[np.float64],
    spread: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    noisy = following + spread * rng.standard_normal(following.shape)
    return np.stack([states, noisy], axis=2)


def _labels(mus: NDArray[np.float64]) -> list[str]:
    decimals = 2
    while len({float(f"{mu:.{decimals}f}") for mu in mus}) < len(mus):
        decimals += 1
    return [f"mu={mu:+.{decimals}f}" for mu in mus]


def _check_mus(mus: ArrayLike | None) -> NDArray[np.float64]:
    if mus is None:
        return np.linspace(-1, 1, 20)
    try:
        values = np.asarray(mus, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    is_list = values.ndim == 1 and len(values) > 0
    if not is_list or not np.isfinite(values).all() or len(np.unique(values)) < len(values):
        raise ValueError(f"mus: got {mus!r}; expected a list of distinct, finite numbers")
    return values
