"""Wiring tables: which cells have synapses with which."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Connectome", "load_connectome"]

_COLUMNS = ("sender", "receiver", "kind", "n_synapses")
_KINDS = ("chemical", "electrical")


@dataclass(frozen=True, eq=False)
class Connectome:
    """Synapses between named cells, as `load_connectome` reads them.

    Attributes
    ----------
    neurons : ndarray of str, shape (n_neurons,)
        Names of rows and columns.
    chemical, electrical : ndarray of shape (n_neurons, n_neurons)
        Numbers of synapses; entry ``[i, j]`` from sender ``j`` to receiver ``i``. Gap
        junctions have no direction, so ``electrical`` is symmetric.
    """

    neurons: NDArray[np.str_]
    chemical: NDArray[np.float64]
    electrical: NDArray[np.float64]

    def __repr__(self) -> str:
        return (
            f"<Connectome of {len(self.neurons)} cells; {np.count_nonzero(self.chemical)} "
            f"chemical, {np.count_nonzero(np.triu(self.electrical))} electrical connections>"
        )

    def graph(
        self,
        kind: Literal["any", "chemical", "electrical"] = "any",
        *,
        neurons: Iterable[str] | None = None,
    ) -> NDArray[np.float64]:
        """Give the numbers of synapses between the neurons of a recording, in their order.

        Parameters
        ----------
        kind : {"any", "chemical", "electrical"}, default="any"
            ``"any"`` is the sum of both.
        neurons : iterable of str, optional
            Names, such as `Windows.neurons`; by default all. ``VB2`` and ``VB02`` are the
            same cell.

        Returns
        -------
        ndarray of shape (n_neurons, n_neurons)
            Entry ``[i, j]`` from sender ``j`` to receiver ``i``; NaN for cells that the
            table does not have, and for anonymous neurons (``''``). The diagonal is 0.

        Raises
        ------
        ValueError
            If the table has none of these cells.
        """
        if kind not in ("any", *_KINDS):
            raise ValueError(f"kind: got {kind!r}; expected 'any', 'chemical' or 'electrical'")
        counts = self.chemical + self.electrical if kind == "any" else getattr(self, kind)
        names = self.neurons.tolist() if neurons is None else [str(name) for name in neurons]
        place = {_plain(name): i for i, name in enumerate(self.neurons.tolist()) if name.strip()}
        found = [i for i, name in enumerate(names) if _plain(name) in place]
        if not found:
            raise ValueError(
                f"neurons: the table has none of {', '.join(names[:5])}; it has "
                f"{', '.join(self.neurons[:5])} and others"
            )
        rows = [place[_plain(names[i])] for i in found]
        graph = np.full((len(names), len(names)), np.nan)
        graph[np.ix_(found, found)] = counts[np.ix_(rows, rows)]
        np.fill_diagonal(graph, 0.0)
        return graph

    def by_class(self, classes: Mapping[str, str]) -> Connectome:
        """Sum the synapses over the members of each class.

        Parameters
        ----------
        classes : mapping of str to str
            Class of each cell, for instance
            ``dict(zip(recording.neurons, recording.neuron_classes))``. Cells without one
            stay apart under their own name.

        Returns
        -------
        Connectome
            Whose ``neurons`` are classes.
        """
        known = {_plain(name): label for name, label in classes.items() if name.strip() and label}
        labels = [known.get(_plain(name), name) for name in self.neurons.tolist()]
        names, place = np.unique(labels, return_inverse=True)
        member = np.eye(len(names))[:, place]
        return Connectome(
            names, member @ self.chemical @ member.T, member @ self.electrical @ member.T
        )


def load_connectome(path: str | os.PathLike[str] | IO[str]) -> Connectome:
    r"""Read a wiring table.

    Parameters
    ----------
    path : path or open file
        A CSV file with the columns ``sender, receiver, kind, n_synapses``, one row for each
        pair of cells and kind, ``chemical`` or ``electrical``. Rows of the same pair and
        kind are added up; a gap junction may stand in one or in both directions, and if
        their counts differ, as 2 and 3, the larger one holds. Blanks around names do not
        count.

    Returns
    -------
    Connectome
        Its ``graph("chemical", neurons=windows.neurons)`` stands beside the ``graph_`` of
        an estimator.

    Raises
    ------
    ValueError
        If the file is not such a table, or a sender or receiver is empty. The message says
        what is missing, and in which row.

    Examples
    --------
    >>> import io
    >>> from skneurograph.datasets import load_connectome
    >>> table = "sender,receiver,kind,n_synapses\nAVAL,VB2,chemical,3\nAVAL,AVAR,electrical,1"
    >>> connectome = load_connectome(io.StringIO(table))
    >>> connectome
    <Connectome of 3 cells; 1 chemical, 1 electrical connections>
    >>> connectome.graph("chemical", neurons=["VB02", "AVAL", "RIML"])
    array([[ 0.,  3., nan],
           [ 0.,  0., nan],
           [nan, nan,  0.]])
    """
    table = pd.read_csv(path, dtype={"sender": str, "receiver": str}, keep_default_na=False)
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise ValueError(
            f"path: the table lacks {', '.join(missing)}; expected the columns "
            f"{', '.join(_COLUMNS)}"
        )
    unknown = sorted(set(table["kind"]) - set(_KINDS))
    if unknown:
        raise ValueError(f"path: got kind {unknown[0]!r}; expected 'chemical' or 'electrical'")
    synapses = pd.to_numeric(table["n_synapses"], errors="coerce").to_numpy(dtype=float)
    if not (np.isfinite(synapses) & (synapses >= 0)).all():
        raise ValueError("path: n_synapses holds values that are not counts")
    ends = table[["sender", "receiver"]].fillna("").to_numpy(dtype=str)
    ends = np.char.strip(ends)
    nameless = np.argwhere(ends == "")
    if len(nameless):
        row, column = nameless[0]
        raise ValueError(
            f"path: row {row + 1} after the header has no {_COLUMNS[column]}; expected the name "
            "of a cell, and no row for a cell without one"
        )
    names, first = np.unique([_plain(name) for name in ends.ravel()], return_index=True)
    neurons = ends.ravel()[first]
    place = {name: i for i, name in enumerate(names.tolist())}
    senders, receivers = (
        np.array([place[_plain(n)] for n in column], dtype=int) for column in ends.T
    )
    matrices = {}
    for kind in _KINDS:
        rows = (table["kind"] == kind).to_numpy()
        counts = np.zeros((len(neurons), len(neurons)))
        np.add.at(counts, (receivers[rows], senders[rows]), synapses[rows])
        matrices[kind] = counts
    electrical = np.maximum(matrices["electrical"], matrices["electrical"].T)
    return Connectome(neurons, matrices["chemical"], electrical)


def _plain(name: str) -> str:
    """Name without blanks or the zeros before its number: VB02 and VB2 are one cell."""
    return re.sub(r"(?<=[A-Za-z])0+(?=\d+$)", "", name.strip())
