import dataclasses
import re
import warnings

import numpy as np
import pandas as pd
import pynapple
import pytest
import xarray

from skneurograph import LazyWindows, Recording, sliding_windows
from tests.data.animals import LABELS, animal, animals


def naive_columns(recordings, neurons):
    named = [[name for name in one.neurons if name] for one in recordings]
    if not isinstance(neurons, str):
        return list(neurons)
    if neurons == "intersection":
        return sorted(name for name in named[0] if all(name in other for other in named))
    names = sorted({name for some in named for name in some})
    if neurons == "all":
        names += [""] * max(sum(name == "" for name in one.neurons) for one in recordings)
    return names


def naive_windows(
    recordings,
    n_times,
    *,
    step=1,
    neurons="union",
    lag=0,
    drop=(),
    target="behavior",
    horizon=1,
    average_classes=False,
):
    """The windows, one after the other and one number after the other."""
    if average_classes:
        recordings = [one.average_classes() for one in recordings]
    names = naive_columns(recordings, neurons)
    n_named = sum(name != "" for name in names)
    found = []
    for index, one in enumerate(recordings):
        segment = 0  # first frame since the last gap
        for start in range(one.n_times):
            if start and one.time[start] - one.time[start - 1] > 2.5 / one.sampling_rate:
                segment = start
            if (start - segment) % step:
                continue
            ahead = horizon if target == "next" else 0
            frames = range(start, start + n_times + ahead)
            if frames[-1] >= one.n_times or any(
                one.time[t] - one.time[t - 1] > 2.5 / one.sampling_rate for t in frames[1:]
            ):
                continue
            window = np.full((len(names), n_times + ahead), np.nan)
            anonymous = n_named
            for column, name in enumerate(one.neurons):
                if name in names[:n_named]:
                    row = names.index(name)
                elif name == "" and "" in names:
                    row = anonymous
                    anonymous += 1
                else:
                    continue
                for place, t in enumerate(frames):
                    window[row, place] = one.activity[t, column]
            y = None
            if target == "behavior":
                y = one.behavior[start + n_times - 1 - lag]
                if y == "" or y in drop:
                    continue
            elif target == "next":
                y = window[:, n_times] if horizon == 1 else window[:, n_times:]
            elif target is not None:
                y = one.covariates[target][start + n_times - 1 - lag]
                if np.isnan(y):
                    continue
            found.append((window[:, :n_times], y, one.organism, start, index))
    X, y, groups, starts, recording = (list(part) for part in zip(*found))
    return names, np.array(X), None if target is None else np.array(y), groups, starts, recording


OPTIONS = [
    {},
    {"n_times": 1},
    {"step": 3},
    {"step": 7, "n_times": 2},
    {"neurons": "intersection"},
    {"neurons": "all"},
    {"neurons": "all", "average_classes": True},
    {"neurons": ["RIML", "AVAL"]},
    {"neurons": np.array(["RIML", "AVAL"])},
    {"average_classes": True},
    {"average_classes": True, "neurons": "intersection"},
    {"average_classes": True, "neurons": ["RIM", "AVA"], "step": 2},
    {"lag": 2},
    {"lag": 3, "drop": ["turn"]},
    {"drop": ["turn", "reversal"], "step": 2},
    {"target": "velocity"},
    {"target": "velocity", "lag": 1, "step": 2},
    {"target": None},
    {"target": "next"},
    {"target": "next", "horizon": 3, "neurons": "all"},
    {"target": "next", "horizon": 2, "step": 4, "average_classes": True},
]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_windows_agree_with_a_double_loop(options, lazy):
    options = {"n_times": 4} | options
    names, X, y, groups, starts, recording = naive_windows(animals(), **options)
    windows = sliding_windows(animals(), **options, lazy=lazy)
    assert isinstance(windows.X, LazyWindows) is lazy
    assert windows.X.dtype == np.float32
    assert windows.X.shape == X.shape
    np.testing.assert_array_equal(np.asarray(windows.X), X.astype(np.float32))
    assert windows.neurons.tolist() == names
    assert windows.groups.tolist() == groups
    assert windows.starts.tolist() == starts
    assert windows.recording.tolist() == recording
    if y is None:
        assert windows.y is None
    else:
        kind = "U" if options.get("target", "behavior") == "behavior" else "f"
        assert windows.y.dtype.kind == kind
        np.testing.assert_array_equal(
            windows.y, y.astype(np.float32) if options.get("target") == "next" else y
        )


def test_changing_the_future_changes_neither_a_window_nor_its_label():
    made = animal(0, ["A", "B"], gaps=())
    options = {"target": "behavior", "neurons": "union"}
    before = sliding_windows(made, 5, **options)
    for row in range(0, len(before), 4):
        last = before.starts[row] + 4
        activity, behavior = made.activity.copy(), made.behavior.copy()
        activity[last + 1 :] = 1e6
        behavior[last + 1 :] = "turn"
        poisoned = dataclasses.replace(made, activity=activity, behavior=behavior)
        after = sliding_windows(poisoned, 5, **options)
        same = int(np.flatnonzero(after.starts == before.starts[row])[0])
        np.testing.assert_array_equal(after.X[same], before.X[row])
        assert after.y[same] == before.y[row]


def test_changing_the_past_does_not_change_a_window_either():
    made = animal(0, ["A", "B"], gaps=())
    before = sliding_windows(made, 5)
    row = len(before) - 1
    activity = made.activity.copy()
    activity[: before.starts[row]] = -1e6
    after = sliding_windows(dataclasses.replace(made, activity=activity), 5)
    np.testing.assert_array_equal(after.X[row], before.X[row])


def test_next_frames_continue_the_window():
    made = animal(0, ["A", "B", "C"], gaps=(), missing=False)
    for horizon in (1, 2, 5):
        windows = sliding_windows(made, 6, target="next", horizon=horizon)
        assert windows.y.dtype == np.float32
        y = windows.y[:, :, None] if horizon == 1 else windows.y
        assert y.shape == (made.n_times - 6 - horizon + 1, 3, horizon)
        longer = sliding_windows(made, 6 + horizon, target=None).X
        np.testing.assert_array_equal(np.concatenate([windows.X, y], axis=2), longer)


def test_a_neuron_that_an_organism_lacks_is_nan_in_its_windows_only():
    windows = sliding_windows(animals(), 3)
    aib = windows.neurons.tolist().index("AIBL")
    has_it = windows.recording == 1
    assert np.isnan(windows.X[~has_it, aib]).all()
    assert not np.isnan(windows.X[has_it, aib][10:]).any()


def test_the_order_of_neurons_in_a_recording_does_not_matter():
    made = animals()
    shuffled = [one._with_columns(list(range(one.n_neurons))[::-1]) for one in made]
    np.testing.assert_array_equal(sliding_windows(shuffled, 4).X, sliding_windows(made, 4).X)


def test_one_label_to_drop_needs_no_list():
    dropped = sliding_windows(animals(), 4, drop="turn")
    np.testing.assert_array_equal(dropped.y, sliding_windows(animals(), 4, drop=["turn"]).y)
    assert "turn" not in dropped.y


def test_windows_of_several_recordings_are_those_of_each_one():
    made = animals()
    together = sliding_windows(made, 4, neurons=["AVAL"])
    apart = [sliding_windows(one, 4, neurons=["AVAL"]) for one in made]
    np.testing.assert_array_equal(together.X, np.concatenate([part.X for part in apart]))
    np.testing.assert_array_equal(together.y, np.concatenate([part.y for part in apart]))


def test_identities_number_named_columns_and_mark_anonymous_ones():
    windows = sliding_windows(animals(), 4, neurons="all")
    assert windows.neurons.tolist() == ["AIBL", "AVAL", "AVAR", "RIML", "RIMR", "", ""]
    assert windows.identities.tolist() == [0, 1, 2, 3, 4, -1, -1]


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame, lambda a: a.tolist()])
def test_a_plain_array_is_one_recording_without_behaviour(make):
    array = np.random.default_rng(0).normal(size=(20, 3))
    windows = sliding_windows(make(array), 5)
    assert windows.y is None
    assert windows.neurons.tolist() == ["x0", "x1", "x2"]
    assert set(windows.groups) == {"organism"}
    assert windows.sampling_rate == 1.0
    for row in range(16):
        np.testing.assert_array_equal(windows.X[row], array[row : row + 5].T.astype(np.float32))
    following = sliding_windows(make(array), 5, target="next")
    np.testing.assert_array_equal(following.y, array[5:].astype(np.float32))


@pytest.mark.parametrize(
    "key",
    [
        slice(3, 9),
        slice(None, None, -2),
        np.arange(40) % 3 == 0,
        [4, 0, -1, 4],
        np.array([7]),
        [],
        slice(0, 0),
        np.zeros(40, dtype=bool),
    ],
    ids=str,
)
@pytest.mark.parametrize("lazy", [False, True])
def test_selecting_windows_selects_everything_that_belongs_to_them(key, lazy):
    everything = sliding_windows(animals(), 4, target="velocity", lazy=lazy)[:40]
    eager = sliding_windows(animals(), 4, target="velocity")[:40]
    rows = np.arange(40)[key]
    part = everything[key]
    assert len(part) == len(rows)
    np.testing.assert_array_equal(np.asarray(part.X), eager.X[rows])
    for name in ("y", "groups", "starts", "recording"):
        np.testing.assert_array_equal(getattr(part, name), getattr(eager, name)[rows])
    np.testing.assert_array_equal(part.neurons, eager.neurons)


def test_selecting_one_window_keeps_the_dimensions_of_windows():
    windows = sliding_windows(animals(), 4)
    for index in (2, np.int64(2), -1):
        np.testing.assert_array_equal(windows[index].X, windows.X[[index]])
        assert windows[index].y.tolist() == [windows.y[index]]


def test_repr_counts_windows_neurons_frames_and_organisms():
    windows = sliding_windows(animals(), 4)
    text = f"{len(windows)} of 5 neurons and 4 frames at 2 Hz, 2 organisms"
    assert text in repr(windows)
    assert "(windows" not in repr(windows[:3])
    assert "1 organism>" in repr(windows[:3])


# What is refused, and what is warned of


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_times": 0}, "n_times: got 0"),
        ({"n_times": 2.0}, "n_times: got 2.0"),
        ({"n_times": True}, "n_times: got True"),
        ({"step": 0}, "step: got 0"),
        ({"step": -1}, "step: got -1"),
        ({"horizon": 0, "target": "next"}, "horizon: got 0"),
        ({"horizon": 2}, "it needs target='next'"),
        ({"lag": 4}, "lag: got 4; expected frames from 0 to n_times - 1 = 3"),
        ({"lag": -1}, "lag: got -1"),
        ({"lag": True}, "lag: got True"),
        ({"average_classes": None}, "average_classes: got None"),
        ({"target": 5}, "target: got 5; expected 'behavior', 'next', the name of a covariate"),
        ({"target": np.nan}, "target: got nan"),
        ({"target": ["velocity", "behavior"]}, "target: got ['velocity', 'behavior']"),
        ({"neurons": [1, 2]}, "neurons: got values of objects of type int"),
        ({"neurons": {"AVAL"}}, "neurons: got set"),
        ({"neurons": []}, "neurons: got an empty list"),
        ({"neurons": [None, "AVAL"]}, "neurons: got '' before a name"),
        ({"average_classes": "no"}, "average_classes: got 'no'; expected True or False"),
        ({"neurons": "most"}, "neurons: got 'most'; expected 'union'"),
        ({"neurons": "shared"}, "neurons: got 'shared'; expected 'union', 'intersection', 'all'"),
        ({"neurons": ["XYZ"]}, "XYZ, in no recording"),
        ({"neurons": ["AVAL", "AVAL"]}, "twice"),
        ({"target": "speed"}, "target='speed': 'worm-1' does not have it"),
        ({"target": "speed"}, "behavior, velocity"),
        ({"n_times": 26}, "'worm-1' has no uninterrupted stretch of 26 frames"),
        (
            {"n_times": 15, "target": "next", "horizon": 5},
            "has no uninterrupted stretch of 15 frames and the 5 that follow",
        ),
        ({"drop": LABELS}, "no window is left"),
        ({"drop": ["turn"], "target": "next"}, "drop"),
        ({"drop": ["turn"], "target": None}, "drop"),
    ],
    ids=lambda value: str(value),
)
def test_errors_say_what_was_given_and_what_is_expected(options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        sliding_windows(animals(), **{"n_times": 4} | options)


@pytest.mark.parametrize(
    ("recordings", "said"),
    [
        ([], "got none"),
        (None, "got NoneType; expected Recording"),
        (5, "got int; expected Recording"),
        ("worm.npz", "Recording.load reads a file"),
        (["one.npz", "two.npz"], "Recording.load reads a file"),
        ({"one": animal(0, ["A"])}, "got dict; expected a list"),
        (np.zeros(5), "shape (5,)"),
        (np.zeros((0, 2)), "shape (0, 2)"),
        (np.zeros((5, 0)), "shape (5, 0)"),
        (np.full((5, 2), "a"), "recordings: got dtype <U1"),
        ([[1, 2], [3]], "recordings: got a ragged sequence"),
        (
            [np.zeros((50, 3)), np.zeros((60, 3))],
            "2 arrays of shape (50, 3), (60, 3)",
        ),
        ([np.zeros((50, 3))] * 2, "one Recording per trial"),
        ([pd.DataFrame(np.zeros((50, 3)))] * 2, "trials of one animal have the same organism"),
        (np.zeros((5, 2, 2)), "go to estimators as they are"),
        (sliding_windows(animals(), 4), "windows that are cut already"),
        (np.zeros((5, 2, 2)), "shape (5, 2, 2)"),
        ([animal(0, ["A"]), np.zeros((5, 2))], "mixture"),
    ],
)
def test_what_is_no_recording_is_refused(recordings, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        sliding_windows(recordings, 2)


@pytest.mark.parametrize(
    ("names", "neurons", "hint"),
    [
        (["", ""], "union", "'all'"),
        (["", ""], "intersection", "'all'"),
        (["B", "C"], "intersection", "'union'"),
    ],
)
def test_without_columns_the_error_says_which_neurons_to_use(names, neurons, hint):
    made = [animal(0, names), animal(1, ["", ""] if names[0] == "" else ["A", "D"])]
    with pytest.raises(ValueError, match=f"use neurons={hint}"):
        sliding_windows(made, 2, neurons=neurons)
    assert len(sliding_windows(made, 2, neurons=hint.strip("'"))) > 0


def test_a_recording_without_behaviour_is_named():
    without = dataclasses.replace(animal(5, ["A"]), behavior=None)
    with pytest.raises(ValueError, match=r"'worm-5' does not have it; it has velocity"):
        sliding_windows([animal(0, ["A"]), without], 2)


def test_differing_sampling_rates_warn():
    one, other = animal(0, ["A"], rate=2.0), animal(1, ["A"], rate=3.0)
    with pytest.warns(UserWarning, match=r"2 to 3 Hz.*resample"):
        sliding_windows([one, other], 3)
    nearly = animal(1, ["A"], rate=2.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        windows = sliding_windows([one, nearly], 3)
    assert windows.sampling_rate == pytest.approx(2.005)


def test_real_worms_share_the_columns_their_description_promises(real_worms):
    windows = sliding_windows(real_worms, 8, average_classes=True, lazy=True)
    assert windows.X.shape == (5 * 793, 83, 8)
    assert (
        sliding_windows(
            real_worms, 8, average_classes=True, neurons="intersection", lazy=True
        ).X.shape[1]
        == 39
    )
    frames = [worm.behavior[7:] for worm in real_worms]
    np.testing.assert_array_equal(windows.y, np.concatenate(frames))


def test_columns_of_a_plain_array_keep_their_order():
    array = np.arange(180.0).reshape(15, 12)
    windows = sliding_windows(array, 1)
    np.testing.assert_array_equal(windows.X[:, :, 0], array)
    assert windows.neurons.tolist() == [f"x{i}" for i in range(12)]


# Text in other guises


def test_names_labels_and_target_may_be_bytes():
    plain = sliding_windows(animals(), 4, neurons=["RIML", "AVAL"], drop=["turn"])
    for drop in (b"turn", [b"turn"], np.array([b"turn"]), {"turn"}, ["turn", None, np.nan, ""]):
        windows = sliding_windows(animals(), 4, neurons=[b"RIML", b"AVAL"], drop=drop)
        assert windows.neurons.tolist() == ["RIML", "AVAL"]
        np.testing.assert_array_equal(windows.X, plain.X)
        np.testing.assert_array_equal(windows.y, plain.y)
    one = sliding_windows(animals(), 4, target=b"velocity", neurons=b"intersection")
    np.testing.assert_array_equal(
        one.X, sliding_windows(animals(), 4, target="velocity", neurons="intersection").X
    )


def test_a_missing_name_among_the_columns_wanted_is_an_anonymous_one():
    windows = sliding_windows(animals(), 4, neurons=["AVAL", np.nan, None])
    np.testing.assert_array_equal(
        windows.X, sliding_windows(animals(), 4, neurons=["AVAL", "", ""]).X
    )


@pytest.mark.parametrize("drop", [["sleep"], 3, [True], "sleep"])
def test_a_label_to_drop_that_never_occurs_drops_nothing_and_warns(drop):
    with pytest.warns(UserWarning, match="drop: .* occurs in no window"):
        windows = sliding_windows(animals(), 4, drop=drop)
    assert len(windows) == len(sliding_windows(animals(), 4))


@pytest.mark.parametrize(
    "labels", [np.arange(37) % 3, np.arange(37) % 3 / 2, np.arange(37) % 2 == 0]
)
def test_labels_that_are_no_text_can_be_dropped(labels):
    made = dataclasses.replace(animal(1, ["A", "B"], gaps=()), behavior=labels)
    windows = sliding_windows(made, 4, drop=labels[1])
    np.testing.assert_array_equal(windows.y, labels[3:][labels[3:] != labels[1]])


def test_labels_of_several_kinds_are_refused():
    one, other = animal(1, ["A"]), dataclasses.replace(animal(2, ["A"]), behavior=np.arange(37))
    with pytest.raises(ValueError, match=r"text \('worm-1'\) and numbers \('worm-2'\)"):
        sliding_windows([one, other], 4)


# Tables


TABLE = np.random.default_rng(0).normal(size=(40, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: pd.DataFrame(TABLE, np.arange(40) / 3, list("cab")).iloc[rows],
        lambda rows: pynapple.TsdFrame(t=rows / 3, d=TABLE[rows], columns=list("cab")),
        lambda rows: xarray.DataArray(TABLE[rows].T, [("unit", list("cab")), ("time", rows / 3)]),
    ],
    ids=["pandas", "pynapple", "xarray"],
)
def test_a_table_gives_names_clock_and_gaps(make):
    rows = np.r_[0:12, 25:40]
    windows = sliding_windows(make(rows), 5)
    assert windows.neurons.tolist() == ["c", "a", "b"]
    assert windows.sampling_rate == 3
    assert windows.starts.tolist() == [*range(8), *range(12, 23)]
    np.testing.assert_array_equal(windows.X[8], TABLE[25:30].T.astype(np.float32))


def test_rows_taken_out_of_a_table_without_a_clock_are_a_gap():
    table = pd.DataFrame(TABLE).drop(index=range(10, 15))
    windows = sliding_windows(table, 5)
    assert windows.neurons.tolist() == ["x0", "x1", "x2"]
    assert windows.sampling_rate == 1
    assert windows.starts.tolist() == [*range(6), *range(10, 31)]


def test_columns_without_a_name_keep_their_place():
    table = pd.DataFrame(TABLE, columns=["b", None, "a"])
    assert sliding_windows(table, 5).neurons.tolist() == ["b", "x1", "a"]


def test_a_table_in_no_order_of_time_is_refused():
    for table in (pd.DataFrame(TABLE)[::-1], pd.DataFrame(TABLE, [f"f{i}" for i in range(40)])):
        with pytest.raises(ValueError, match=r"recordings: got an index .*reset_index"):
            sliding_windows(table, 5)


def test_masked_values_are_missing_in_a_plain_array_too():
    mask = np.zeros(TABLE.shape, dtype=bool)
    mask[7, 1] = True
    for masked in (np.ma.array(TABLE, mask=mask), list(np.ma.array(TABLE, mask=mask))):
        X = sliding_windows(masked, 3).X
        assert np.argwhere(np.isnan(X)).tolist() == [[5, 1, 2], [6, 1, 1], [7, 1, 0]]


# What would count twice, or be confused


def test_a_recording_given_twice_is_refused():
    first, second, third = animals()
    copied = dataclasses.replace(first, activity=first.activity.copy(), behavior=None)
    for given in ([first, second, first], [first, third, copied]):
        with pytest.raises(
            ValueError, match=r"the same recording of 'worm-1' twice \(positions 0 and 2\)"
        ):
            sliding_windows(given, 4)


def test_the_same_activity_under_two_names_warns():
    first = animals()[0]
    with pytest.warns(UserWarning, match="'worm-1' and 'copy' .* have the same activity"):
        sliding_windows([first, dataclasses.replace(first, organism="copy")], 4)


def test_sessions_of_one_animal_are_not_repeats():
    first = animal(1, ["A", "B"], gaps=())
    again = dataclasses.replace(animal(2, ["A", "B"], gaps=()), organism="worm-1")
    silent = [Recording(np.zeros((20, 1)), 2.0, neurons=["A"], organism="w") for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(sliding_windows([first, again], 4, target=None)) == 68
        halves = [first.between(0, 9), first.between(9, 99)]
        assert len(sliding_windows(halves, 4, target=None)) == 31
        assert len(sliding_windows(silent, 4, target=None)) == 34


def test_names_that_are_numbers_in_several_organisms_warn():
    one, other = animal(1, ["3", "B"]), animal(2, ["3", "5"])
    with pytest.warns(UserWarning, match="names that are numbers, such as '3'"):
        sliding_windows([one, other], 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sliding_windows([one, dataclasses.replace(other, organism="worm-1")], 4)
        sliding_windows(animals(), 4)


def test_an_array_with_more_columns_than_rows_warns():
    with pytest.warns(UserWarning, match=r"40 features .* 3 frames .*array\.T"):
        sliding_windows(TABLE.T, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sliding_windows(TABLE, 2)


@pytest.mark.parametrize("unlabelled", [[None] * 20, [np.nan] * 20, [""] * 20])
@pytest.mark.parametrize("labels", [["a", "b"] * 10, [1, 2] * 10, [True, False] * 10])
def test_a_recording_without_any_label_stands_beside_labels_of_every_kind(unlabelled, labels):
    rng = np.random.default_rng(0)
    parts = [
        Recording(rng.normal(size=(20, 2)), 2.0, neurons=["A", "B"], behavior=b, organism=o)
        for b, o in [(unlabelled, "one"), (labels, "two")]
    ]
    alone = sliding_windows(parts[1], 4)
    both = sliding_windows(parts, 4)
    assert set(both.groups) == {"two"}
    assert both.y.tolist() == alone.y.tolist()
    assert both.y.dtype == alone.y.dtype
