import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

from skneurograph import compare, sliding_windows
from skneurograph.forecasting import PersistenceForecaster, VARForecaster
from skneurograph.plotting import ComparisonDisplay, ForecastDisplay, GraphDisplay


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def comparison():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    models = {"tree": DecisionTreeClassifier(max_depth=2), "chance": DummyClassifier()}
    y = np.where(X[:, 0] > 0, "forward", "reversal")
    return compare(models, X, y, groups=np.repeat(["a", "b", "c"], 20), reference="chance")


def lines_of(display):
    return {line.get_label(): line for line in display.ax_.get_lines()}


@pytest.mark.parametrize("metric", [None, "accuracy", "f1_macro"])
def test_every_fold_of_every_model_is_drawn(comparison, metric):
    display = comparison.plot(metric=metric)
    table = comparison.by_fold(metric)
    lines = lines_of(display)
    assert set(lines) == {"a", "b", "c"}
    for organism, line in lines.items():
        np.testing.assert_array_equal(line.get_xdata(), [0, 1])
        np.testing.assert_array_equal(line.get_ydata(), table.loc[organism].to_numpy())
    (bars,) = display.ax_.collections
    heights = [segment[0][1] for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, table.mean())
    assert [tick.get_text() for tick in display.ax_.get_xticklabels()] == ["tree", "chance"]
    assert display.ax_.get_ylabel() == (metric or "balanced_accuracy").replace("_", " ")
    legend = {text.get_text() for text in display.ax_.get_legend().get_texts()}
    assert legend == {"a", "b", "c", "mean"}


def test_an_error_is_labelled_with_its_sign():
    table = pd.DataFrame({"one": [-1.0, -2.0]}, index=["a", "b"])
    display = ComparisonDisplay(table, metric="neg_root_mean_squared_error").plot()
    assert display.ax_.get_ylabel() == "-root mean squared error"


def test_many_folds_need_no_legend():
    table = pd.DataFrame({"one": np.zeros(13)}, index=[f"worm-{i}" for i in range(13)])
    assert ComparisonDisplay(table, metric="r2").plot().ax_.get_legend() is None


def test_failed_folds_do_not_hide_the_mean_of_the_others():
    table = pd.DataFrame({"one": [0.2, np.nan, 0.4]}, index=list("abc"))
    display = ComparisonDisplay(table, metric="r2").plot()
    assert display.ax_.collections[0].get_segments()[0][0][1] == pytest.approx(0.3)


def test_displays_draw_on_the_axes_given_without_opening_a_figure(comparison):
    figure, axes = plt.subplots(1, 2)
    before = plt.get_fignums()
    one = comparison.plot(ax=axes[0])
    other = GraphDisplay(np.eye(3)).plot(ax=axes[1])
    assert plt.get_fignums() == before
    assert (one.ax_, other.ax_) == tuple(axes)
    assert one.figure_ is other.figure_ is figure


def test_displays_can_be_saved(comparison, tmp_path):
    for name, display in {"one": comparison.plot(), "two": GraphDisplay(np.eye(2)).plot()}.items():
        path = tmp_path / f"{name}.png"
        display.figure_.savefig(path)
        assert plt.imread(path).std() > 0


def test_the_graph_has_receivers_down_and_senders_across():
    graph = np.array([[0, 0.2], [0.8, 0]])
    display = GraphDisplay(graph, neurons=["AVAL", "RIML"]).plot()
    np.testing.assert_array_equal(display.im_.get_array(), graph)
    assert display.im_.origin == "upper"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("sender", "receiver")
    for labels in (display.ax_.get_xticklabels(), display.ax_.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["AVAL", "RIML"]


@pytest.mark.parametrize(
    ("graph", "limits"),
    [
        ([[0, 0.5], [2, 0]], (0, 2)),
        ([[0, 0.5], [-2, 0]], (-2, 2)),
        ([[0, np.nan], [3, 0]], (0, 3)),
        ([[0, 0], [0, 0]], (0, 1)),
        ([[np.nan, np.nan], [np.nan, np.nan]], (0, 1)),
    ],
    ids=["positive", "signed", "missing", "empty", "never recorded"],
)
@pytest.mark.filterwarnings("error")
def test_the_colours_are_fair_to_both_signs(graph, limits):
    display = GraphDisplay(graph).plot()
    assert display.im_.get_clim() == limits


def test_pairs_that_were_never_recorded_are_grey():
    display = GraphDisplay([[0, np.nan], [1, 0]]).plot()
    assert display.im_.get_array().mask.tolist() == [[False, True], [False, False]]
    np.testing.assert_allclose(display.im_.cmap.get_bad()[:3], 0.85)


def test_too_many_names_are_left_out():
    names = [f"N{i}" for i in range(61)]
    display = GraphDisplay(np.eye(61), neurons=names).plot()
    assert "N60" not in [tick.get_text() for tick in display.ax_.get_xticklabels()]


def test_the_graph_of_an_estimator_is_drawn():
    class Fitted:
        graph_ = np.array([[0.0, 1.0], [0.5, 0.0]])

    display = GraphDisplay.from_estimator(Fitted(), neurons=np.array(["A", "B"]))
    np.testing.assert_array_equal(display.im_.get_array(), Fitted.graph_)


def test_forecasts_are_drawn_by_horizon():
    rng = np.random.default_rng(0)
    trace = np.cumsum(rng.normal(size=(80, 3)), axis=0)
    windows = sliding_windows(trace, 5, target="next", horizon=6)
    models = {
        name: model.fit(windows.X, windows.y)
        for name, model in (("still", PersistenceForecaster()), ("var", VARForecaster()))
    }
    display = ForecastDisplay.from_estimators(models, windows.X, windows.y, sampling_rate=2.0)
    still = display.ax_.get_lines()[0]
    np.testing.assert_allclose(still.get_xdata(), np.arange(1, 7) / 2)
    expected = ((windows.y - windows.X[:, :, -1:]) ** 2).mean(axis=(0, 1))
    np.testing.assert_allclose(still.get_ydata(), expected, rtol=1e-5)
    assert display.ax_.get_xlabel() == "seconds ahead"
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["still", "var"]
    with pytest.raises(ValueError, match="horizon=n_steps"):
        ForecastDisplay.from_estimators(models, windows.X, windows.y[:, :, 0])
    with pytest.raises(ValueError, match="metric: got"):
        ForecastDisplay.from_estimators(models, windows.X, windows.y, metric="mae")
