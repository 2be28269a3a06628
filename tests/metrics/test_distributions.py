import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import special_ortho_group
from sklearn.exceptions import ConvergenceWarning

from skneurograph.metrics import distribution_distances

METHODS = ["exact", "sinkhorn", "clusters"]


def clouds(n_points=60, n_components=3, seed=0):
    """Three conditions that differ in mean, size and shape, with their labels."""
    rng = np.random.default_rng(seed)
    one, two, three = rng.normal(size=(3, n_points, n_components))
    Z = np.concatenate([one, 2 + 1.5 * two, three * np.linspace(0.3, 2, n_components) - 1])
    return Z, np.repeat(["light", "odour", "rest"], n_points)


@pytest.mark.parametrize("flat", [False, True], ids=["one component", "on a line in the plane"])
def test_samples_on_a_line_are_matched_in_order(flat):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=80), rng.exponential(size=80)
    Z = np.concatenate([a, b])[:, None]
    if flat:
        Z = np.hstack([Z, np.zeros_like(Z)])
    found = distribution_distances(Z, np.repeat([0, 1], 80)).distances[0, 1]
    assert found == pytest.approx(np.sqrt(np.mean((np.sort(a) - np.sort(b)) ** 2)))


def test_samples_of_one_size_agree_with_the_best_assignment():
    Z, groups = clouds()
    cost = cdist(Z[:60], Z[60:120], "sqeuclidean")
    best = cost[linear_sum_assignment(cost)].mean()
    assert distribution_distances(Z, groups).distances[0, 1] == pytest.approx(np.sqrt(best))


def test_samples_of_different_size_count_alike():
    Z, groups = clouds()
    expected = distribution_distances(Z, groups).distances
    twice = groups == "odour"
    found = distribution_distances(np.append(Z, Z[twice], axis=0), np.append(groups, groups[twice]))
    np.testing.assert_allclose(found.distances, expected)


@pytest.mark.parametrize("method", ["exact", "sinkhorn"])
def test_a_translated_cloud_is_as_far_as_its_translation(method):
    rest = np.random.default_rng(0).normal(size=(50, 3))
    shift = np.array([3.0, 4.0, 12.0])
    Z = np.concatenate([rest, rest + shift])
    found = distribution_distances(Z, np.repeat([0, 1], 50), method=method)
    assert found.distances[0, 1] == pytest.approx(13, rel=1e-4)


def test_single_points_are_as_far_as_they_are():
    found = distribution_distances([[0, 0], [3, 4], [0, 8]], ["a", "b", "c"])
    np.testing.assert_allclose(found.distances, [[0, 5, 8], [5, 0, 5], [8, 5, 0]])


@pytest.mark.parametrize("method", METHODS)
def test_distances_are_a_symmetric_table_with_sorted_labels(method):
    Z, groups = clouds()
    found = distribution_distances(Z, groups, method=method, random_state=0)
    np.testing.assert_array_equal(found.distances, found.distances.T)
    np.testing.assert_array_equal(np.diag(found.distances), 0)
    assert (found.distances + np.eye(3) > 0).all()
    assert found.groups.tolist() == ["light", "odour", "rest"]
    assert found.method == method


@pytest.mark.parametrize("method", METHODS)
def test_equal_samples_are_at_zero(method):
    Z, _ = clouds()
    rng = np.random.default_rng(1)
    again = np.concatenate([Z, Z[rng.permutation(len(Z))]])
    found = distribution_distances(again, np.repeat([0, 1], len(Z)), method=method, random_state=0)
    np.testing.assert_allclose(found.distances, 0, atol=1e-4)
    same = distribution_distances(np.ones((4, 2)), [0, 0, 1, 1], method=method)
    np.testing.assert_array_equal(same.distances, 0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", ["exact", "clusters"])
def test_no_detour_is_shorter(method, seed):
    Z, groups = clouds(seed=seed)
    groups = np.random.default_rng(seed).permutation(groups) if seed % 2 else groups
    d = distribution_distances(Z, groups, method=method, n_clusters=None, random_state=0).distances
    assert (d[:, :, None] <= d[:, None, :] + d.T[None] + 1e-9).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_points_does_not_matter(method):
    Z, groups = clouds()
    order = np.random.default_rng(1).permutation(len(Z))
    options = {"random_state": 0} if method != "clusters" else {"n_clusters": 20, "random_state": 0}
    one = distribution_distances(Z, groups, method=method, **options)
    other = distribution_distances(Z[order], groups[order], method=method, **options)
    np.testing.assert_allclose(one.distances, other.distances, atol=1e-9)


def test_other_labels_only_move_rows_and_columns():
    Z, groups = clouds()
    renamed = np.select([groups == "light", groups == "odour"], [7, 1], 3)
    found = distribution_distances(Z, renamed)
    assert found.groups.tolist() == [1, 3, 7]
    expected = distribution_distances(Z, groups).distances[np.ix_([1, 2, 0], [1, 2, 0])]
    np.testing.assert_allclose(found.distances, expected)


@pytest.mark.parametrize("method", ["exact", "sinkhorn"])
def test_a_rotation_and_a_shift_of_everything_change_nothing(method):
    Z, groups = clouds()
    turned = Z @ special_ortho_group.rvs(3, random_state=0) + [10, 0, -5]
    one, other = (distribution_distances(z, groups, method=method) for z in (Z, turned))
    np.testing.assert_allclose(one.distances, other.distances, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_distances_have_the_units_of_the_points(method):
    Z, groups = clouds()
    options = {"method": method, "random_state": 0}
    one, other = (distribution_distances(z, groups, **options).distances for z in (Z, 1000 * Z))
    np.testing.assert_allclose(1000 * one, other, rtol=1e-6)


@pytest.mark.filterwarnings("error")
def test_the_less_entropy_the_closer_to_exact():
    Z, groups = clouds(100)
    exact, loose, strict = (
        distribution_distances(Z, groups, method=method, regularization=amount).distances
        for method, amount in (("exact", 1.0), ("sinkhorn", 0.5), ("sinkhorn", 0.05))
    )
    error = [np.abs(d - exact).max() / exact.max() for d in (loose, strict)]
    assert error[1] < 0.03 < error[0]


@pytest.mark.filterwarnings("error")
def test_little_entropy_between_clouds_far_apart_does_not_underflow():
    rng = np.random.default_rng(0)
    near = rng.normal(scale=[1, 0.01], size=(30, 2))
    Z = np.concatenate([near, near + np.array([100, 0])])
    found = distribution_distances(
        Z, np.repeat([0, 1], 30), method="sinkhorn", regularization=0.001
    )
    assert found.distances[0, 1] == pytest.approx(100, rel=1e-3)


def test_a_divergence_that_did_not_converge_says_so(monkeypatch):
    monkeypatch.setattr("skneurograph.metrics._distributions._MAX_ITERATIONS", 20)
    Z, groups = clouds()
    with pytest.warns(ConvergenceWarning, match="larger regularization"):
        distribution_distances(Z, groups, method="sinkhorn", regularization=0.01)


def test_the_more_clusters_the_closer_to_exact():
    Z, groups = clouds(200)
    exact = distribution_distances(Z, groups).distances
    error = [
        np.abs(distribution_distances(Z, groups, n_clusters=k, random_state=0).distances - exact)
        for k in (3, 200, 10_000)
    ]
    assert error[0].max() > error[1].max()
    assert error[1].max() < 0.05 * exact.max()
    np.testing.assert_allclose(error[2], 0, atol=1e-9)


def test_auto_takes_clusters_for_many_points_only():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(2011, 2))
    groups = np.append(np.zeros(2001), np.ones(10))
    assert distribution_distances(Z[:100], groups[-100:]).method == "exact"
    assert distribution_distances(Z, groups, random_state=0).method == "clusters"
    assert distribution_distances(Z[:, :1], groups).method == "exact"
    assert distribution_distances(Z[:100], groups[-100:], n_clusters=5).method == "clusters"


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_generator_alone():
    Z, groups = clouds()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, other = (
        distribution_distances(Z, groups, n_clusters=10, random_state=3).distances for _ in range(2)
    )
    distribution_distances(Z, groups, n_clusters=10)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_the_input_is_not_changed():
    Z, groups = clouds()
    kept = Z.copy()
    for method in METHODS:
        distribution_distances(Z, groups, method=method, random_state=0)
    np.testing.assert_array_equal(Z, kept)


def test_a_single_group_is_at_zero_from_itself():
    found = distribution_distances(np.ones((5, 2)), ["rest"] * 5)
    assert found.distances.tolist() == [[0]]
    assert found.groups.tolist() == ["rest"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Z": np.zeros(6)}, r"Z: got shape \(6,\).*reshape"),
        ({"Z": np.zeros((0, 2))}, "at least one"),
        ({"Z": np.array([[np.nan, 0]] + [[0, 0]] * 5)}, "Z: 1 of 6 points are NaN"),
        ({"groups": list("aabb")}, r"groups: got shape \(4,\); expected .* shape \(6,\)"),
        ({"groups": [0, 0, 0, 1, 1, np.nan]}, "groups: got no group for 1 of 6 points"),
        (
            {"groups": np.array(["a", 1, "b", 2, "c", 3], dtype=object)},
            "type int and str",
        ),
        ({"method": "emd"}, "method: got 'emd'"),
        ({"n_clusters": 0}, "n_clusters: got 0"),
        ({"n_clusters": 5, "method": "exact"}, "which has no clusters"),
        ({"regularization": 0}, "regularization: got 0"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_remedy(change, message):
    given = {"Z": np.arange(12.0).reshape(6, 2), "groups": list("aaabbb"), **change}
    with pytest.raises(ValueError, match=message):
        distribution_distances(given.pop("Z"), given.pop("groups"), **given)


@pytest.mark.parametrize("unit", [1e-200, 1e-30, 3e5, 1e200, 1e300])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("error")
def test_distances_of_points_in_any_units_are_in_these_units(method, unit):
    Z, groups = clouds()
    options = {"method": method, "random_state": 0}
    expected = distribution_distances(Z, groups, **options).distances
    found = distribution_distances(Z * unit, groups, **options).distances
    np.testing.assert_allclose(found / unit, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "missing", [None, np.nan, np.datetime64("NaT"), "", np.ma.masked], ids=repr
)
def test_a_point_without_a_group_is_refused(missing):
    Z, groups = clouds(4)
    groups = [missing if k == 5 else group for k, group in enumerate(groups)]
    with pytest.raises(ValueError, match=r"groups: got no group for 1 of 12 points .* position 5"):
        distribution_distances(Z, groups)


def test_groups_of_bytes_are_text_and_masked_points_are_refused():
    Z, groups = clouds(4)
    found = distribution_distances(Z, groups.astype("S"))
    assert found.groups.tolist() == ["light", "odour", "rest"]
    with pytest.raises(ValueError, match="Z: 1 of 12 points are NaN"):
        distribution_distances(np.ma.masked_array(Z, np.arange(36).reshape(12, 3) == 7), groups)
    with pytest.raises(ValueError, match="Z: got infinity"):
        distribution_distances(np.where(Z.max() == Z, np.inf, Z), groups)
