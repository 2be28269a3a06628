"""Tables bring names, a clock and the order of their rows."""

import datetime
import warnings

import numpy as np
import pandas as pd
import pynapple
import pytest
import xarray

from skneurograph import Recording

RATE = 4.0
X = np.random.default_rng(0).normal(size=(40, 3))
SECONDS = np.arange(40) / RATE
DATES = pd.date_range("2020-03-29 00:59:55", periods=40, freq="250ms")
LABELS = np.array([f"state {i // 5}" for i in range(40)])


def frame(index=None, columns=("a", "b", "c"), rows=slice(None)):
    return pd.DataFrame(X, index=index, columns=columns)[rows]


INDEXES = {
    "seconds": SECONDS,
    "numbers": np.arange(40) + 100,
    "dates": DATES,
    "time zone": DATES.tz_localize("UTC").tz_convert("Europe/Paris"),
    "durations": pd.to_timedelta(SECONDS, unit="s"),
    "periods": DATES.to_period("ms"),
    "objects": pd.Index(SECONDS, dtype=object),
}
each_index = pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)


class TestNames:
    def test_columns_that_are_text_become_names(self):
        assert Recording(frame(), RATE).neurons.tolist() == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("columns", "names"),
        [
            ([b"a", "é".encode(), "c"], ["a", "é", "c"]),
            (["a", None, "c"], ["a", "", "c"]),
            (["a", "", " "], ["a", "", ""]),
            (pd.Categorical(["a", "b", "c"]), ["a", "b", "c"]),
            ([17, 3, 205], ["17", "3", "205"]),
            ([0, 1, 2], ["", "", ""]),
            (range(3), ["", "", ""]),
        ],
        ids=str,
    )
    def test_names_are_read_like_any_other(self, columns, names):
        assert Recording(frame(columns=columns), RATE).neurons.tolist() == names

    @pytest.mark.parametrize(
        "columns",
        [
            [0.5, 1.0, 1.5],
            ["a", 1, "b"],
            DATES[:3],
            pd.MultiIndex.from_product([["a"], list("bcd")]),
        ],
        ids=["floats", "mixed", "dates", "levels"],
    )
    def test_other_columns_are_refused_unless_names_are_given(self, columns):
        with pytest.raises(ValueError, match=r"Recording\.activity's columns: got"):
            Recording(frame(columns=columns), RATE)
        given = Recording(frame(columns=columns), RATE, neurons=["x", "y", "z"])
        assert given.neurons.tolist() == ["x", "y", "z"]

    def test_columns_of_one_name_are_refused(self):
        with pytest.raises(ValueError, match=r"occur more than once \(a\)"):
            Recording(frame(columns=["a", "b", "a"]), RATE)

    def test_names_given_beside_a_table_win(self):
        made = Recording(frame(), RATE, neurons=["AVAL", "", "c"])
        assert made.neurons.tolist() == ["AVAL", "", "c"]

    def test_names_given_in_another_order_than_the_columns_are_refused(self):
        with pytest.raises(ValueError, match=r"got 'b' for column 'a' .*activity\[names\]"):
            Recording(frame(), RATE, neurons=["b", "a", "c"])

    def test_a_column_that_holds_no_numbers_is_named(self):
        table = frame().assign(state=LABELS)
        with pytest.raises(ValueError, match=r"column 'state' of dtype .*labels go to behavior="):
            Recording(table, RATE)

    @pytest.mark.parametrize("name", ["time", "Time (s)", "Unnamed: 0", "timestamps", "frame"])
    def test_a_clock_among_the_columns_is_no_neuron(self, name):
        table = frame()
        table.insert(0, name, SECONDS)
        with pytest.raises(ValueError, match=r"values increase.*table\.set_index"):
            Recording(table, RATE)
        assert Recording(table.set_index(name), RATE).neurons.tolist() == ["a", "b", "c"]

    def test_missing_values_of_any_type_of_column_are_nan(self):
        table = frame().astype({"a": "Float64", "b": object})
        table.iloc[2, 0] = pd.NA
        table.iloc[3, 1] = None
        activity = Recording(table, RATE).activity
        assert np.argwhere(np.isnan(activity)).tolist() == [[2, 0], [3, 1]]
        assert activity.dtype == np.float64


class TestClock:
    @each_index
    def test_rows_taken_out_are_a_gap(self, index):
        rows = np.r_[0:10, 25:40]
        made = Recording(frame(index).iloc[rows], RATE)
        assert made.segments() == [(0, 10), (10, 25)]
        np.testing.assert_allclose(np.diff(made.time), np.diff(SECONDS[rows]))

    def test_seconds_durations_and_numbers_of_frames_keep_their_origin(self):
        part = slice(8, 20)
        for index in (SECONDS, INDEXES["durations"], None):
            np.testing.assert_allclose(Recording(frame(index).iloc[part], RATE).time, SECONDS[part])
        assert Recording(frame(DATES).iloc[part], RATE).time[0] == 0

    def test_daylight_saving_does_not_stop_the_clock(self):
        index = INDEXES["time zone"]
        assert index[0].utcoffset() != index[-1].utcoffset()
        assert len(Recording(frame(index), RATE).segments()) == 1

    def test_the_default_index_is_no_clock(self):
        np.testing.assert_array_equal(Recording(frame(), RATE).time, SECONDS)

    def test_every_second_row_is_a_frame(self):
        made = Recording(frame().iloc[::2], RATE / 2)
        np.testing.assert_allclose(made.time, SECONDS[::2])

    def test_integers_that_agree_with_the_rate_are_seconds(self):
        table = frame(np.arange(40) * 5)
        np.testing.assert_array_equal(Recording(table, 0.2).time, np.arange(40) * 5)
        with pytest.raises(ValueError, match="integers 5 apart at 4 Hz"):
            Recording(table, RATE)

    def test_a_clock_that_contradicts_the_rate_is_refused(self):
        with pytest.raises(ValueError, match=r"0\.25 s apart at 40 Hz"):
            Recording(frame(SECONDS), 10 * RATE)

    @pytest.mark.parametrize(
        "index",
        [
            np.r_[20:40, 0:20],
            SECONDS[::-1],
            np.r_[0:20, 0:20],
            np.where(np.arange(40) == 7, np.nan, SECONDS),
            LABELS,
            pd.MultiIndex.from_product([["one", "two"], range(20)]),
            np.arange(40) % 2 == 0,
        ],
        ids=["sessions", "reversed", "repeated", "missing", "text", "levels", "booleans"],
    )
    def test_an_index_that_can_be_no_clock_is_refused_with_the_remedy(self, index):
        with pytest.raises(ValueError, match=r"Recording.activity: got an index .*reset_index"):
            Recording(frame(index), RATE)
        np.testing.assert_array_equal(Recording(frame(index), RATE, time=SECONDS).time, SECONDS)

    def test_a_table_with_neurons_as_rows_is_refused(self):
        with pytest.raises(ValueError, match=r"index of text.*give table\.T"):
            Recording(frame().T, RATE)

    def test_time_given_beside_an_index_wins(self):
        made = Recording(frame(SECONDS), RATE, time=SECONDS + 7)
        np.testing.assert_array_equal(made.time, SECONDS + 7)

    @pytest.mark.parametrize(
        "time",
        [
            DATES,
            pd.Series(DATES),
            DATES.to_numpy(),
            list(DATES),
            [stamp.to_pydatetime() for stamp in DATES],
            INDEXES["time zone"],
            list(INDEXES["time zone"]),
            pd.to_timedelta(SECONDS, unit="s"),
            [datetime.timedelta(seconds=second) for second in SECONDS],
            DATES.to_period("ms"),
            pynapple.Tsd(t=SECONDS, d=SECONDS).index,
        ],
    )
    def test_dates_and_durations_are_seconds_from_the_start(self, time):
        np.testing.assert_allclose(Recording(X, RATE, time=time).time, SECONDS, atol=1e-9)


class TestAlignment:
    def whole(self, index):
        """A table, and labels and a covariate that say which frame they belong to."""
        return frame(index), pd.Series(LABELS, index), pd.Series(X[:, 0], index)

    @each_index
    def test_what_has_the_same_index_in_another_order_is_put_in_order(self, index):
        table, labels, covariate = self.whole(index)
        order = np.random.default_rng(1).permutation(40)
        made = Recording(
            table, RATE, behavior=labels.iloc[order], covariates={"v": covariate.iloc[order]}
        )
        assert made.behavior.tolist() == LABELS.tolist()
        np.testing.assert_array_equal(made.covariates["v"], made.activity[:, 0])

    @each_index
    def test_labels_of_more_frames_are_cut_to_those_of_activity(self, index):
        table, labels, covariate = self.whole(index)
        rows = np.r_[3:12, 30:38]
        table = table.iloc[rows]
        made = Recording(table, RATE, behavior=labels, covariates=covariate.to_frame("v"))
        assert made.behavior.tolist() == LABELS[rows].tolist()
        np.testing.assert_array_equal(made.covariates["v"], made.activity[:, 0])

    @each_index
    @pytest.mark.parametrize("field", ["behavior", "covariate"])
    def test_labels_that_lack_frames_are_refused_with_the_remedy(self, index, field):
        table, labels, covariate = self.whole(index)
        fields = {"behavior": labels.iloc[:30]}
        if field == "covariate":
            fields = {"covariates": {"v": covariate.iloc[5:]}}
        with pytest.raises(ValueError, match=r"lacks \d+ of 40 frames.*reindex\(activity\.index\)"):
            Recording(table, RATE, **fields)

    def test_the_default_index_is_one_like_any_other_among_numbers(self):
        table, labels, _ = self.whole(None)
        assert Recording(table, RATE, behavior=labels[::-1]).behavior.tolist() == LABELS.tolist()
        with pytest.raises(ValueError, match="lacks 10 of 30 frames"):
            Recording(table.iloc[10:], RATE, behavior=pd.Series(LABELS[:30]))

    def test_the_default_index_says_nothing_beside_a_clock(self):
        table = frame(SECONDS)
        assert Recording(table, RATE, behavior=pd.Series(LABELS)).behavior.tolist() == list(LABELS)

    def test_clocks_are_the_same_up_to_rounding(self):
        made = Recording(frame(SECONDS), RATE, behavior=pd.Series(LABELS, SECONDS + 1e-9)[::-1])
        assert made.behavior.tolist() == LABELS.tolist()
        with pytest.raises(ValueError, match="lacks 40 of 40"):
            Recording(frame(SECONDS), RATE, behavior=pd.Series(LABELS, SECONDS + 0.01))

    @pytest.mark.parametrize("own", [DATES, np.arange(40) + 5, LABELS])
    def test_an_index_of_another_kind_is_refused(self, own):
        with pytest.raises(ValueError, match=r"Recording\.behavior: got an index .*to_numpy"):
            Recording(frame(SECONDS), RATE, behavior=pd.Series(LABELS, own))

    def test_a_repeated_label_is_refused(self):
        labels = pd.Series(LABELS, np.r_[0, 0:39])
        with pytest.raises(ValueError, match="repeats a label"):
            Recording(frame(), RATE, behavior=labels)

    def test_times_given_align_what_has_times_for_an_index(self):
        labels = pd.Series(LABELS, SECONDS).sample(frac=1, random_state=0)
        for table in (X, frame()):
            made = Recording(table, RATE, time=SECONDS, behavior=labels)
            assert made.behavior.tolist() == LABELS.tolist()

    def test_time_with_an_index_is_aligned_too(self):
        time = pd.Series(SECONDS, index=np.arange(40)).sample(frac=1, random_state=0)
        np.testing.assert_array_equal(Recording(frame(), RATE, time=time).time, SECONDS)

    def test_beside_an_array_values_stand_in_order_and_a_shuffled_index_is_refused(self):
        kept = np.r_[0:10, 20:40]
        labels = pd.Series(LABELS)[kept]
        assert Recording(X[kept], RATE, behavior=labels).behavior.tolist() == labels.tolist()
        with pytest.raises(ValueError, match=r"while activity has none.*to_numpy"):
            Recording(X, RATE, behavior=pd.Series(LABELS)[::-1])
        shuffled = pd.Series(LABELS).sample(frac=1, random_state=0)
        made = Recording(X, RATE, behavior=shuffled.to_numpy())
        assert made.behavior.tolist() == shuffled.tolist()


class TestCovariates:
    def test_a_table_gives_one_covariate_per_column(self):
        table = pd.DataFrame(X, columns=["speed", b"angle", 2])
        made = Recording(X, RATE, covariates=table)
        assert list(made.covariates) == ["speed", "angle", "2"]
        np.testing.assert_array_equal(np.stack(list(made.covariates.values()), axis=1), X)

    def test_columns_of_one_name_are_refused(self):
        with pytest.raises(ValueError, match="two named 'speed'"):
            Recording(X, RATE, covariates=pd.DataFrame(X[:, :2], columns=["speed", "speed"]))

    def test_a_column_of_text_is_named(self):
        with pytest.raises(ValueError, match=r"Recording\.covariates\['state'\]: got"):
            Recording(X, RATE, covariates=pd.DataFrame({"state": LABELS}))

    def test_other_tables_do_as_well(self):
        for table in (
            pynapple.TsdFrame(t=SECONDS, d=X, columns=["u", "v", "w"]),
            xarray.Dataset({name: ("time", X[:, i]) for i, name in enumerate("uvw")}),
            xarray.DataArray(X, dims=("time", "what"), coords={"what": list("uvw")}),
        ):
            made = Recording(X, RATE, covariates=table)
            assert list(made.covariates) == list("uvw")
            np.testing.assert_array_equal(made.covariates["w"], X[:, 2])


class TestPynapple:
    def test_names_clock_and_gaps_are_taken(self):
        table = pynapple.TsdFrame(t=SECONDS, d=X, columns=["a", "b", "c"])
        made = Recording(table.restrict(pynapple.IntervalSet([0, 6], [2.6, 9])), RATE)
        assert made.neurons.tolist() == ["a", "b", "c"]
        assert made.segments() == [(0, 11), (11, 24)]
        np.testing.assert_array_equal(made.time, np.r_[SECONDS[:11], SECONDS[24:37]])
        plain = pynapple.TsdFrame(t=SECONDS, d=X)
        assert Recording(plain, RATE).neurons.tolist() == ["", "", ""]

    def test_behaviour_is_aligned_on_times(self):
        table = pynapple.TsdFrame(t=SECONDS[10:30], d=X[10:30])
        whole = pynapple.Tsd(t=SECONDS, d=X[:, 1])
        for activity in (table, frame(SECONDS).iloc[10:30]):
            made = Recording(activity, RATE, covariates={"v": whole})
            np.testing.assert_array_equal(made.covariates["v"], X[10:30, 1])
        other_rate = pynapple.Tsd(t=np.arange(20) / 2, d=np.arange(20.0))
        with pytest.raises(ValueError, match=r"covariates\['v'\]: got an index that lacks"):
            Recording(table, RATE, covariates={"v": other_rate})

    def test_spike_times_are_refused_with_the_remedy(self):
        spikes = pynapple.TsGroup({0: pynapple.Ts(SECONDS), 1: pynapple.Ts(SECONDS)})
        for given in (spikes, pynapple.Ts(SECONDS)):
            with pytest.raises(ValueError, match=r"Recording.activity: got spike times.*\.count"):
                Recording(given, RATE)

    def test_more_dimensions_are_refused(self):
        images = pynapple.TsdTensor(t=SECONDS, d=np.zeros((40, 2, 2)))
        with pytest.raises(ValueError, match=r"got shape \(40, 2, 2\)"):
            Recording(images, RATE)


class TestXarray:
    def array(self, dims=("time", "neuron"), **coordinates):
        return xarray.DataArray(X, dims=dims, coords=coordinates)

    def test_names_and_clock_are_taken(self):
        made = Recording(self.array(time=SECONDS + 2, neuron=list("abc")), RATE)
        assert made.neurons.tolist() == ["a", "b", "c"]
        np.testing.assert_array_equal(made.time, SECONDS + 2)

    @pytest.mark.parametrize("dims", [("time", "neuron"), ("frames", "x"), ("y", "unit_id")])
    def test_neurons_as_the_first_dimension_are_turned(self, dims):
        array = self.array(dims)
        for given in (array, array.transpose()):
            np.testing.assert_array_equal(Recording(given, RATE).activity, X)

    def test_coordinates_tell_dimensions_without_a_name(self):
        for coordinates in ({"y": list("abc")}, {"x": DATES}):
            array = self.array(("x", "y"), **coordinates)
            for given in (array, array.transpose()):
                np.testing.assert_array_equal(Recording(given, RATE).activity, X)
        np.testing.assert_array_equal(Recording(self.array(("x", "y")), RATE).activity, X)

    def test_two_dimensions_of_one_kind_are_refused(self):
        with pytest.raises(ValueError, match=r"two dimensions of neurons, \('unit', 'channel'\)"):
            Recording(self.array(("unit", "channel")), RATE)

    def test_a_coordinate_beside_the_dimensions_counts(self):
        array = self.array(
            seconds=("time", SECONDS + 1), label=("neuron", ["a", "b", "c"]), session=3
        )
        made = Recording(array, RATE)
        assert made.neurons.tolist() == ["a", "b", "c"]
        np.testing.assert_array_equal(made.time, SECONDS + 1)
        several = array.assign_coords(kind=("neuron", ["x", "y", "x"]))
        with pytest.raises(ValueError, match=r"several coordinates along 'neuron'.*swap_dims"):
            Recording(several, RATE)

    def test_a_unit_of_time_counts(self):
        array = self.array(time=("time", SECONDS * 1000, {"units": "milliseconds"}))
        np.testing.assert_allclose(Recording(array, RATE).time, SECONDS)
        with pytest.raises(ValueError, match="250 s apart at 4 Hz"):
            Recording(self.array(time=SECONDS * 1000), RATE)

    def test_labels_are_aligned_on_the_coordinate(self):
        labels = xarray.DataArray(LABELS, dims="time", coords={"time": SECONDS})
        array = self.array(time=SECONDS)[4:20]
        made = Recording(array, RATE, behavior=labels[::-1])
        assert made.behavior.tolist() == LABELS[4:20].tolist()

    def test_several_variables_are_refused(self):
        with pytest.raises(ValueError, match=r"got xarray\.Dataset; expected one of its variables"):
            Recording(xarray.Dataset({"a": self.array()}), RATE)


def test_other_tables_go_through_pandas():
    class Table:
        def to_pandas(self):
            return frame(SECONDS)

        def __array__(self, dtype=None, copy=None):
            return X

    made = Recording(Table(), RATE)
    assert made.neurons.tolist() == ["a", "b", "c"]


def test_a_table_is_not_copied_and_cannot_be_changed_through_the_recording():
    table = frame(SECONDS).astype(np.float32)
    made = Recording(table, RATE)
    assert made.activity.dtype == np.float32
    assert np.shares_memory(made.activity, np.asarray(table))
    assert not made.activity.flags.writeable


def test_ordinary_tables_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for index in [None, *INDEXES.values()]:
            Recording(
                frame(index), RATE, behavior=pd.Series(LABELS, index), covariates=frame(index)
            )
