"""Seeds come from ``random_state``, and torch's generators are seeded in a block only."""

import numpy as np
import pytest
import torch

from skneurograph.base._seeds import draw_seeds, seeded

CPU = torch.device("cpu")


def test_the_same_random_state_draws_the_same_seeds_and_all_of_them_differ():
    assert draw_seeds(3, 4) == draw_seeds(3, 4) == draw_seeds(np.random.RandomState(3), 4)
    assert draw_seeds(3, 2) == draw_seeds(3, 4)[:2]
    drawn = [seed for state in range(5) for seed in draw_seeds(state, 4)]
    assert len(set(drawn)) == 20
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in drawn)


def test_a_generator_goes_on_and_none_draws_other_seeds_each_time():
    generator = np.random.RandomState(0)
    assert draw_seeds(generator, 2) != draw_seeds(generator, 2)
    assert draw_seeds(None, 2) != draw_seeds(None, 2)


def test_numpys_global_generator_is_never_drawn_from_for_none_or_a_number():
    before = np.random.get_state()  # noqa: NPY002
    draw_seeds(None, 3)
    draw_seeds(5, 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert np.random.get_state()[2] == before[2]  # noqa: NPY002


def test_a_block_draws_by_its_seed_and_leaves_the_generator_where_it_was():
    def drawn(seed):
        with seeded(seed, CPU):
            return torch.randn(5)

    before = torch.get_rng_state()
    first = drawn(3)
    assert torch.equal(drawn(3), first)
    assert not torch.equal(drawn(4), first)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(RuntimeError, match="shape"), seeded(3, CPU):
        torch.rand(2).reshape(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_same_seed_draws_the_same_numbers_in_any_precision():
    def drawn():
        with seeded(3, CPU):
            return torch.randn(5)

    expected = drawn()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(drawn(), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_generators_of_other_devices_are_not_reached(monkeypatch):
    def refuse(*args):
        raise AssertionError("the generators of all CUDA devices were seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    with seeded(3, CPU):
        torch.rand(1)
