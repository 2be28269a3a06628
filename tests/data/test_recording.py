import dataclasses
import pickle
import re
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from skneurograph import Recording

ACTIVITY = np.arange(12.0).reshape(4, 3)


def recording(activity=ACTIVITY, sampling_rate=2.0, **fields):
    return Recording(activity, sampling_rate, **fields)


def full_recording(seed=0, n_times=30):
    """A recording that uses every field: missing values, gaps, names beyond ASCII."""
    rng = np.random.default_rng(seed)
    activity = rng.normal(3, 2, size=(n_times, 6)).astype(np.float32)
    activity[:5, 1] = np.nan
    activity[:, 4] = np.nan
    return Recording(
        activity,
        3.0,
        neurons=["AVAL", "AVAR", "神経", "", "ñ/1", ""],
        neuron_classes=["AVA", "AVA", "", "", "ñ", ""],
        behavior=rng.choice(["vorwärts", "reversal", ""], n_times),
        covariates={
            "velocity": np.where(np.arange(n_times) < 3, np.nan, rng.normal(size=n_times)),
            "head angle/α": rng.normal(size=n_times),
        },
        time=5 + np.arange(n_times) / 3 + 10 * (np.arange(n_times) >= 12),
        organism="wörm-1",
        description="Simulated by hand\nfor tests: 'quotes', ünïcode",
    )


def assert_same(one, other):
    assert one.activity.dtype == other.activity.dtype
    for name in ("activity", "time", "neurons", "neuron_classes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.behavior is None) == (other.behavior is None)
    if one.behavior is not None:
        np.testing.assert_array_equal(one.behavior, other.behavior)
    assert list(one.covariates) == list(other.covariates)
    for name, value in one.covariates.items():
        np.testing.assert_array_equal(value, other.covariates[name])
    assert one.sampling_rate == other.sampling_rate
    assert (one.organism, one.description) == (other.organism, other.description)


@pytest.mark.parametrize(
    ("fields", "name", "given", "expected"),
    [
        ({"activity": np.zeros(3)}, "activity", "(3,)", "(n_times, n_neurons)"),
        ({"activity": np.zeros((0, 3))}, "activity", "(0, 3)", "(n_times, n_neurons)"),
        ({"activity": np.zeros((3, 0))}, "activity", "(3, 0)", "(n_times, n_neurons)"),
        ({"activity": [["a", "b"]]}, "activity", "<U1", "numbers"),
        ({"activity": [[1, 2], [3]]}, "activity", "a ragged sequence", "numbers"),
        ({"activity": np.zeros((4, 3)) * 1j}, "activity", "complex", "numbers"),
        (
            {"activity": [[0, 1], [2, np.inf]]},
            "activity",
            "infinity at position 1, 1",
            "NaN where missing",
        ),
        ({"sampling_rate": 0}, "sampling_rate", "0", "positive"),
        ({"sampling_rate": -1.5}, "sampling_rate", "-1.5", "positive"),
        ({"sampling_rate": np.nan}, "sampling_rate", "nan", "positive"),
        ({"sampling_rate": np.inf}, "sampling_rate", "inf", "positive"),
        ({"sampling_rate": "fast"}, "sampling_rate", "'fast'", "Hz"),
        ({"sampling_rate": None}, "sampling_rate", "None", "Hz"),
        ({"sampling_rate": "2"}, "sampling_rate", "'2'", "Hz"),
        ({"sampling_rate": True}, "sampling_rate", "True", "Hz"),
        ({"sampling_rate": [1, 2]}, "sampling_rate", "[1, 2]", "Hz"),
        ({"neurons": ["A", "B"]}, "neurons", "(2,)", "(3,)"),
        ({"neurons": [1, 2, 3]}, "neurons", "int", "string"),
        ({"neurons": ["A", "B", 3]}, "neurons", "int and str", "string"),
        ({"neurons": 5}, "neurons", "", ""),
        ({"neurons": {"A", "B", "C"}}, "neurons", "set", "string"),
        ({"neurons": {"A": 1, "B": 2, "C": 3}}, "neurons", "dict", "string"),
        ({"neurons": ["A", "B", "A"]}, "neurons", "(A)", "unique names; use ''"),
        ({"neuron_classes": ["A"]}, "neuron_classes", "(1,)", "(3,)"),
        ({"neuron_classes": [1.0, 2.0, 3.0]}, "neuron_classes", "float", "string"),
        ({"behavior": {"f", "r", "t", "d"}}, "behavior", "set", "labels"),
        ({"behavior": ["f", 1, 2, 3]}, "behavior", "int and str", "one kind"),
        ({"behavior": ["f", "r"]}, "behavior", "(2,)", "(4,)"),
        ({"behavior": [["f"]] * 4}, "behavior", "(4, 1)", "(4,)"),
        ({"behavior": [["f"], ["f", "r"], ["f"], ["f"]]}, "behavior", "", ""),
        ({"covariates": [1, 2, 3, 4]}, "covariates", "list", "mapping"),
        ({"covariates": 5}, "covariates", "int", "mapping"),
        ({"covariates": {"": [1, 2, 3, 4]}}, "covariates", "''", "name"),
        ({"covariates": {None: [1, 2, 3, 4]}}, "covariates", "None", "name"),
        ({"covariates": {("a", "b"): [1, 2, 3, 4]}}, "covariates", "('a', 'b')", "name"),
        ({"covariates": {"v": [1] * 4, b"v": [1] * 4}}, "covariates", "'v'", "unique"),
        ({"covariates": {"speed": [1, 2]}}, "covariates['speed']", "(2,)", "(4,)"),
        ({"covariates": {"speed": list("abcd")}}, "covariates['speed']", "<U1", "numbers"),
        ({"covariates": {"speed": [0, 1, 2, -np.inf]}}, "covariates['speed']", "inf", "finite"),
        ({"time": [0, 1]}, "time", "(2,)", "(4,)"),
        ({"time": [0, 1, 1, 2]}, "time", "do not increase", "increasing"),
        ({"time": [0, 1, np.nan, 2]}, "time", "", "increasing"),
        ({"time": [0, 1, None, 2]}, "time", "1 missing", "increasing"),
        ({"time": np.ma.array([0, 1, 2, 3], mask=[0, 0, 1, 0])}, "time", "1 missing", "increasing"),
        ({"time": pd.to_datetime(["2020", None, "2021", "2022"])}, "time", "1 missing", "seconds"),
        ({"time": list("abcd")}, "time", "", ""),
        ({"time": [[0], [1], [2], [3]]}, "time", "(4, 1)", "(4,)"),
        ({"time": [0, [1], 2, 3]}, "time", "ragged", "seconds"),
        ({"organism": None}, "organism", "None", "not empty"),
        ({"organism": np.nan}, "organism", "nan", "not empty"),
        ({"organism": b""}, "organism", "b''", "not empty"),
        ({"organism": "  "}, "organism", "'  '", "not empty"),
        ({"organism": ["a"]}, "organism", "['a']", "name"),
        ({"organism": ""}, "organism", "''", "not empty"),
        ({"organism": 7}, "organism", "7", "name"),
    ],
)
def test_errors_name_the_field_what_was_given_and_what_was_expected(fields, name, given, expected):
    with pytest.raises(ValueError, match=re.escape(f"Recording.{name}: got ")) as caught:
        recording(**fields)
    got, wanted = str(caught.value).split("; expected ", 1)
    assert given in got
    assert expected in wanted


def test_fields_get_their_documented_defaults():
    plain = recording()
    assert plain.neurons.tolist() == plain.neuron_classes.tolist() == ["", "", ""]
    assert plain.behavior is None
    assert plain.covariates == {}
    assert plain.time.tolist() == [0, 0.5, 1, 1.5]
    assert (plain.n_times, plain.n_neurons, plain.duration) == (4, 3, 2.0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("u1", "f8"), ("?", "f8"), ("f2", "f8")],
)
def test_activity_keeps_float_types_and_turns_others_into_float64(given, kept):
    activity = np.array([[0, 1], [1, 0]], dtype=given)
    made = recording(activity)
    assert made.activity.dtype == np.dtype(kept)
    np.testing.assert_array_equal(made.activity, activity)


@pytest.mark.parametrize(
    "behavior",
    [
        np.array(["f", None, "r", np.nan], dtype=object),
        np.array(["f", np.float32("nan"), "r", None], dtype=object),
        ["f", None, "r", None],
        ["f", np.nan, "r", np.nan],
        ["f", "", "r", ""],
        pd.Series(["f", None, "r", np.nan]),
        pd.Series(["f", pd.NA, "r", pd.NA], dtype="string"),
        pd.Categorical(["f", None, "r", None]),
    ],
    ids=[
        "object",
        "float32 nan",
        "None",
        "list nan",
        "empty",
        "Series",
        "string NA",
        "Categorical",
    ],
)
def test_missing_labels_become_empty_labels(behavior):
    made = recording(behavior=behavior).behavior
    assert made.dtype.kind == "U"
    assert made.tolist() == ["f", "", "r", ""]


MISSING_NAMES = [
    ["A", np.nan, "B"],
    ["A", None, "B"],
    np.array(["A", pd.NA, "B"], dtype=object),
    pd.Series(["A", None, "B"]),
    pd.Series(["A", pd.NA, "B"], dtype="string"),
    pd.Categorical(["A", None, "B"]),
    np.ma.array(["A", "x", "B"], mask=[False, True, False]),
    np.array([b"A", b"", b"B"], dtype=object),
    np.array([b"A", b" ", b"B"]),
]


@pytest.mark.parametrize("names", MISSING_NAMES, ids=lambda names: type(names).__name__)
@pytest.mark.parametrize("field", ["neurons", "neuron_classes"])
def test_missing_names_and_classes_are_empty(field, names):
    assert getattr(recording(**{field: names}), field).tolist() == ["A", "", "B"]


def test_neurons_without_a_class_are_never_averaged_together():
    activity = np.random.default_rng(0).normal(size=(50, 5))
    made = recording(
        activity,
        neurons=["AVAL", "AVAR", "X1", None, "X3"],
        neuron_classes=pd.Series(["AVA", "AVA", np.nan, np.nan, None]),
    ).average_classes()
    assert made.neurons.tolist() == ["AVA", "", "", ""]
    np.testing.assert_array_equal(made.activity[:, 1:], activity[:, 2:])


@pytest.mark.parametrize("dtype", [object, "S", None], ids=str)
def test_bytes_are_text_in_every_field(dtype):
    def as_bytes(words):
        encoded = [word.encode() for word in words]
        return encoded if dtype is None else np.array(encoded, dtype=dtype)

    made = recording(
        neurons=as_bytes(["é", "B", ""]),
        neuron_classes=as_bytes(["É", "", ""]),
        behavior=as_bytes(["läuft", "", "ruht", ""]),
        covariates={"größe".encode(): np.arange(4)},
        organism="wörm".encode(),
        description="où".encode(),
    )
    assert made.neurons.tolist() == ["é", "B", ""]
    assert made.neuron_classes.tolist() == ["É", "", ""]
    assert made.behavior.tolist() == ["läuft", "", "ruht", ""]
    assert list(made.covariates) == ["größe"]
    assert (made.organism, made.description) == ("wörm", "où")
    assert made.select(as_bytes(["é"])).neurons.tolist() == ["é"]
    assert made.select("é".encode()).neurons.tolist() == ["é"]


@pytest.mark.parametrize("value", [np.str_("w"), np.array("w"), np.array(b"w"), np.bytes_(b"w")])
def test_organism_and_description_become_plain_text(value):
    made = recording(organism=value, description=value)
    assert (type(made.organism), made.organism) == (str, "w")
    assert (type(made.description), made.description) == (str, "w")


@pytest.mark.parametrize("value", [None, np.nan, pd.NA, ""])
def test_a_missing_description_is_empty(value):
    assert recording(description=value).description == ""


def test_masked_values_are_missing():
    mask = np.zeros((4, 3), dtype=bool)
    mask[1, 2] = True
    expected = np.where(mask, np.nan, ACTIVITY)
    for masked in (
        np.ma.array(ACTIVITY, mask=mask),
        np.ma.array(ACTIVITY.astype(int), mask=mask),
        [np.ma.array(row, mask=row_mask) for row, row_mask in zip(ACTIVITY, mask)],
    ):
        np.testing.assert_array_equal(recording(masked).activity, expected)
    made = recording(
        behavior=np.ma.array(list("frfr"), mask=mask[:, 2]),
        covariates={"v": np.ma.array([1, 2, 3, 4], mask=mask[:, 2])},
    )
    assert made.behavior.tolist() == ["f", "", "f", "r"]
    np.testing.assert_array_equal(made.covariates["v"], [1, np.nan, 3, 4])


def test_masked_labels_that_are_numbers_are_nan():
    made = recording(behavior=np.ma.array([1, 2, 1, 2], mask=[0, 1, 0, 0]))
    np.testing.assert_array_equal(made.behavior, [1, np.nan, 1, 2])


def test_classes_given_by_name_go_to_the_neurons_of_that_name():
    by_name = {"RIM": "rim", "AVAR": "AVA", "AVAL": "AVA", "XYZ": "other"}
    for classes in (by_name, pd.Series(by_name)):
        made = recording(neurons=["AVAL", "", "RIM"], neuron_classes=classes)
        assert made.neuron_classes.tolist() == ["AVA", "", "rim"]
    in_order = pd.Series(["AVA", "AVB", "RIM"])
    assert recording(neuron_classes=in_order).neuron_classes.tolist() == ["AVA", "AVB", "RIM"]


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (pd.Series({"AVAL": "AVA", "other": "X"}), "no class for RIM"),
        (pd.Series(["a", "b", "c"], index=["AVAL", "AVAL", "RIM"]), "repeats a name"),
        ({"ASEL": "ASE"}, "no class for AVAL"),
    ],
)
def test_classes_given_by_other_names_are_refused(classes, said):
    with pytest.raises(ValueError, match=rf"Recording\.neuron_classes: got .*{said}"):
        recording(neurons=["AVAL", "", "RIM"], neuron_classes=classes)


def test_numeric_labels_keep_their_type():
    assert recording(behavior=[0, 1, 0, 1]).behavior.dtype.kind == "i"
    assert recording(behavior=[True, False, True, True]).behavior.dtype.kind == "b"


def test_a_recording_cannot_be_changed():
    made = full_recording()
    for field in dataclasses.fields(made):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, None)
    arrays = [made.activity, made.neurons, made.neuron_classes, made.behavior, made.time]
    for array in [*arrays, *made.covariates.values()]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    with pytest.raises(TypeError):
        made.covariates["velocity"] = np.zeros(made.n_times)


def test_making_a_recording_leaves_the_arrays_given_writeable():
    activity = np.zeros((4, 3))
    behavior = np.array(list("frfr"))
    recording(activity, behavior=behavior)
    activity[0, 0] = 1
    behavior[0] = "r"
    assert activity[0, 0] == 1


def test_a_recording_survives_pickling():
    made = full_recording()
    assert_same(pickle.loads(pickle.dumps(made)), made)


def test_zscore_agrees_with_nan_aware_moments():
    made = full_recording()
    column_known = ~np.isnan(made.activity).all(axis=0)
    known = made.activity[:, column_known].astype(np.float64)
    expected = (known - np.nanmean(known, axis=0)) / np.nanstd(known, axis=0)
    scaled = made.zscore().activity
    assert scaled.dtype == made.activity.dtype
    np.testing.assert_allclose(scaled[:, column_known], expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(scaled[:, ~column_known]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e6])
def test_zscore_turns_a_constant_neuron_into_zero_and_keeps_its_nan(value, dtype):
    activity = np.random.default_rng(0).normal(size=(500, 2)).astype(dtype)
    activity[:, 0] = value
    activity[7, 0] = np.nan
    scaled = recording(activity).zscore().activity
    assert np.isnan(scaled[7, 0])
    assert (np.delete(scaled[:, 0], 7) == 0).all()


def test_zscore_does_not_depend_on_the_unit_of_each_neuron():
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(40, 3))
    other = activity * [0.01, 1, 500] + [3, -2, 1e4]
    np.testing.assert_allclose(
        recording(other).zscore().activity, recording(activity).zscore().activity, atol=1e-9
    )


def test_zscore_does_not_touch_the_original_and_keeps_everything_else():
    made = full_recording()
    before = made.activity.copy()
    scaled = made.zscore()
    np.testing.assert_array_equal(made.activity, before)
    assert_same(dataclasses.replace(scaled, activity=made.activity), made)


@pytest.mark.parametrize("offset", [1e8, -1e10, 1e12])
@pytest.mark.parametrize("n_times", [40, 20_000])
def test_zscore_keeps_what_double_precision_holds_on_a_large_offset(offset, n_times):
    signal = np.round(np.random.default_rng(0).normal(size=(n_times, 2)) * 1024) / 1024
    np.testing.assert_allclose(
        recording(signal + offset).zscore().activity, recording(signal).zscore().activity, atol=1e-3
    )


@pytest.mark.parametrize("unit", [1e-200, 1e-40, 1e30, 1e200])
def test_zscore_does_not_depend_on_an_extreme_unit(unit):
    signal = np.random.default_rng(0).normal(size=(40, 2))
    for until in (None, 9.0):
        np.testing.assert_allclose(
            recording(signal * unit).zscore(until=until).activity,
            recording(signal).zscore(until=until).activity,
            rtol=1e-9,
        )


def test_zscore_of_a_long_constant_neuron_is_zero():
    assert (recording(np.full((100_000, 1), 0.1)).zscore().activity == 0).all()


def test_select_keeps_the_named_neurons_in_the_order_given():
    made = full_recording()
    chosen = made.select(["神経", "AVAL"])
    assert chosen.neurons.tolist() == ["神経", "AVAL"]
    assert chosen.neuron_classes.tolist() == ["", "AVA"]
    np.testing.assert_array_equal(chosen.activity, made.activity[:, [2, 0]])
    assert made.select("AVAR").neurons.tolist() == ["AVAR"]


@pytest.mark.parametrize(
    ("names", "said"),
    [(["AVAL", "RIML"], "'RIML'"), ([""], "''"), ([], "no name"), (["AVAL", np.nan], "''")],
)
def test_select_refuses_unknown_names(names, said):
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        full_recording().select(names)
    assert "4 identified neurons of 'wörm-1'" in str(caught.value)


def test_select_takes_each_name_once():
    with pytest.raises(ValueError, match=r"Recording\.select: got a name given twice"):
        full_recording().select(["AVAL", "AVAL"])


@pytest.mark.parametrize("rate", [1.667, 2.0, 3.0, 10.0, 1 / 0.3, 40.0])
def test_between_finds_frame_boundaries_in_spite_of_float_rounding(rate):
    n_times = 300
    made = recording(np.arange(n_times, dtype=float)[:, None], rate)
    step = 1 / rate
    rng = np.random.default_rng(0)
    for start, stop in np.sort(rng.integers(0, n_times + 1, size=(60, 2)), axis=1):
        if start == stop:
            continue
        added = sum([step] * int(start)), sum([step] * int(stop))
        for seconds in [(start * step, stop * step), (start / rate, stop / rate), added]:
            kept = made.between(*seconds)
            assert kept.activity[:, 0].tolist() == list(range(start, stop))


def test_between_keeps_start_and_leaves_out_stop():
    made = recording(np.arange(10.0)[:, None], 10.0)
    assert made.between(0.1 * 3, 0.7).activity[:, 0].tolist() == [3, 4, 5, 6]
    assert made.between(0.25, 0.41).activity[:, 0].tolist() == [3, 4]
    assert made.between(-5, 99).n_times == 10


@pytest.mark.parametrize("cut", [5.4, 9.0, 9 + 1 / 3, 12.0, 18.5])
def test_adjoining_intervals_share_no_frame_and_lose_none(cut):
    made = full_recording()
    parts = made.between(-100, cut), made.between(cut, 100)
    for name in ("activity", "time", "behavior"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(joined, getattr(made, name))
    for name, value in made.covariates.items():
        np.testing.assert_array_equal(
            np.concatenate([part.covariates[name] for part in parts]), value
        )


@pytest.mark.parametrize("edge", ["a", None, np.nan, [1, 2], True])
def test_times_that_are_no_number_are_named(edge):
    for name, call in (
        ("start", lambda: recording().between(edge, 5)),
        ("stop", lambda: recording().between(0, edge)),
    ):
        with pytest.raises(
            ValueError, match=rf"Recording\.between: {name}: got .*expected seconds"
        ):
            call()
    if edge is not None:
        with pytest.raises(ValueError, match=r"Recording\.zscore: until: got .*expected seconds"):
            recording().zscore(until=edge)


def test_between_keeps_the_clock_and_the_gaps():
    made = full_recording()
    part = made.between(7, 22)
    expected = [t for t in made.time if 7 <= t < 22]
    np.testing.assert_allclose(part.time, expected)
    assert len(part.segments()) == 2
    assert_same(part.between(8, 20), made.between(8, 20))


def test_between_says_what_the_recording_spans_if_nothing_is_left():
    with pytest.raises(ValueError, match=r"no frame between 11 and 12 s; 'wörm-1' spans 5 to 24"):
        full_recording().between(11, 12)


def test_average_classes_agrees_with_a_loop():
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(20, 7))
    activity[rng.random(activity.shape) < 0.3] = np.nan
    classes = ["B", "A", "", "B", "A", "B", ""]
    made = recording(
        activity, neurons=["b1", "a1", "x", "b2", "", "b3", ""], neuron_classes=classes
    )
    averaged = made.average_classes()
    assert averaged.neurons.tolist() == averaged.neuron_classes.tolist() == ["A", "B", "", ""]
    for t in range(20):
        for column, name in enumerate(["A", "B"]):
            values = [
                activity[t, i]
                for i in range(7)
                if classes[i] == name and not np.isnan(activity[t, i])
            ]
            expected = sum(values) / len(values) if values else np.nan
            np.testing.assert_allclose(averaged.activity[t, column], expected)
    np.testing.assert_array_equal(averaged.activity[:, 2:], activity[:, [2, 6]])


def test_averaging_classes_twice_changes_nothing_more():
    once = full_recording().average_classes()
    assert_same(once.average_classes(), once)


def test_average_classes_without_any_class_only_forgets_names():
    made = recording(neurons=["A", "B", "C"]).average_classes()
    np.testing.assert_array_equal(made.activity, ACTIVITY)
    assert made.neurons.tolist() == ["", "", ""]


def test_a_pause_of_more_than_two_and_a_half_intervals_is_a_gap():
    rng = np.random.default_rng(0)
    # A multiple of 1/64, so that sums of pauses are exact.
    pauses = rng.choice([48, 64, 70, 160, 161, 400], size=99)
    time = np.concatenate([[0], np.cumsum(pauses)]) / 64 / 4
    made = recording(np.zeros((100, 1)), 4.0, time=time)
    expected, start = [], 0
    for frame in range(1, 100):
        if Fraction(int(pauses[frame - 1]), 64) > Fraction(5, 2):
            expected.append((start, frame))
            start = frame
    expected.append((start, 100))
    assert len(expected) > 10
    assert made.segments() == expected


def test_save_and_load_give_the_same_recording(tmp_path):
    made = full_recording()
    path = made.save(tmp_path / "worm.npz")
    assert path == tmp_path / "worm.npz"
    assert_same(Recording.load(path), made)
    assert_same(Recording.load(str(path)), made)


@pytest.mark.parametrize("behavior", [None, [0, 1, 1, 0], [1.5, np.nan, 2.5, 1.5]])
def test_save_and_load_keep_the_type_of_labels(tmp_path, behavior):
    made = recording(behavior=behavior)
    assert_same(Recording.load(made.save(tmp_path / "worm")), made)


def test_save_adds_the_suffix_without_eating_other_dots(tmp_path):
    path = recording().save(tmp_path / "worm_2022.07")
    assert path == tmp_path / "worm_2022.07.npz"
    assert path.exists()


def test_saved_files_hold_plain_arrays_and_no_pickle(tmp_path):
    path = full_recording().save(tmp_path / "worm.npz")
    with np.load(path, allow_pickle=False) as archive:
        kinds = {key: archive[key].dtype.kind for key in archive.files}
    assert set(kinds.values()) <= set("fUi")
    assert {"activity", "sampling_rate", "time", "neurons", "neuron_classes"} <= set(kinds)
    assert {"behavior", "covariate_velocity", "organism", "description"} <= set(kinds)


def test_load_reads_a_file_with_activity_and_rate_alone(tmp_path):
    np.savez(tmp_path / "animal.npz", activity=ACTIVITY, sampling_rate=2)
    loaded = Recording.load(tmp_path / "animal.npz")
    assert loaded.organism == "animal"
    np.testing.assert_array_equal(loaded.activity, ACTIVITY)


def test_load_names_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz"):
        Recording.load(tmp_path / "nowhere.npz")


class _Payload:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was executed",))


def _write_text(path):
    path.write_text("time,AVAL\n0,1\n")


def _write_nothing(path):
    path.write_bytes(b"")


def _write_array(path):
    with path.open("wb") as file:
        np.save(file, ACTIVITY)


def _write_truncated(path):
    full_recording().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _write_damaged(path):
    full_recording(n_times=400).save(path)
    content = bytearray(path.read_bytes())
    content[200:300] = bytes(100)
    path.write_bytes(bytes(content))


def _write_pickle(path):
    np.savez(
        path, activity=np.array([[_Payload()]], dtype=object), sampling_rate=1.0, allow_pickle=True
    )


def _write_bare_pickle(path):
    path.write_bytes(pickle.dumps(_Payload()))


def _make_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    "write",
    [
        _write_text,
        _write_nothing,
        _write_array,
        _write_truncated,
        _write_damaged,
        _write_pickle,
        _write_bare_pickle,
        _make_folder,
    ],
)
def test_load_refuses_what_is_not_a_recording(tmp_path, write):
    path = tmp_path / "bad.npz"
    write(path)
    with pytest.raises(ValueError, match=r"bad\.npz is not a recording") as caught:
        Recording.load(path)
    assert "expected an .npz of plain arrays, as Recording.save writes it" in str(caught.value)
    assert "pickle" not in str(caught.value)


def test_load_names_the_array_that_holds_objects(tmp_path):
    names = np.array(["A", None, "C"], dtype=object)
    np.savez(tmp_path / "bad.npz", activity=ACTIVITY, sampling_rate=1.0, neurons=names)
    with pytest.raises(ValueError, match="neurons holds Python objects, not numbers or text"):
        Recording.load(tmp_path / "bad.npz")


def test_load_reads_text_that_was_written_as_bytes(tmp_path):
    path = tmp_path / "animal.npz"
    names = np.array(["é".encode(), b"", b"B"])
    np.savez(path, activity=ACTIVITY, sampling_rate=1.0, neurons=names, organism=np.array(b"w1"))
    loaded = Recording.load(path)
    assert (loaded.neurons.tolist(), loaded.organism) == (["é", "", "B"], "w1")
    np.savez(path, activity=ACTIVITY, sampling_rate=1.0, organism=np.array(""))
    assert Recording.load(path).organism == "animal"


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"activity": ACTIVITY}, "lacks sampling_rate"),
        ({"sampling_rate": 1.0}, "lacks activity"),
        ({"traces": ACTIVITY}, "lacks activity and sampling_rate (it holds traces)"),
        ({}, "lacks activity and sampling_rate (it holds nothing)"),
    ],
)
def test_load_says_which_keys_are_missing(tmp_path, arrays, said):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        Recording.load(tmp_path / "bad.npz")
    assert "bad.npz" in str(caught.value)


@pytest.mark.parametrize(
    "arrays",
    [
        {"activity": np.zeros(4)},
        {"sampling_rate": [1.0, 2.0]},
        {"sampling_rate": "fast"},
        {"neurons": ["A", "A", "B"]},
        {"behavior": ["f"]},
    ],
    ids=lambda arrays: next(iter(arrays)),
)
def test_load_names_the_file_and_the_field_that_does_not_fit(tmp_path, arrays):
    np.savez(tmp_path / "bad.npz", **{"activity": ACTIVITY, "sampling_rate": 1.0} | arrays)
    with pytest.raises(ValueError, match=next(iter(arrays))) as caught:
        Recording.load(tmp_path / "bad.npz")
    assert "bad.npz" in str(caught.value)


def test_repr_sums_up_the_recording():
    text = repr(full_recording())
    for part in ("wörm-1", "30 frames at 3 Hz", "6 neurons (4 identified)", "velocity"):
        assert part in text


def test_the_real_worms_are_what_their_description_says(real_worms):
    assert len({worm.organism for worm in real_worms}) == 5
    for worm in real_worms:
        assert worm.n_times == 800
        assert 139 <= worm.n_neurons <= 146
        assert 87 <= (worm.neurons != "").sum() <= 110
        assert set(worm.behavior) <= {"forward", "reversal", "turn", "dwell"}
        assert "velocity" in worm.covariates
    names = [set(worm.neurons) - {""} for worm in real_worms]
    assert (len(set.union(*names)), len(set.intersection(*names))) == (148, 48)
    classes = [set(worm.average_classes().neurons) - {""} for worm in real_worms]
    assert (len(set.union(*classes)), len(set.intersection(*classes))) == (83, 39)


class TestZscoreUntil:
    def make(self):
        rng = np.random.default_rng(0)
        activity = rng.normal(3, 2, size=(100, 4))
        activity[:70, 1] = np.nan
        activity[:70, 2] = 5.0
        activity[:, 3] = 7.0
        return Recording(activity, 1.0, organism="worm")

    def test_only_frames_before_it_set_the_scale(self):
        worm = self.make()
        scaled = worm.zscore(until=70.0).activity
        before = worm.activity[:70, 0]
        expected = (worm.activity[:, 0] - before.mean()) / before.std()
        np.testing.assert_allclose(scaled[:, 0], expected)
        spoiled = worm.activity.copy()
        spoiled[70:] *= 100
        again = dataclasses.replace(worm, activity=spoiled).zscore(until=70.0).activity
        np.testing.assert_array_equal(again[:70], scaled[:70])

    def test_what_comes_later_is_not_erased(self):
        worm = self.make()
        scaled = worm.zscore(until=70.0).activity
        assert np.isnan(scaled[:, 1]).all()
        np.testing.assert_allclose(scaled[:, 2], worm.activity[:, 2] - 5.0)
        assert (scaled[:, 3] == 0).all()

    def test_a_time_before_the_first_frame_is_refused(self):
        with pytest.raises(ValueError, match="no frame before until=0"):
            self.make().zscore(until=0.0)


class TestOrientation:
    def test_more_neurons_than_frames_warn_with_the_remedy(self):
        with pytest.warns(UserWarning, match=r"20 neurons .* 5 frames .*give activity\.T"):
            recording(np.zeros((5, 20)))

    @pytest.mark.parametrize(
        "fields",
        [
            {"neurons": [f"N{i}" for i in range(20)]},
            {"neuron_classes": ["AVA"] * 20},
            {"time": np.arange(5) / 2},
            {"behavior": list("abcde")},
            {"covariates": {"v": np.arange(5)}},
        ],
        ids=lambda fields: next(iter(fields)),
    )
    def test_nothing_is_said_where_another_field_settles_it(self, fields):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recording(np.zeros((5, 20)), **fields)

    def test_nothing_is_said_of_parts_of_a_recording(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            whole = recording(np.random.default_rng(0).normal(size=(30, 20)))
            whole.between(0, 2).zscore().average_classes()

    def test_nothing_is_said_of_real_worms(self, real_worms):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for worm in real_worms:
                recording(worm.activity, worm.sampling_rate)
