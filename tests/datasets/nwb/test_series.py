"""Series of NWB files come in their units, and at the frames as what they are."""

import tracemalloc

import numpy as np
import pytest

from skneurograph.datasets import read_nwb
from skneurograph.datasets.nwb import _series
from skneurograph.datasets.nwb._series import (
    Frames,
    Placement,
    at_frames,
    events_at_frames,
    intervals_at_frames,
    times_of,
    values_in_units,
)
from tests.datasets.nwb.files import N_TIMES, TRACES, Builder

pynwb = pytest.importorskip("pynwb")
pytestmark = pytest.mark.filterwarnings(
    "ignore:The linked table for DynamicTableRegion:UserWarning",
    "ignore:.* is deprecated:UserWarning",
    "ignore:.*second dimension of data does not match:UserWarning",
    "ignore:Neither source_timeseries nor source_channels:UserWarning",
)

FRAMES = Frames(np.arange(N_TIMES) / 2, 2.0)
SAMPLED = np.array([4.0, 5.0, 6.0, 7.0, 8.0, 9.0])


def series(data, unit="n.a.", **options):
    options = options or {"timestamps": np.arange(len(data), dtype=float)}
    return pynwb.TimeSeries(name="x", data=np.asarray(data), unit=unit, **options)


def placed(content, frames=FRAMES):
    values = values_in_units("x", content)
    return at_frames(content, values, Placement.of("x", content, len(values), frames))


@pytest.fixture
def builder(tmp_path):
    return Builder(tmp_path / "file.nwb")


def electrodes(builder, n_channels):
    """Rows of the table of electrodes, of as many channels."""
    nwb = builder.nwb
    if nwb.electrodes is None:
        group = nwb.create_electrode_group(
            "shank", description="d", location="CA1", device=nwb.create_device("probe")
        )
        for i in range(5):
            nwb.add_electrode(location=f"site {i}", group=group)
    return nwb.create_electrode_table_region(list(range(n_channels)), "d")


def electrical(builder, name, data, **options):
    n_channels = options.pop("n_channels", 1 if data.ndim == 1 else data.shape[1])
    region = electrodes(builder, n_channels)
    return pynwb.ecephys.ElectricalSeries(
        name=name, data=data, electrodes=region, **{"rate": 2.0, **options}
    )


# Units


def test_every_kind_of_series_is_read_in_its_units(builder, monkeypatch):
    monkeypatch.setattr(_series, "_PIECE", 12)  # a few rows at once
    rng = np.random.default_rng(0)
    raw = rng.integers(-999, 999, size=(N_TIMES, 3)).astype("i2")
    gains = [1.0, 10.0, 0.0]
    nwb, behavior = builder.nwb, builder.module("behavior")
    nwb.add_acquisition(
        electrical(builder, "raw", raw, conversion=1e-6, offset=0.5, channel_conversion=gains)
    )
    nwb.add_acquisition(electrical(builder, "gains", raw, channel_conversion=gains))
    nwb.add_acquisition(electrical(builder, "one", raw[:, 0], channel_conversion=[7.0]))
    nwb.add_acquisition(electrical(builder, "column", raw[:, :1], channel_conversion=[7.0]))
    single = raw.astype("f4")
    builder.module("ecephys").add(
        pynwb.ecephys.LFP(
            electrical_series=electrical(builder, "lfp", single, channel_conversion=gains)
        )
    )
    builder.module("ecephys").add(
        pynwb.ecephys.FilteredEphys(
            electrical_series=electrical(builder, "theta", single, conversion=2.0, offset=-1.0)
        )
    )
    timing = {"rate": 2.0, "conversion": 0.1, "offset": 3.0}
    behavior.add(pynwb.behavior.SpatialSeries(name="place", data=raw[:, :2], **timing))
    behavior.add(pynwb.TimeSeries(name="plain", data=raw[:, 0], unit="m", **timing))
    linked = pynwb.TimeSeries(name="linked", data=behavior["plain"], unit="m", rate=2.0)
    behavior.add(linked)
    builder.regions().traces(builder.series("Green", raw.repeat(2, axis=1)[:, :4], **timing))
    path = builder.write()
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        wanted = {
            content.name: content.get_data_in_units()
            for content in io.read().objects.values()
            if isinstance(content, pynwb.TimeSeries)
        }
    assert len(wanted) == 10
    covariates = read_nwb(path, covariates=sorted(wanted)).covariates
    for name, values in wanted.items():
        columns = [name] if values.ndim == 1 else [f"{name}_{i}" for i in range(values.shape[1])]
        read = np.stack([covariates[column] for column in columns], axis=1)
        np.testing.assert_array_equal(read, values.reshape(N_TIMES, -1))
    for name in ("raw", "one", "theta"):
        activity = read_nwb(path, activity=name, covariates=()).activity
        np.testing.assert_array_equal(activity, wanted[name].reshape(N_TIMES, -1))


def test_channels_stored_first_keep_their_own_factors(builder):
    raw = np.arange(3 * N_TIMES, dtype="i2").reshape(3, N_TIMES)
    gains = np.array([1.0, 10.0, 100.0])
    builder.nwb.add_acquisition(
        electrical(builder, "LFP", raw, n_channels=3, channel_conversion=gains)
    )
    with pytest.warns(UserWarning, match=r"LFP is stored as \(n_neurons, n_times\) and was turned"):
        recording = read_nwb(builder.write(), activity="LFP", neurons="location")
    np.testing.assert_array_equal(recording.activity, raw.T * gains)
    assert recording.neurons.tolist() == ["site 0", "site 1", "site 2"]


def test_factors_of_other_channels_are_refused(builder):
    raw = np.ones((N_TIMES, 3), dtype="i2")
    builder.nwb.add_acquisition(electrical(builder, "a", raw, channel_conversion=[1.0, 2.0]))
    builder.nwb.add_acquisition(electrical(builder, "b", raw, conversion=np.nan))
    path = builder.write()
    with pytest.raises(ValueError, match=r"a: got a channel_conversion of shape \(2,\); .* 3 ch"):
        read_nwb(path, activity="a")
    with pytest.raises(ValueError, match="b: got a conversion or offset that is not finite"):
        read_nwb(path, activity="b")


def test_scaling_holds_the_result_and_a_piece_of_the_data_in_memory(monkeypatch):
    monkeypatch.setattr(_series, "_PIECE", 2**14)
    data = np.ones((2**18, 4), dtype="i2")
    content = series(data, rate=1.0, conversion=0.5, offset=1.0)
    tracemalloc.start()
    values = values_in_units("x", content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values.nbytes == data.size * 8
    assert peak < 1.1 * values.nbytes
    assert (values == 1.5).all()


# Sampled values


def test_values_between_samples_agree_with_a_search_one_by_one():
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.choice([0.2, 0.25, 0.3, 2.0], size=60, p=[0.3, 0.35, 0.3, 0.05]))
    frames = Frames(np.sort(rng.uniform(-1, times[-1] + 1, size=200)), 5.0)
    data = rng.normal(size=(60, 1))
    data[rng.random(60) < 0.1] = np.nan
    content = series(data[:, 0], timestamps=times)
    interval = np.median(np.diff(times))
    expected = []
    for time in frames.time:
        nearest = np.abs(times - time).argmin()
        k = np.searchsorted(times, time) - 1
        inside = 0 <= k < 59 and times[k + 1] - times[k] <= 2.5 * interval
        if inside:
            share = (time - times[k]) / (times[k + 1] - times[k])
            expected.append((1 - share) * data[k, 0] + share * data[k + 1, 0])
        else:
            close = abs(times[nearest] - time) <= 0.501 * interval
            expected.append(data[nearest, 0] if close else np.nan)
    np.testing.assert_allclose(placed(content, frames), expected)


def test_no_line_is_drawn_across_a_pause():
    times = np.array([0.0, 1.0, 2.0, 10.0, 11.0])
    values = placed(series([0.0, 1.0, 2.0, 100.0, 101.0], timestamps=times))
    np.testing.assert_array_equal(values[[4, 5, 19, 20]], [2, 2, 100, 100])  # half a sample around
    assert np.isnan(values[6:19]).all()


@pytest.mark.parametrize("shift", [0.0, 1e-9, -1e-9])
def test_a_missing_sample_spreads_no_farther_than_to_its_neighbours(shift):
    data = np.arange(15.0)
    data[5] = np.nan
    content = series(data, timestamps=np.arange(15.0) + shift)
    # Frames lie at the samples and half way between them.
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(placed(content)[:28])), [9, 10, 11])


def test_series_and_activity_start_when_they_say(builder):
    builder.regions().traces(builder.series(rate=2.0, starting_time=10.0))
    ramp = np.arange(40.0)
    builder.covariates(
        early=(ramp, {"rate": 4.0, "starting_time": 9.75}),
        late=(ramp, {"timestamps": ramp / 4 + 12.25}),
    )
    recording = read_nwb(builder.write())
    time = recording.time
    assert time[0] == 10.0
    early, late = recording.covariates["early"], recording.covariates["late"]
    covered = time <= 9.75 + 39 / 4
    np.testing.assert_allclose(early[covered], (time[covered] - 9.75) * 4)
    assert np.isnan(early[~covered]).all()
    covered = (time > 12.2) & (time <= 12.25 + 39 / 4)
    np.testing.assert_allclose(late[covered], (time[covered] - 12.25) * 4)
    assert np.isnan(late[~covered]).all()


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.0, 1.0, 1.0, 2.0], r"increase; got 1 s after 1 s at sample 2"),
        ([0.0, 2.0, 1.0, 3.0], r"increase; got 1 s after 2 s at sample 2"),
        ([0.0, np.nan, 2.0, 3.0], r"finite .*; got nan s at sample 1"),
        ([0.0, 1.0, 2.0, np.inf], r"finite .*; got inf s after 2 s at sample 3|got inf s at"),
    ],
)
def test_timestamps_out_of_order_are_shown(times, message):
    with pytest.raises(ValueError, match=message):
        times_of("x", series(np.zeros(4), timestamps=times), 4)


@pytest.mark.parametrize(
    "timing", [{"rate": 0.0}, {"rate": np.nan}, {"rate": 1.0, "starting_time": np.nan}]
)
@pytest.mark.filterwarnings("ignore:Timeseries has a rate of 0.0 Hz")
def test_a_rate_that_is_none_is_refused(timing):
    with pytest.raises(ValueError, match=r"x: got a rate of .* Hz and a starting_time of"):
        times_of("x", series(np.zeros(4), **timing), 4)


# States


@pytest.mark.parametrize(
    "data",
    [
        np.array([True, False, True, True]),
        np.array([0, 3, 3, 1], dtype="i1"),
        np.array([7, 200, 3, 1], dtype="u2"),
        np.array([0.0, 1.0, np.nan, 1.0]),
    ],
    ids=["booleans", "codes", "unsigned codes", "zeros and ones"],
)
def test_states_are_never_averaged(data):
    at = placed(series(data, rate=1.0), Frames(np.arange(0, 3.5, 0.1), 10.0))
    nearest = np.ceil(np.arange(0, 3.5, 0.1) - 0.5 - 1e-9).astype(int)
    np.testing.assert_array_equal(at, data.astype(float)[nearest])


def test_measured_integers_are_interpolated():
    data = np.array([0, 10, 20], dtype="i2")
    for scaled, factor in (
        (series(data, rate=1.0, conversion=0.5), 5),
        (series(data, rate=1.0, continuity="continuous"), 10),
    ):
        np.testing.assert_allclose(placed(scaled)[:5], np.arange(5) / 2 * factor)


def test_a_step_holds_until_the_next_one():
    data, times = [1.5, 2.5, 3.5], [2.0, 4.25, 9.0]
    for given in (data, np.array(data) * 2):
        at = placed(series(given, timestamps=times, continuity="step"))
        expected = [np.nan] * 4 + [given[0]] * 5 + [given[1]] * 9 + [given[2]] * 12
        np.testing.assert_array_equal(at, expected)


def test_a_sampled_step_ends_with_its_last_sample():
    at = placed(series([1.5, 2.5, 3.5], rate=0.5, starting_time=1.0, continuity="step"))
    expected = [np.nan] * 2 + [1.5] * 4 + [2.5] * 4 + [3.5] * 4 + [np.nan] * 16
    np.testing.assert_array_equal(at, expected)


def test_images_by_index_are_steps(builder):
    images = [pynwb.image.GrayscaleImage(name=n, data=np.zeros((2, 2))) for n in "ab"]
    order = pynwb.base.ImageReferences(name="order_of_images", data=images)
    stack = pynwb.base.Images(name="pictures", images=images, order_of_images=order)
    builder.regions().traces().nwb.add_stimulus_template(stack)
    shown = pynwb.image.IndexSeries(
        name="shown", data=[0, 1, 0], unit="N/A", indexed_images=stack, timestamps=[1.0, 2.0, 9.0]
    )
    builder.nwb.add_stimulus(shown)
    path = builder.write()
    at = read_nwb(path, covariates=["shown"]).covariates["shown"]
    np.testing.assert_array_equal(at, [np.nan] * 2 + [0] * 2 + [1] * 14 + [0] * 12)
    with pytest.raises(ValueError, match="activity: got 'shown', which is of type IndexSeries"):
        read_nwb(path, activity="shown")


# Angles


@pytest.mark.parametrize(
    ("unit", "turn", "low"),
    [("radians", 2 * np.pi, 0.0), ("degrees", 360.0, 0.0), ("deg", 360.0, -180.0)],
)
def test_directions_are_interpolated_along_the_shorter_arc(unit, turn, low):
    truth = np.cumsum(np.random.default_rng(2).uniform(-0.4, 0.4, size=30)) * turn
    angles = (truth - low) % turn + low
    at = placed(series(angles, unit, rate=1.0), Frames(np.arange(0, 29, 0.25), 4.0))
    exact = np.interp(np.arange(0, 29, 0.25), np.arange(30), truth)
    assert low <= at.min() <= at.max() <= low + turn
    np.testing.assert_allclose(np.exp(2j * np.pi * at / turn), np.exp(2j * np.pi * exact / turn))
    np.testing.assert_array_equal(at[::4], angles[:29])


def test_angles_that_count_their_turns_are_interpolated_as_numbers():
    truth = np.linspace(-500, 900, 8)
    at = placed(series(truth, "degrees", rate=1.0))
    np.testing.assert_allclose(at[:15], np.linspace(-500, 900, 15))


def test_directions_without_a_unit_take_the_nearest_sample(builder):
    compass = pynwb.behavior.CompassDirection()
    builder.regions().traces().module("behavior").add(compass)
    angles = np.linspace(0.1, 6.1, 15)
    compass.create_spatial_series(
        name="head", data=angles, rate=1.0, reference_frame="north", unit="meters"
    )
    compass.create_spatial_series(
        name="body", data=angles, rate=1.0, reference_frame="north", unit="radians"
    )
    with pytest.warns(UserWarning, match=r"head holds directions in 'meters'; expected radians"):
        covariates = read_nwb(builder.write(), covariates=["head", "body"]).covariates
    assert set(covariates["head"][:29]) == set(angles)
    np.testing.assert_allclose(covariates["body"][1], angles[:2].mean())


# Intervals and events


def marks(data, timestamps):
    return pynwb.misc.IntervalSeries(name="x", data=data, timestamps=timestamps)


def test_intervals_are_one_inside_and_zero_outside(builder):
    bouts = pynwb.misc.IntervalSeries(
        name="bouts", data=[1, -1, 1, -1], timestamps=[2.0, 5.0, 5.25, 9.75]
    )
    epochs = pynwb.behavior.BehavioralEpochs(interval_series=bouts)
    builder.regions().traces().module("behavior").add(epochs)
    path = builder.write()
    at = read_nwb(path, covariates={"moving": "bouts"}).covariates["moving"]
    assert np.flatnonzero(at == 1).tolist() == [4, 5, 6, 7, 8, 9, *range(11, 20)]
    assert set(at) == {0, 1}
    assert read_nwb(path).covariates == {}


def test_intervals_of_several_types_have_a_covariate_each(builder):
    times = [1.0, 2.0, 3.0, 3.0, 4.0, 5.0]
    data = [1, 2, -1, 1, -2, -1]  # the second type overlaps the first, which is resumed at once
    builder.regions().traces().nwb.add_acquisition(
        pynwb.misc.IntervalSeries(name="bouts", data=data, timestamps=times)
    )
    covariates = read_nwb(builder.write(), covariates="bouts").covariates
    assert set(covariates) == {"bouts_1", "bouts_2"}
    assert np.flatnonzero(covariates["bouts_1"]).tolist() == list(range(2, 10))
    assert np.flatnonzero(covariates["bouts_2"]).tolist() == list(range(4, 8))


def test_an_interval_may_outlast_the_recording():
    inside = intervals_at_frames("x", marks([-3, 3], [2.0, 12.0]), FRAMES)
    np.testing.assert_array_equal(inside["3"], [1] * 4 + [0] * 20 + [1] * 6)
    assert intervals_at_frames("x", marks([], []), FRAMES) == {}


@pytest.mark.parametrize(
    ("data", "times", "message"),
    [
        ([1, 1, -1], [0.0, 1.0, 2.0], "two intervals of type 1 start in a row, at 0 and 1 s"),
        ([2, -2, -2], [0.0, 1.0, 2.0], "two intervals of type 2 end in a row, at 1 and 2 s"),
        ([1, 0, -1], [0.0, 1.0, 2.0], "got 0 or NaN; expected a positive number where"),
        ([1, -1], [2.0, 1.0], "finite and do not decrease; got 1 s after 2 s at sample 1"),
    ],
)
def test_marks_that_make_no_intervals_are_refused(data, times, message):
    with pytest.raises(ValueError, match=message):
        intervals_at_frames("x", marks(data, times), FRAMES)


def test_events_are_counted(builder):
    rng = np.random.default_rng(3)
    times = np.sort(np.concatenate([rng.uniform(-2, 17, size=40), [3.0, 3.0]]))
    events = pynwb.behavior.BehavioralEvents(name="BehavioralEvents")
    builder.regions().traces().module("behavior").add(events)
    events.create_timeseries(name="licks", data=np.full(42, 5.0), unit="n.a.", timestamps=times)
    builder.covariates(
        cues=(rng.normal(size=42), {"timestamps": times, "continuity": "instantaneous"})
    )
    path = builder.write()
    covariates = read_nwb(path, covariates=["licks", "cues"]).covariates
    expected = np.histogram(times, np.arange(N_TIMES + 1) / 2 - 0.25)[0]
    np.testing.assert_array_equal(covariates["licks"], expected)
    np.testing.assert_array_equal(covariates["cues"], expected)
    assert set(read_nwb(path).covariates) == {"cues"}
    for argument in ("activity", "behavior"):
        with pytest.raises(ValueError, match=f"{argument}: got 'licks', which is of type TimeS"):
            read_nwb(path, **{argument: "licks"})


def test_events_in_a_pause_of_the_recording_belong_to_no_frame():
    frames = Frames(np.array([0.0, 0.5, 1.0, 6.0, 6.5]), 2.0)
    counts = events_at_frames("x", series(np.ones(4), timestamps=[1.1, 2.0, 5.0, 5.9]), 4, frames)
    np.testing.assert_array_equal(counts, [0, 0, 1, 1, 0])


def test_what_is_no_series_of_numbers_says_what_it_is(builder):
    builder.regions().traces().intervals([(0.0, 1.0, "a")], name="trials")
    nwb = builder.nwb
    nwb.add_acquisition(
        pynwb.misc.AnnotationSeries(name="notes", data=["a", "b"], timestamps=[1.0, 2.0])
    )
    bands = pynwb.misc.DecompositionSeries(
        name="power", data=np.ones((N_TIMES, 2, 3)), metric="power", rate=2.0
    )
    builder.module("ecephys").add(bands)
    nwb.add_unit(spike_times=[1.0, 2.0])
    path = builder.write()
    for argument, name, message in (
        ("covariates", "notes", "AnnotationSeries .text at moments: give what you make of it to"),
        ("covariates", "power", r"DecompositionSeries .of shape \(30, 2, 3\)"),
        ("covariates", "trials", r"TimeIntervals .behavior= reads the labels of its intervals"),
        ("covariates", "units", r"Units .holds spike times: bin them with numpy.histogram"),
        ("activity", "units", r"Units .holds spike times: bin them with numpy.histogram"),
        ("activity", "power", "DecompositionSeries"),
        ("behavior", "notes", "AnnotationSeries"),
    ):
        with pytest.raises(
            ValueError, match=f"file.nwb: {argument}: got '{name}', which is of type {message}"
        ):
            read_nwb(path, **{argument: name})


def test_tables_of_events_say_what_they_are(builder):
    if not hasattr(pynwb, "event"):
        pytest.skip("this pynwb has no tables of events")
    table = pynwb.event.EventsTable(name="rewards", description="d")
    table.add_event(timestamp=1.0)
    builder.regions().traces().nwb.add_events_table(table)
    with pytest.raises(ValueError, match=r"'rewards', which is of type EventsTable .events at mom"):
        read_nwb(builder.write(), covariates=["rewards"])


def test_activity_is_no_series_of_marks(builder):
    builder.nwb.add_acquisition(marks([1, -1], [0.0, 1.0]))
    path = builder.labels(TRACES, "rates", rate=1.0).write()
    with pytest.raises(ValueError, match="activity: got 'x', which is of type IntervalSeries"):
        read_nwb(path, activity="x")
    assert read_nwb(path, activity="rates").n_neurons == TRACES.shape[1]
