"""Labels of behaviour: encoded as classes, weighted, and decoded."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_sample_weight

from skneurograph.base._split import Part, TrainingSplit
from skneurograph.decoding._labels import Labels
from skneurograph.nn import cross_entropy


def part(labels, weight=None):
    labels = np.asarray(labels)
    weight = np.ones(len(labels)) if weight is None else np.asarray(weight, dtype=float)
    return Part(np.zeros((len(labels), 2, 3)), labels, weight)


def labels_of(train, held_out=None, class_weight=None, weight=None, smoothing=0.0):
    held_out = None if held_out is None else part(held_out)
    y = part(train).y if held_out is None else np.concatenate([part(train).y, held_out.y])
    split = TrainingSplit(part(train, weight), held_out, np.arange(2), 0, y)
    return Labels(split, class_weight, smoothing)


@pytest.mark.parametrize(
    "classes", [["a", "b", "c"], [-3, 0, 7], [False, True], [2.0, 5.0]], ids=str
)
def test_labels_of_any_kind_come_back_from_what_the_net_gives(classes):
    y = np.array(classes)[np.random.default_rng(0).integers(len(classes), size=40)]
    labels = labels_of(y)
    np.testing.assert_array_equal(labels.classes, np.unique(y))
    encoded, weight = labels.encode(y, np.ones(40))
    assert encoded.dtype == np.int64
    assert labels.n_outputs == encoded.max() + 1
    decoded = labels.decode(np.eye(len(classes))[encoded])
    np.testing.assert_array_equal(decoded, y)
    assert decoded.dtype == y.dtype
    np.testing.assert_array_equal(weight, np.ones(40))


def test_balanced_weights_are_those_of_training_and_multiply_the_weights_of_windows():
    rng = np.random.default_rng(0)
    y, weight = np.repeat(["a", "b", "c"], [30, 8, 2]), rng.random(40) + 0.1
    labels = labels_of(y, held_out=["a", "c"], class_weight="balanced")
    _, counted = labels.encode(y, weight)
    np.testing.assert_allclose(counted, weight * compute_sample_weight("balanced", y))
    _, held_out = labels.encode(np.array(["a", "c"]), np.ones(2))
    np.testing.assert_allclose(held_out, [40 / 3 / 30, 40 / 3 / 2])


def test_balanced_classes_weigh_the_same_whatever_their_windows_weigh():
    y, weight = np.repeat(["a", "b"], [30, 10]), np.random.default_rng(0).random(40)
    _, counted = labels_of(y, class_weight="balanced", weight=weight).encode(y, weight)
    assert counted[:30].sum() == pytest.approx(counted[30:].sum())


def test_weights_that_are_given_count_for_their_class():
    y = np.array(["a", "b", "b", "a"])
    _, counted = labels_of(y, class_weight={"b": 3, "a": 0.5}).encode(y, np.array([1, 1, 2, 4]))
    assert counted.tolist() == [0.5, 3, 6, 2]
    as_bytes = labels_of(y, class_weight={b"b": 3, b"a": 0.5})
    np.testing.assert_array_equal(as_bytes.encode(y, np.array([1, 1, 2, 4]))[1], counted)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"a": 0, "b": 0}, "got zero for every class"),
        ({"a": np.nan, "b": 1}, "got nan for class 'a'"),
        ({"a": 1, "b": -1.0}, "got -1.0 for class 'b'"),
        ({"a": np.inf, "b": 1}, "got inf for class 'a'"),
        ({"a": "1", "b": 1}, "got '1' for class 'a'"),
        ({"a": None, "b": 1}, "got None for class 'a'"),
        ({"a": True, "b": 1}, "got True for class 'a'"),
        ({"a": 2}, r"none for \['b'\]; expected one for every class"),
        ({"A": 2, "b": 1}, r"none for \['a'\]; expected one for every class"),
        ({}, "expected one for every class"),
    ],
    ids=str,
)
def test_class_weights_that_make_no_sense_are_refused_by_name(weights, said):
    with pytest.raises(ValueError, match=f"^class_weight: .*{said}"):
        labels_of(["a", "b"] * 3, class_weight=weights)


def test_class_weights_that_are_of_no_use_are_warned_of():
    with pytest.warns(UserWarning, match=r"zero for \['b'\].*weights for \['c'\], which no window"):
        labels_of(["a", "b"], class_weight={"a": 1, "b": 0, "c": 2})


def test_a_single_class_is_warned_of():
    with pytest.warns(UserWarning, match="y has one class only, 'rest': every"):
        labels = labels_of(["rest"] * 4)
    assert labels.n_outputs == 1


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_a_class_that_is_only_held_out_is_one_all_the_same_and_named(class_weight):
    with pytest.warns(UserWarning, match="holds out every window of a, d, or leaves it out"):
        labels = labels_of(["b", "c", "c"], held_out=["a", "d", "b"], class_weight=class_weight)
    assert labels.classes.tolist() == ["a", "b", "c", "d"]
    _, weight = labels.encode(np.array(["a", "b", "c", "d"]), np.ones(4))
    assert weight.tolist() == ([1, 1, 1, 1] if class_weight is None else [1, 1.5, 0.75, 1])


def test_ordinary_labels_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels_of(["a", "b"], held_out=["a"], class_weight={"a": 1, "b": 2})


def test_numbers_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        labels_of([0.1, 0.2, 0.35])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        labels_of([0.0, 1.0], held_out=[0.5])


def test_the_loss_is_the_cross_entropy_with_the_smoothing_of_labels():
    output, target = torch.randn(2, 5, 3), torch.tensor([0, 2, 1, 1, 0])
    for smoothing in (0.0, 0.2):
        labels = labels_of(["a", "b", "c"], smoothing=smoothing)
        expected = cross_entropy(output, target, True, smoothing=smoothing)
        assert torch.equal(labels.loss(output, target, True), expected)
