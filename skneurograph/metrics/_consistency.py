"""Consistency of embeddings across animals, up to a linear map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import check_cv

from skneurograph.base._units import power_of_two
from skneurograph.data._inputs import read_labels, read_numbers

__all__ = ["Consistency", "consistency"]

_NUMBERS = "fiub"


class Consistency(NamedTuple):
    """R² with which the embedding of each animal predicts that of each other one.

    Attributes
    ----------
    scores : ndarray of shape (n_animals, n_animals)
        Entry ``[i, j]`` is the R2 of predicting animal ``j`` from animal ``i``; NaN on the
        diagonal, so that ``numpy.nanmean(scores)`` is the mean over pairs.
    groups : tuple of length n_animals
        Animal of each row and column.
    n_points : ndarray of int, shape (n_animals, n_animals)
        Rows or bins that two animals share; on the diagonal, those that an animal has.
    """

    scores: NDArray[np.float64]
    groups: tuple[Any, ...]
    n_points: NDArray[np.intp]


def consistency(
    embeddings: Mapping[Any, ArrayLike] | Sequence[ArrayLike],
    labels: Mapping[Any, ArrayLike] | Sequence[ArrayLike] | None = None,
    *,
    n_bins: int = 100,
    cv: Any = None,
    normalize: bool = False,
) -> Consistency:
    """Compute the consistency of embeddings across animals, up to a linear map.

    For every ordered pair of animals, the embedding of one is predicted from that of the
    other by least squares with an intercept, after their points were aligned.

    Parameters
    ----------
    embeddings : mapping or sequence of array-like, each of shape (n_points, n_components)
        By animal; the keys of a mapping name them, else they are numbered from 0. Animals
        may differ in their number of components and, with labels, of points.
    labels : mapping or sequence of array-like, each of shape (n_points,), optional
        Behaviour of each animal at each of its points, in one common unit, by which points
        are aligned: their mean over each bin that both animals visited is compared. Floating
        point numbers, such as a position, are binned; others (strings, integers, booleans)
        are discrete, and each value is a bin. Points without a label (NaN, ``''``, None,
        masked) belong to no bin. Without
        labels all animals have the same number of points, which are aligned by row.
    n_bins : int, default=100
        Bins of equal width between the smallest and the largest label of all animals.
    cv : int, cross-validation splitter or None, default=None
        None fits and scores on the same points, as is the habit, so that even unrelated
        embeddings score about n_components / n_points. Otherwise the points that the
        splitter holds out are scored, all together; an integer makes so many folds of
        neighbouring rows or bins.
    normalize : bool, default=False
        Give each mean over a bin length 1, for embeddings that lie on a sphere. Only with
        labels.

    Returns
    -------
    Consistency
        With ``scores, groups, n_points``. The R2 is averaged over the components of the
        animal that is predicted, each counting once. Held-out scores may be negative.

    Raises
    ------
    ValueError
        If there are fewer than two animals, if shapes do not fit, if an embedding holds NaN
        or infinity, or if two animals share too few points for a fit that is not perfect of
        necessity.

    Notes
    -----
    This is the consistency of CEBRA [1]_, with three differences: bins that only one of two
    animals visited are left out, not filled from their neighbours; ``normalize`` is off unless
    asked for; and there is ``cv``. A bin counts once, however many points it holds.

    References
    ----------
    .. [1] S. Schneider, J. H. Lee, M. W. Mathis (2023). Learnable latent embeddings for
       joint behavioural and neural analysis. Nature 617, 360.
       doi:10.1038/s41586-023-06031-6

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.metrics import consistency
    >>> rng = np.random.default_rng(0)
    >>> position = {"ann": rng.uniform(size=500), "bob": rng.uniform(size=800)}
    >>> circle = lambda p: np.stack([np.cos(6 * p), np.sin(6 * p)], axis=1)
    >>> embeddings = {"ann": circle(position["ann"]), "bob": 3 - circle(position["bob"])}
    >>> found = consistency(embeddings, position, n_bins=20, cv=5)
    >>> found.groups, bool(found.scores[0, 1] > 0.99)
    (('ann', 'bob'), True)
    """
    names, points = _by_animal(embeddings)
    if labels is None:
        if normalize:
            raise ValueError("normalize: got True without labels; it is for means over bins")
        places = _rows(names, points)
    else:
        bins = _bins(names, points, labels, n_bins)
        points, places = _averaged(points, bins, normalize)
    scores = np.full((len(names), len(names)), np.nan)
    n_points = np.diag([len(place) for place in places])
    what = "rows" if labels is None else "bins"
    for i, j in permutations(range(len(names)), 2):
        _, in_i, in_j = np.intersect1d(places[i], places[j], return_indices=True)
        n_points[i, j] = len(in_i)
        if len(in_i) < points[i].shape[1] + 2:
            raise ValueError(
                f"animals {names[i]!r} and {names[j]!r} have {len(in_i)} {what} in common; "
                f"expected at least {points[i].shape[1] + 2}, as {points[i].shape[1]} components "
                "fit fewer perfectly; choose other bins or fewer components"
            )
        scores[i, j] = _score(points[i][in_i], points[j][in_j], cv)
    return Consistency(scores, names, n_points)


def _by_animal(
    embeddings: Mapping[Any, ArrayLike] | Sequence[ArrayLike],
) -> tuple[tuple[Any, ...], list[NDArray[np.float64]]]:
    names = tuple(embeddings) if isinstance(embeddings, Mapping) else tuple(range(len(embeddings)))
    if len(names) < 2:
        raise ValueError(f"embeddings: got {len(names)}; expected those of at least two animals")
    points = [
        read_numbers(embeddings[name], f"embeddings: that of animal {name!r}").astype(np.float64)
        for name in names
    ]
    for name, rows in zip(names, points):
        if rows.ndim != 2 or 0 in rows.shape:
            raise ValueError(
                f"embeddings: that of animal {name!r} has shape {rows.shape}; expected "
                "(n_points, n_components)"
            )
        if np.isnan(rows).any():
            raise ValueError(
                f"embeddings: that of animal {name!r} holds NaN; leave out such points, of its "
                "labels too"
            )
        # R2 does not depend on the units of an animal, but squares of huge numbers are no numbers.
        rows /= power_of_two(np.abs(rows).max())
    return names, points


def _rows(names: tuple[Any, ...], points: list[NDArray[np.float64]]) -> list[NDArray[np.intp]]:
    lengths = {name: len(rows) for name, rows in zip(names, points)}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"embeddings: got {lengths} points by animal; without labels they are aligned by "
            "row and must be as many; give labels to align them by behaviour"
        )
    return [np.arange(len(rows)) for rows in points]


def _bins(
    names: tuple[Any, ...],
    points: list[NDArray[np.float64]],
    labels: Mapping[Any, ArrayLike] | Sequence[ArrayLike],
    n_bins: int,
) -> list[NDArray]:
    """Bin or value of each point by animal; NaN or ``''`` where it has none."""
    if isinstance(labels, Mapping) and set(labels) != set(names):
        raise ValueError(
            f"labels: got animals {list(labels)}; expected those of embeddings, {list(names)}"
        )
    if len(labels) != len(names):
        raise ValueError(f"labels: got {len(labels)}; expected one array for each of {len(names)}")
    if isinstance(n_bins, bool) or n_bins < 2:
        raise ValueError(f"n_bins: got {n_bins!r}; expected an integer of at least 2")
    keys: Any = names if isinstance(labels, Mapping) else range(len(names))
    values = [
        read_labels(labels[key], f"labels: those of animal {name!r}")
        for name, key in zip(names, keys)
    ]
    for name, rows, label in zip(names, points, values):
        if label.shape != (len(rows),):
            raise ValueError(
                f"labels: those of animal {name!r} have shape {label.shape}; expected "
                f"({len(rows)},), one for each point of its embedding"
            )
    numeric = {label.dtype.kind in _NUMBERS for label in values}
    if len(numeric) > 1:
        raise ValueError("labels: got numbers for some animals and not for others")
    if not any(label.dtype.kind == "f" for label in values):
        return values
    for name, label in zip(names, values):
        if np.isinf(label).any():
            raise ValueError(
                f"labels: those of animal {name!r} hold infinity; give NaN where there is none"
            )
    known = np.concatenate([label[~np.isnan(label)] for label in values]).astype(np.float64)
    low, width = (known.min(), np.ptp(known)) if len(known) else (0.0, 0.0)
    # The largest label belongs to the last bin; a constant one makes a single bin.
    return [
        np.minimum(np.floor((label - low) / (width or 1.0) * n_bins), n_bins - 1)
        for label in values
    ]


def _averaged(
    points: list[NDArray[np.float64]], bins: list[NDArray], normalize: bool
) -> tuple[list[NDArray[np.float64]], list[NDArray]]:
    """Mean of each animal's points over each bin that it visited, and these bins."""
    means, places = [], []
    for rows, labels in zip(points, bins):
        known = labels != "" if labels.dtype.kind == "U" else ~np.isnan(labels)
        rows, labels = rows[known], labels[known]
        visited, where = np.unique(labels, return_inverse=True)
        mean = np.zeros((len(visited), rows.shape[1]))
        np.add.at(mean, where, rows)
        mean /= np.bincount(where, minlength=len(visited))[:, None]
        if normalize:
            length = np.linalg.norm(mean, axis=1, keepdims=True)
            mean = np.divide(mean, length, out=mean, where=length > 0)
        means.append(mean)
        places.append(visited)
    return means, places


def _score(one: NDArray[np.float64], other: NDArray[np.float64], cv: Any) -> float:
    model = LinearRegression()
    if cv is None:
        return float(r2_score(other, model.fit(one, other).predict(one)))
    truth, prediction = [], []
    for train, test in check_cv(cv).split(one):
        truth.append(other[test])
        prediction.append(model.fit(one[train], other[train]).predict(one[test]))
    return float(r2_score(np.concatenate(truth), np.concatenate(prediction)))
