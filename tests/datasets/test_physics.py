"""Springs and oscillators, tested by their physics."""

import numpy as np
import pytest

from skneurograph.datasets import make_kuramoto, make_springs


def in_units(systems):
    return systems.low + (systems.X.astype(float) + 1) / 2 * (systems.high - systems.low)


def test_springs_conserve_energy_and_momentum_far_from_the_walls():
    springs = make_springs(20, box_size=100.0, random_state=0)
    states = in_units(springs)
    position, velocity = states[..., :2], states[..., 2:]
    kinetic = 0.5 * (velocity**2).sum(axis=(1, 3))
    distance = position[:, :, None] - position[:, None]
    squares = (distance**2).sum(axis=-1)
    potential = 0.25 * 0.1 * (springs.graphs[..., None] * squares).sum(axis=(1, 2))
    energy = kinetic + potential
    np.testing.assert_allclose(energy, np.repeat(energy[:, :1], 49, axis=1), rtol=1e-4)
    momentum = velocity.sum(axis=1)
    np.testing.assert_allclose(momentum, np.repeat(momentum[:, :1], 49, axis=1), atol=1e-4)


def test_two_connected_particles_swing_with_the_frequency_of_their_spring():
    springs = make_springs(
        5, n_particles=2, edge_probability=1.0, box_size=100.0, stiffness=2.0, random_state=0
    )
    states = in_units(springs)
    apart, closing = states[:, 0] - states[:, 1], np.arange(49) * 0.1 * 2.0
    # Reduced mass 1/2, stiffness 2: omega = 2.
    expected = apart[:, :1, :2] * np.cos(closing)[:, None]
    expected = expected + apart[:, :1, 2:] / 2.0 * np.sin(closing)[:, None]
    np.testing.assert_allclose(apart[..., :2], expected, atol=1e-4)


def test_particles_without_springs_move_straight_and_bounce_off_the_walls():
    free = in_units(make_springs(10, edge_probability=0.0, box_size=100.0, random_state=0))
    np.testing.assert_allclose(np.diff(free[..., :2], n=2, axis=2), 0, atol=1e-5)
    walled = in_units(make_springs(10, edge_probability=0.0, box_size=1.0, random_state=0))
    assert np.abs(walled[..., :2]).max() <= 1 + 1e-6
    speed = np.abs(walled[..., 2:])
    np.testing.assert_allclose(speed, np.repeat(speed[:, :, :1], 49, axis=2), atol=1e-5)
    assert (np.sign(walled[:, :, -1, 2:]) != np.sign(walled[:, :, 0, 2:])).any()


def test_a_tenth_of_the_steps_gives_the_same_trajectories():
    fine, coarse = (make_springs(5, n_substeps=n, random_state=0) for n in (100, 10))
    np.testing.assert_allclose(in_units(fine), in_units(coarse), atol=1e-3)
    fine, coarse = (make_kuramoto(5, n_substeps=n, random_state=0) for n in (40, 10))
    np.testing.assert_allclose(in_units(fine), in_units(coarse), atol=1e-3)


def test_uncoupled_oscillators_turn_with_their_own_frequency():
    states = in_units(make_kuramoto(10, edge_probability=0.0, random_state=0))
    rate, sine, phase, omega = np.moveaxis(states, -1, 0)
    np.testing.assert_allclose(rate, omega, atol=1e-5)
    np.testing.assert_allclose(np.diff(phase, axis=2), 0.1 * omega[:, :, 1:], atol=1e-4)
    np.testing.assert_allclose(sine, np.sin(phase), atol=1e-4)


def test_rates_follow_the_equation_with_the_known_graph():
    systems = make_kuramoto(10, symmetric=False, coupling=0.7, random_state=0)
    rate, _, phase, omega = np.moveaxis(in_units(systems), -1, 0)
    lag = phase[:, :, None] - phase[:, None]
    pull = 0.7 * (systems.graphs[..., None] * np.sin(lag)).sum(axis=2)
    np.testing.assert_allclose(rate, omega + pull, atol=1e-3)


def test_strong_attraction_synchronises_oscillators():
    options = {"edge_probability": 1.0, "frequencies": (3.0, 4.0), "random_state": 0}

    def order(coupling):
        phase = in_units(make_kuramoto(20, coupling=coupling, n_times=100, **options))[..., 2]
        return np.abs(np.exp(1j * phase[:, :, -1]).mean(axis=1))

    # "phi_i - phi_j": a negative coupling attracts.
    assert order(-3.0).min() > 0.95
    assert order(0.0).mean() < 0.7
    assert order(3.0).mean() < 0.5


def test_graphs_are_random_symmetric_and_without_self_loops():
    for make in (make_springs, make_kuramoto):
        systems = make(400, n_times=2, n_substeps=1, random_state=0)
        graphs = systems.graphs
        assert (np.diagonal(graphs, axis1=1, axis2=2) == 0).all()
        np.testing.assert_array_equal(graphs, graphs.transpose(0, 2, 1))
        assert graphs.mean() == pytest.approx(0.5 * 20 / 25, abs=0.02)
    asymmetric = make_kuramoto(400, n_times=2, symmetric=False, random_state=0).graphs
    assert (asymmetric != asymmetric.transpose(0, 2, 1)).any()


def test_features_span_minus_one_to_one_and_new_data_can_be_mapped_alike():
    for make in (make_springs, make_kuramoto):
        first = make(30, n_times=5, random_state=0)
        assert first.X.min() == -1
        assert first.X.max() == 1
        assert first.X.dtype == np.float32
        limits = (first.low, first.high)
        second = make(30, n_times=5, random_state=1, limits=limits)
        free = make(30, n_times=5, random_state=1)
        np.testing.assert_allclose(in_units(second), in_units(free), atol=1e-4)
    springs = make_springs(5, n_times=5, random_state=0)
    assert springs.low[0] == springs.low[1]
    assert springs.high[2] == springs.high[3]


def test_noise_has_the_given_spread_and_the_same_seed_gives_the_same_data():
    for make in (make_springs, make_kuramoto):
        clean, noisy = (make(50, n_times=20, noise=noise, random_state=0) for noise in (0, 0.2))
        np.testing.assert_array_equal(clean.graphs, noisy.graphs)
        error = (in_units(noisy) - in_units(clean))[..., :3]
        assert error.std() == pytest.approx(0.2, rel=0.03)
        again, graphs = make(50, n_times=20, noise=0.2, random_state=0)
        np.testing.assert_array_equal(again, noisy.X)
        np.testing.assert_array_equal(graphs, noisy.graphs)


def test_the_global_generator_is_left_alone():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    make_springs(2, n_times=2)
    make_kuramoto(2, n_times=2)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("make", "options", "name"),
    [
        (make_springs, {"n_particles": 1}, "n_particles"),
        (make_springs, {"n_simulations": 0}, "n_simulations"),
        (make_springs, {"edge_probability": 1.5}, "edge_probability"),
        (make_springs, {"stiffness": -1.0}, "stiffness"),
        (make_springs, {"box_size": 0.0}, "box_size"),
        (make_springs, {"n_times": 2.5}, "n_times"),
        (make_kuramoto, {"n_oscillators": 1}, "n_oscillators"),
        (make_kuramoto, {"noise": -0.1}, "noise"),
        (make_kuramoto, {"frame_interval": 0.0}, "frame_interval"),
        (make_kuramoto, {"coupling": np.nan}, "coupling"),
        (make_kuramoto, {"limits": (np.zeros(3), np.ones(3))}, "limits"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(make, options, name):
    with pytest.raises(ValueError, match=name):
        make(**{"n_simulations": 3, **options})
