"""Mini-batches visit windows by weight, and early stopping holds out what shares no frame."""

import numpy as np
import pytest
import torch

from skneurograph import sliding_windows
from skneurograph.base._batches import TrainingData, hold_out, steps_per_epoch

CPU = torch.device("cpu")


def numbered(n_windows, weight=None, **options):
    """Windows that hold their own number."""
    X = np.arange(n_windows, dtype=np.float32)[:, None, None] + np.zeros((2, 3), np.float32)
    weight = np.ones(n_windows) if weight is None else np.asarray(weight, dtype=float)
    return TrainingData(X, 10 * np.arange(n_windows), weight, **options)


def epoch(data, batch_size, rng=None):
    """Number and weight of the windows of each batch of an epoch."""
    return [
        (X[:, 0, 0].numpy().astype(int), weight.numpy())
        for X, (_, weight) in data.batches(batch_size, CPU, rng)
    ]


def visits(data, batch_size, n_epochs=1, seed=0):
    """How often each window is visited."""
    batches = data.batches(batch_size, CPU, np.random.default_rng(seed))
    rows = [X[:, 0, 0].numpy() for _ in range(n_epochs) for X, _ in batches]
    return np.bincount(np.concatenate(rows).astype(int), minlength=len(data))


@pytest.mark.parametrize(("n_windows", "batch_size"), [(100, 7), (103, 4), (64, 4)])
def test_equal_weights_visit_each_window_once_an_epoch(n_windows, batch_size):
    data = numbered(n_windows, min_steps_per_epoch=1)
    for n_epochs in (1, 3):
        assert (visits(data, batch_size, n_epochs) == n_epochs).all()


def test_a_weight_of_two_is_visited_twice_as_often_and_one_of_zero_never():
    weight = np.array([2.0, 1.0, 1.0, 0.0] * 10)
    counts = visits(numbered(40, weight, min_steps_per_epoch=1), 8)
    np.testing.assert_array_equal(counts, weight)


def test_a_fractional_share_is_rounded_up_or_down_in_each_epoch_and_right_on_average():
    weight = np.random.default_rng(0).random(50)
    share = 50 * weight / weight.sum()
    data = numbered(50, weight, min_steps_per_epoch=1)
    once = visits(data, 10)
    assert (np.abs(once - share) < 1 + 1e-9).all()
    assert once.sum() == 50
    np.testing.assert_allclose(visits(data, 10, n_epochs=400) / 400, share, atol=0.1)


def test_batches_are_of_nearly_the_same_size_and_shuffled():
    batches = epoch(numbered(45, min_steps_per_epoch=1), 16, np.random.default_rng(0))
    assert [len(rows) for rows, _ in batches] == [15, 15, 15]
    assert all((weight == 1).all() for _, weight in batches)
    order = np.concatenate([rows for rows, _ in batches])
    assert not np.array_equal(order, np.sort(order))


def test_each_epoch_has_its_own_order_and_the_same_seed_the_same_orders():
    def orders():
        batches = numbered(40).batches(4, CPU, np.random.default_rng(3))
        return [np.concatenate([X[:, 0, 0].numpy() for X, _ in batches]) for _ in range(2)]

    first, second = orders()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(orders(), [first, second])


def test_few_windows_are_visited_again_until_the_epoch_has_its_steps():
    data = numbered(20, min_steps_per_epoch=10)
    batches = epoch(data, 5, np.random.default_rng(0))
    assert len(batches) == data.n_steps(5) == 10
    # Two whole rounds of four batches, and two batches of a third.
    counts = np.bincount(np.concatenate([rows for rows, _ in batches]), minlength=20)
    assert set(counts) == {2, 3}


def test_what_fits_in_one_batch_is_given_whole_with_its_weights_in_every_step():
    data = numbered(4, [1, 2, 1, 0], min_steps_per_epoch=6)
    batches = epoch(data, 16, np.random.default_rng(0))
    assert len(batches) == 6
    for rows, weight in batches:
        np.testing.assert_array_equal(rows, np.arange(4))
        np.testing.assert_allclose(weight, [1, 2, 1, 0])


def test_evaluation_reads_every_window_once_in_order_with_weights_of_mean_one():
    batches = epoch(numbered(10, np.arange(10) + 1.0), 4)
    assert [len(rows) for rows, _ in batches] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in batches]), np.arange(10))
    weight = np.concatenate([weight for _, weight in batches])
    np.testing.assert_allclose(weight, (np.arange(10) + 1) / 5.5, rtol=1e-6)


def test_targets_stay_with_their_windows_and_weights_have_the_precision_of_windows():
    for X, (target, weight) in numbered(30).batches(7, CPU, np.random.default_rng(0)):
        np.testing.assert_array_equal(target.numpy(), 10 * X[:, 0, 0].numpy())
        assert X.is_contiguous()
        assert weight.dtype == X.dtype == torch.float32


def test_columns_and_lazy_windows_give_the_batches_of_an_array():
    activity = np.random.default_rng(0).normal(size=(60, 4))
    columns = np.array([3, 1])
    found = []
    for lazy in (False, True):
        X = sliding_windows(activity, 5, lazy=lazy).X
        data = TrainingData(X, np.arange(len(X)), np.ones(len(X)), columns)
        found.append([X.numpy() for X, _ in data.batches(8, CPU, np.random.default_rng(0))])
    for eager, cut in zip(*found, strict=True):
        assert eager.shape[1:] == (2, 5)
        np.testing.assert_array_equal(eager, cut)


def test_rounding_of_many_weights_never_points_behind_the_last_window():
    class Last:
        """A generator whose points lie as far back as they can."""

        def random(self):
            return np.nextafter(1.0, 0.0)

        def permutation(self, rows):
            return rows

    # Ten tenths add up to less than one.
    assert np.cumsum(np.full(10, 0.1))[-1] < 1
    rows = np.concatenate([rows for rows, _ in epoch(numbered(10), 5, Last())])
    assert rows.max() == 9


@pytest.mark.parametrize(
    ("n_windows", "batch_size", "least", "expected"),
    [(100, 10, 1, 10), (101, 10, 1, 11), (5, 10, 1, 1), (5, 10, 16, 16), (400, 10, 16, 40)],
)
def test_an_epoch_has_a_step_per_batch_and_no_fewer_than_the_least(
    n_windows, batch_size, least, expected
):
    assert steps_per_epoch(n_windows, batch_size, least) == expected


# What early stopping holds out


def test_hold_out_takes_whole_organisms_at_least_one_and_about_the_fraction():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 7)
    for fraction, expected in ((0.01, 1), (0.3, 3), (0.5, 5)):
        train, valid = hold_out(70, groups, fraction, 4, rng)
        assert len(np.unique(groups[valid])) == expected
        assert not set(groups[train]) & set(groups[valid])
        assert len(train) + len(valid) == 70


def test_the_generator_chooses_the_organisms():
    groups = np.repeat(list("abcdefgh"), 3)
    held = {
        str(np.unique(groups[hold_out(24, groups, 0.1, 4, np.random.default_rng(seed))[1]])[0])
        for seed in range(30)
    }
    assert len(held) > 4


@pytest.mark.parametrize("n_times", [1, 4, 9])
def test_without_groups_the_end_is_held_out_and_windows_that_overlap_it_are_left_out(n_times):
    train, valid = hold_out(50, None, 0.2, n_times, np.random.default_rng(0))
    np.testing.assert_array_equal(valid, np.arange(40, 50))
    np.testing.assert_array_equal(train, np.arange(40 - (n_times - 1)))
    # The last frame that training reads lies before the first held-out one.
    assert train[-1] + n_times - 1 < valid[0]


@pytest.mark.parametrize(
    ("n_windows", "groups", "message"),
    [
        (20, np.zeros(20), r"whole organisms, but groups names 1; .* patience=None"),
        (4, None, r"holds out 1 of 4 windows after a gap of 4, which leaves none"),
    ],
)
def test_nothing_left_to_train_on_is_an_error(n_windows, groups, message):
    with pytest.raises(ValueError, match=message):
        hold_out(n_windows, groups, 0.2, 5, np.random.default_rng(0))
