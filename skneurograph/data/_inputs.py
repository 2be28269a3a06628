"""Conversion of numbers, names, labels and groups from any container to arrays.

Masked entries, missing values (None, NaN, NaT, ``pandas.NA``) and bytes have one meaning
everywhere: masked or missing numbers are NaN, missing names and labels are ``''``, a missing
group is an error, and bytes are UTF-8 text.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skneurograph.data._warnings import warn

__all__ = [
    "InputError",
    "no_numbers",
    "plain_array",
    "read_groups",
    "read_labels",
    "read_names",
    "read_number",
    "read_numbers",
    "read_text",
    "unmasked",
]

# How a missing value reads once numpy or pandas has turned it into text.
_MISSING_AS_TEXT = ("nan", "NaN", "None", "<NA>", "NaT")


class InputError(ValueError):
    """A value that cannot be read: what it is for, what was given and what was expected."""

    def __init__(self, what: str, given: str, expected: str) -> None:
        super().__init__(f"{what}: got {given}; expected {expected}.")


def unmasked(value: Any) -> Any:
    """Return a masked array, or a list of them, as an array with NaN where it is masked.

    Anything else comes back as it is. Masked integers become floats; masked text and other
    objects become None.
    """
    if isinstance(value, (list, tuple)) and any(np.ma.isMaskedArray(part) for part in value):
        if len({np.shape(part) for part in value}) > 1:
            return value
        value = np.ma.array([np.ma.asarray(part) for part in value])
    if not np.ma.isMaskedArray(value):
        return value
    mask = np.ma.getmaskarray(value)
    if not mask.any():
        return value.data
    filled = value.data
    if filled.dtype.kind in "fc":
        return np.where(mask, filled.dtype.type(np.nan), filled)
    if filled.dtype.kind in "bui":
        return np.where(mask, np.nan, filled.astype(np.float64))
    filled = filled.astype(object)
    filled[mask] = None
    return filled


def read_numbers(
    value: Any, what: str, expected: str = "numbers", *, finite: bool = False
) -> NDArray[np.floating]:
    """Read numbers as float32 or float64, NaN where they are missing or masked.

    Parameters
    ----------
    value : array-like
        Floats, integers or booleans of any rank; objects if each is a number or missing.
    what, expected : str
        What the value is for and what it should be, for the message of an error.
    finite : bool, default=False
        Whether NaN is an error too; infinity always is.

    Raises
    ------
    InputError
        If the value is no array of numbers, or holds infinity.
    """
    array = _as_array(value, what, expected)
    if array.dtype.kind == "O":
        array = _numbers_of_objects(array, what, expected)
    if array.dtype.kind not in "buif":
        raise InputError(what, f"dtype {array.dtype}", expected)
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    bad = ~np.isfinite(array) if finite else np.isinf(array)
    if bad.any():
        place = ", ".join(str(i) for i in np.argwhere(bad)[0])
        word = "NaN" if np.isnan(array[tuple(np.argwhere(bad)[0])]) else "infinity"
        where = f" at position {place}" if place else ""
        raise InputError(
            what, word + where, "finite numbers" + ("" if finite else ", or NaN where missing")
        )
    return array


def read_number(value: Any, what: str, expected: str) -> float:
    """Read one finite number; text and booleans are none.

    Raises
    ------
    InputError
        If it is anything else, or missing.
    """
    try:
        array = read_numbers(value, what, finite=True)
    except InputError:
        array = np.empty(0)
    if array.size != 1 or np.asarray(value).dtype.kind == "b":
        raise InputError(what, repr(value), expected)
    return float(array.item())


def read_text(value: Any, what: str, expected: str = "text") -> str:
    """Read one piece of text, such as a name; ``''`` where it is missing.

    Raises
    ------
    InputError
        If it is neither text (bytes and arrays of one element included) nor missing.
    """
    value = unmasked(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.size == 1:
        value = value.item()
    array = _as_array(_listed([value]), what, expected)
    if array.shape == (1,) and (_missing(array)[0] or isinstance(array[0], str)):
        return str(read_names(array, what)[0])
    raise InputError(what, repr(value), expected)


def read_names(value: Any, what: str, *, literal: bool = False) -> NDArray[np.str_]:
    """Read names, ``''`` where one is missing; numbers are no names.

    Parameters
    ----------
    value : array-like of str or bytes
        Names; None, NaN and masked ones are missing.
    what : str
        What the names are for, for the message of an error.
    literal : bool, default=False
        Whether the texts ``'nan'``, ``'None'`` and the like are names as any other, where
        the source tells them from missing ones; otherwise they are read as missing, with
        a warning.

    Raises
    ------
    InputError
        If there is anything but text and missing values.
    """
    cleaned = _blank_emptied if literal else _without_missing_text
    array = _as_array(_listed(value), what, "one string per neuron")
    if array.dtype.kind == "U":
        return cleaned(array, what)
    missing = _missing(array)
    if missing.all():
        return np.full(array.shape, "", dtype="U1")
    if array.dtype.kind != "O" or not all(isinstance(name, str) for name in array[~missing]):
        kinds = _kinds(array[~missing]) if array.dtype.kind == "O" else f"dtype {array.dtype}"
        raise InputError(what, f"values of {kinds}", "one string per neuron")
    return cleaned(np.where(missing, "", array).astype(str), what)


def read_labels(value: Any, what: str) -> NDArray:
    """Read labels of one kind: text (missing ``''``), numbers (missing NaN) or booleans.

    Raises
    ------
    InputError
        If labels are neither text, numbers nor booleans, or a mixture of them.
    """
    expected = "labels of one kind: text, numbers or booleans"
    array = _as_array(_listed(value), what, expected)
    if array.dtype.kind == "U":
        return _without_missing_text(array, what)
    if array.dtype.kind in "buif":
        return array
    if array.dtype.kind != "O":
        raise InputError(what, f"dtype {array.dtype}", expected)
    missing = _missing(array)
    present = array[~missing]
    if all(isinstance(label, str) for label in present) and len(present):
        return _without_missing_text(np.where(missing, "", array).astype(str), what)
    booleans = [isinstance(label, (bool, np.bool_)) for label in present]
    numbers = [isinstance(label, (int, float, np.number)) for label in present]
    if len(set(booleans)) > 1 or not all(np.logical_or(booleans, numbers)):
        raise InputError(what, _kinds(present), expected)
    if not missing.any():
        return np.asarray(present.tolist()).reshape(array.shape)
    filled = np.full(array.shape, np.nan)
    filled[~missing] = present.astype(np.float64)
    return filled


def read_groups(
    value: Any,
    n_windows: int | None = None,
    what: str = "groups",
    *,
    group: str = "organism",
    item: str = "window",
) -> NDArray:
    """Read the organism of each window: text, numbers or dates, all of one type, none missing.

    Parameters
    ----------
    value : array-like of shape (n_windows,)
    n_windows : int, optional
        How many there should be.
    what, group, item : str
        What the value is called, and what it gives for each of what, for the message of an
        error.

    Raises
    ------
    InputError
        If there is not one group per window, if one is missing (NaN, NaT, None, masked,
        ``''``), or if they are of mixed types.
    """
    wanted = f"the {group} of each {item}"
    expected = f"{wanted}, all text or all numbers"
    array = _as_array(_listed(value), what, expected)
    if array.ndim != 1 or (n_windows is not None and len(array) != n_windows):
        shape = f"(n_{item}s,)" if n_windows is None else f"({n_windows},)"
        raise InputError(what, f"shape {array.shape}", f"{wanted}, shape {shape}")
    missing = _missing(array)
    if array.dtype.kind == "U":
        missing |= np.isin(np.char.strip(array), ("", *_MISSING_AS_TEXT))
    if missing.any():
        raise InputError(
            what,
            f"no {group} for {int(missing.sum())} of {len(array)} {item}s (the first at "
            f"position {int(missing.argmax())})",
            f"the {group} of every {item}; leave out {item}s without one",
        )
    if array.dtype.kind == "O":
        if all(isinstance(name, str) for name in array):
            return read_groups(array.astype(str), n_windows, what, group=group, item=item)
        booleans = [isinstance(name, (bool, np.bool_)) for name in array]
        numbers = [isinstance(name, (int, float, np.number)) for name in array]
        if any(booleans) != all(booleans) or not all(np.logical_or(booleans, numbers)):
            raise InputError(what, _kinds(array), expected)
        array = np.asarray(array.tolist())
    if array.dtype.kind not in "buifUmM":
        raise InputError(what, f"dtype {array.dtype}", expected)
    return array


def plain_array(value: Any, what: str, expected: str) -> NDArray:
    """Return an array of whatever it holds; what is masked is NaN or None.

    Raises
    ------
    InputError
        If it makes no array, such as a ragged sequence.
    """
    try:
        return np.asarray(unmasked(value))
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        if "inhomogeneous" in str(error):
            raise InputError(what, "a ragged sequence", expected) from error
        raise InputError(what, f"{type(value).__name__} ({error})", expected) from error


def _as_array(value: Any, what: str, expected: str) -> NDArray:
    """Return a plain array: masks and missing values kept as such, bytes decoded."""
    array = plain_array(value, what, expected)
    if array.dtype.kind == "O" and array.ndim == 0:
        raise InputError(what, type(value).__name__, expected)
    if array.dtype.kind == "V":
        raise InputError(what, f"dtype {array.dtype}", expected)
    if array.dtype.kind == "S":
        array = array.astype(object)
    if array.dtype.kind == "O" and any(isinstance(item, bytes) for item in array.flat):
        array = _decoded(array, what)
    if array.dtype.kind == "T":
        array = array.astype(object)
    return array


def _listed(value: Any) -> Any:
    """Return a sequence as objects: numpy would turn NaN, None and numbers among text to text."""
    if isinstance(value, (str, bytes, Mapping, Set)) or hasattr(value, "__array__"):
        # The order of a set is no order of neurons or frames, and a mapping has keys for values.
        return value
    try:
        items = list(value)
    except TypeError:
        return value
    try:
        is_flat = not any(np.ndim(item) for item in items)
    except (TypeError, ValueError):  # ragged, or nothing that is an array
        return items
    if not is_flat:
        return unmasked(items)
    array = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        array[position] = None if item is np.ma.masked else item
    return array


def _decoded(array: NDArray, what: str) -> NDArray:
    decoded = np.empty(array.shape, dtype=object)
    for place, item in np.ndenumerate(array):
        try:
            decoded[place] = item.decode("utf-8") if isinstance(item, bytes) else item
        except UnicodeDecodeError as error:
            raise InputError(what, f"bytes that are no UTF-8 ({item!r})", "text") from error
    return decoded


def _missing(array: NDArray) -> NDArray[np.bool_]:
    return np.asarray(pd.isna(array), dtype=bool)


def _without_missing_text(array: NDArray[np.str_], what: str) -> NDArray[np.str_]:
    """Empty blank names, and those that are a missing value turned into text."""
    stripped = np.asarray(np.char.strip(array))
    missing = np.asarray(np.isin(stripped, _MISSING_AS_TEXT))
    if missing.any():
        warn(
            f"{what}: {str(stripped[missing].flat[0])!r} is read as a missing value, as numpy and "
            "pandas write one among text; give '' for what is missing, another name to what is not"
        )
    return _blank_emptied(np.where(missing, "", array) if missing.any() else array, what)


def _blank_emptied(array: NDArray[np.str_], what: str) -> NDArray[np.str_]:
    blank = np.asarray(np.char.strip(array) == "")
    return np.where(blank, "", array) if blank.any() else array


def no_numbers(array: NDArray) -> str:
    """Say what an array holds that numpy would turn into numbers, though it is none.

    Parameters
    ----------
    array : ndarray
        Of any dtype; of objects each is looked at.

    Returns
    -------
    str
        ``"text"`` (bytes, too, and text that spells numbers), ``"complex numbers"``, or
        nothing.
    """
    if array.dtype.kind in "SU":
        return "text"
    if array.dtype.kind == "c":
        return "complex numbers"
    items = array.ravel().tolist() if array.dtype.kind == "O" else []
    if any(isinstance(item, (str, bytes)) for item in items):
        return "text"
    kinds = complex, np.complexfloating
    return "complex numbers" if any(isinstance(item, kinds) for item in items) else ""


def _numbers_of_objects(array: NDArray, what: str, expected: str) -> NDArray[np.float64]:
    missing = _missing(array)
    present = array[~missing]
    if no_numbers(present):
        raise InputError(what, _kinds(present), expected)
    numbers = np.full(array.shape, np.nan)
    try:
        numbers[~missing] = present.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(what, _kinds(present), expected) from error
    return numbers


def _kinds(values: NDArray) -> str:
    """Name the types among some objects."""
    return "objects of type " + " and ".join(
        sorted({type(value).__name__ for value in values.flat})
    )
