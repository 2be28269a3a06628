"""Map of conditions by multidimensional scaling (MDS) of their distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.manifold import ClassicalMDS

from skneurograph.data._inputs import unmasked
from skneurograph.metrics import DistributionDistances, distribution_distances

__all__ = ["DistanceDisplay"]


class DistanceDisplay:
    """Map of conditions by multidimensional scaling (MDS) of their distances.

    Distances between more than three groups rarely fit on a plane. The stress says how
    badly they fit: the root of the squared errors of the distances on the map relative to
    the squared distances [1]_. Below 0.05 the map is good, above 0.2 it misleads.

    Parameters
    ----------
    distances : array-like of shape (n_groups, n_groups)
        Symmetric, with a diagonal of zeros.
    groups : sequence of length n_groups, optional
        Label of each row; numbered by default.
    values : mapping or array-like of shape (n_groups,), optional
        A number for each group, such as a concentration or a time, that colours it. A
        mapping has the labels as keys.
    value_name : str, optional
        What the colours mean, with its unit.

    Attributes
    ----------
    ax_, figure_ : matplotlib axes and figure
        After `plot`.
    points_ : matplotlib PathCollection
        After `plot`.
    text_ : list of matplotlib Text
        Labels of the groups, after `plot`.
    colorbar_ : matplotlib Colorbar or None
        After `plot`.
    positions_ : ndarray of shape (n_groups, 2)
        On the map, after `plot`.
    stress_ : float
        After `plot`; 0 if the map keeps all distances.

    References
    ----------
    .. [1] J. B. Kruskal (1964). Multidimensional scaling by optimizing goodness of fit to a
       nonmetric hypothesis. Psychometrika 29, 1. doi:10.1007/BF02289565

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skneurograph.plotting import DistanceDisplay
    >>> distances = [[0, 3, 5], [3, 0, 4], [5, 4, 0]]
    >>> display = DistanceDisplay.from_distances(distances, ["rest", "odour", "light"])
    >>> [text.get_text() for text in display.text_], round(display.stress_, 6)
    (['rest', 'odour', 'light'], 0.0)
    """

    def __init__(
        self,
        distances: ArrayLike,
        groups: Sequence[Any] | NDArray | None = None,
        *,
        values: Mapping[Any, float] | ArrayLike | None = None,
        value_name: str | None = None,
    ) -> None:
        self.distances = distances
        self.groups = groups
        self.values = values
        self.value_name = value_name

    @classmethod
    def from_distances(
        cls,
        distances: DistributionDistances | ArrayLike,
        groups: Sequence[Any] | NDArray | None = None,
        *,
        values: Mapping[Any, float] | ArrayLike | None = None,
        value_name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw a table of distances.

        Parameters
        ----------
        distances : DistributionDistances or array-like of shape (n_groups, n_groups)
            The result of `distribution_distances` brings its groups.
        groups : sequence of length n_groups, optional
        values : mapping or array-like of shape (n_groups,), optional
        value_name : str, optional
        ax : matplotlib axes, optional
            A new figure by default.

        Raises
        ------
        ValueError
            If the distances are no symmetric table, or if groups or values do not fit it.
        """
        if isinstance(distances, DistributionDistances):
            groups = distances.groups if groups is None else groups
            distances = distances.distances
        return cls(distances, groups, values=values, value_name=value_name).plot(ax=ax)

    @classmethod
    def from_embedding(
        cls,
        Z: ArrayLike,
        groups: ArrayLike,
        *,
        n_clusters: int | None = None,
        method: Literal["auto", "exact", "sinkhorn", "clusters"] = "auto",
        random_state: int | np.random.RandomState | None = None,
        values: Mapping[Any, float] | ArrayLike | None = None,
        value_name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute the distances between the groups of an embedding, and draw them.

        Parameters
        ----------
        Z : array-like of shape (n_points, n_components)
        groups : array-like of shape (n_points,)
        n_clusters, method, random_state
            As for `distribution_distances`.
        values : mapping or array-like of shape (n_groups,), optional
            In the order of the sorted labels, unless it is a mapping.
        value_name : str, optional
        ax : matplotlib axes, optional
            A new figure by default.
        """
        found = distribution_distances(
            Z, groups, n_clusters=n_clusters, method=method, random_state=random_state
        )
        return cls.from_distances(found, values=values, value_name=value_name, ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on the axes given, or on new ones."""
        distances = _check_distances(self.distances)
        names = self._names(len(distances))
        values = self._values(names)
        self.positions_ = _map(distances)
        self.stress_ = _stress(distances, self.positions_)
        if ax is None:
            _, ax = plt.subplots(figsize=(5.0, 4.5), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.points_ = ax.scatter(
            *self.positions_.T, c="C0" if values is None else values, s=50, plotnonfinite=True
        )
        self.colorbar_ = None
        if values is not None:
            self.points_.set_cmap(self.points_.get_cmap().with_extremes(bad="0.75"))
            self.colorbar_ = self.figure_.colorbar(self.points_, ax=ax, label=self.value_name or "")
        self.text_ = [
            ax.annotate(str(name), place, xytext=(5, 5), textcoords="offset points")
            for name, place in zip(names, self.positions_)
        ]
        # Only distances mean something here, so a unit is as long in each direction.
        ax.set_aspect("equal", adjustable="datalim")
        ax.margins(0.15)
        ax.set_xlabel("first axis of scaling")
        ax.set_ylabel("second axis of scaling")
        ax.set_title(f"stress {self.stress_:.2f}", fontsize="small", loc="right")
        ax.spines[["top", "right"]].set_visible(False)
        return self

    def _names(self, n_groups: int) -> list[Any]:
        names = list(range(n_groups)) if self.groups is None else list(self.groups)
        if len(names) != n_groups:
            raise ValueError(
                f"groups: got {len(names)} labels; expected {n_groups}, one for each row of "
                "distances"
            )
        return names

    def _values(self, names: list[Any]) -> NDArray[np.float64] | None:
        if self.values is None:
            return None
        if isinstance(self.values, Mapping):
            missing = [name for name in names if name not in self.values]
            if missing:
                raise ValueError(f"values: got none for {missing}; expected one for each group")
            return np.array([self.values[name] for name in names], dtype=np.float64)
        values = np.asarray(unmasked(self.values), dtype=np.float64)
        if values.shape != (len(names),):
            raise ValueError(
                f"values: got shape {values.shape}; expected ({len(names)},), a number for each "
                "group"
            )
        return values


def _check_distances(distances: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(unmasked(distances), dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not len(table):
        raise ValueError(f"distances: got shape {table.shape}; expected (n_groups, n_groups)")
    if not (np.isfinite(table).all() and (table >= 0).all()):
        raise ValueError("distances: got NaN, infinity or negative numbers; expected none of them")
    if not np.allclose(table, table.T) or not np.allclose(np.diag(table), 0):
        raise ValueError(
            "distances: the table is not symmetric with a diagonal of zeros; expected distances, "
            "as distribution_distances gives them, and not similarities"
        )
    return (table + table.T) / 2


def _map(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(distances) == 1:
        return np.zeros((1, 2))
    # An axis that the distances do not need may have a root of less than nothing.
    with np.errstate(invalid="ignore"):
        found = ClassicalMDS(n_components=2, metric="precomputed").fit_transform(distances)
    return np.nan_to_num(found)


def _stress(distances: NDArray[np.float64], positions: NDArray[np.float64]) -> float:
    drawn = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    total = float((distances**2).sum())
    return float(np.sqrt(((drawn - distances) ** 2).sum() / total)) if total > 0 else 0.0
