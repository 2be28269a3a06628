import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from skneurograph.metrics import distribution_distances
from skneurograph.plotting import DistanceDisplay, EmbeddingDisplay


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def Z():  # noqa: N802
    return np.random.default_rng(0).normal(size=(90, 4))


def drawn_at(points):
    return np.stack(points._offsets3d if hasattr(points, "_offsets3d") else points.get_offsets().T)


def test_distances_on_a_plane_are_kept_by_the_map():
    corners = np.random.default_rng(0).normal(size=(5, 2))
    display = DistanceDisplay.from_distances(squareform(pdist(corners)), list("abcde"))
    np.testing.assert_allclose(pdist(display.positions_), pdist(corners))
    np.testing.assert_allclose(display.points_.get_offsets(), display.positions_)
    assert display.stress_ == pytest.approx(0, abs=1e-7)
    for text, name, place in zip(display.text_, "abcde", display.positions_):
        assert text.get_text() == name
        np.testing.assert_array_equal(text.xy, place)
    assert display.ax_.get_aspect() == 1
    assert display.colorbar_ is None


def test_distances_that_need_more_room_show_their_stress():
    # The corners of a regular tetrahedron, or of a simplex of nine corners.
    small, large = (DistanceDisplay(1 - np.eye(n)).plot() for n in (4, 9))
    drawn = squareform(pdist(small.positions_))
    expected = np.sqrt(((drawn - (1 - np.eye(4))) ** 2).sum() / 12)
    assert small.stress_ == pytest.approx(expected)
    assert 0 < small.stress_ < large.stress_
    assert small.ax_.get_title(loc="right") == f"stress {expected:.2f}"


@pytest.mark.parametrize(
    "distances",
    [[[0]], [[0, 2], [2, 0]], np.zeros((3, 3)), [[0, 1, 2], [1, 0, 1], [2, 1, 0]], 1 - np.eye(3)],
    ids=["one group", "two groups", "all alike", "on a line", "triangle"],
)
@pytest.mark.filterwarnings("error")
def test_few_groups_are_drawn_without_stress(distances):
    display = DistanceDisplay.from_distances(distances)
    np.testing.assert_allclose(squareform(pdist(display.positions_)), distances, atol=1e-7)
    assert display.stress_ == pytest.approx(0, abs=1e-7)
    display.figure_.canvas.draw()


def test_an_embedding_is_drawn_as_its_distances_are(Z):
    groups = np.repeat(["light", "odour", "rest"], 30)
    found = distribution_distances(Z, groups)
    one = DistanceDisplay.from_embedding(Z, groups)
    other = DistanceDisplay.from_distances(found)
    np.testing.assert_array_equal(one.positions_, other.positions_)
    np.testing.assert_allclose(squareform(pdist(one.positions_)), found.distances, atol=1e-7)
    assert [text.get_text() for text in one.text_] == ["light", "odour", "rest"]


@pytest.mark.parametrize(
    "values", [[3.0, 1.0, np.nan], {"c": np.nan, "a": 3.0, "b": 1.0}], ids=["in order", "by name"]
)
def test_groups_are_coloured_by_their_values(values):
    display = DistanceDisplay.from_distances(
        1 - np.eye(3), list("abc"), values=values, value_name="odour (µM)"
    )
    found = display.points_.get_array()
    np.testing.assert_array_equal(found.filled(np.nan), [3, 1, np.nan])
    assert display.colorbar_.ax.get_ylabel() == "odour (µM)"
    display.figure_.canvas.draw()
    np.testing.assert_allclose(display.points_.get_facecolors()[2, :3], 0.75)


@pytest.mark.parametrize(
    ("distances", "options", "message"),
    [
        (np.zeros((2, 3)), {}, r"got shape \(2, 3\)"),
        ([[0, 1], [2, 0]], {}, "not symmetric"),
        (np.ones((2, 2)), {}, "not similarities"),
        ([[0, np.nan], [np.nan, 0]], {}, "got NaN"),
        (1 - np.eye(3), {"groups": ["a", "b"]}, "got 2 labels; expected 3"),
        (1 - np.eye(2), {"values": [1, 2, 3]}, r"got shape \(3,\)"),
        (1 - np.eye(2), {"groups": ["a", "b"], "values": {"a": 1}}, r"got none for \['b'\]"),
    ],
)
def test_what_is_no_table_of_distances_is_refused(distances, options, message):
    with pytest.raises(ValueError, match=message):
        DistanceDisplay.from_distances(distances, **options)
    assert not plt.get_fignums()


@pytest.mark.parametrize("color", [None, "speed", "state"])
@pytest.mark.parametrize(
    ("n_components", "asked", "n_drawn"), [(2, None, 2), (4, None, 3), (4, 2, 2)]
)
def test_the_first_components_of_every_point_are_drawn(Z, n_components, asked, n_drawn, color):
    given = {None: None, "speed": Z[:, 0], "state": np.repeat(["stay", "go"], 45)}[color]
    display = EmbeddingDisplay.from_embedding(Z[:, :n_components], given, n_dimensions=asked)
    found = np.concatenate([drawn_at(points).T for points in display.points_])
    expected = Z[:, :n_drawn]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])
    assert display.ax_.name == ("3d" if n_drawn == 3 else "rectilinear")
    assert display.ax_.get_xlabel() == "component 1"
    display.figure_.canvas.draw()


def test_a_variable_has_a_colour_bar_and_unknown_values_are_grey(Z):
    speed = np.where(np.arange(90) < 10, np.nan, Z[:, 0])
    display = EmbeddingDisplay.from_embedding(Z, speed, color_name="speed (mm/s)", n_dimensions=2)
    known, unknown = display.points_
    np.testing.assert_array_equal(known.get_array(), speed[10:])
    np.testing.assert_allclose(unknown.get_offsets(), Z[:10, :2])
    np.testing.assert_allclose(unknown.get_facecolors()[:, :3], 0.8)
    assert display.colorbar_.ax.get_ylabel() == "speed (mm/s)"
    assert display.legend_ is None


@pytest.mark.parametrize("n_groups", [3, 12, 25])
def test_groups_have_colours_of_their_own_and_a_legend(Z, n_groups):
    state = np.array([f"state {k % n_groups:02}" for k in range(90)])
    display = EmbeddingDisplay.from_embedding(Z, state, color_name="state", n_dimensions=2)
    names = [text.get_text() for text in display.legend_.get_texts()]
    assert names == np.unique(state).tolist()
    assert display.legend_.get_title().get_text() == "state"
    for name, points in zip(names, display.points_):
        np.testing.assert_allclose(points.get_offsets(), Z[state == name, :2])
    assert len({tuple(points.get_facecolors()[0]) for points in display.points_}) == n_groups
    assert display.colorbar_ is None


def test_few_integers_are_groups_and_many_are_a_variable(Z):
    few = EmbeddingDisplay.from_embedding(Z, np.arange(90) % 3)
    many = EmbeddingDisplay.from_embedding(Z, np.arange(90))
    assert few.legend_ is not None
    assert many.legend_ is None
    assert many.colorbar_ is not None


def test_displays_draw_on_the_axes_given(Z):
    figure, ax = plt.subplots(1, 2)
    before = plt.get_fignums()
    flat = EmbeddingDisplay.from_embedding(Z, ax=ax[0])
    away = DistanceDisplay.from_distances(1 - np.eye(3), ax=ax[1])
    assert plt.get_fignums() == before
    assert (flat.ax_, away.ax_) == tuple(ax)
    assert flat.figure_ is away.figure_ is figure
    deep = EmbeddingDisplay.from_embedding(Z, ax=plt.figure().add_subplot(projection="3d"))
    assert len(drawn_at(deep.points_[0])) == 3


@pytest.mark.parametrize(
    ("Z", "options", "message"),
    [
        (np.zeros(5), {}, r"got shape \(5,\)"),
        (np.zeros((5, 1)), {}, "at least two components"),
        (np.zeros((5, 2)), {"n_dimensions": 3}, "got 2 components; expected at least 3"),
        (np.zeros((5, 3)), {"n_dimensions": 4}, "n_dimensions: got 4"),
        (np.zeros((5, 3)), {"color": np.zeros(4)}, r"color: got shape \(4,\); expected \(5,\)"),
    ],
)
def test_what_is_no_embedding_is_refused(Z, options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embedding(Z, **options)
    assert not plt.get_fignums()


def test_three_dimensions_are_not_drawn_on_flat_axes(Z):
    with pytest.raises(ValueError, match="projection='3d'"):
        EmbeddingDisplay.from_embedding(Z, n_dimensions=3, ax=plt.subplots()[1])
