"""Whatever is handed to Recording and sliding_windows is read right, or refused clearly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skneurograph import Recording, sliding_windows
from tests.fuzz.draws import Refused, clear, round_of, tables, texts, values


@round_of(60)
@given(tables())
def test_activity_is_read_as_it_was_meant(table):
    try:
        with clear("Recording."):
            recording = Recording(table.value, 2.0)
    except Refused:
        assert table.expected is None or "pynapple" in table.what or np.isinf(table.expected).any()
        return
    assert table.expected is not None, f"read {table!r} as {recording!r}"
    assert recording.activity.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(recording.activity, table.expected)
    assert not recording.activity.flags.writeable


@round_of(60)
@given(st.data(), st.integers(1, 6))
def test_names_and_labels_are_read_as_they_were_meant(data, n):
    names, classes = data.draw(texts(n, unique=True)), data.draw(texts(n))
    behavior = data.draw(texts(5))
    with clear("Recording."):
        recording = Recording(
            np.zeros((5, n)),
            2.0,
            neurons=names.value,
            neuron_classes=classes.value,
            behavior=behavior.value,
        )
    assert recording.neurons.tolist() == names.expected.tolist()
    assert recording.neuron_classes.tolist() == classes.expected.tolist()
    if behavior.expected.any() or recording.behavior.dtype.kind == "U":
        assert recording.behavior.tolist() == behavior.expected.tolist()
    else:  # nothing says whether labels that are all missing would be text
        assert np.isnan(recording.behavior).all()
    averaged = recording.average_classes()
    known = sorted(set(classes.expected) - {""})
    n_without = int((classes.expected == "").sum())
    assert averaged.neurons.tolist() == [*known, *[""] * n_without]


@round_of(40)
@given(
    st.one_of(
        st.none(), st.integers(-3, 3), st.floats(), st.text(max_size=3), st.lists(st.integers())
    ),
    st.sampled_from(["sampling_rate", "time", "organism", "neurons", "behavior", "covariates"]),
)
def test_a_field_of_a_wrong_kind_is_named(value, name):
    fields = {"activity": np.zeros((5, 2)), "sampling_rate": 2.0, name: value}
    try:
        with clear(f"Recording.{name}"):
            recording = Recording(**fields)
    except Refused:
        return
    assert recording.sampling_rate > 0
    assert np.isfinite(recording.time).all()
    assert (np.diff(recording.time) > 0).all()


@st.composite
def animals(draw):
    """One to three recordings whose neurons overlap."""
    made = []
    for index in range(draw(st.integers(1, 3))):
        n_times, n_neurons = draw(st.integers(1, 30)), draw(st.integers(1, 4))
        names = draw(st.permutations(["A", "B", "C", "", "", "D"]))[:n_neurons]
        time = np.arange(n_times) / 2.0
        if n_times > 4 and draw(st.booleans()):
            time[n_times // 2 :] += 10.0
        made.append(
            Recording(
                draw(values((n_times, n_neurons))),
                2.0,
                neurons=names,
                behavior=draw(
                    st.lists(st.sampled_from(["f", "r", ""]), min_size=n_times, max_size=n_times)
                ),
                covariates={"velocity": draw(values((n_times,)))},
                time=time,
                organism=f"o{draw(st.integers(0, 1))}-{index}",
            )
        )
    return made


OPTIONS = st.fixed_dictionaries(
    {
        "n_times": st.integers(-1, 8),
        "step": st.integers(0, 4),
        "target": st.sampled_from(["behavior", "next", "velocity", None, "nothing"]),
        "neurons": st.sampled_from(
            ["union", "intersection", "all", ["A", "B"], [], ["A", "A"], ["X"], 3]
        ),
        "lag": st.integers(-1, 3),
        "horizon": st.integers(0, 3),
        "lazy": st.booleans(),
    }
)


@round_of(80)
@given(animals(), OPTIONS)
def test_windows_are_the_frames_of_their_recording(recordings, options):
    try:
        with clear(*options, "recordings", "uninterrupted stretch", "no window is left"):
            windows = sliding_windows(recordings, **options)
    except Refused:
        return
    n_times, X = options["n_times"], np.asarray(windows.X)
    assert len(windows) == len(X) == len(windows.groups) > 0
    for row in range(len(windows)):
        part = recordings[windows.recording[row]]
        start = windows.starts[row]
        frames = part.activity[start : start + n_times]
        assert windows.groups[row] == part.organism
        # No window crosses a gap.
        assert np.diff(part.time[start : start + n_times]).max(initial=0.5) < 1.0
        for column, name in enumerate(windows.neurons):
            if name:
                own = np.flatnonzero(part.neurons == name)
                if len(own):
                    assert_kept(X[row, column], frames[:, own[0]])
                else:
                    assert np.isnan(X[row, column]).all()
        last = start + n_times - 1 - options["lag"]
        if options["target"] == "behavior":
            assert windows.y[row] == part.behavior[last] != ""
        elif options["target"] == "velocity":
            assert_kept(windows.y[row : row + 1], part.covariates["velocity"][last : last + 1])
        elif options["target"] == "next":
            assert start + n_times + options["horizon"] <= part.n_times


def assert_kept(found, original):
    """Values are kept to a part in a million of how much they vary, or of their size."""
    assert (np.isnan(found) == np.isnan(original)).all()
    spread = np.nanstd(original) if not np.isnan(original).all() else 0.0
    tolerance = 1e-5 * spread if spread > 0 else 1e-6 * np.nanmax(np.abs(original), initial=0.0)
    np.testing.assert_allclose(found, original, rtol=1e-6 if spread == 0 else 0, atol=tolerance)
