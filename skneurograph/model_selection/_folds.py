"""Folds of a comparison, as positions of windows, from any kind of splitter."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import LeaveOneGroupOut, check_cv

from skneurograph.data._inputs import InputError, unmasked

__all__ = ["Fold", "read_folds"]

Rows = NDArray[np.intp]


class Fold(NamedTuple):
    """Windows to train on and to test on, and what the test part is called."""

    train: Rows
    test: Rows
    held_out: str


def read_folds(cv: Any, y: NDArray, groups: NDArray | None, *, classifies: bool) -> list[Fold]:
    """Split windows, by default one organism at a time.

    Raises
    ------
    InputError
        If there are no organisms to hold out, or if a part of a split is empty, names
        windows that do not exist or twice, or shares windows with the other part.
    ValueError
        If a label occurs in no training window of a fold.
    """
    if cv is None:
        _check_organisms(groups)
        cv = LeaveOneGroupOut()
    folds = []
    for number, split in enumerate(_splits(cv, y, groups, classifies)):
        train, test = _read_split(split, len(y), number)
        folds.append(Fold(train, test, _held_out(groups, test, number)))
    if not folds:
        raise InputError("cv", "no split", "a splitter of scikit-learn or pairs (train, test)")
    if classifies:
        for fold in folds:
            absent = np.setdiff1d(y[fold.test], y[fold.train])
            if len(absent):
                raise ValueError(
                    f"{', '.join(map(repr, absent.tolist()))} occurs in no training window of the "
                    f"fold that holds out {fold.held_out}: no model can predict it; drop that "
                    "label or add organisms"
                )
    return folds


def _check_organisms(groups: NDArray | None) -> None:
    if groups is None:
        raise ValueError(
            "groups: got None; holding out organisms needs the organism of each "
            "window (Windows.groups), or give another cv"
        )
    organisms = np.unique(groups)
    if len(organisms) < 2:
        raise ValueError(
            f"groups: got one organism only ({str(organisms[0])!r}); holding out organisms "
            "needs at least two"
        )


def _splits(cv: Any, y: NDArray, groups: NDArray | None, classifies: bool) -> list[Any]:
    expected = "a splitter of scikit-learn, a number of folds, or pairs (train, test)"
    if isinstance(cv, type):
        raise InputError("cv", f"the class {cv.__name__}", f"an instance, {cv.__name__}(...)")
    if isinstance(cv, (str, bytes, bool)):
        raise InputError("cv", repr(cv), expected)
    if not hasattr(cv, "split") and not isinstance(cv, (int, np.integer)):
        try:
            return list(cv)
        except TypeError as error:
            raise InputError("cv", repr(cv), expected) from error
    with warnings.catch_warnings():
        # Groups are for the estimators as well, so a splitter without use for them is no fault.
        warnings.filterwarnings("ignore", message="The groups parameter is ignored")
        try:
            splitter = check_cv(cv, y, classifier=classifies)
            return list(splitter.split(np.zeros(len(y)), y, groups))
        except ValueError as error:
            raise ValueError(f"cv: {error}") from error


def _read_split(split: Any, n_windows: int, fold: int) -> tuple[Rows, Rows]:
    try:
        train, test = split
    except (TypeError, ValueError) as error:
        raise InputError(
            "cv",
            f"a split {fold} that is no pair",
            "pairs of the windows to train on and to test on; for one split [(train, test)]",
        ) from error
    parts = {
        name: _read_rows(part, n_windows, f"cv: {name} of split {fold}")
        for name, part in (("train", train), ("test", test))
    }
    shared = np.intersect1d(parts["train"], parts["test"])
    if len(shared):
        raise InputError(
            "cv",
            f"{len(shared)} windows both to train on and to test on in split {fold} (such as "
            f"{shared[0]})",
            "no window in both",
        )
    return parts["train"], parts["test"]


def _read_rows(part: Any, n_windows: int, what: str) -> Rows:
    """Read positions of windows, or a mask over all of them."""
    expected = f"positions from 0 to {n_windows - 1}, or a mask of {n_windows} booleans"
    if isinstance(part, slice):
        part = np.arange(n_windows)[part]
    elif not hasattr(part, "__array__") and not np.isscalar(part):
        try:
            part = list(part)
        except TypeError as error:
            raise InputError(what, repr(part), expected) from error
    try:
        rows = np.asarray(unmasked(part))
    except ValueError as error:
        raise InputError(what, "a ragged sequence", expected) from error
    if rows.dtype == object and all(isinstance(row, (bool, np.bool_)) for row in rows.flat):
        rows = rows.astype(bool)
    if rows.ndim != 1:
        raise InputError(what, f"shape {rows.shape}", expected)
    if rows.dtype == bool:
        if len(rows) != n_windows:
            raise InputError(what, f"a mask of {len(rows)} booleans", expected)
        rows = np.flatnonzero(rows)
    if len(rows) == 0:
        raise InputError(what, "no window", "at least one")
    if rows.dtype.kind not in "iu":
        raise InputError(what, f"dtype {rows.dtype}", expected)
    if rows.min() < 0 or rows.max() >= n_windows:
        outside = rows[(rows < 0) | (rows >= n_windows)][0]
        raise InputError(what, str(outside), expected)
    if len(np.unique(rows)) < len(rows):
        raise InputError(what, "a window twice", "each window once")
    return rows.astype(np.intp)


def _held_out(groups: NDArray | None, test: Rows, fold: int) -> str:
    if groups is None:
        return f"fold {fold}"
    names = np.unique(groups[test])
    return "+".join(map(str, names)) if len(names) <= 3 else f"{len(names)} organisms"
