"""Every parameter of every simulator refuses what it cannot use, by name."""

import inspect
import re

import numpy as np
import pytest

from skneurograph import datasets

SIMULATORS = [
    datasets.make_kuramoto,
    datasets.make_planar_flows,
    datasets.make_springs,
    datasets.make_van_der_pol,
    datasets.make_worms,
]
PARAMETERS = [(make, name) for make in SIMULATORS for name in inspect.signature(make).parameters]
ALLOWS_NONE = {"limits", "mus", "random_state"}


@pytest.mark.parametrize(
    ("make", "name"), PARAMETERS, ids=lambda value: getattr(value, "__name__", value)
)
@pytest.mark.parametrize(
    "value",
    [None, "3", b"3", np.nan, -np.inf, 1j, [2.0], np.array([1.0, 2.0, 3.0]), {}],
    ids=repr,
)
def test_a_parameter_of_the_wrong_kind_is_refused_by_name(make, name, value):
    if value is None and name in ALLOWS_NONE:
        pytest.skip("None has a meaning")
    if name == "mus" and np.ndim(value) == 1:
        pytest.skip("a list of numbers is what is expected")
    with pytest.raises(ValueError, match=rf"^{name}: got {re.escape(repr(value))}; expected "):
        make(**{name: value})


@pytest.mark.parametrize(
    "frequencies", [(2.0, 1.0), (1.0,), (1.0, 2.0, 3.0), (0.0, np.inf), "12", (True, 2.0)]
)
def test_frequencies_are_two_numbers_in_order(frequencies):
    with pytest.raises(ValueError, match=r"^frequencies: got .*; expected two numbers"):
        datasets.make_kuramoto(2, frequencies=frequencies)


def test_limits_are_finite_and_in_order():
    low, high = np.zeros(4), np.ones(4)
    for limits in ((high, low), (low, np.full(4, np.inf)), (low, np.ones(3)), (low,)):
        with pytest.raises(ValueError, match=r"^limits: got .*; expected \(low, high\)"):
            datasets.make_springs(2, limits=limits)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_simulation_that_explodes_is_an_error_not_nan():
    with pytest.raises(ValueError, match="left the range of numbers; expected a shorter"):
        datasets.make_springs(2, n_times=5, stiffness=1e300, random_state=0)


def test_integers_beyond_those_of_numpy_are_read():
    worms = datasets.make_worms(
        1, n_neurons=12, duration=2, calcium_time_constant=10**30, random_state=0
    )
    assert np.isfinite(worms.recordings[0].activity).all()
