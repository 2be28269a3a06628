"""Functional atlases: which neurons respond when another one is stimulated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skneurograph.datasets._cells import class_members, in_order

__all__ = ["FunctionalAtlas", "read_functional_atlas"]

_STRAINS = {"wild-type": "wt", "unc-31": "unc31"}
# What a file holds of each strain, under these names.
_QUANTITIES = ("q", "q_eq", "dFF", "occ1")


@dataclass(frozen=True, eq=False)
class FunctionalAtlas:
    """Responses of neurons to the stimulation of others, as `read_functional_atlas` reads them.

    Entry ``[i, j]`` of each matrix is about the response of receiver ``i`` when sender ``j``
    was stimulated; NaN where that was not measured.

    Attributes
    ----------
    neurons : ndarray of str, shape (n_neurons,)
        Names of rows and columns.
    q : ndarray of shape (n_neurons, n_neurons)
        That there was a response: p-value, corrected for the false discovery rate.
    q_absence : ndarray of shape (n_neurons, n_neurons)
        That there was none, by a test of equivalence: a small value says that a response, if
        any, is negligible.
    response : ndarray of shape (n_neurons, n_neurons)
        Mean response, dF/F.
    n_observations : ndarray of int, shape (n_neurons, n_neurons)
        Stimulations of ``j`` while ``i`` was recorded.
    """

    neurons: NDArray[np.str_]
    q: NDArray[np.float64]
    q_absence: NDArray[np.float64]
    response: NDArray[np.float64]
    n_observations: NDArray[np.intp]

    def __repr__(self) -> str:
        measured = int((self._measured(1) & ~np.eye(len(self.neurons), dtype=bool)).sum())
        return (
            f"<FunctionalAtlas of {len(self.neurons)} neurons; {measured} ordered pairs measured>"
        )

    def graph(
        self,
        *,
        neurons: Iterable[str] | None = None,
        max_q: float = 0.05,
        absence: Literal["no-response", "equivalence"] = "no-response",
        min_q_absent: float = 0.5,
        min_observations: int = 2,
    ) -> NDArray[np.float64]:
        """Return which neurons respond to which, in the order of a recording's neurons.

        Parameters
        ----------
        neurons : str or iterable of str, optional
            Names, such as `Windows.neurons`; by default all. ``VB2`` and ``VB02`` are the
            same cell. ``''``, None and NaN are anonymous neurons.
        max_q : float, default=0.05
            Pairs with a smaller ``q`` are connected.
        absence : {"no-response", "equivalence"}, default="no-response"
            Which of the others are unconnected: those with ``q`` above ``min_q_absent``, or
            those whose ``q_absence`` is below ``max_q``.
        min_q_absent : float, default=0.5
            Not used with ``absence="equivalence"``.
        min_observations : int, default=2
            Pairs with fewer are unknown.

        Returns
        -------
        ndarray of shape (n_neurons, n_neurons)
            1 where receiver ``i`` responds to sender ``j``, 0 where it does not, NaN where
            that is not known. The diagonal is 0.

        Raises
        ------
        ValueError
            If the atlas has none of these neurons, or if what is given are no names.
        """
        if absence not in ("no-response", "equivalence"):
            raise ValueError(f"absence: got {absence!r}; expected 'no-response' or 'equivalence'")
        unconnected = self.q > min_q_absent
        if absence == "equivalence":
            unconnected = self.q_absence < max_q
        graph = np.where(unconnected, 0.0, np.nan)
        graph[self.q < max_q] = 1.0
        graph[~self._measured(min_observations)] = np.nan
        return in_order(graph, self.neurons, neurons)

    def merge_classes(self, classes: Mapping[str, str]) -> FunctionalAtlas:
        """Merge the members of each class, such as left and right.

        A class responds to another if some member responds to some member, and does not if no
        pair of members does: ``q`` is the smallest and ``q_absence`` the largest over the
        pairs that were measured. Observations are added up, and responses averaged over
        them. Pairs within a class are left out.

        Parameters
        ----------
        classes : mapping of str to str
            Class of each neuron, for instance
            ``dict(zip(recording.neurons, recording.neuron_classes))``. Neurons without one
            stay apart under their own name; None and NaN are no class.

        Returns
        -------
        FunctionalAtlas
            Whose ``neurons`` are classes.

        Raises
        ------
        ValueError
            If these are no names and classes.
        """
        names, place = class_members(self.neurons, classes)
        shape = (len(names), len(names))
        pairs = (place[:, None], place[None, :])
        measured = self._measured(1)
        q, q_absence = np.full(shape, np.inf), np.full(shape, -np.inf)
        np.minimum.at(q, pairs, np.where(measured, self.q, np.inf))
        np.maximum.at(q_absence, pairs, np.where(measured, self.q_absence, -np.inf))
        count, total = np.zeros(shape, dtype=np.intp), np.zeros(shape)
        n_observations = np.where(measured, self.n_observations, 0)
        np.add.at(count, pairs, n_observations)
        np.add.at(total, pairs, np.where(measured, n_observations * self.response, 0))
        response = np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)
        q[count == 0] = q_absence[count == 0] = np.nan
        return FunctionalAtlas(names, q, q_absence, response, count)

    def _measured(self, min_observations: int) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = ~np.isnan(self.q) & (self.n_observations >= min_observations)
        return known


def read_functional_atlas(
    path: str | os.PathLike[str], *, strain: Literal["wild-type", "unc-31"] = "wild-type"
) -> FunctionalAtlas:
    """Read a functional atlas, such as that of Randi et al. (2023).

    Parameters
    ----------
    path : path-like
        ``funatlas.h5`` of the package ``wormneuroatlas`` (then h5py is needed:
        ``pip install skneurograph[nwb]``), or an ``.npz`` with the arrays ``neurons``, ``wt_q``,
        ``wt_q_eq``, ``wt_dFF``, ``wt_occ1`` and the same for ``unc31``, whose entry ``[i, j]``
        is the response of ``i`` to the stimulation of ``j``.
    strain : {"wild-type", "unc-31"}, default="wild-type"
        Mutants of *unc-31* lack the release of dense-core vesicles, and so most signalling
        by neuropeptides.

    Returns
    -------
    FunctionalAtlas
        Its ``graph(neurons=windows.neurons)`` stands beside the ``graph_`` of an estimator.

    Raises
    ------
    ImportError
        If the file is HDF5, and h5py is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not such an atlas; the message says what it lacks.

    References
    ----------
    .. [1] F. Randi, A. K. Sharma, S. Dvali, A. M. Leifer (2023). Neural signal propagation
       atlas of Caenorhabditis elegans. Nature 623, 406. doi:10.1038/s41586-023-06683-4

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skneurograph.datasets import read_functional_atlas
    >>> arrays = {"wt_q": [[1, 0.6], [0.01, 1]], "wt_q_eq": [[1, 0.02], [0.5, 1]],
    ...           "wt_dFF": [[0, 0.0], [0.4, 0]], "wt_occ1": [[5, 7], [3, 4]]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "atlas.npz", neurons=["AVAL", "AVEL"], **arrays)
    ...     atlas = read_functional_atlas(Path(folder) / "atlas.npz")
    >>> atlas.graph(neurons=["AVAL", "AVEL", "RIML"])
    array([[ 0.,  0., nan],
           [ 1.,  0., nan],
           [nan, nan,  0.]])
    """
    if strain not in _STRAINS:
        raise ValueError(f"strain: got {strain!r}; expected {' or '.join(map(repr, _STRAINS))}")
    place = Path(path)
    read = _read_npz if place.suffix.lower() == ".npz" else _read_h5
    names, arrays = read(place, _STRAINS[strain])
    neurons = np.array(names)
    shape = (len(neurons), len(neurons))
    for name, array in arrays.items():
        if np.shape(array) != shape:
            raise ValueError(
                f"path: {place.name} has {name} of shape {np.shape(array)}; expected {shape}, "
                "a row and a column for each neuron"
            )
    q, q_absence, response = (
        np.asarray(arrays[name], dtype=np.float64) for name in _QUANTITIES[:3]
    )
    return FunctionalAtlas(neurons, q, q_absence, response, np.asarray(arrays["occ1"], np.intp))


def _read_npz(path: Path, strain: str) -> tuple[list[str], dict[str, Any]]:
    with np.load(path, allow_pickle=False) as file:
        wanted = {name: f"{strain}_{name}" for name in _QUANTITIES}
        _require(path, ["neurons", *wanted.values()], file.files)
        arrays = {name: file[key] for name, key in wanted.items()}
        return [str(name) for name in file["neurons"]], arrays


def _read_h5(path: Path, strain: str) -> tuple[list[str], dict[str, Any]]:
    if not path.exists():
        raise FileNotFoundError(f"path: there is no file {path}")
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"{path.name} needs h5py to be read: pip install skneurograph[nwb]"
        ) from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"path: {path.name} is neither .npz nor HDF5 ({error})") from error
    with file:
        wanted = {name: f"{strain}/{name}" for name in _QUANTITIES}
        _require(path, ["neuron_ids", *wanted.values()], file)
        arrays = {name: file[key][()] for name, key in wanted.items()}
        return [name.decode() for name in file["neuron_ids"][()]], arrays


def _require(path: Path, wanted: Iterable[str], held: Any) -> None:
    missing = [name for name in wanted if name not in held]
    if missing:
        raise ValueError(
            f"path: {path.name} lacks {', '.join(missing)}; expected a signal propagation atlas"
        )
