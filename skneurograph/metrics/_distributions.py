"""Distances between distributions, such as the embeddings of several conditions."""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import rel_entr
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skneurograph.base._units import power_of_two
from skneurograph.data._inputs import read_groups, read_numbers
from skneurograph.data._warnings import warn

__all__ = ["DistributionDistances", "distribution_distances"]

# Two groups of this many points take 0.7 s exactly, on one core; 4000 take 3.6 s.
_MAX_EXACT = 2000
# As many centroids as leave a tenth of a second for each pair.
_N_CLUSTERS = 1000
# Of Sinkhorn's algorithm. A plan that misses more of the masses than this is none: logarithms
# are used then, which are safe but slow.
_MAX_ITERATIONS = 5000
_TOLERANCE = 1e-6
_MAX_IMBALANCE = 0.01
# The network simplex must end, however many pivots it takes: an unfinished one is no distance.
_MAX_PIVOTS = 100_000_000

Method = Literal["exact", "sinkhorn", "clusters"]


class DistributionDistances(NamedTuple):
    """Distances between the distributions of several groups.

    Attributes
    ----------
    distances : ndarray of shape (n_groups, n_groups)
        Symmetric, zero on the diagonal, in the units of the points.
    groups : ndarray of shape (n_groups,)
        Label of each row and column, sorted.
    method : {"exact", "sinkhorn", "clusters"}
        How the distances were found.
    """

    distances: NDArray[np.float64]
    groups: NDArray
    method: Method


def distribution_distances(
    Z: ArrayLike,
    groups: ArrayLike,
    *,
    n_clusters: int | None = None,
    method: Literal["auto", "exact", "sinkhorn", "clusters"] = "auto",
    regularization: float = 0.05,
    random_state: int | np.random.RandomState | None = None,
) -> DistributionDistances:
    """Compute distances between the distributions of embedded points of several conditions.

    The Wasserstein-2 distance is the root of the mean squared length of the ways by which
    the points of one group move onto those of another if they move as little as possible.
    It sees shapes as well as means: a cloud that is merely shifted is as far as its shift.

    Parameters
    ----------
    Z : array-like of shape (n_points, n_components)
        Embedded points. Distances are in their units, and components with larger numbers
        count for more.
    groups : array-like of shape (n_points,)
        Condition, animal or session of each point.
    n_clusters : int, optional
        Number of centroids for ``method="clusters"``, which giving it implies. 1000 by
        default, and never more than there are different points.
    method : {"auto", "exact", "sinkhorn", "clusters"}, default="auto"
        "exact" solves the transport between all points. "clusters" replaces each point by
        the nearest of the centroids that k-means finds in the points of all groups together,
        and is exact between those histograms; it was off by 2 to 4 % for 2000 points in 3 or
        8 components.
        "sinkhorn" gives the root of the debiased Sinkhorn divergence, which is zero between
        equal samples but need not keep the triangle inequality. "auto" is exact if no group
        has more than 2000 points or if there is one component, else it takes clusters.
    regularization : float, default=0.05
        Entropy that ``method="sinkhorn"`` adds, relative to the mean squared distance
        between the points of the two groups. The smaller, the closer to exact and the
        slower; 0.05 shrinks distances by some per cent.
    random_state : int, RandomState instance or None, default=None
        Seed of k-means. The other methods have nothing random.

    Returns
    -------
    DistributionDistances
        With ``distances, groups, method``. A single group has distance zero to itself.

    Raises
    ------
    ValueError
        If the shapes do not fit, if ``Z`` holds NaN or infinity, if a point has no group, or if
        a parameter is out of range.

    Warns
    -----
    ConvergenceWarning
        If there is too little regularization for Sinkhorn's algorithm to converge.

    Notes
    -----
    On one core, with three components, each pair of groups takes exactly 0.8 s for 2000
    points in each and 3.6 s for 4000, by Sinkhorn 1.3 s for 2000, and with 1000 centroids
    0.2 s for any number, after k-means of 4 s for 60,000 points in all and 25 s for 300,000.
    With one component points are sorted, which is exact and fast for any number. "exact" and
    "sinkhorn" hold tables of n by m numbers for groups of n and m points.

    Even samples of the same distribution are apart, the more so the fewer points and the
    more components: compare with distances between random halves of a group.

    References
    ----------
    .. [1] G. Peyré, M. Cuturi (2019). Computational optimal transport. Foundations and
       Trends in Machine Learning 11, 355. arXiv:1803.00567
    .. [2] J. Feydy et al. (2019). Interpolating between optimal transport and MMD using
       Sinkhorn divergences. AISTATS. arXiv:1810.08278
    .. [3] R. Flamary et al. (2021). POT: Python Optimal Transport. Journal of Machine
       Learning Research 22 (78), 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.metrics import distribution_distances
    >>> rest = np.random.default_rng(0).normal(size=(50, 3))
    >>> Z = np.concatenate([rest, rest + [3, 4, 0]])
    >>> found = distribution_distances(Z, ["rest"] * 50 + ["odour"] * 50)
    >>> found.groups.tolist(), found.method
    (['odour', 'rest'], 'exact')
    >>> found.distances.round(6).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    points, names, member = _check_points(Z, groups)
    unit = float(power_of_two(np.abs(points).max()))
    points /= unit
    if method not in ("auto", "exact", "sinkhorn", "clusters"):
        raise ValueError(
            f"method: got {method!r}; expected 'auto', 'exact', 'sinkhorn' or 'clusters'"
        )
    if n_clusters is not None:
        if method in ("exact", "sinkhorn"):
            raise ValueError(
                f"n_clusters: got {n_clusters!r} with method={method!r}, which has no clusters; "
                "leave one of them out"
            )
        if isinstance(n_clusters, bool) or n_clusters < 1:
            raise ValueError(f"n_clusters: got {n_clusters!r}; expected a positive integer")
    if not 0 < regularization < np.inf:
        raise ValueError(f"regularization: got {regularization!r}; expected a positive number")
    chosen = _choose(method, n_clusters, points, member)
    distances = np.zeros((len(names), len(names)))
    if chosen == "clusters":
        points, member, weight = _clustered(points, member, n_clusters or _N_CLUSTERS, random_state)
    else:
        weight = np.ones(len(points))
    for i, j in combinations(range(len(names)), 2):
        a, b = (points[member == k] for k in (i, j))
        a_weight, b_weight = (weight[member == k] / weight[member == k].sum() for k in (i, j))
        if chosen == "sinkhorn":
            squared = _sinkhorn_divergence(a, b, regularization)
        else:
            squared = _squared_wasserstein(a, b, a_weight, b_weight)
        # Rounding may leave less than nothing between equal samples.
        distances[i, j] = distances[j, i] = np.sqrt(max(squared, 0.0))
    return DistributionDistances(distances * unit, names, chosen)


def _check_points(
    Z: ArrayLike, groups: ArrayLike
) -> tuple[NDArray[np.float64], NDArray, NDArray[np.intp]]:
    """Points, the names of their groups, and to which group each point belongs."""
    points = read_numbers(Z, "Z", "embedded points, numbers").astype(np.float64)
    if points.ndim != 2 or 0 in points.shape:
        raise ValueError(
            f"Z: got shape {points.shape}; expected (n_points, n_components) with at least one "
            "of each; Z.reshape(-1, 1) makes a single component"
        )
    if np.isnan(points).any():
        raise ValueError(
            f"Z: {int(np.isnan(points).any(axis=1).sum())} of {len(points)} points are NaN; leave "
            "them out, with their entries of groups"
        )
    labels = read_groups(groups, len(points), group="group", item="point")
    names, member = np.unique(labels, return_inverse=True)
    return points, names, member


def _choose(
    method: Literal["auto", "exact", "sinkhorn", "clusters"],
    n_clusters: int | None,
    points: NDArray[np.float64],
    member: NDArray[np.intp],
) -> Method:
    if method != "auto":
        return method
    if n_clusters is not None:
        return "clusters"
    few = np.bincount(member).max() <= _MAX_EXACT
    return "exact" if few or points.shape[1] == 1 else "clusters"


def _clustered(
    points: NDArray[np.float64],
    member: NDArray[np.intp],
    n_clusters: int,
    random_state: int | np.random.RandomState | None,
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Centroids that each group has points near to, their group, how many points they stand for."""
    # In a fixed order, so that the centroids do not depend on the order of the points.
    order = np.lexsort(points.T)
    points, member = points[order], member[order]
    n_different = 1 + int((np.diff(points, axis=0) != 0).any(axis=1).sum())
    # A generator of our own: random_state=None must not advance numpy's global one.
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    means = KMeans(min(n_clusters, n_different), n_init=1, max_iter=50, random_state=rng)
    cluster = means.fit_predict(points)
    pairs, counts = np.unique(np.stack([member, cluster]), axis=1, return_counts=True)
    return means.cluster_centers_[pairs[1]], pairs[0], counts.astype(np.float64)


def _squared_wasserstein(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    a_weight: NDArray[np.float64],
    b_weight: NDArray[np.float64],
) -> float:
    # Imported where it is needed: it takes half a second.
    import ot

    if a.shape[1] == 1:
        return float(ot.wasserstein_1d(a[:, 0], b[:, 0], a_weight, b_weight, p=2))
    cost = cdist(a, b, "sqeuclidean")
    return float(ot.emd2(a_weight, b_weight, cost, numItermax=_MAX_PIVOTS))


def _sinkhorn_divergence(
    a: NDArray[np.float64], b: NDArray[np.float64], regularization: float
) -> float:
    """Entropic transport between two samples less half of that within each (eq. 3 of [2])."""
    between = cdist(a, b, "sqeuclidean")
    # All three terms need the same entropy, or equal samples would not be at zero.
    epsilon = regularization * float(between.mean())
    if epsilon == 0:
        return 0.0
    within = (_entropic_transport(cdist(c, c, "sqeuclidean"), epsilon) for c in (a, b))
    return _entropic_transport(between, epsilon) - sum(within) / 2


def _entropic_transport(cost: NDArray[np.float64], epsilon: float) -> float:
    """Cost of the best plan with its entropy relative to independence, uniform weights."""
    import ot

    a, b = (np.full(n, 1 / n) for n in cost.shape)
    # The plan stays the same if rows and columns are shifted, and its kernel vanishes nowhere.
    shifted = cost - cost.min(axis=1, keepdims=True)
    shifted -= shifted.min(axis=0)
    options = {"numItermax": _MAX_ITERATIONS, "stopThr": _TOLERANCE, "log": True}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Numerical errors|Sinkhorn did not converge")
        plan, log = ot.sinkhorn(a, b, shifted, epsilon, **options)
        if not np.abs(plan.sum(axis=1) - a).sum() < _MAX_IMBALANCE:
            plan, log = ot.sinkhorn(a, b, shifted, epsilon, method="sinkhorn_log", **options)
    if not log["err"][-1] < _TOLERANCE:
        warn(
            f"Sinkhorn's algorithm did not converge in {_MAX_ITERATIONS} iterations; expect rough "
            "distances, or take a larger regularization or another method",
            ConvergenceWarning,
        )
    return float((plan * cost).sum() + epsilon * rel_entr(plan, 1 / cost.size).sum())
