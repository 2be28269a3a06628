"""Scatter plot of an embedding, coloured by behaviour or by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skneurograph.data._inputs import unmasked

__all__ = ["EmbeddingDisplay"]

# More colours than this cannot be told apart: numbers get a colour bar instead.
_MAX_COLORS = 20
_UNKNOWN = "0.8"


class EmbeddingDisplay:
    """Scatter plot of an embedding in two or three dimensions, coloured by a variable or group.

    Parameters
    ----------
    Z : array-like of shape (n_points, n_components)
        Embedded points; the first two or three components are drawn.
    color : array-like of shape (n_points,), optional
        Floating point numbers, or more than 20 different integers, are drawn along a colour
        bar; anything else are groups with a legend. Points with NaN are grey.
    color_name : str, optional
        What the colours mean, with its unit.
    n_dimensions : {2, 3} or None, default=None
        None draws three if there are as many components, unless the axes given are flat.

    Attributes
    ----------
    ax_, figure_ : matplotlib axes and figure
        After `plot`.
    points_ : list of matplotlib PathCollection
        After `plot`: one, or one for each group; the points of unknown colour come last.
    colorbar_ : matplotlib Colorbar or None
        After `plot`.
    legend_ : matplotlib Legend or None
        After `plot`.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from skneurograph.plotting import EmbeddingDisplay
    >>> angle = np.linspace(0, 6, 50)
    >>> Z = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> display = EmbeddingDisplay.from_embedding(Z, angle, color_name="heading (rad)")
    >>> display.colorbar_.ax.get_ylabel()
    'heading (rad)'
    """

    def __init__(
        self,
        Z: ArrayLike,
        color: ArrayLike | None = None,
        *,
        color_name: str | None = None,
        n_dimensions: Literal[2, 3] | None = None,
    ) -> None:
        self.Z = Z
        self.color = color
        self.color_name = color_name
        self.n_dimensions = n_dimensions

    @classmethod
    def from_embedding(
        cls,
        Z: ArrayLike,
        color: ArrayLike | None = None,
        *,
        color_name: str | None = None,
        n_dimensions: Literal[2, 3] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw an embedding.

        Parameters
        ----------
        Z : array-like of shape (n_points, n_components)
        color : array-like of shape (n_points,), optional
        color_name : str, optional
        n_dimensions : {2, 3} or None, default=None
        ax : matplotlib axes, optional
            A new figure by default.

        Raises
        ------
        ValueError
            If there are fewer components than dimensions, if the colours do not fit the
            points, or if the axes given do not have that many dimensions.
        """
        return cls(Z, color, color_name=color_name, n_dimensions=n_dimensions).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on the axes given, or on new ones."""
        points = np.asarray(unmasked(self.Z), dtype=np.float64)
        n_dimensions = self._n_dimensions(points, ax)
        color = None if self.color is None else np.asarray(unmasked(self.color))
        if color is not None and color.shape != (len(points),):
            raise ValueError(
                f"color: got shape {color.shape}; expected ({len(points)},), one entry for each "
                "point of Z"
            )
        if ax is None:
            kind = {"projection": "3d"} if n_dimensions == 3 else {}
            _, ax = plt.subplots(figsize=(5.5, 4.5), layout="constrained", subplot_kw=kind)
        self.ax_, self.figure_ = ax, ax.figure
        self.points_: list[Any] = []
        self.colorbar_: Any = None
        self.legend_: Any = None
        columns = points[:, :n_dimensions]
        if color is None:
            self._scatter(columns, color="C0")
        elif _is_continuous(color):
            self._draw_variable(columns, color.astype(np.float64))
        else:
            self._draw_groups(columns, color)
        ax.set_xlabel("component 1")
        ax.set_ylabel("component 2")
        if n_dimensions == 3:
            ax.set_zlabel("component 3")
        else:
            ax.spines[["top", "right"]].set_visible(False)
        # Distances are what an embedding is about: a unit is as long in each direction.
        ax.set_aspect("equal", adjustable="datalim")
        return self

    def _n_dimensions(self, points: NDArray[np.float64], ax: Any) -> int:
        if points.ndim != 2 or points.shape[1] < 2:
            raise ValueError(
                f"Z: got shape {points.shape}; expected (n_points, n_components) with at least "
                "two components"
            )
        if self.n_dimensions not in (None, 2, 3):
            raise ValueError(f"n_dimensions: got {self.n_dimensions!r}; expected 2, 3 or None")
        of_axes = None if ax is None else 3 if ax.name == "3d" else 2
        wanted = self.n_dimensions or of_axes or min(points.shape[1], 3)
        if wanted > points.shape[1]:
            raise ValueError(
                f"Z: got {points.shape[1]} components; expected at least {wanted} for a picture of "
                f"{wanted} dimensions; n_dimensions=2 and flat axes make a plane"
            )
        if of_axes not in (None, wanted):
            raise ValueError(
                f"ax: got axes of {of_axes} dimensions; expected {wanted}, which "
                "figure.add_subplot(projection='3d') makes for three"
            )
        return wanted

    def _draw_variable(self, points: NDArray[np.float64], color: NDArray[np.float64]) -> None:
        known = np.isfinite(color)
        drawn = self._scatter(points[known], c=color[known], cmap="viridis")
        if not known.all():
            self._scatter(points[~known], color=_UNKNOWN)
        # The name of a third axis stands outside of the axes.
        pad = 0.15 if self.ax_.name == "3d" else 0.03
        bar = self.figure_.colorbar(
            drawn, ax=self.ax_, label=self.color_name or "", shrink=0.8, pad=pad
        )
        # The bar is for reading, so it is opaque whatever the points are.
        bar.solids.set_alpha(1)
        self.colorbar_ = bar

    def _draw_groups(self, points: NDArray[np.float64], color: NDArray) -> None:
        names: Sequence[Any] = np.unique(color).tolist()
        palette = mpl.colormaps["tab10" if len(names) <= 10 else "tab20"]
        if len(names) > _MAX_COLORS:
            palette = mpl.colormaps["turbo"].resampled(len(names))
        for k, name in enumerate(names):
            self._scatter(points[color == name], color=palette(k), label=str(name))
        # The corner of a cube is empty; beside it, a layout would cut the legend off.
        place = ("upper left", (-0.1, 1.0)) if self.ax_.name == "3d" else ("center left", (1, 0.5))
        self.legend_ = self.ax_.legend(
            title=self.color_name,
            fontsize="small",
            markerscale=2.5,
            loc=place[0],
            bbox_to_anchor=place[1],
            frameon=False,
        )

    def _scatter(self, points: NDArray[np.float64], **options: Any) -> Any:
        # Thousands of points must neither cover each other nor fill the file of a figure.
        drawn = self.ax_.scatter(
            *points.T, s=8, alpha=0.7, linewidths=0, rasterized=True, **options
        )
        self.points_.append(drawn)
        return drawn


def _is_continuous(color: NDArray) -> bool:
    if color.dtype.kind == "f":
        return True
    return color.dtype.kind in "iu" and len(np.unique(color)) > _MAX_COLORS
