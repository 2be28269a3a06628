"""Whatever container names, labels, groups and numbers come in, they mean the same."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skneurograph.data._inputs import (
    InputError,
    read_groups,
    read_labels,
    read_names,
    read_number,
    read_numbers,
    read_text,
    unmasked,
)

MISSING = [None, np.nan, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT")]


@pytest.mark.parametrize("missing", MISSING, ids=repr)
@pytest.mark.parametrize("read", [read_names, read_labels])
@pytest.mark.parametrize(
    "container",
    [list, tuple, lambda v: np.array(v, dtype=object), lambda v: pd.Series(v, dtype=object)],
)
def test_a_missing_value_among_text_is_empty_text(missing, read, container):
    assert read(container(["A", missing, "B"]), "names").tolist() == ["A", "", "B"]


@pytest.mark.parametrize(
    "column",
    [
        pd.array(["A", pd.NA], dtype="string"),
        pd.Series(["A", None], dtype="str"),
        pd.Categorical(["A", None]),
        np.ma.array(["A", "B"], mask=[False, True]),
        np.ma.array([b"A", b"B"], mask=[False, True]),
        np.array(["A", None], dtype=np.dtypes.StringDType(na_object=None)),
        ["A", np.ma.masked],
        ["A", "  "],
    ],
    ids=lambda column: f"{type(column).__name__} {getattr(column, 'dtype', '')}",
)
@pytest.mark.parametrize("read", [read_names, read_labels])
def test_nullable_masked_and_blank_text_is_empty_text(column, read):
    assert read(column, "names").tolist() == ["A", ""]


@pytest.mark.parametrize("text", ["", "AVAL", b"AVAL", "nan"], ids=repr)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("read", [read_names, read_labels])
def test_text_alone_is_left_to_the_check_of_shapes(text, read):
    assert read(text, "names").shape == ()


def test_a_column_that_is_missing_as_a_whole_names_nothing():
    assert read_names(pd.Series([np.nan, np.nan]), "names").tolist() == ["", ""]


@pytest.mark.parametrize("text", ["nan", "NaN", "None", "<NA>", "NaT"])
@pytest.mark.parametrize("read", [read_names, read_labels])
def test_a_missing_value_that_became_text_is_empty_text_with_a_warning(text, read):
    with pytest.warns(UserWarning, match=f"names: '{text}' is read as a missing value"):
        assert read(np.array(["A", text]), "names").tolist() == ["A", ""]


@pytest.mark.parametrize("dtype", [object, "S", None])
@pytest.mark.parametrize("read", [read_names, read_labels, read_groups])
def test_bytes_are_text_in_utf_8(dtype, read):
    value = ["é".encode(), b"run"] if dtype is None else np.array(["é".encode(), b"run"], dtype)
    assert read(value, what="names").tolist() == ["é", "run"]


@pytest.mark.parametrize("read", [read_names, read_labels, read_groups])
def test_bytes_that_are_no_utf_8_are_named(read):
    with pytest.raises(InputError, match=r"names: got bytes that are no UTF-8 \(b'\\xff'\)"):
        read(np.array([b"\xff"]), what="names")


@pytest.mark.parametrize("value", [[1, "a"], [1, 2], np.arange(2), [True, False]])
def test_names_are_text(value):
    with pytest.raises(InputError, match=r"names: got .* expected one string per neuron"):
        read_names(value, "names")


@pytest.mark.parametrize(
    "value",
    [[1, "a"], [True, "a"], [True, 2], [pd.Interval(0, 1)], pd.date_range("2020", periods=2)],
)
def test_labels_are_of_one_kind(value):
    with pytest.raises(InputError, match=r"labels: got .* expected labels of one kind"):
        read_labels(value, "labels")


@pytest.mark.parametrize("value", [np.arange(3), np.array([True, False]), np.array([1.5, 2.0])])
def test_labels_that_are_numbers_keep_their_type(value):
    assert read_labels(value, "labels").dtype == value.dtype
    assert read_labels(value.tolist(), "labels").dtype == value.dtype


def test_a_missing_label_among_numbers_is_nan():
    for value in ([1, None], pd.array([1, None], dtype="Int64"), np.ma.array([1, 2], mask=[0, 1])):
        np.testing.assert_array_equal(read_labels(value, "labels"), [1.0, np.nan])


@pytest.mark.parametrize("value", [[None, None], [pd.NA, np.nan], np.array([None, None])], ids=str)
def test_labels_that_are_all_missing_are_nan(value):
    np.testing.assert_array_equal(read_labels(value, "labels"), [np.nan, np.nan])


@pytest.mark.parametrize("missing", [*MISSING, "", "nan"], ids=repr)
@pytest.mark.parametrize("others", [["a", "b"], [1, 2], [1.0, 2.0]], ids=str)
@pytest.mark.parametrize("as_objects", [False, True])
def test_a_missing_group_is_the_same_error_whatever_it_is_missing_from(missing, others, as_objects):
    groups = [others[0], missing, others[1]]
    with pytest.raises(InputError, match="groups: got"):
        read_groups(np.array(groups, dtype=object) if as_objects else groups)


def test_the_error_says_how_many_groups_are_missing_and_where():
    dates = np.array(["2020-01-01", "NaT", "NaT"], dtype="M8[D]")
    with pytest.raises(
        InputError, match=r"no organism for 2 of 3 windows \(the first at position 1"
    ):
        read_groups(dates)


@pytest.mark.parametrize("groups", [[1, "a"], [True, "a"], [1, ("a",)], [object(), 1]])
def test_groups_of_mixed_types_are_refused(groups):
    with pytest.raises(InputError, match="groups: got"):
        read_groups(groups)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (pd.Categorical(["b", "a"]), ["b", "a"]),
        (pd.array([2, 1], dtype="Int64"), [2, 1]),
        (np.array(["b", "a"], dtype=object), ["b", "a"]),
        ([2, 1.5], [2, 1.5]),
    ],
)
def test_groups_of_one_type_come_back_plain(groups, expected):
    found = read_groups(groups, 2)
    assert found.tolist() == expected
    assert found.dtype.kind != "O"


def test_groups_have_one_entry_per_window():
    with pytest.raises(InputError, match=r"groups: got shape \(2,\); expected .* shape \(3,\)"):
        read_groups(["a", "b"], 3)


@pytest.mark.parametrize("dtype", [bool, "i2", "u8", "f2", "f4", "f8", ">f4", np.longdouble])
def test_numbers_become_floats_of_native_order(dtype):
    found = read_numbers(np.ones(2, dtype), "x")
    assert found.dtype == (np.float32 if np.dtype(dtype).str[1:] == "f4" else np.float64)
    assert found.dtype.isnative


@pytest.mark.parametrize(
    "value",
    [
        np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]),
        [np.ma.array([1, 2], mask=[0, 1]), np.ma.array([3, 4])],
        pd.DataFrame({"a": [1, 3], "b": pd.array([None, 4], dtype="Int64")}),
        pd.DataFrame({"a": [1, 3], "b": [None, 4]}, dtype=object),
        np.array([[1, None], [3, 4]], dtype=object),
        np.array([[1, pd.NA], [3, 4]], dtype=object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_missing_and_masked_numbers_are_nan(value):
    np.testing.assert_array_equal(read_numbers(value, "x"), [[1, np.nan], [3, 4]])


@pytest.mark.parametrize(
    "value", [None, "abc", ["1"], [1j], {1: 2}, [[1], [1, 2]], pd.date_range("2020", periods=2)]
)
def test_what_is_no_number_is_named(value):
    with pytest.raises(InputError, match=r"x: got .*; expected numbers"):
        read_numbers(value, "x")


def test_infinity_is_refused_with_its_position():
    with pytest.raises(InputError, match="x: got infinity at position 1, 0"):
        read_numbers([[1.0], [np.inf]], "x")
    with pytest.raises(InputError, match="x: got NaN at position 1"):
        read_numbers([1.0, np.nan], "x", finite=True)


def test_what_is_not_masked_is_not_copied():
    array = np.ones((3, 2), dtype=np.float32)
    assert unmasked(array) is array
    assert np.shares_memory(read_numbers(array, "x"), array)
    assert np.shares_memory(unmasked(np.ma.array(array)), array)


def test_reading_clean_input_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_names(["AVAL", ""], "names")
        read_labels(["forward", None], "labels")
        read_groups(["one", "two"])
        read_numbers([1, 2], "x")


def test_literal_names_may_spell_a_missing_value():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = ["nan", None, "None", np.nan, " ", b"NaT"]
        names = read_names(given, "neurons", literal=True)
    assert names.tolist() == ["nan", "", "None", "", "", "NaT"]


@pytest.mark.parametrize("read", [read_names, read_labels, read_groups])
@pytest.mark.parametrize("value", [{"a", "b"}, {"a": 1, "b": 2}, {"a": 1}.keys()])
def test_sets_and_mappings_have_no_order_to_read(read, value):
    with pytest.raises(InputError, match=r"names: got (set|dict)"):
        read(value, what="names")


@pytest.mark.parametrize(
    "value",
    [
        "é",
        "é".encode(),
        np.str_("é"),
        np.bytes_("é".encode()),
        np.array(["é"]),
        np.array("é".encode()),
        np.array("é", dtype=object),
    ],
    ids=repr,
)
def test_text_is_read_from_whatever_holds_it(value):
    found = read_text(value, "organism")
    assert (type(found), found) == (str, "é")


@pytest.mark.parametrize("value", [*MISSING, "", " ", b"", np.ma.masked, np.array(None)], ids=repr)
def test_missing_text_is_empty(value):
    assert read_text(value, "organism") == ""


@pytest.mark.parametrize("value", [7, True, 1.5, ["a"], ["a", "b"], {"a": 1}, object()])
def test_what_is_no_text_is_named(value):
    with pytest.raises(InputError, match=r"organism: got .*; expected a name"):
        read_text(value, "organism", "a name")


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.array(2), np.array([2]), pd.NA])
def test_one_number_is_read(value):
    if value is pd.NA:
        with pytest.raises(InputError, match="rate: got <NA>; expected Hz"):
            read_number(value, "rate", "Hz")
    else:
        assert read_number(value, "rate", "Hz") == 2


@pytest.mark.parametrize("value", [None, "2", b"2", True, 1j, np.nan, np.inf, [1, 2], []], ids=repr)
def test_what_is_no_number_alone_is_named(value):
    with pytest.raises(InputError, match=r"rate: got .*; expected Hz"):
        read_number(value, "rate", "Hz")


@pytest.mark.parametrize(
    "value",
    [np.zeros(2, dtype="V4"), np.zeros(2, dtype=[("a", float)]), [10**400, 1], [[1], [[1, 2], 3]]],
)
@pytest.mark.parametrize("read", [read_names, read_labels, read_groups, read_numbers])
def test_odd_containers_have_a_message_of_their_own(read, value):
    if read in (read_labels, read_groups) and isinstance(value, list) and value[0] == 10**400:
        pytest.skip("whole numbers of any size are labels")
    with pytest.raises(InputError, match="x: got"):
        read(value, what="x")


@pytest.mark.parametrize("groups", [[True, False], np.array([True, False], dtype=object)])
def test_groups_may_be_true_or_false(groups):
    assert read_groups(groups).tolist() == [True, False]
    assert read_groups(groups).dtype == bool


def test_the_error_names_groups_and_items_by_what_they_are():
    with pytest.raises(InputError, match=r"labels: got no condition for 1 of 2 points"):
        read_groups(["a", None], 2, "labels", group="condition", item="point")
