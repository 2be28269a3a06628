"""Connectomes: synapse counts read from wiring tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skneurograph.datasets._cect import PREFIX, read_cect
from skneurograph.datasets._cells import class_members, in_order, plain_name

__all__ = ["Connectome", "read_connectome"]

_COLUMNS = ("sender", "receiver", "kind", "n_synapses")
_KINDS = ("chemical", "electrical")


@dataclass(frozen=True, eq=False)
class Connectome:
    """Synapses between named cells, as `read_connectome` reads them.

    Attributes
    ----------
    neurons : ndarray of str, shape (n_neurons,)
        Names of rows and columns.
    chemical, electrical : ndarray of shape (n_neurons, n_neurons)
        Numbers of synapses; entry ``[i, j]`` from sender ``j`` to receiver ``i``. Gap
        junctions have no direction, so ``electrical`` is symmetric.
    extrasynaptic : ndarray of shape (n_neurons, n_neurons) or None
        Signalling by monoamines and neuropeptides, from sender to receiver; None if the
        table is about synapses only.
    """

    neurons: NDArray[np.str_]
    chemical: NDArray[np.float64]
    electrical: NDArray[np.float64]
    extrasynaptic: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        return (
            f"<Connectome of {len(self.neurons)} cells; {np.count_nonzero(self.chemical)} "
            f"chemical, {np.count_nonzero(np.triu(self.electrical))} electrical connections>"
        )

    def graph(
        self,
        kind: Literal["any", "chemical", "electrical", "extrasynaptic"] = "any",
        *,
        neurons: Iterable[str] | None = None,
    ) -> NDArray[np.float64]:
        """Return the synapse counts between the neurons of a recording, in their order.

        Parameters
        ----------
        kind : {"any", "chemical", "electrical", "extrasynaptic"}, default="any"
            ``"any"`` is the sum of chemical and electrical synapses.
        neurons : str or iterable of str, optional
            Names, such as `Windows.neurons`; by default all. ``VB2`` and ``VB02`` are the
            same cell. ``''``, None and NaN are anonymous neurons.

        Returns
        -------
        ndarray of shape (n_neurons, n_neurons)
            Entry ``[i, j]`` from sender ``j`` to receiver ``i``; NaN for cells that the
            table does not have, and for anonymous neurons (``''``). The diagonal is 0.

        Raises
        ------
        ValueError
            If the table has none of these cells or nothing of this kind, or if what is given
            are no names.
        """
        if kind not in ("any", *_KINDS, "extrasynaptic"):
            raise ValueError(
                f"kind: got {kind!r}; expected 'any', 'chemical', 'electrical' or 'extrasynaptic'"
            )
        counts = self.chemical + self.electrical if kind == "any" else getattr(self, kind)
        if counts is None:
            raise ValueError("kind: the table says nothing of extrasynaptic signalling")
        return in_order(counts, self.neurons, neurons)

    def sum_classes(self, classes: Mapping[str, str]) -> Connectome:
        """Sum the synapses over the members of each class.

        Parameters
        ----------
        classes : mapping of str to str
            Class of each cell, for instance
            ``dict(zip(recording.neurons, recording.neuron_classes))``. Cells without one
            stay apart under their own name; None and NaN are no class.

        Returns
        -------
        Connectome
            Whose ``neurons`` are classes.

        Raises
        ------
        ValueError
            If these are no names and classes.
        """
        names, place = class_members(self.neurons, classes)
        member = np.eye(len(names))[:, place]
        extrasynaptic = self.extrasynaptic
        return Connectome(
            names,
            member @ self.chemical @ member.T,
            member @ self.electrical @ member.T,
            None if extrasynaptic is None else member @ extrasynaptic @ member.T,
        )


def read_connectome(path: str | os.PathLike[str] | IO[str]) -> Connectome:
    r"""Read a connectome from a wiring table.

    Parameters
    ----------
    path : path, open file or name
        ``"cect:White_whole"`` is a table of the C. elegans Connectome Toolbox, by the name of
        its reader (``pip install skneurograph[cect]``): wiring, monoamines and neuropeptides,
        of which a kind that a table lacks is 0. Otherwise a CSV file with the columns
        ``sender, receiver, kind, n_synapses``, one row for each pair of cells and kind,
        ``chemical`` or ``electrical``. Rows of the same pair and kind are added up; a gap
        junction may stand in one or in both directions, and if their counts differ, as 2 and
        3, the larger one holds. Blanks around entries do not count. ``NA``, ``nan`` and
        ``None`` are names as any other.

    Returns
    -------
    Connectome
        Its ``graph("chemical", neurons=windows.neurons)`` stands beside the ``graph_`` of
        an estimator.

    Raises
    ------
    ImportError
        If a name is given, and the toolbox is not installed.
    ValueError
        If the file is not such a table, or an entry is missing or unfit. The message says
        which, and in which row. If the toolbox has no table of this name.

    Examples
    --------
    >>> import io
    >>> from skneurograph.datasets import read_connectome
    >>> table = "sender,receiver,kind,n_synapses\nAVAL,VB2,chemical,3\nAVAL,AVAR,electrical,1"
    >>> connectome = read_connectome(io.StringIO(table))
    >>> connectome
    <Connectome of 3 cells; 1 chemical, 1 electrical connections>
    >>> connectome.graph("chemical", neurons=["VB02", "AVAL", "RIML"])
    array([[ 0.,  3., nan],
           [ 0.,  0., nan],
           [nan, nan,  0.]])
    """
    if isinstance(path, str) and path.startswith(PREFIX):
        return Connectome(*read_cect(path.removeprefix(PREFIX)))
    table = _read_table(path)
    kinds = table["kind"].to_numpy()
    counts = pd.to_numeric(table["n_synapses"], errors="coerce").to_numpy(dtype=float)
    for column in ("sender", "receiver"):
        _refuse(table[column] == "", table[column], "the name of a cell, and no row without one")
    _refuse(~table["kind"].isin(_KINDS), table["kind"], "'chemical' or 'electrical'")
    _refuse(
        ~(np.isfinite(counts) & (counts >= 0)),
        table["n_synapses"],
        "numbers of at least 0; others are not counts",
    )
    ends = table[["sender", "receiver"]].to_numpy(dtype=str)
    names, first = np.unique([plain_name(name) for name in ends.ravel()], return_index=True)
    neurons = ends.ravel()[first]
    place = {name: i for i, name in enumerate(names.tolist())}
    senders, receivers = (
        np.array([place[plain_name(n)] for n in column], dtype=int) for column in ends.T
    )
    matrices = {}
    for kind in _KINDS:
        rows = kinds == kind
        matrices[kind] = np.zeros((len(neurons), len(neurons)))
        np.add.at(matrices[kind], (receivers[rows], senders[rows]), counts[rows])
    electrical = np.maximum(matrices["electrical"], matrices["electrical"].T)
    return Connectome(neurons, matrices["chemical"], electrical)


def _read_table(path: str | os.PathLike[str] | IO[str]) -> pd.DataFrame:
    """Read the columns as text without blanks: a cell called NA is a cell, not a missing one."""
    try:
        # index_col: a comma at the end of each row must not turn the senders into an index.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"path: {path} could not be read as a table ({error})") from error
    table.columns = table.columns.str.strip()
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise ValueError(
            f"path: the table lacks {', '.join(missing)}; expected the columns "
            f"{', '.join(_COLUMNS)}; it has {', '.join(table.columns)}"
        )
    if table.empty:
        raise ValueError("path: the table has no row; expected one for each pair of cells")
    return table[list(_COLUMNS)].fillna("").apply(lambda column: column.str.strip())


def _refuse(wrong: NDArray[np.bool_] | pd.Series, column: pd.Series, expected: str) -> None:
    """Raise an error for the first row that is wrong, if any."""
    if np.any(wrong):
        row = int(np.argmax(wrong))
        given = column.iloc[row]
        where = f"row {row + 1} after the header"
        problem = (
            f"got {column.name} {given!r} in {where}" if given else f"{where} has no {column.name}"
        )
        raise ValueError(f"path: {problem}; expected {expected}")
