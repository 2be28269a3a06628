import sys

import numpy as np
import pytest

from skneurograph import Recording
from skneurograph.datasets import read_nwb
from tests.datasets.nwb.files import N_NEURONS, N_TIMES, NAMES, TRACES, Builder

pynwb = pytest.importorskip("pynwb")
# What pynwb says while the files below are written is not about reading them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The linked table for DynamicTableRegion:UserWarning",
    "ignore:An attribute 'name' already exists:UserWarning",
)


@pytest.fixture
def builder(tmp_path):
    return Builder(tmp_path / "worm.nwb")


@pytest.fixture
def worm(builder):
    """A file with traces and identities."""
    return builder.regions(ID_labels=NAMES).traces()


def test_every_field_of_a_complete_file_is_read(worm):
    worm.nwb.subject = pynwb.file.Subject(subject_id="sub-1", species="Caenorhabditis elegans")
    worm.nwb.related_publications = ("doi:10.1/one", "doi:10.1/two")
    worm.intervals([(0.0, 5.0, "forward"), (5.0, 10.0, "reversal")])
    worm.covariates(
        velocity=(np.arange(N_TIMES) * 0.1, {"rate": 2.0}),
        curvature=(np.arange(N_TIMES) * 1.0, {"rate": 2.0}),
    )
    recording = read_nwb(worm.write())

    assert isinstance(recording, Recording)
    np.testing.assert_array_equal(recording.activity, TRACES)
    assert recording.sampling_rate == 2.0
    assert recording.neurons.tolist() == ["AVAR", "AVAL", "", ""]
    assert recording.behavior.tolist() == ["forward"] * 10 + ["reversal"] * 10 + [""] * 10
    assert set(recording.covariates) == {"velocity", "curvature"}
    np.testing.assert_allclose(recording.covariates["velocity"], np.arange(N_TIMES) * 0.1)
    np.testing.assert_array_equal(recording.time, np.arange(N_TIMES) / 2)
    assert recording.organism == "sub-1"
    assert recording.description == "Worms at rest\ndoi:10.1/one\ndoi:10.1/two"


def test_a_file_of_traces_alone_is_read(builder):
    recording = read_nwb(builder.regions().traces().write())
    np.testing.assert_array_equal(recording.activity, TRACES)
    assert recording.neurons.tolist() == [""] * N_NEURONS
    assert recording.behavior is None
    assert recording.covariates == {}
    assert recording.organism == "file-7"
    assert recording.description == "Worms at rest"


def test_the_caller_may_name_the_organism(worm):
    assert read_nwb(worm.write(), organism="mine").organism == "mine"


def test_a_recording_outlives_its_file(worm, tmp_path):
    path = worm.write()
    recording = read_nwb(path)
    path.unlink()
    loaded = Recording.load(recording.save(tmp_path / "copy"))
    np.testing.assert_array_equal(loaded.activity, TRACES)


# Traces


@pytest.mark.parametrize("container", [pynwb.ophys.Fluorescence, pynwb.ophys.DfOverF])
def test_traces_are_found_in_any_module_and_container(builder, container):
    builder.regions("CalciumActivity").traces(module="CalciumActivity", container=container)
    np.testing.assert_array_equal(read_nwb(builder.write()).activity, TRACES)


def test_traces_may_stand_in_a_module_by_themselves(builder):
    builder.regions().module("ophys").add(builder.series())
    np.testing.assert_array_equal(read_nwb(builder.write()).activity, TRACES)


def test_processed_traces_come_before_acquired_ones(worm):
    worm.nwb.add_acquisition(worm.series("Raw", TRACES + 1))
    np.testing.assert_array_equal(read_nwb(worm.write()).activity, TRACES)


def test_several_series_are_ambiguous_and_listed(builder):
    builder.regions().traces(builder.series("Green"), builder.series("Red", TRACES + 1))
    builder.traces(builder.series("Green", TRACES + 2), container=pynwb.ophys.DfOverF)
    path = builder.write()
    with pytest.raises(ValueError, match="activity: several") as error:
        read_nwb(path)
    for name in ("Fluorescence/Green", "Fluorescence/Red", "DfOverF/Green"):
        assert f"processing/ophys/{name}" in str(error.value)
    with pytest.raises(ValueError, match="'Green', which is ambiguous"):
        read_nwb(path, activity="Green")


@pytest.mark.parametrize(
    ("name", "added"),
    [
        ("Red", 1),
        ("Fluorescence/Green", 0),
        ("/processing/ophys/DfOverF/Green", 2),
        ("DfOverF", 2),
    ],
)
def test_a_series_is_named_by_the_end_of_its_path_or_its_container(builder, name, added):
    builder.regions().traces(builder.series("Green"), builder.series("Red", TRACES + 1))
    builder.traces(builder.series("Green", TRACES + 2), container=pynwb.ophys.DfOverF)
    recording = read_nwb(builder.write(), activity=name)
    np.testing.assert_array_equal(recording.activity, TRACES + added)


def test_an_unknown_name_lists_what_there_is(worm):
    with pytest.raises(ValueError, match=r"'Blue'.*processing/ophys/Fluorescence/Green"):
        read_nwb(worm.write(), activity="Blue")


def test_a_file_without_traces_lists_its_series(builder):
    path = builder.labels(TRACES, "rates", "ecephys", rate=10.0).write()
    with pytest.raises(ValueError, match=r"no series.*processing/ecephys/rates"):
        read_nwb(path)
    recording = read_nwb(path, activity="rates")
    np.testing.assert_array_equal(recording.activity, TRACES)
    assert recording.neurons.tolist() == [""] * N_NEURONS


def test_traces_stored_neurons_first_are_turned_with_a_warning(builder):
    with pytest.warns(UserWarning, match="second dimension"):
        builder.regions().traces(builder.series(data=TRACES.T))
    path = builder.write()
    with pytest.warns(UserWarning, match=r"Green.* was turned") as caught:
        recording = read_nwb(path)
    np.testing.assert_array_equal(recording.activity, TRACES)
    assert any(w.filename == __file__ for w in caught if "turned" in str(w.message))


def test_conversion_and_offset_are_applied(builder):
    series = builder.regions().series(conversion=2.0, offset=1.0, rate=2.0)
    path = builder.traces(series).write()
    np.testing.assert_allclose(read_nwb(path).activity, 2 * TRACES + 1)


def test_float32_traces_stay_float32(builder):
    builder.regions().traces(builder.series(data=TRACES.astype(np.float32)))
    assert read_nwb(builder.write()).activity.dtype == np.float32


# Time


def test_irregular_timestamps_are_kept_and_their_median_gives_the_rate(builder):
    times = 3.0 + np.arange(N_TIMES) * 0.25
    times[20:] += 10
    builder.regions().traces(builder.series(timestamps=times))
    recording = read_nwb(builder.write())
    assert recording.sampling_rate == 4.0
    np.testing.assert_array_equal(recording.time, times)
    assert recording.segments() == [(0, 20), (20, 30)]


def test_time_is_the_clock_of_the_file(builder):
    builder.regions().traces(builder.series(rate=2.0, starting_time=7.0))
    builder.intervals([(8.0, 9.0, "turn")])
    recording = read_nwb(builder.write())
    np.testing.assert_array_equal(recording.time, 7 + np.arange(N_TIMES) / 2)
    assert np.flatnonzero(recording.behavior == "turn").tolist() == [2, 3]


def test_timestamps_that_do_not_increase_are_an_error(builder):
    times = np.arange(N_TIMES) * 0.5
    times[4] = times[3]
    builder.regions().traces(builder.series(timestamps=times))
    with pytest.raises(ValueError, match=r"Green: expected timestamps that .* increase"):
        read_nwb(builder.write())


# Neurons


@pytest.mark.parametrize(
    "column", ["ID_labels", "neuron__name", "video_ID_labels", "cell_id", "name", "Label"]
)
def test_identities_are_found_by_the_name_of_their_column(builder, column):
    builder.regions(depth=[1.0, 2.0, 3.0, 4.0, 5.0], **{column: NAMES}).traces()
    assert read_nwb(builder.write()).neurons.tolist() == ["AVAR", "AVAL", "", ""]


def test_identities_stored_letter_by_letter_are_joined(builder):
    builder.regions(ID_labels=[list(name) for name in NAMES]).traces()
    assert read_nwb(builder.write()).neurons.tolist() == ["AVAR", "AVAL", "", ""]


def test_a_column_of_cell_types_is_no_identity_unless_asked_for(builder):
    builder.regions(label=["soma", "soma", "dendrite", "axon", "x"]).traces()
    path = builder.write()
    assert read_nwb(path).neurons.tolist() == [""] * N_NEURONS
    with pytest.warns(UserWarning, match="several are called soma"):
        named = read_nwb(path, neurons="label")
    assert named.neurons.tolist() == ["axon", "", "", "x"]


def test_the_caller_may_choose_the_column(builder):
    other = ["a", "b", "c", "d", "e"]
    builder.regions(ID_labels=NAMES, atlas=other, registered=[11, 12, 13, 14, 15]).traces()
    path = builder.write()
    assert read_nwb(path, neurons="atlas").neurons.tolist() == ["d", "a", "b", "e"]
    assert read_nwb(path, neurons="registered").neurons.tolist() == ["14", "11", "12", "15"]
    with pytest.raises(ValueError, match=r"neurons: got 'nothing'.*atlas"):
        read_nwb(path, neurons="nothing")


def test_a_name_given_twice_identifies_no_neuron(builder):
    builder.regions(ID_labels=["AVAL", "RIML", "x", "AVAL", "y"]).traces()
    with pytest.warns(UserWarning, match="several are called AVAL"):
        recording = read_nwb(builder.write())
    assert recording.neurons.tolist() == ["", "", "RIML", "y"]


@pytest.fixture(scope="module")
def labels_type(tmp_path_factory):
    """The type that WormID files keep identities in, beside the series."""
    from pynwb.spec import NWBDatasetSpec, NWBGroupSpec, NWBNamespaceBuilder

    folder = tmp_path_factory.mktemp("extension")
    namespace = NWBNamespaceBuilder("labels", "ndx-test-labels", version="0.1.0", author="a")
    namespace.include_type("NWBDataInterface", namespace="core")
    spec = NWBGroupSpec(
        "labels of regions",
        neurodata_type_def="SegmentationLabels",
        neurodata_type_inc="NWBDataInterface",
        datasets=[NWBDatasetSpec("labels", name="labels", dtype="text", shape=(None,))],
    )
    namespace.add_spec("ndx-test-labels.extensions.yaml", spec)
    namespace.export("ndx-test-labels.namespace.yaml", outdir=str(folder))
    pynwb.load_namespaces(str(folder / "ndx-test-labels.namespace.yaml"))
    return pynwb.get_class("SegmentationLabels", "ndx-test-labels")


def test_identities_may_stand_beside_the_series(builder, labels_type):
    builder.regions("CalciumActivity").traces(module="CalciumActivity")
    module = builder.module("CalciumActivity")
    module.add(labels_type(name="NeuronIDs", labels=["AVAL", "2", "", "RIML"]))
    path = builder.write()
    assert read_nwb(path).neurons.tolist() == ["AVAL", "", "", "RIML"]
    assert read_nwb(path, neurons="NeuronIDs").neurons.tolist() == ["AVAL", "", "", "RIML"]


def test_labels_of_other_regions_are_refused(builder, labels_type):
    builder.regions().traces()
    builder.module("ophys").add(labels_type(name="NeuronIDs", labels=["AVAL", "RIML"]))
    path = builder.write()
    assert read_nwb(path).neurons.tolist() == [""] * N_NEURONS
    with pytest.raises(ValueError, match="NeuronIDs has 2 labels; expected one for each of the 4"):
        read_nwb(path, neurons="NeuronIDs")


@pytest.mark.parametrize("type_", ["f8", "O"])
def test_numbers_and_names_may_be_missing(builder, type_):
    given = {"f8": [21.0, 22.0, np.nan, 24.0, 25.5], "O": ["a", "None", " nan ", "d", "<NA>"]}
    builder.regions(registered=given[type_]).traces()
    named = read_nwb(builder.write(), neurons="registered").neurons.tolist()
    # Rows 3, 0, 1 and 4. A whole number is the same name with and without missing ones beside it.
    assert named == {"f8": ["24", "21", "22", "25.5"], "O": ["d", "a", "", ""]}[type_]


def test_names_stored_as_bytes_are_text(worm):
    h5py = pytest.importorskip("h5py")
    path = worm.write()
    column = "processing/ophys/Segmentation/Cells/ID_labels"
    with h5py.File(path, "r+") as file:
        attributes = dict(file[column].attrs)
        del file[column]
        file[column] = np.char.encode([*NAMES[:3], "AVÄR", "17"], "utf-8")
        file[column].attrs.update(attributes)
    assert read_nwb(path).neurons.tolist() == ["AVÄR", "AVAL", "", ""]


def test_a_column_of_masks_is_no_identity(worm):
    with pytest.raises(ValueError, match="neurons: got the column pixel_mask; expected one text"):
        read_nwb(worm.write(), neurons="pixel_mask")


def test_rows_beyond_the_table_are_refused(worm):
    h5py = pytest.importorskip("h5py")
    path = worm.write()
    with h5py.File(path, "r+") as file:
        file["processing/ophys/Fluorescence/Green/rois"][1] = 9
    with pytest.raises(ValueError, match=r"neurons: .*Green refers to row 9, but its table has 5"):
        read_nwb(path)


@pytest.fixture(scope="module")
def events_type(tmp_path_factory):
    """Labelled events as the extension ndx-events keeps them."""
    from pynwb.spec import NWBDatasetSpec, NWBGroupSpec, NWBNamespaceBuilder

    folder = tmp_path_factory.mktemp("extension")
    namespace = NWBNamespaceBuilder("events", "ndx-test-events", version="0.1.0", author="a")
    namespace.include_type("NWBDataInterface", namespace="core")
    datasets = [
        NWBDatasetSpec("times", name="timestamps", dtype="float32", shape=(None,)),
        NWBDatasetSpec("kind of each", name="data", dtype="uint8", shape=(None,)),
        NWBDatasetSpec("names of kinds", name="labels", dtype="text", shape=(None,)),
    ]
    spec = NWBGroupSpec(
        "events",
        neurodata_type_def="Events",
        neurodata_type_inc="NWBDataInterface",
        datasets=datasets,
    )
    namespace.add_spec("ndx-test-events.extensions.yaml", spec)
    namespace.export("ndx-test-events.namespace.yaml", outdir=str(folder))
    pynwb.load_namespaces(str(folder / "ndx-test-events.namespace.yaml"))
    return pynwb.get_class("Events", "ndx-test-events")


def test_labels_of_events_are_no_identities(builder, events_type):
    builder.regions().traces().module("ophys").add(
        events_type(name="cues", timestamps=[1.0], data=[0], labels=["A", "B", "C", "D"])
    )
    path = builder.write()
    assert read_nwb(path).neurons.tolist() == [""] * N_NEURONS
    with pytest.raises(ValueError, match=r"got 'cues', which is of type Events .events at moments"):
        read_nwb(path, covariates="cues")


# Behaviour


def test_intervals_that_are_not_behaviour_are_left_alone_unless_named(worm):
    path = worm.intervals([(1.0, 3.0, "NaCl")], "stimuli").write()
    assert read_nwb(path).behavior is None
    assert (read_nwb(path, behavior="stimuli").behavior == "NaCl").sum() == 4


def test_several_tables_of_behaviour_are_ambiguous_and_listed(worm):
    worm.intervals([(0.0, 5.0, "forward")], "states", "behavior")
    path = worm.intervals([(5.0, 10.0, "turn")], "turns", "behavior").write()
    with pytest.raises(ValueError, match=r"processing/behavior/states, processing/behavior/turns"):
        read_nwb(path)
    assert read_nwb(path, behavior=False).behavior is None
    assert set(read_nwb(path, behavior="turns").behavior) == {"", "turn"}


def test_the_column_of_labels_may_be_named(worm):
    rows = [(0.0, 5.0, "forward", "fast", 1), (5.0, 20.0, "reversal", "slow", 2)]
    path = worm.intervals(rows, state=None, speed=None, level=None).write()
    with pytest.raises(ValueError, match=r"2 columns of text.*behavior/speed.*behavior/state"):
        read_nwb(path)
    recording = read_nwb(path, behavior="behavior/speed")
    assert recording.behavior.tolist() == ["fast"] * 10 + ["slow"] * 20
    numbers = read_nwb(path, behavior="level").behavior
    assert numbers.tolist() == [1] * 10 + [2] * 20


def test_frames_in_no_interval_have_no_number(worm):
    path = worm.intervals([(0.0, 5.0, 1)], level=None).write()
    behavior = read_nwb(path, behavior="level").behavior
    assert behavior[:10].tolist() == [1.0] * 10
    assert np.isnan(behavior[10:]).all()


def test_overlapping_intervals_must_agree(worm):
    path = worm.intervals([(0.0, 5.0, "forward"), (4.0, 9.0, "turn")]).write()
    with pytest.raises(ValueError, match="different labels overlap at 4 s"):
        read_nwb(path)


def test_each_frame_takes_the_nearest_label(worm):
    # A sample each second, frames each half second: a tie goes to the earlier sample.
    path = worm.labels(list("abcdefghijklmno"), rate=1.0).write()
    behavior = read_nwb(path).behavior
    assert "".join(behavior[:6]) == "aabbcc"
    assert "".join(behavior[-4:]) == "nnoo"


def test_labels_in_numbers_are_read_when_named(worm):
    path = worm.labels(np.arange(N_TIMES) // 10, rate=2.0).write()
    assert read_nwb(path).behavior is None
    behavior = read_nwb(path, behavior="state").behavior
    assert behavior.dtype.kind == "i"
    assert behavior.tolist() == [0] * 10 + [1] * 10 + [2] * 10


def test_frames_outside_a_series_of_labels_are_unlabelled(worm):
    path = worm.labels(["a"] * 6, rate=2.0, starting_time=2.0).write()
    assert np.flatnonzero(read_nwb(path).behavior == "a").tolist() == [4, 5, 6, 7, 8, 9]


def test_labels_may_be_missing(worm):
    rows = [(0.0, 2.0, "forward", 1.0), (2.0, 4.0, "", np.nan), (3.0, 6.0, "turn", 2.0)]
    path = worm.intervals(rows, state=None, level=None).write()
    behavior = read_nwb(path, behavior="state").behavior.tolist()
    assert behavior == ["forward"] * 4 + [""] * 2 + ["turn"] * 6 + [""] * 18
    level = read_nwb(path, behavior="behavior/level").behavior
    np.testing.assert_array_equal(level, [1] * 4 + [np.nan] * 2 + [2] * 6 + [np.nan] * 18)


def test_several_words_in_an_interval_are_no_label(worm):
    table = pynwb.epoch.TimeIntervals(name="behavior", description="states")
    table.add_column("words", "several each", index=True)
    for start, words in ((0.0, ["left", "fast"]), (5.0, ["right", "slow"])):
        table.add_interval(start_time=start, stop_time=start + 4, words=words)
    worm.nwb.add_time_intervals(table)
    path = worm.write()
    assert read_nwb(path).behavior is None
    with pytest.raises(ValueError, match=r"several values in an interval of .*/words; expected"):
        read_nwb(path, behavior="words")


def test_a_label_called_nan_is_missing_and_said_to_be(worm):
    path = worm.labels(["a", "nan", "b"] * 10, rate=2.0).write()
    with pytest.warns(UserWarning, match="behavior processing/behavior/state: 'nan' is read as"):
        assert read_nwb(path).behavior.tolist() == ["a", "", "b"] * 10


def test_intervals_without_a_start_or_an_end_label_no_frame(worm):
    rows = [(0.0, 1.0, "a"), (2.0, np.nan, "b"), (np.nan, 3.0, "b"), (5.0, 4.0, "b")]
    path = worm.intervals(rows).write()
    with pytest.warns(UserWarning, match="3 of 4 intervals of intervals/behavior have no start"):
        assert read_nwb(path).behavior.tolist() == ["a"] * 2 + [""] * 28


def test_a_table_without_rows_labels_nothing(worm):
    columns = [
        pynwb.core.VectorData(name=name, description="d", data=np.zeros(0))
        for name in ("start_time", "stop_time", "state")
    ]
    names = [column.name for column in columns]
    worm.nwb.add_time_intervals(
        pynwb.epoch.TimeIntervals(name="trials", description="d", columns=columns, colnames=names)
    )
    assert read_nwb(worm.write(), behavior="state").behavior.tolist() == [""] * N_TIMES


def test_steps_of_labels_hold_until_the_next_one(worm):
    path = worm.labels(["a", "b"], timestamps=[1.0, 7.25], continuity="step").write()
    behavior = read_nwb(path).behavior
    assert "".join(behavior) == "a" * 13 + "b" * 15
    assert behavior[:2].tolist() == ["", ""]


def test_marks_in_time_are_no_labels(worm):
    bouts = pynwb.misc.IntervalSeries(name="bouts", data=[1, -1], timestamps=[3.0, 4.0])
    worm.module("behavior").add(bouts)
    path = worm.write()
    assert read_nwb(path).behavior is None
    with pytest.raises(ValueError, match=r"behavior: got 'bouts', which .*covariates= reads it"):
        read_nwb(path, behavior="bouts")


# Covariates


def test_covariates_are_interpolated_onto_the_frames(worm):
    times = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 14.0, 15.0])
    path = worm.covariates(velocity=(10 * times, {"timestamps": times})).write()
    velocity = read_nwb(path).covariates["velocity"]
    frames = np.arange(N_TIMES) / 2
    known = (frames <= 4.5) | (frames >= 13.5)  # the pause holds no value
    np.testing.assert_array_equal(np.isfinite(velocity), known)
    inside = (frames <= 4) | (frames >= 14)
    np.testing.assert_allclose(velocity[inside], 10 * frames[inside])


def test_missing_samples_stay_missing(worm):
    values = np.arange(N_TIMES, dtype=float)
    values[5] = np.nan
    path = worm.covariates(velocity=(values, {"rate": 2.0})).write()
    np.testing.assert_array_equal(read_nwb(path).covariates["velocity"], values)


def test_covariates_may_be_named_and_renamed(worm):
    ones = np.ones(N_TIMES)
    worm.covariates(velocity=(ones, {"rate": 2.0}), angle=(2 * ones, {"rate": 2.0}))
    path = worm.labels(np.stack([3 * ones, 4 * ones], axis=1), "position", rate=2.0).write()
    assert set(read_nwb(path).covariates) == {"velocity", "angle"}
    assert read_nwb(path, covariates=()).covariates == {}
    assert set(read_nwb(path, covariates=["angle"]).covariates) == {"angle"}
    renamed = read_nwb(
        path, covariates={"speed": "BehavioralTimeSeries/velocity", "at": "position"}
    )
    assert {name: value[0] for name, value in renamed.covariates.items()} == {
        "speed": 1.0,
        "at_0": 3.0,
        "at_1": 4.0,
    }


def test_covariates_of_one_name_are_ambiguous_and_listed(worm):
    ones = (np.ones(N_TIMES), {"rate": 2.0})
    path = worm.covariates(velocity=ones).covariates(name="Other", velocity=ones).write()
    with pytest.raises(ValueError, match=r"'velocity' occurs more than once.*behavior/Other/vel"):
        read_nwb(path)


def test_text_is_no_covariate(worm):
    path = worm.labels(["a"] * N_TIMES, rate=2.0).write()
    with pytest.raises(ValueError, match="covariates: got processing/behavior/state of dtype"):
        read_nwb(path, covariates=["state"])


# Files


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no NWB file at .*absent\.nwb"):
        read_nwb(tmp_path / "absent.nwb")


def test_a_file_that_is_not_nwb_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    text = tmp_path / "text.nwb"
    text.write_text("not HDF5")
    other = tmp_path / "other.nwb"
    with h5py.File(other, "w") as file:
        file["data"] = TRACES
    for path in (text, other):
        with pytest.raises(ValueError, match="could not be read as an NWB file"):
            read_nwb(path)


def test_without_pynwb_the_error_tells_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(ImportError, match=r"worm\.nwb.* pip install skneurograph\[nwb\]"):
        read_nwb(tmp_path / "worm.nwb")


@pytest.mark.parametrize("argument", ["activity", "neurons", "behavior", "covariates"])
def test_names_of_the_wrong_kind_are_refused(worm, argument):
    path = worm.write()
    for wrong in (3, True, b"Green"):
        with pytest.raises(ValueError, match=f"{argument}: got .*; expected"):
            read_nwb(path, **{argument: wrong})


def test_messages_name_the_file(builder):
    path = builder.labels(TRACES, "a", rate=1.0).labels(TRACES, "b", rate=1.0).write()
    with pytest.raises(ValueError, match=r"worm\.nwb: activity: no series of regions"):
        read_nwb(path)


def test_a_file_of_units_says_what_can_be_done(builder):
    for times in ([1.0, 2.0], [1.5]):
        builder.nwb.add_unit(spike_times=times)
    with pytest.raises(
        ValueError, match=r"worm.nwb.* holds 2 sorted units, .* numpy.histogram"
    ) as e:
        read_nwb(builder.write())
    assert "\n" not in str(e.value)


def test_a_file_of_units_and_series_offers_both(builder):
    builder.nwb.add_unit(spike_times=[1.0, 2.0])
    path = builder.labels(TRACES, "rates", rate=1.0).write()
    with pytest.raises(ValueError, match=r"holds 1 sorted unit, .*; or name .*behavior/rates"):
        read_nwb(path)


def test_a_file_of_patch_clamp_says_that_it_has_no_population(builder):
    nwb = builder.nwb
    electrode = nwb.create_icephys_electrode("e", description="d", device=nwb.create_device("amp"))
    for i in range(20):
        nwb.add_acquisition(
            pynwb.icephys.CurrentClampSeries(
                name=f"sweep {i:02d}", data=np.ones(5), electrode=electrode, gain=1.0, rate=1.0
            )
        )
    path = builder.write()
    with pytest.raises(
        ValueError, match=r"20 patch-clamp series of single cells.*sweep 00, and no"
    ):
        read_nwb(path)
    with pytest.raises(ValueError, match=r"expected one of .*sweep 11 and 8 more$"):
        read_nwb(path, activity="absent")
    assert read_nwb(path, activity="sweep 03").activity.shape == (5, 1)


def test_a_file_without_series_says_so(builder):
    path = builder.write()
    with pytest.raises(ValueError, match="it holds no time series at all, only NWBFile"):
        read_nwb(path)
    with pytest.raises(ValueError, match="got 'a', which this file does not have; it holds noth"):
        read_nwb(path, activity="a")


def test_files_that_cannot_be_opened_say_why_in_one_line(worm, tmp_path):
    h5py = pytest.importorskip("h5py")
    whole = worm.write().read_bytes()
    old = tmp_path / "old.nwb"
    with h5py.File(old, "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
    contents = {
        "empty": (b"", "it is empty"),
        "text": (b"not HDF5", "it is no HDF5 file"),
        "cut": (whole[: len(whole) // 2], "it is truncated; copy or download it again"),
        "old": (old.read_bytes(), r"it is of NWB-1\.0\.6; expected NWB 2"),
    }
    for name, (content, message) in contents.items():
        path = tmp_path / f"{name}.nwb"
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=f"{name}.nwb could not be read as an NWB file: {message}"
        ) as e:
            read_nwb(path)
        assert "\n" not in str(e.value)


def test_a_folder_and_a_list_are_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"it is a folder; expected an HDF5 file"):
        read_nwb(tmp_path)
    with pytest.raises(
        ValueError, match=r"path: got list; .* \[read_nwb\(path\) for path in paths\]"
    ):
        read_nwb([tmp_path / "a.nwb", tmp_path / "b.nwb"])


def test_data_that_cannot_be_read_name_the_file(worm, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = worm.write()
    with h5py.File(path, "r+") as file:
        place = "processing/ophys/Fluorescence/Green/data"
        attributes = dict(file[place].attrs)
        del file[place]
        file.create_dataset(place, data=TRACES, chunks=(5, N_NEURONS), fletcher32=True)
        file[place].attrs.update(attributes)
    content = bytearray(path.read_bytes())
    at = content.find(TRACES[:5].tobytes())
    content[at : at + 8] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"worm\.nwb: .*read data"):
        read_nwb(path)
