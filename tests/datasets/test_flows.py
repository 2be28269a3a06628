"""Flow fields, tested by their geometry and against an integrator of scipy."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from skneurograph.datasets import make_planar_flows, make_van_der_pol

BOTH = pytest.mark.parametrize("make", [make_planar_flows, make_van_der_pol])


def fields(flows, frame_interval=0.1):
    """Give states and vectors of each group."""
    states, following = np.moveaxis(flows.X, 2, 0)
    vectors = (following - states) / frame_interval
    names = dict.fromkeys(flows.groups.tolist())
    return {n: (states[flows.groups == n], vectors[flows.groups == n]) for n in names}


def test_planar_windows_are_pairs_of_states_in_the_square_and_their_next_states():
    flows = make_planar_flows(300, random_state=0)
    assert flows.X.shape == (1200, 2, 2)
    assert flows.X.dtype == np.float64
    assert flows.groups.shape == (1200,)
    assert flows.parameters == {}
    names = ["constant -", "constant +", "vortex left", "vortex right"]
    assert flows.groups.tolist() == np.repeat(names, 300).tolist()
    states = flows.X[:, :, 0].reshape(4, 300, 2)
    assert np.abs(states).max() <= 1
    # A uniform law on [-1, 1] has mean 0 and variance 1/3.
    np.testing.assert_allclose(states.mean(axis=1), 0, atol=0.1)
    np.testing.assert_allclose(states.var(axis=1), 1 / 3, atol=0.06)
    assert len(np.unique(states.reshape(-1, 2), axis=0)) == 1200


def test_constant_fields_are_constant_diagonal_and_opposite():
    by_name = fields(make_planar_flows(random_state=0))
    np.testing.assert_allclose(by_name["constant +"][1], 1.0, atol=1e-12)
    np.testing.assert_allclose(by_name["constant -"][1], -1.0, atol=1e-12)


@pytest.mark.parametrize(("name", "centre"), [("vortex left", -1.0), ("vortex right", 1.0)])
def test_vortices_turn_clockwise_around_their_centre_with_softened_unit_length(name, centre):
    states, vectors = fields(make_planar_flows(random_state=0))[name]
    radius = states - np.array([centre, 0.0])
    distance, speed = np.linalg.norm(radius, axis=1), np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose((radius * vectors).sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(speed, distance / np.sqrt(distance**2 + 0.1), atol=1e-12)
    assert (radius[:, 0] * vectors[:, 1] - radius[:, 1] * vectors[:, 0] < 0).all()
    assert speed[distance > 1].min() > 0.95


def test_the_frame_interval_scales_the_planar_step_and_not_the_vector():
    short, long = (make_planar_flows(frame_interval=t, random_state=0) for t in (0.01, 0.5))
    np.testing.assert_array_equal(short.X[:, :, 0], long.X[:, :, 0])
    for name, (_, vectors) in fields(short, 0.01).items():
        np.testing.assert_allclose(vectors, fields(long, 0.5)[name][1], atol=1e-12)


def test_van_der_pol_has_twenty_conditions_with_about_equally_many_windows():
    flows = make_van_der_pol(random_state=0)
    assert len(flows.parameters) == 20
    np.testing.assert_allclose(list(flows.parameters.values()), np.linspace(-1, 1, 20))
    assert "mu=+0.26" in flows.parameters
    counts = [(flows.groups == label).sum() for label in flows.parameters]
    assert flows.groups.tolist() == np.repeat(list(flows.parameters), counts).tolist()
    assert flows.X.shape == (sum(counts), 3, 2)
    assert counts == [500] * 20
    assert np.isfinite(flows.X).all()


def test_labels_have_as_many_decimals_as_tell_conditions_apart():
    options = {"n_trajectories": 5, "random_state": 0}
    assert list(make_van_der_pol([0.5, 0.0, -1], **options).parameters) == [
        "mu=+0.50",
        "mu=+0.00",
        "mu=-1.00",
    ]
    assert make_van_der_pol(np.array([0.004, -0.004]), **options).parameters == {
        "mu=+0.004": 0.004,
        "mu=-0.004": -0.004,
    }


@pytest.mark.parametrize(
    ("mu", "frame_interval"), [(-1.0, 0.1), (-0.3, 0.5), (0.0, 0.1), (1.0, 0.5), (4.0, 0.1)]
)
def test_the_second_frame_is_where_the_equation_leads(mu, frame_interval):
    flows = make_van_der_pol([mu], n_trajectories=20, frame_interval=frame_interval, random_state=0)

    def rate(_, state):
        x, y = state.reshape(2, -1)
        return np.concatenate([y, mu * (1 - x**2) * y - x])

    start, end = flows.X[:, :2, 0].T, flows.X[:, :2, 1].T
    exact = solve_ivp(
        rate, (0, frame_interval), start.ravel(), method="DOP853", rtol=1e-11, atol=1e-11
    )
    np.testing.assert_allclose(end.ravel(), exact.y[:, -1], rtol=0, atol=1e-7)


def test_windows_are_consecutive_frames_of_trajectories_that_start_in_a_disc():
    X, _ = make_van_der_pol([0.3], n_trajectories=400, n_times=4, random_state=0)
    X = X.reshape(400, 3, 3, 2)
    np.testing.assert_array_equal(X[:, 1:, :, 0], X[:, :-1, :, 1])
    squares = (X[:, 0, :2, 0] ** 2).sum(axis=1)
    assert squares.max() <= 1.5**2
    # Uniform in the disc: the square of the radius is uniform.
    np.testing.assert_allclose(
        np.quantile(squares, [0.25, 0.5, 0.75]), np.array([1, 2, 3]) * 0.5625, atol=0.15
    )


def test_trajectories_that_run_away_end_at_the_border_of_the_region():
    # Beyond mu = 1 the limit cycle reaches out of the region.
    flows = make_van_der_pol([1.0, 3.0], n_trajectories=100, n_times=80, random_state=0)
    assert (flows.X[:, :2] ** 2).sum(axis=1).max() <= 3.5**2
    assert (flows.groups == "mu=+1.00").sum() == 100 * 79
    assert (flows.groups == "mu=+3.00").sum() < 0.8 * 100 * 79


@pytest.mark.parametrize("mu", [-1.0, -0.3, 0.3, 1.0])
def test_the_limit_cycle_attracts_for_positive_mu_and_repels_for_negative_mu(mu):
    # Two frames: states are uniform in the disc. Over a circle, d(r^2)/dt = 2 mu (1 - x^2) y^2 has
    # the mean mu r^2 (1 - r^2 / 4), which changes its sign at r = 2.
    X, _ = make_van_der_pol([mu], n_trajectories=2000, n_times=2, random_state=0)
    before, after = np.moveaxis((X[:, :2] ** 2).sum(axis=1), 1, 0)
    outwards = np.sign(mu) * (after - before)
    # Where trajectories start, inside that circle, they go out for positive mu, and in for others.
    assert outwards.mean() > 0
    later, _ = make_van_der_pol([mu], n_trajectories=500, n_times=200, random_state=0)
    reached = (later[:, :2, 1] ** 2).sum(axis=1)
    assert (np.quantile(reached, 0.75) > 3) == (mu > 0)


@pytest.mark.parametrize("curvature", [0.0, 0.04, 0.5])
def test_both_frames_lie_on_the_paraboloid(curvature):
    X, _ = make_van_der_pol([-0.5, 0.5], curvature=curvature, random_state=0)
    flat, _ = make_van_der_pol([-0.5, 0.5], curvature=0.0, random_state=0)
    np.testing.assert_array_equal(X[:, :2], flat[:, :2])
    np.testing.assert_allclose(X[:, 2], -curvature * (X[:, :2] ** 2).sum(axis=1), atol=1e-12)


@BOTH
@pytest.mark.parametrize("frame_interval", [0.1, 0.02])
def test_noise_disturbs_each_component_of_the_vectors_with_the_given_spread(make, frame_interval):
    clean, noisy = (
        make(frame_interval=frame_interval, noise=noise, random_state=0) for noise in (0.0, 0.2)
    )
    np.testing.assert_array_equal(clean.X[:, :, 0], noisy.X[:, :, 0])
    error = (noisy.X - clean.X)[:, :, 1] / frame_interval
    np.testing.assert_allclose(error.std(axis=0), 0.2, rtol=0.05)
    np.testing.assert_allclose(error.mean(axis=0), 0.0, atol=0.02)
    correlation = np.corrcoef(error.T) - np.eye(error.shape[1])
    np.testing.assert_allclose(correlation, 0, atol=0.08)


@BOTH
def test_the_same_seed_gives_the_same_data(make):
    first, again, other = (make(noise=0.1, random_state=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.groups, again.groups)
    assert first.X[0, 0, 0] != other.X[0, 0, 0]
    X, groups = make(noise=0.1, random_state=np.random.RandomState(3))
    np.testing.assert_array_equal(X, first.X)
    np.testing.assert_array_equal(groups, first.groups)


@BOTH
def test_the_global_generator_is_left_alone(make):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = make(), make()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert first.X[0, 0, 0] != second.X[0, 0, 0]


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (make_planar_flows, {"n_points": 0}, "n_points: got 0; expected an integer of at least 1"),
        (make_planar_flows, {"n_points": 2.5}, "n_points: got 2.5"),
        (make_planar_flows, {"n_points": True}, "n_points: got True"),
        (make_planar_flows, {"noise": -0.1}, "noise: got -0.1"),
        (make_planar_flows, {"frame_interval": 0.0}, "frame_interval: got 0.0"),
        (make_van_der_pol, {"mus": []}, "mus: got .*; expected a list of distinct, finite numbers"),
        (make_van_der_pol, {"mus": 0.5}, "mus: got 0.5"),
        (make_van_der_pol, {"mus": [0.5, 0.5]}, "mus: got"),
        (make_van_der_pol, {"mus": [0.0, -0.0]}, "mus: got"),
        (make_van_der_pol, {"mus": [0.5, np.nan]}, "mus: got"),
        (make_van_der_pol, {"mus": [[0.5], [1.0]]}, "mus: got"),
        (make_van_der_pol, {"mus": ["high"]}, "mus: got"),
        (make_van_der_pol, {"n_trajectories": 0}, "n_trajectories: got 0"),
        (make_van_der_pol, {"n_times": 1}, "n_times: got 1; expected an integer of at least 2"),
        (make_van_der_pol, {"frame_interval": np.inf}, "frame_interval: got inf"),
        (make_van_der_pol, {"curvature": -1.0}, "curvature: got -1.0"),
        (make_van_der_pol, {"noise": np.nan}, "noise: got nan"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_condition_without_any_window_is_refused():
    with pytest.raises(ValueError, match=r"n_trajectories: got 1, and at mu=-8.00 none stays"):
        make_van_der_pol([0.5, -8.0], n_trajectories=1, frame_interval=0.5, random_state=1)
