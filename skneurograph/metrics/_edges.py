"""Scores of an inferred graph against the true one: edges, their direction, null."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.utils import check_random_state

from skneurograph.data._inputs import unmasked
from skneurograph.metrics._rewiring import rewired_graphs

__all__ = [
    "EdgeNull",
    "edge_auroc",
    "edge_average_precision",
    "edge_direction_auroc",
    "edge_permutation_null",
]

# Relative difference of strengths that counts as none.
_ROUNDING = 1e-9

Metric = Callable[[NDArray[np.bool_], NDArray[np.float64]], float]
_METRICS: dict[str, Metric] = {"auroc": roc_auc_score, "average_precision": average_precision_score}


def edge_auroc(true_graph: ArrayLike, graph: ArrayLike, *, absolute: bool = True) -> float:
    """Compute the area under the ROC curve (AUROC) of detecting edges.

    Parameters
    ----------
    true_graph : array-like of shape (n_neurons, n_neurons)
        Entry ``[i, j]`` is not zero (true, a count of synapses, a weight) if sender ``j``
        is connected to receiver ``i``.
    graph : array-like of shape (n_neurons, n_neurons)
        Inferred strength of each pair.
    absolute : bool, default=True
        Rank pairs by the size of the strength, whatever its sign.

    Returns
    -------
    float
        Over all ordered pairs, without the diagonal and without pairs that are NaN in
        either graph. 0.5 is chance, though not for a graph that merely knows how many
        partners each neuron has: see `edge_permutation_null`.

    Raises
    ------
    ValueError
        If the shapes differ, or if all pairs that count are connected, or none.

    Examples
    --------
    >>> from skneurograph.metrics import edge_auroc
    >>> truth = [[0, 3, 0], [0, 0, 0], [1, 0, 0]]
    >>> edge_auroc(truth, [[0, -0.9, 0.1], [0.5, 0, 0.2], [0.8, 0.1, 0]])
    1.0
    """
    return _score("auroc", *_pairs(true_graph, graph, absolute))


def edge_average_precision(
    true_graph: ArrayLike, graph: ArrayLike, *, absolute: bool = True
) -> float:
    """Compute the average precision of detecting edges.

    Parameters
    ----------
    true_graph, graph : array-like of shape (n_neurons, n_neurons)
        As for `edge_auroc`.
    absolute : bool, default=True
        Rank pairs by the size of the strength, whatever its sign.

    Returns
    -------
    float
        Chance is the fraction of connected pairs.

    Examples
    --------
    >>> from skneurograph.metrics import edge_average_precision
    >>> edge_average_precision([[0, 1], [0, 0]], [[0, 0.2], [0.7, 0]])
    0.5
    """
    return _score("average_precision", *_pairs(true_graph, graph, absolute))


def edge_direction_auroc(
    true_graph: ArrayLike, graph: ArrayLike, *, absolute: bool = True
) -> float:
    """Compute the area under the ROC curve (AUROC) of telling the direction of edges.

    Only pairs count that are connected in one direction and known to be unconnected in the
    other; both their directions are ranked by the asymmetry ``graph[i, j] - graph[j, i]``.

    Parameters
    ----------
    true_graph, graph : array-like of shape (n_neurons, n_neurons)
        As for `edge_auroc`.
    absolute : bool, default=True
        Take the asymmetry of the size of the strength, whatever its sign.

    Returns
    -------
    float
        0.5 for a symmetric graph. A graph that merely knows which neurons send and which
        receive is above that: see `edge_permutation_null` with ``metric="direction"``.

    Raises
    ------
    ValueError
        If the graphs do not fit, as for `edge_auroc`, or if no pair is connected in one
        direction alone.

    Examples
    --------
    >>> from skneurograph.metrics import edge_direction_auroc
    >>> truth = [[0, 1, 1], [0, 0, 1], [1, 0, 0]]
    >>> edge_direction_auroc(truth, [[0, 0.9, 0.3], [0.2, 0, 0.5], [0.3, 0.6, 0]])
    0.75
    """
    connected, strength, valid = _pairs(true_graph, graph, absolute)
    one_way = valid & valid.T & (connected != connected.T)
    if not one_way.any():
        raise ValueError(
            "true_graph: no pair is connected in one direction and unconnected in the other; "
            "there is no direction to tell"
        )
    return _direction_auroc(connected, strength, valid)


@dataclass(frozen=True)
class EdgeNull:
    """Score of a graph, with the null scores of rewired graphs of the same degrees.

    Attributes
    ----------
    score : float
        Of the true graph.
    null_scores : ndarray of shape (n_permutations,)
        Of the rewired graphs.
    mean, sd : float
        Of the null scores.
    p_value : float
        Of a null score at least as large; at least ``1 / (n_permutations + 1)``.
    """

    score: float
    null_scores: NDArray[np.float64] = field(repr=False)

    @property
    def mean(self) -> float:
        """Mean of the null scores."""
        return float(self.null_scores.mean())

    @property
    def sd(self) -> float:
        """Standard deviation of the null scores."""
        return float(self.null_scores.std(ddof=min(1, len(self.null_scores) - 1)))

    @property
    def p_value(self) -> float:
        """Fraction of graphs, the true one among them, that score at least as high."""
        return float((1 + (self.null_scores >= self.score).sum()) / (1 + len(self.null_scores)))


def edge_permutation_null(
    true_graph: ArrayLike,
    graph: ArrayLike,
    *,
    metric: Literal["auroc", "average_precision", "direction"] | Metric = "auroc",
    strata: ArrayLike | None = None,
    n_permutations: int = 500,
    absolute: bool = True,
    random_state: int | np.random.RandomState | None = None,
) -> EdgeNull:
    """Score a graph against a null of rewired true graphs that keep all degrees.

    A graph that knows which neurons have many partners scores above chance without knowing
    which ones. The rewired truths keep the number of senders and of receivers of each
    neuron, so what exceeds them is knowledge of pairs.

    Parameters
    ----------
    true_graph, graph : array-like of shape (n_neurons, n_neurons)
        As for `edge_auroc`. A symmetric true graph stays symmetric.
    metric : {"auroc", "average_precision", "direction"} or callable, default="auroc"
        ``"direction"`` is `edge_direction_auroc`. A callable takes which pairs are connected
        and their strengths.
    strata : array-like of shape (n_neurons, n_neurons), optional
        Kind of each pair, such as a bin of its distance (``numpy.digitize(distances, bins)``)
        or whether it is left and right of one class. Rewired graphs then also keep how many
        edges there are of each kind. NaN is a kind of its own.
    n_permutations : int, default=500
        Number of rewired graphs.
    absolute : bool, default=True
        Rank pairs by the size of the strength, whatever its sign.
    random_state : int, RandomState instance or None, default=None
        Seed of the rewiring.

    Returns
    -------
    EdgeNull
        With ``score, null_scores, mean, sd, p_value``.

    Raises
    ------
    ValueError
        If the graphs do not fit, as for the metric, or if the strata do not.

    Warns
    -----
    UserWarning
        If the strata leave so few swaps that the rewired graphs are close to the true one.

    Notes
    -----
    Two edges, from a to b and from c to d, become edges from a to d and from c to b unless
    one of them exists, is on the diagonal or is NaN in either graph [1]_. Edges that are NaN
    in either graph stay where they are. Swaps go on until there were 10 for each edge on the
    average, but no longer than 200 tries for each; where more than half of the pairs are
    connected, the same swaps are made with the unconnected ones, which are fewer. Where no
    swap is possible, as in a star, all rewired graphs are the true one. With strata, a swap
    must leave the two kinds as they were, so the more kinds there are, the fewer swaps are
    possible and the closer rewired graphs stay to the true one.

    References
    ----------
    .. [1] S. Maslov, K. Sneppen (2002). Specificity and stability in topology of protein
       networks. Science 296, 910. doi:10.1126/science.1065103

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.metrics import edge_permutation_null
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.random((30, 30)) < 0.2
    >>> null = edge_permutation_null(truth, truth + rng.normal(size=(30, 30)), random_state=0)
    >>> null.score > null.mean + 3 * null.sd, null.p_value < 0.01
    (True, True)
    """
    if isinstance(n_permutations, bool) or n_permutations < 1:
        raise ValueError(f"n_permutations: got {n_permutations!r}; expected a positive integer")
    if not callable(metric) and metric not in (*_METRICS, "direction"):
        raise ValueError(
            f"metric: got {metric!r}; expected 'auroc', 'average_precision', 'direction' or a "
            "callable"
        )
    connected, strength, valid = _pairs(true_graph, graph, absolute)
    kinds = None if strata is None else _kinds(strata, valid.shape)
    # A generator of our own: random_state=None must not advance numpy's global one.
    seed = None if random_state is None else check_random_state(random_state).randint(2**31 - 1)
    if metric == "direction":
        score = edge_direction_auroc(true_graph, graph, absolute=absolute)
    else:
        score = _score(metric, connected, strength, valid)
    score_null = _scorer(metric, strength, valid)
    rng = np.random.default_rng(seed)
    null = [
        score_null(rewired)
        for rewired in rewired_graphs(connected, valid, n_permutations, rng, kinds=kinds)
    ]
    return EdgeNull(score, np.array(null))


def _pairs(
    true_graph: ArrayLike, graph: ArrayLike, absolute: bool
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_]]:
    """Which pairs are connected, how strongly they are inferred to be, which ones count."""
    truth = np.asarray(unmasked(true_graph), dtype=np.float64)
    strength = np.asarray(unmasked(graph), dtype=np.float64)
    if truth.ndim != 2 or truth.shape[0] != truth.shape[1]:
        raise ValueError(f"true_graph: got shape {truth.shape}; expected (n_neurons, n_neurons)")
    if strength.shape != truth.shape:
        raise ValueError(
            f"graph: got shape {strength.shape}; expected {truth.shape} as true_graph, with the "
            "same neurons in the same order"
        )
    if np.isinf(strength).any():
        raise ValueError("graph: got infinity; expected numbers, or NaN for unknown pairs")
    valid = ~(np.isnan(truth) | np.isnan(strength) | np.eye(len(truth), dtype=bool))
    connected = np.nan_to_num(truth) != 0
    n_connected = int((connected & valid).sum())
    if n_connected in (0, int(valid.sum())):
        raise ValueError(
            f"true_graph: {n_connected} of the {int(valid.sum())} pairs that are known in both "
            "graphs are connected; a score needs connected and unconnected ones"
        )
    return connected, np.abs(strength) if absolute else strength, valid


def _score(
    metric: str | Metric,
    connected: NDArray[np.bool_],
    strength: NDArray[np.float64],
    valid: NDArray[np.bool_],
) -> float:
    function = metric if callable(metric) else _METRICS[metric]
    return float(function(connected[valid], strength[valid]))


def _kinds(strata: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Give each kind of pair an integer."""
    given = np.asarray(strata)
    if given.shape != shape:
        raise ValueError(f"strata: got shape {given.shape}; expected {shape} as true_graph")
    return np.unique(given, return_inverse=True)[1].reshape(shape)


def _direction_auroc(
    connected: NDArray[np.bool_], strength: NDArray[np.float64], valid: NDArray[np.bool_]
) -> float:
    """Score the asymmetry of pairs that are connected one way; 0.5 if there are none."""
    one_way = valid & valid.T & (connected != connected.T)
    if not one_way.any():
        return 0.5
    # A symmetric graph has no direction, though its halves may differ by rounding.
    same = np.isclose(strength, strength.T, rtol=_ROUNDING, atol=0)
    asymmetry = np.where(same, 0, strength - strength.T)
    return float(roc_auc_score(connected[one_way], asymmetry[one_way]))


def _scorer(
    metric: str | Metric, strength: NDArray[np.float64], valid: NDArray[np.bool_]
) -> Callable[[NDArray[np.bool_]], float]:
    """Return a function that scores many true graphs against one inferred graph."""
    if metric == "direction":
        return lambda connected: _direction_auroc(connected, strength, valid)
    score = _sorted_scorer(metric, strength[valid])
    return lambda connected: score(connected[valid])


def _sorted_scorer(
    metric: str | Metric, strength: NDArray[np.float64]
) -> Callable[[NDArray[np.bool_]], float]:
    """Return a function that scores many truths against strengths that are sorted once."""
    if callable(metric):
        return lambda connected: float(metric(connected, strength))
    if metric == "auroc":
        ranks = rankdata(strength)

        def auroc(connected: NDArray[np.bool_]) -> float:
            n = int(connected.sum())
            above = ranks[connected].sum() - n * (n + 1) / 2
            return float(above / (n * (len(ranks) - n)))

        return auroc
    order = np.argsort(-strength, kind="stable")
    # Pairs of equal strength are found together.
    last = np.append(np.flatnonzero(np.diff(strength[order])), len(order) - 1)

    def average_precision(connected: NDArray[np.bool_]) -> float:
        found = np.cumsum(connected[order])[last]
        gained = np.diff(found, prepend=0)
        return float((gained * found / (last + 1)).sum() / found[-1])

    return average_precision
