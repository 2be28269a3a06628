"""Continuous targets: standardised for the loss, and given back in their own units."""

import numpy as np
import pytest
import torch

from skneurograph.base._targets import Continuous

UNITS = [1e-300, 1e-30, 1.0, 3e5, 1e200]


def target(shape=(50, 3), seed=0):
    return np.random.default_rng(seed).normal(2.0, 1.5, size=shape)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
def test_encoded_targets_are_decoded_to_what_they_were_in_any_unit_and_shape(shape, unit):
    y, weight = unit * target(shape), np.random.default_rng(1).random(50)
    learnt = Continuous(y, weight)
    encoded, counted = learnt.encode(y, weight)
    decoded = learnt.decode(encoded)
    assert encoded.shape == (50, learnt.n_outputs)
    assert decoded.shape == y.shape
    np.testing.assert_allclose(decoded, y, rtol=1e-12, atol=1e-12 * unit)
    np.testing.assert_array_equal(counted, weight)


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_of_a_target_does_not_change_what_is_learnt(unit):
    y, weight = target(), np.ones(50)
    expected, _ = Continuous(y, weight).encode(y, weight)
    found, _ = Continuous(unit * y, weight).encode(unit * y, weight)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_mean_and_spread_are_those_of_the_weighted_training_windows():
    y, weight = target(), np.random.default_rng(1).integers(0, 4, 50)
    learnt = Continuous(y, weight)
    repeated = np.repeat(y, weight, axis=0)
    np.testing.assert_allclose(learnt.mean, repeated.mean(axis=0))
    np.testing.assert_allclose(learnt.scale, repeated.std(axis=0))
    encoded, _ = learnt.encode(repeated, np.ones(len(repeated)))
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(encoded.std(axis=0), 1)


def test_other_windows_are_encoded_by_what_was_learnt():
    learnt = Continuous(target(), np.ones(50))
    other = target(seed=1)
    encoded, _ = learnt.encode(other, np.ones(50))
    np.testing.assert_allclose(encoded, (other - learnt.mean) / learnt.scale)


@pytest.mark.parametrize("unit", [*UNITS, 0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_target_up_to_rounding_is_predicted_exactly(unit, dtype):
    constant = dtype(min(unit, 1e30) * -0.3)
    rounding = 1 + np.finfo(dtype).eps * np.tile([0, 1], 25)
    learnt = Continuous((constant * rounding).astype(dtype), np.ones(50))
    assert learnt.scale.tolist() == [0.0]
    encoded, _ = learnt.encode(np.full(50, constant), np.ones(50))
    np.testing.assert_allclose(encoded, 0, atol=1e-6)
    predicted = learnt.decode(np.random.default_rng(0).normal(size=(50, 1)))
    np.testing.assert_allclose(predicted, constant, rtol=2 * np.finfo(dtype).eps)


def test_a_small_change_on_a_large_offset_is_no_rounding():
    y = 1e6 + 1e-3 * target((50,))
    learnt = Continuous(y, np.ones(50))
    np.testing.assert_allclose(learnt.scale, y.std(), rtol=1e-6)
    as_integers = Continuous(np.arange(50), np.ones(50))
    np.testing.assert_allclose(as_integers.scale, np.arange(50).std())


def test_the_loss_is_the_squared_error_of_each_window_over_members_and_outputs():
    wanted = torch.arange(8.0).reshape(4, 2)
    of_members = wanted + torch.tensor([1.0, -2.0, 3.0])[:, None, None]
    np.testing.assert_allclose(Continuous.loss(of_members, wanted, True), (1 + 4 + 9) / 3)
    loss = Continuous.loss(torch.zeros(3, 4, 2), wanted, True)
    np.testing.assert_allclose(loss, (wanted**2).mean(dim=1))
