import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, ShuffleSplit

from skneurograph.metrics import consistency


def off_diagonal(scores):
    return scores[~np.eye(len(scores), dtype=bool)]


def ring(position):
    angle = 2 * np.pi * position
    return np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle)], axis=1)


@pytest.fixture
def embedding():
    return np.random.default_rng(0).normal(size=(200, 3))


@pytest.mark.parametrize("cv", [None, 5, KFold(4, shuffle=True, random_state=0)])
def test_an_affine_copy_is_perfectly_consistent(embedding, cv):
    turn = np.random.default_rng(1).normal(size=(3, 3))
    found = consistency([embedding, embedding @ turn + [1, 2, 3], -embedding], cv=cv)
    np.testing.assert_allclose(off_diagonal(found.scores), 1)
    assert np.isnan(np.diag(found.scores)).all()
    assert found.groups == (0, 1, 2)
    assert (found.n_points == 200).all()


def test_unrelated_embeddings_score_zero_where_points_are_held_out():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 300, 8))
    fitted, held_out = (off_diagonal(consistency(noise, cv=cv).scores) for cv in (None, 10))
    assert np.abs(held_out).max() < 0.1
    assert fitted.mean() == pytest.approx(8 / 299, rel=0.3)
    assert (fitted > held_out).all()


def test_rows_predict_and_columns_are_predicted(embedding):
    plane = embedding[:, :2]
    found = consistency({"space": embedding, "plane": plane})
    assert found.groups == ("space", "plane")
    assert found.scores[0, 1] == pytest.approx(1)
    expected = LinearRegression().fit(plane, embedding).score(plane, embedding)
    assert found.scores[1, 0] == pytest.approx(expected)
    assert expected < 0.75


def test_held_out_points_of_any_splitter_are_scored_together(embedding):
    splitter = ShuffleSplit(3, test_size=0.2, random_state=0)
    noisy = embedding + np.random.default_rng(1).normal(size=embedding.shape)
    found = consistency([embedding, noisy], cv=splitter).scores[0, 1]
    assert 0.3 < found < 0.7


@pytest.mark.parametrize("cv", [None, 5])
def test_animals_with_different_numbers_of_points_are_aligned_by_position(cv):
    rng = np.random.default_rng(0)
    position = {"ann": rng.uniform(size=4000), "bob": rng.uniform(size=6000)}
    turn = rng.normal(size=(3, 3))
    embeddings = {"bob": ring(position["bob"]) @ turn, "ann": ring(position["ann"])}
    found = consistency(embeddings, position, n_bins=40, cv=cv)
    assert found.groups == ("bob", "ann")
    assert off_diagonal(found.scores).min() > 0.98
    assert (found.n_points == 40).all()
    shuffled = {name: rng.permutation(place) for name, place in position.items()}
    assert off_diagonal(consistency(embeddings, shuffled, n_bins=40, cv=5).scores).max() < 0.3


def test_bins_have_the_same_edges_in_all_animals():
    position = [np.linspace(0, 1, 11), np.linspace(0, 2, 21)]
    embeddings = [place[:, None] ** [1, 2] for place in position]
    found = consistency(embeddings, position, n_bins=20)
    # 11 positions up to 1 and 21 up to 2, the last of which shares its bin with 1.9.
    assert found.n_points.tolist() == [[11, 11], [11, 20]]
    np.testing.assert_allclose(off_diagonal(found.scores), 1)


def test_bins_that_only_one_animal_visits_are_left_out(embedding):
    labels = np.arange(200) % 20
    strange = np.append(embedding, np.full((50, 3), 1e6), axis=0)
    with_more = np.append(labels, np.full(50, 99))
    expected = consistency([embedding, -embedding], [labels, labels])
    found = consistency([embedding, -strange], [labels, with_more])
    np.testing.assert_allclose(off_diagonal(found.scores), off_diagonal(expected.scores))
    assert found.n_points.tolist() == [[20, 20], [20, 21]]


@pytest.mark.parametrize("kind", [str, int, float])
def test_labels_of_any_kind_align_means_over_them(embedding, kind):
    labels = (np.arange(200) % 10).astype(kind)
    means = np.stack([embedding[k::10].mean(axis=0) for k in range(10)])
    other = np.random.default_rng(1).normal(size=(10, 2))
    found = consistency([embedding, other], [labels, np.arange(10).astype(kind)], n_bins=10)
    expected = LinearRegression().fit(means, other).score(means, other)
    assert found.scores[0, 1] == pytest.approx(expected)


def test_points_without_a_label_do_not_count(embedding):
    labels = np.linspace(0, 1, 200)
    more = np.append(embedding, [[1e6, 0, 0]], axis=0)
    expected = consistency([embedding, embedding**3], [labels, labels], n_bins=20)
    found = consistency([more, embedding**3], [np.append(labels, np.nan), labels], n_bins=20)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_the_order_of_points_does_not_matter_once_they_have_labels(embedding):
    labels = np.random.default_rng(1).uniform(size=200)
    order = np.random.default_rng(2).permutation(200)
    one = consistency([embedding, embedding**3], [labels, labels], n_bins=10)
    other = consistency([embedding[order], embedding**3], [labels[order], labels], n_bins=10)
    np.testing.assert_allclose(one.scores, other.scores)


def test_normalized_means_forget_their_length():
    rng = np.random.default_rng(0)
    position = rng.uniform(size=1000)
    on_sphere = ring(position) / np.linalg.norm(ring(position), axis=1, keepdims=True)
    swollen = on_sphere * (1 + np.floor(position * 30) % 5)[:, None]
    labels = [position, position]
    plain, normal = (
        off_diagonal(consistency([on_sphere, swollen], labels, n_bins=30, normalize=chosen).scores)
        for chosen in (False, True)
    )
    assert plain.max() < 0.98
    assert normal.min() > 0.999


@pytest.mark.parametrize(
    ("embeddings", "options", "message"),
    [
        ([np.zeros((9, 2))], {}, "at least two animals"),
        ([np.zeros((9, 2)), np.zeros(9)], {}, r"animal 1 has shape \(9,\)"),
        ([np.zeros((9, 2)), np.full((9, 2), np.nan)], {}, "animal 1 holds NaN"),
        ({"a": np.zeros((9, 2)), "b": np.zeros((8, 2))}, {}, "'a': 9, 'b': 8.*give labels"),
        (np.zeros((2, 3, 2)), {}, "have 3 rows in common; expected at least 4"),
        (np.zeros((2, 9, 2)), {"labels": np.arange(18.0).reshape(2, 9)}, "have 0 bins in common"),
        (np.zeros((2, 9, 2)), {"labels": np.full((2, 9), np.nan)}, "have 0 bins in common"),
        (np.zeros((2, 9, 2)), {"labels": np.ones((2, 9))}, "have 1 bins in common"),
        (np.zeros((2, 9, 2)), {"labels": [np.zeros(9)]}, "labels: got 1"),
        (np.zeros((2, 9, 2)), {"labels": np.zeros((2, 8))}, r"have shape \(8,\)"),
        (np.zeros((2, 9, 2)), {"labels": [np.zeros(9), ["a"] * 9]}, "not for others"),
        (np.zeros((2, 9, 2)), {"labels": {"a": [0] * 9, "b": [0] * 9}}, "expected those of emb"),
        (np.zeros((2, 9, 2)), {"labels": np.zeros((2, 9)), "n_bins": 1}, "n_bins: got 1"),
        (np.zeros((2, 9, 2)), {"normalize": True}, "without labels"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_compared_is_refused_with_a_remedy(embeddings, options, message):
    with pytest.raises(ValueError, match=message):
        consistency(embeddings, **options)


@pytest.mark.parametrize("missing", [None, np.nan, "", np.ma.masked], ids=repr)
def test_points_without_a_label_belong_to_no_bin_whatever_marks_them(embedding, missing):
    rng = np.random.default_rng(0)
    labels = np.array(list("abcdefgh"))[rng.integers(8, size=len(embedding))]
    gaps = [missing if k % 9 == 0 else label for k, label in enumerate(labels)]
    known = np.arange(len(labels)) % 9 > 0
    expected = consistency([embedding[known], embedding**3], [labels[known], labels])
    found = consistency([embedding, embedding**3], [gaps, labels])
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert found.n_points.tolist() == expected.n_points.tolist()


@pytest.mark.parametrize("unit", [1e-200, 1e200])
@pytest.mark.filterwarnings("error")
def test_the_units_of_an_animal_do_not_matter(embedding, unit):
    expected = consistency([embedding, embedding**3])
    found = consistency([embedding * unit, embedding**3])
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-9)


def test_masks_bytes_and_infinite_labels_are_read_or_refused(embedding):
    masked = np.ma.masked_array(embedding, np.arange(embedding.size).reshape(embedding.shape) == 5)
    with pytest.raises(ValueError, match="animal 0 holds NaN"):
        consistency([masked, embedding])
    labels = np.array(["left", "up", "down", "back", "on"])[np.arange(len(embedding)) % 5]
    expected = consistency([embedding, embedding**3], [labels, labels])
    found = consistency([embedding, embedding**3], [labels.astype("S"), labels])
    np.testing.assert_array_equal(found.scores, expected.scores)
    places = np.linspace(0, 1, len(embedding))
    places[3] = np.inf
    with pytest.raises(ValueError, match="labels: those of animal 1 hold infinity"):
        consistency([embedding, embedding], [np.linspace(0, 1, len(embedding)), places])
