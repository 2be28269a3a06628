"""Cells by name: matrices of pairs in the order of a recording, and cells of one class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skneurograph.data._inputs import InputError, read_names

__all__ = ["class_members", "in_order", "names_of_cells", "plain_name"]


def plain_name(name: str) -> str:
    """Name without blanks or the zeros before its number: VB02 and VB2 are one cell."""
    return re.sub(r"(?<=[A-Za-z])0+(?=\d+$)", "", name.strip())


def names_of_cells(neurons: Iterable[str] | None, known: NDArray[np.str_]) -> list[str]:
    """Read the names that are asked for; all known ones if none are."""
    if neurons is None:
        return known.tolist()
    given: Any = [neurons] if isinstance(neurons, (str, bytes)) else neurons
    # Names of a table are text whatever they spell: a cell may be called None.
    names = read_names(given, "neurons", literal=True)
    if names.ndim != 1:
        raise InputError("neurons", f"shape {names.shape}", "one name per neuron")
    return names.tolist()


def in_order(
    pairs: NDArray[np.floating], known: NDArray[np.str_], neurons: Iterable[str] | None
) -> NDArray[np.float64]:
    """Return a matrix of pairs for the neurons of a recording, in their order.

    Parameters
    ----------
    pairs : ndarray of shape (n_cells, n_cells)
    known : ndarray of str, shape (n_cells,)
        Names of rows and columns.
    neurons : iterable of str or None
        Names that are asked for.

    Returns
    -------
    ndarray of shape (n_neurons, n_neurons)
        NaN for cells that are not known, and for anonymous ones; 0 on the diagonal.

    Raises
    ------
    ValueError
        If no cell is known, or if what is given are no names.
    """
    names = names_of_cells(neurons, known)
    place = {plain_name(name): i for i, name in enumerate(known.tolist()) if name.strip()}
    found = [i for i, name in enumerate(names) if plain_name(name) in place]
    if not found:
        given = ", ".join(name for name in names[:5] if name) or "no name"
        raise ValueError(
            f"neurons: the table has none of {given}; it has {', '.join(known[:5])} and others"
        )
    rows = [place[plain_name(names[i])] for i in found]
    graph = np.full((len(names), len(names)), np.nan)
    graph[np.ix_(found, found)] = pairs[np.ix_(rows, rows)]
    np.fill_diagonal(graph, 0.0)
    return graph


def class_members(
    known: NDArray[np.str_], classes: Mapping[str, str]
) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
    """Return the classes of cells, and for each cell the place of its class among them.

    Cells without a class stay apart under their own name.

    Raises
    ------
    ValueError
        If these are no names and classes.
    """
    if not isinstance(classes, Mapping):
        raise InputError(
            "classes", type(classes).__name__, "a mapping from a cell's name to its class"
        )
    cells = read_names(list(classes), "classes", literal=True).tolist()
    labels_of = read_names(list(classes.values()), "classes", literal=True).tolist()
    given = {plain_name(cell): label for cell, label in zip(cells, labels_of) if cell and label}
    labels = [given.get(plain_name(name), name) for name in known.tolist()]
    names, place = np.unique(labels, return_inverse=True)
    return names, place
