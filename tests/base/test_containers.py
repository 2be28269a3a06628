"""Windows and targets in the containers that people have them in."""

import numpy as np
import pandas as pd
import pynapple
import pytest
import torch
import xarray

from skneurograph import Recording, sliding_windows
from skneurograph.decoding import GraphRegressor
from skneurograph.forecasting import PersistenceForecaster
from skneurograph.graph_inference import CorrelationGraph
from skneurograph.preprocessing import FlattenWindows, WindowScaler

NAMES = ["AVAL", "AVAR", "RIML"]
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(20, 3))
WINDOWS = RNG.normal(size=(20, 3, 5))


def frames(dims=("time", "neuron"), names=NAMES):
    values = TABLE if dims.index("neuron") == 1 else TABLE.T
    return xarray.DataArray(values, dims=dims, coords={"neuron": names})


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(TABLE, columns=NAMES),
        frames(),
        pynapple.TsdFrame(t=np.arange(20), d=TABLE, columns=NAMES),
    ],
    ids=["pandas", "xarray", "pynapple"],
)
def test_tables_of_every_kind_bring_the_names_of_their_neurons(table):
    scaler = WindowScaler().fit(table)
    assert scaler.feature_names_in_.tolist() == NAMES
    np.testing.assert_array_equal(scaler.transform(table), WindowScaler().fit_transform(TABLE))
    with pytest.raises(ValueError, match="feature names should match"):
        scaler.transform(pd.DataFrame(TABLE, columns=NAMES[::-1]))


def test_names_of_three_dimensions_reach_the_features_and_are_forgotten_in_the_next_fit():
    labelled = xarray.DataArray(
        WINDOWS, dims=("trial", "unit", "time"), coords={"unit": NAMES, "time": np.arange(5)}
    )
    graph = CorrelationGraph().fit(labelled)
    assert graph.get_feature_names_out()[0] == "AVAL--AVAR"
    assert not hasattr(graph.fit(WINDOWS), "feature_names_in_")
    assert FlattenWindows().fit(labelled).get_feature_names_out()[0] == "AVAL[t-4]"


@pytest.mark.parametrize(
    ("dims", "remedy"),
    [
        (("time", "neuron", "window"), r"X.transpose\('window', 'neuron', 'time'\)"),
        (("window", "time", "neuron"), r"X.transpose\('window', 'neuron', 'time'\)"),
        (("neuron", "window", "time"), r"X.transpose\('window', 'neuron', 'time'\)"),
        (("Trial", "Time", "Cell"), r"X.transpose\('Trial', 'Cell', 'Time'\)"),
        (("x", "y", "trials"), "windows first, then neurons, then frames"),
        (("neuron", "time"), r"X.transpose\('time', 'neuron'\)"),
        (("unit", "trial"), r"X.transpose\('trial', 'unit'\)"),
    ],
)
def test_named_dimensions_in_another_order_are_refused_with_the_line_that_turns_them(dims, remedy):
    values = WINDOWS if len(dims) == 3 else TABLE
    with pytest.raises(ValueError, match=rf"X: got dimensions .*{remedy}"):
        WindowScaler().fit(xarray.DataArray(values, dims=dims))


@pytest.mark.parametrize(
    "dims",
    [("window", "neuron", "time"), ("time", "neuron", "lag"), ("a", "b", "c"), ("time", "roi")],
)
def test_dimensions_that_may_be_right_are_taken_as_they_stand(dims):
    values = WINDOWS if len(dims) == 3 else TABLE
    scaled = WindowScaler().fit_transform(xarray.DataArray(values, dims=dims))
    np.testing.assert_array_equal(scaled, WindowScaler().fit_transform(values))


@pytest.mark.parametrize("missing", [None, pd.NA, np.nan])
def test_missing_values_among_objects_are_missing(missing):
    given = WINDOWS.astype(object)
    given[3, 1, 2] = missing
    expected = WINDOWS.copy()
    expected[3, 1, 2] = np.nan
    found = WindowScaler().fit_transform(given)
    np.testing.assert_array_equal(found, WindowScaler().fit_transform(expected))
    frame = pd.DataFrame(given[:, :, 0], columns=NAMES)
    frame.iloc[2, 1] = missing
    assert np.isnan(WindowScaler().fit_transform(frame)[2, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (sliding_windows(TABLE, 4), "X: got Windows; .* such as its X"),
        (Recording(TABLE, 2.0), r"X: got Recording; .*sliding_windows\(recordings"),
        ([Recording(TABLE, 2.0)] * 2, r"X: got a list of Recording; .*sliding_windows\(recordings"),
        ((window for window in WINDOWS), "X: got generator"),
        ({"AVAL": [1.0, 2.0]}, "X: got dict"),
        (np.zeros((4, 3), "M8[s]"), "X: got dtype datetime64"),
        (np.zeros((4, 3, 2), "m8[s]"), "X: got dtype timedelta64"),
        (pd.DataFrame({"t": pd.date_range("2020", periods=4)}), r"dates in the columns \['t'\]"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_has_no_windows_is_refused_with_the_way_to_them(given, message):
    with pytest.raises(ValueError, match=message):
        WindowScaler().fit(given)


def test_nullable_columns_and_tensors_are_read():
    table = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [1.0, 2.0, 4.0]})
    assert np.isnan(WindowScaler().fit_transform(table)[1]).tolist() == [True, False]
    scaled = WindowScaler().fit_transform(torch.from_numpy(WINDOWS))
    np.testing.assert_array_equal(scaled, WindowScaler().fit_transform(WINDOWS))
    with pytest.raises(ValueError, match="X: got Tensor"):
        WindowScaler().fit(torch.from_numpy(WINDOWS).requires_grad_())


def test_an_array_of_arrays_is_read_or_refused_like_a_list():
    boxed = np.empty(len(WINDOWS), dtype=object)
    boxed[:] = list(WINDOWS)
    scaled = WindowScaler().fit_transform(boxed)
    np.testing.assert_array_equal(scaled, WindowScaler().fit_transform(WINDOWS))
    boxed[3] = WINDOWS[3, :, :4]
    with pytest.raises(ValueError, match=r"X: got windows of different shapes \(\(3, 5\), \("):
        WindowScaler().fit(boxed)


def test_following_frames_in_another_order_of_neurons_are_refused():
    X = pd.DataFrame(TABLE, columns=NAMES)
    model = PersistenceForecaster().fit(X, pd.DataFrame(TABLE, columns=NAMES))
    assert model.feature_names_in_.tolist() == NAMES
    with pytest.raises(ValueError, match=r"y: got the columns of X in another order.*y\[X.columns"):
        PersistenceForecaster().fit(X, pd.DataFrame(TABLE, columns=NAMES[::-1]))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X[NAMES[::-1]])
    following = ["next of " + name for name in NAMES]
    PersistenceForecaster().fit(X, pd.DataFrame(TABLE, columns=following))


@pytest.mark.parametrize("missing", [None, pd.NA, np.ma.masked, np.nan])
def test_a_missing_continuous_target_is_an_error_and_a_missing_neuron_in_it_is_not(missing):
    target = [missing if k == 4 else float(k) for k in range(20)]
    with pytest.raises(ValueError, match="Input y contains NaN"):
        GraphRegressor(max_epochs=1).fit(WINDOWS, target)
    following = np.ma.masked_array(TABLE, np.zeros_like(TABLE, dtype=bool))
    following[4, 1] = np.ma.masked
    PersistenceForecaster().fit(WINDOWS, following)


@pytest.mark.parametrize(
    "target", [["a"] * 20, [b"1"] * 20, [{}] * 20, np.zeros(20, "M8[s]"), [[1], *[[1, 2]] * 19]]
)
def test_a_target_that_is_no_number_is_named(target):
    with pytest.raises(ValueError, match="y: got"):
        GraphRegressor(max_epochs=1).fit(WINDOWS, target)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones((4, 3)) + 1j, "X: got complex numbers"),
        (np.full((4, 3), b"1.5"), "X: got text"),
        (np.full((4, 3), "1.5"), "X: got text"),
        (np.full((4, 3), "1.5", dtype=object), "X: got text"),
        (np.full((4, 3, 2), b"1.5", dtype=object), "X: got text"),
        ([["1.5", "2", "1"]] * 4, "X: got text"),
        (pd.DataFrame({"a": ["1.5"] * 4, "b": [1.0] * 4}), "X: got text in the columns .'a'."),
        (pd.DataFrame({"a": ["1.5"] * 4}, dtype="string"), "X: got text in the columns .'a'."),
        (pd.DataFrame({"a": [b"1.5"] * 4}), "X: got text in the columns .'a'."),
        (pd.DataFrame({"a": [1.0, "2", 3.0, None]}, dtype=object), "X: got text in the columns"),
        (pd.DataFrame(np.ones((4, 2)) * 1j), "X: got complex numbers .* in the columns"),
        ((np.ones((4, 3)) * 1j).astype(object), "X: got complex numbers"),
    ],
    ids=lambda value: None if isinstance(value, str) else f"{type(value).__name__}",
)
def test_text_that_spells_numbers_and_complex_numbers_are_refused(given, message):
    with pytest.raises(ValueError, match=message) as told:
        WindowScaler().fit(given)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize("y", [np.ones(4) * 1j, (np.ones((4, 3)) * 1j).astype(object)], ids=str)
def test_complex_targets_are_refused_in_one_line(y):
    with pytest.raises(ValueError, match=r"^y: got .*complex.*; expected numbers\.$"):
        PersistenceForecaster().fit(np.ones((4, 3, 2)), y)
