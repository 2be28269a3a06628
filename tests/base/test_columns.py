"""Which columns a net reads, and whose identity they carry."""

import numpy as np
import pytest
import torch
from torch import nn

from skneurograph.base._columns import Columns, Identities


def holding(*columns, n_neurons=5):
    """Windows in which these neurons are recorded, each in one of two windows."""
    X = np.full((2, n_neurons, 3), np.nan)
    for place, column in enumerate(columns):
        X[place % 2, column] = 1.0
    return X


def chosen(columns, windows):
    found = columns.choose(windows)
    return None if found is None else found.tolist()


def test_columns_are_those_of_training_and_none_if_that_are_all():
    assert Columns(np.arange(5), 5).trained is None
    some = Columns(np.array([0, 3]), 5)
    assert some.trained.tolist() == [0, 3]
    for windows in (holding(0, 1, 2), holding(4)):
        assert chosen(some, windows) == [0, 3]
    assert some.inputs(some.trained, nn.Linear(1, 1)) == ()


@pytest.mark.parametrize(
    ("given", "recorded", "labels", "untrained"),
    [
        ("all", [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], []),
        ("all", [1, 2, 4], [-1, 0, 1, -1, 2], [0, 3]),
        ("none", [1, 2], [-1] * 5, []),
        # Identity 7 was trained in column 1, and stands in column 4 as well.
        ([9, 7, -1, 3, 7], [1, 3], [-1, 1, -1, 0, 1], [0]),
        ([9, 7, -1, 3, 7], [0, 2, 3], [1, -1, -1, 0, -1], [1, 4]),
        (np.array([2, 2, 2, 2, 2], dtype=np.uint8), [3], [0] * 5, []),
    ],
    ids=str,
)
def test_identities_are_numbered_over_those_that_training_held(given, recorded, labels, untrained):
    columns = Identities(given, np.array(recorded), 5)
    assert columns.labels.tolist() == labels
    assert np.flatnonzero(columns.untrained).tolist() == untrained
    known = np.unique(columns.labels[columns.labels >= 0])
    np.testing.assert_array_equal(known, np.arange(len(known)))


@pytest.mark.parametrize(
    ("given", "recorded", "windows", "expected"),
    [
        # Nothing but the columns of training is known.
        ("all", [0, 1], holding(0, 1, 2, 3), [0, 1]),
        ("all", [0, 1, 2, 3, 4], holding(0), None),
        # Anonymous neurons are as good as those of training, if they are there.
        ("none", [0, 1], holding(0, 1), [0, 1]),
        ("none", [0, 1], holding(0, 3), [0, 1, 3]),
        ("none", [0, 4], holding(2), [0, 2, 4]),
        # An identity that was trained in another column, and one that was not.
        ([8, 8, 6, 5, -1], [0, 2], holding(1), [0, 1, 2]),
        ([8, 8, 6, 5, -1], [0, 2], holding(3, 4), [0, 2, 4]),
        ([8, 8, 6, 5, -1], [0, 2], holding(3), [0, 2]),
    ],
    ids=str,
)
def test_columns_that_training_lacked_are_read_if_they_are_anonymous_or_known(
    given, recorded, windows, expected
):
    assert chosen(Identities(given, np.array(recorded), 5), windows) == expected


def test_a_neuron_with_a_gap_in_every_window_is_not_there():
    windows = holding(0, 3)
    windows[1, 3, 0] = np.nan
    assert chosen(Identities("none", np.array([0]), 5), windows) == [0]
    windows[1, 3] = 1.0
    assert chosen(Identities("none", np.array([0]), 5), windows) == [0, 3]


def test_a_net_that_keeps_its_columns_apart_reads_no_others():
    columns = Identities([0, 1, 0, 1, 2], np.array([0, 1]), 5, fixed=True)
    assert chosen(columns, holding(3)) == [0, 1]
    with pytest.raises(ValueError, match=r"pooling='concat'.*anonymous"):
        Identities("none", np.array([0, 1]), 5, fixed=True)


def test_a_module_is_told_the_identities_of_other_columns_than_its_own():
    columns = Identities([9, 7, -1, 3, 7], np.array([1, 3]), 5)
    module = nn.Linear(2, 2)
    assert columns.inputs(columns.trained, module) == ()
    assert Identities("all", np.arange(5), 5).inputs(None, module) == ()
    (told,) = columns.inputs(np.array([1, 2, 4]), module)
    assert told.dtype == torch.int64
    assert told.tolist() == [1, -1, 1]


def test_the_largest_layer_is_of_neurons_or_of_pairs():
    assert Columns(np.arange(5), 5).largest_layer(16) == 5 * 16
    assert Identities("all", np.arange(5), 5).largest_layer(16) == 5 * 16
    assert Identities("all", np.arange(99), 99).largest_layer(16) == 99 * 99


@pytest.mark.parametrize(
    "given", ["some", [0, 1], [0, 1, 2, 3, -2], [0.0, 1.0, 2.0, 3.0, 4.0], [[0] * 5], [True] * 5]
)
def test_identities_that_make_no_sense_are_refused(given):
    with pytest.raises(ValueError, match="identities: got"):
        Identities(given, np.arange(5), 5)
