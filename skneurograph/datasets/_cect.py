"""Tables of the C. elegans Connectome Toolbox (cect), where it is installed."""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["PREFIX", "CectTable", "read_cect"]

PREFIX = "cect:"
# Kinds of the toolbox, and fields of a table.
_FIELDS = {
    "Chemical": "chemical",
    "GapJunction": "electrical",
    "Extrasynaptic": "extrasynaptic",
}


class CectTable(NamedTuple):
    """Cells and how they are connected, entry ``[i, j]`` from sender ``j`` to receiver ``i``."""

    neurons: NDArray[np.str_]
    chemical: NDArray[np.float64]
    electrical: NDArray[np.float64]
    extrasynaptic: NDArray[np.float64] | None


def read_cect(name: str) -> CectTable:
    """Read a table by the name of its reader in ``cect.readers``.

    Raises
    ------
    ImportError
        If cect is not installed, or a package that it needs for this table.
    ValueError
        If it has no such table, or if the table is about neither synapses nor extrasynaptic
        signalling.
    """
    kind_of = _load("cect.Neurotransmitters").get_syn_type_from_synclass
    table = _instance(name)
    shape = (len(table.nodes), len(table.nodes))
    found: dict[str, NDArray[np.float64]] = {}
    for transmitter, weights in table.connections.items():
        field = _FIELDS.get(kind_of(transmitter))
        if field is None:
            raise ValueError(
                f"path: {PREFIX}{name} is a table of kind {transmitter!r}; expected synapses, "
                "monoamines or neuropeptides (read_functional_atlas reads responses)"
            )
        # The toolbox has senders as rows.
        found[field] = found.get(field, np.zeros(shape)) + np.asarray(weights, dtype=float).T
    electrical = found.get("electrical", np.zeros(shape))
    return CectTable(
        np.array([str(node) for node in table.nodes]),
        found.get("chemical", np.zeros(shape)),
        np.maximum(electrical, electrical.T),
        found.get("extrasynaptic"),
    )


def _load(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "cect":
            raise ImportError(
                f"path: names of tables ({PREFIX}...) need the C. elegans Connectome Toolbox: "
                "pip install skneurograph[cect]"
            ) from error
        raise


def _instance(name: str) -> Any:
    """Let the toolbox read a table, from its cache if it is there, and without its messages."""
    readers = _load("cect.readers")
    names = sorted(module.name for module in pkgutil.iter_modules(readers.__path__))
    unknown = ValueError(
        f"path: cect has no table {name!r}; expected one of {', '.join(names) or 'none'}"
    )
    if name not in names:
        raise unknown
    with contextlib.redirect_stdout(io.StringIO()):
        reader = _load(f"cect.readers.{name}")
        if not hasattr(reader, "get_instance"):  # what several readers share
            raise unknown
        try:
            return reader.get_instance(from_cache=True)
        except FileNotFoundError:
            return reader.get_instance(from_cache=False)
