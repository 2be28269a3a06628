"""Simulated calcium recordings of worms with a known connectome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._recording import Recording
from skneurograph.datasets._parameters import generator, integer, number
from skneurograph.datasets._worm_model import WormModel, draw_connectome

__all__ = ["SimulatedWorms", "make_worms"]

_DESCRIPTION = (
    "Simulated data, not a recording of an animal: {} by skneurograph.datasets.make_worms."
)


@dataclass(frozen=True, eq=False)
class SimulatedWorms:
    """Simulated worms, as ``recordings, graph = make_worms()`` unpacks them.

    Attributes
    ----------
    recordings : list of Recording
        One for each organism.
    graph : ndarray of shape (n_neurons, n_neurons)
        The connectome that all organisms share: entry ``[i, j]`` is the signed influence
        of sender ``j`` on receiver ``i``, 0 where there is no synapse. The diagonal is 0.
    neurons : ndarray of str, shape (n_neurons,)
        Names of the rows and columns of ``graph``.
    neuron_classes : ndarray of str, shape (n_neurons,)
        Class of each neuron, shared by its left and right member.
    """

    recordings: list[Recording]
    graph: NDArray[np.float64]
    neurons: NDArray[np.str_]
    neuron_classes: NDArray[np.str_]

    def __iter__(self) -> Iterator[Any]:
        yield self.recordings
        yield self.graph


def make_worms(
    n_organisms: int = 6,
    *,
    n_neurons: int = 40,
    duration: float = 300.0,
    sampling_rate: float = 3.0,
    edge_probability: float = 0.12,
    recorded_fraction: float = 0.8,
    identified_fraction: float = 0.8,
    individual_variation: float = 0.2,
    calcium_time_constant: float = 1.0,
    bleaching: float = 0.3,
    noise: float = 0.05,
    random_state: int | np.random.RandomState | None = None,
) -> SimulatedWorms:
    """Simulate calcium recordings of worms that share a known connectome.

    These are simulated data. They serve to try the package and to test what a method can
    recover; they say nothing about *C. elegans*.

    Parameters
    ----------
    n_organisms : int, default=6
        Number of organisms, one recording each.
    n_neurons : int, default=40
        Neurons of a worm, at least 12. Named in left and right pairs that share a class
        (``S01L`` and ``S01R`` are of class ``S01``); the last one is alone if odd.
    duration : float, default=300.0
        Length of each recording in seconds.
    sampling_rate : float, default=3.0
        Frames per second (Hz).
    edge_probability : float, default=0.12
        Probability that a pair of classes has a synapse, beside the command circuits.
    recorded_fraction : float, default=0.8
        Fraction of the neurons that is recorded, another subset in each organism.
    identified_fraction : float, default=0.8
        Fraction of the recorded neurons that has a name, another subset in each
        organism. The others are named ``''``. The order of the columns is random.
    individual_variation : float, default=0.2
        How much organisms differ, from 0 to 1: standard deviation of the logarithm of
        each weight and of the undulation frequency, and likewise for the inputs. Near 1
        an organism may lack a behaviour.
    calcium_time_constant : float, default=1.0
        Time constant of the calcium indicator in seconds.
    bleaching : float, default=0.3
        Fraction of the fluorescence lost, exponentially, by the end of the recording.
        ``Recording.zscore`` does not take this trend away.
    noise : float, default=0.05
        Standard deviation of the measurement noise, relative to a neuron's baseline.
    random_state : int, RandomState instance or None, default=None
        Seed of the simulation.

    Returns
    -------
    SimulatedWorms
        ``recordings``, the true ``graph``, ``neurons`` and ``neuron_classes``. Each
        recording has raw fluorescence (arbitrary units), the behaviour ``"forward"``,
        ``"reversal"`` or ``"turn"``, and the covariates ``velocity`` (mm/s) and
        ``head_angle`` (rad).

    Raises
    ------
    ValueError
        If a parameter is out of its range. The message says what was expected.

    Notes
    -----
    Every neuron follows a rate equation, ``tau dx/dt = -x + W tanh(x) + inputs`` [1]_.
    The first two fifths of the neurons form two command circuits. Each is a flip-flop of
    two pools that excite themselves, inhibit each other and tire, and so switches
    irregularly [2]_. Both circuits forward is *forward*, both backward is *reversal*, and
    *turn* is their disagreement: whichever one neuron is observed, a second circuit
    decides what it means. Velocity follows their sum, head angle their difference.

    The other neurons stand along the body and are driven by an undulation whose phase
    lag between neurons follows the velocity: it travels one way in *forward*, the other
    way in *reversal* and stands still in *turn*. So the relations between neurons in a
    window tell about behaviour too. Fluctuations that have nothing to do with behaviour,
    some of them shared by the whole brain and some private to a neuron, hide the state
    in each single trace. Fluorescence is the rate behind an exponential kernel [3]_,
    with bleaching and noise.

    References
    ----------
    .. [1] Sompolinsky, Crisanti and Sommers (1988). Chaos in random neural networks.
       Physical Review Letters 61, 259. doi:10.1103/PhysRevLett.61.259
    .. [2] Roberts et al. (2016). A stochastic neuronal model predicts random search
       behaviors at multiple spatial scales in C. elegans. eLife 5, e12572.
       doi:10.7554/eLife.12572
    .. [3] Vogelstein et al. (2010). Fast nonnegative deconvolution for spike train
       inference from population calcium imaging. Journal of Neurophysiology 104, 3691.
       doi:10.1152/jn.01073.2009

    Examples
    --------
    >>> from skneurograph.datasets import make_worms
    >>> recordings, graph = make_worms(2, duration=60, random_state=0)
    >>> recordings[0]
    <Recording 'simulated-1'; 180 frames at 3 Hz; 32 neurons (26 identified); ...>
    >>> graph.shape
    (40, 40)
    """
    n_organisms = integer("n_organisms", n_organisms, 1)
    n_neurons = integer("n_neurons", n_neurons, 12)
    duration = number("duration", duration, 0, above=True)
    sampling_rate = number("sampling_rate", sampling_rate, 0, above=True)
    edge_probability = number("edge_probability", edge_probability, 0, 1, above=True)
    recorded_fraction = number("recorded_fraction", recorded_fraction, 0, 1, above=True)
    identified_fraction = number("identified_fraction", identified_fraction, 0, 1, above=True)
    variation = number("individual_variation", individual_variation, 0, 1)
    calcium_time_constant = number("calcium_time_constant", calcium_time_constant, 0, above=True)
    bleaching = number("bleaching", bleaching, 0, 0.99)
    noise = number("noise", noise, 0, 1)
    n_times = round(duration * sampling_rate)
    if n_times < 1:
        raise ValueError(
            f"duration: got {duration:g} s at {sampling_rate:g} Hz; expected at least one frame"
        )
    rng = generator(random_state)

    classes = np.array([f"S{1 + i // 2:02d}" for i in range(n_neurons)])
    neurons = np.array([f"{name}{'LR'[i % 2]}" for i, name in enumerate(classes)])
    graph = draw_connectome(n_neurons, edge_probability, rng)
    worms = WormModel(graph, n_organisms, variation, calcium_time_constant, rng)
    calcium, command, phase = worms.run(n_times, sampling_rate)
    fluorescence = _fluorescence(calcium, bleaching, noise, rng)
    behavior = _behavior(command)
    covariates = {
        "velocity": 0.1 * command.sum(axis=2),
        "head_angle": 0.4 * (command[..., 0] - command[..., 1]) + 0.2 * np.sin(phase),
    }
    recordings = []
    for k in range(n_organisms):
        recorded = rng.choice(n_neurons, max(1, round(recorded_fraction * n_neurons)), False)
        n_identified = max(1, round(identified_fraction * len(recorded)))
        identified = np.isin(recorded, rng.choice(recorded, n_identified, False))
        recordings.append(
            Recording(
                fluorescence[:, k, recorded],
                sampling_rate,
                neurons=np.where(identified, neurons[recorded], ""),
                neuron_classes=np.where(identified, classes[recorded], ""),
                behavior=behavior[:, k],
                covariates={name: value[:, k] for name, value in covariates.items()},
                organism=f"simulated-{k + 1}",
                description=_DESCRIPTION.format(f"worm {k + 1} of {n_organisms}"),
            )
        )
    return SimulatedWorms(recordings, graph, neurons, classes)


def _fluorescence(
    calcium: NDArray[np.float64], bleaching: float, noise: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Fluorescence of shape (n_times, n_organisms, n_neurons), arbitrary units."""
    n_times, *shape = calcium.shape
    baseline = np.exp(0.4 * rng.standard_normal(shape))
    amplitude = np.exp(0.3 * rng.standard_normal(shape))
    fading = np.exp(np.log1p(-bleaching) * np.linspace(0, 1, n_times))[:, None, None]
    clean = baseline * (1 + amplitude * calcium) * fading
    return (clean + noise * baseline * rng.standard_normal(calcium.shape)).astype(np.float32)


def _behavior(command: NDArray[np.float64]) -> NDArray[np.str_]:
    forward, reversal = (command > 0).all(axis=2), (command <= 0).all(axis=2)
    return np.where(forward, "forward", np.where(reversal, "reversal", "turn"))
