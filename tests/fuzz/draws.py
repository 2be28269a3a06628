"""What users hand over, drawn by hypothesis: values, and the container they are in.

Each draw knows what it means: ``expected`` is what has to be read from it, with NaN where
something is missing, or None where a clear refusal is just as good.
"""

import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pynapple as nap
import scipy.sparse
import torch
import xarray as xr
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st

# A short round by default; SKNEUROGRAPH_FUZZ=2000 runs a long one, from other seeds every time.
ROUNDS = int(os.environ.get("SKNEUROGRAPH_FUZZ", "0"))


def round_of(n_examples):
    """Settings of a test that takes a short round of so many examples."""
    return settings(
        max_examples=ROUNDS or n_examples,
        derandomize=not ROUNDS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@dataclass(frozen=True)
class Draw:
    """Something handed over, what has to be read from it, and a word for it."""

    value: Any
    expected: Any
    what: str

    def __repr__(self):
        shape = getattr(self.value, "shape", "")
        return f"<{self.what}: {type(self.value).__name__} {shape}>"


class Refused(Exception):  # noqa: N818
    """A clear refusal, which ends the test: it is as good as a right answer."""


@contextmanager
def clear(*names):
    """Pass if what is inside raises a clear error, or none: one line that names what is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Silent arithmetic on what is not a number is how wrong numbers come out.
            warnings.simplefilter("error", RuntimeWarning)
            yield
    except (ValueError, TypeError) as error:
        message = str(error)
        assert len(message) > 15, f"says nothing: {message!r}"
        assert len(message) < 700, f"too long: {message!r}"
        for raw in RAW:
            assert raw not in message, f"the words of another library: {message!r}"
        assert any(name in message for name in names), f"names none of {names}: {message!r}"
        event("refused")
        raise Refused(message) from error
    event("accepted")


# Pieces of messages that numpy, pandas, torch or Python write when nobody looked before.
RAW = (
    "allow_pickle",
    "could not broadcast",
    "inhomogeneous shape",
    "not supported between instances",
    "object has no attribute",
    "object is not iterable",
    "unsupported operand",
    "zero-size array",
    "mat1 and mat2",
    "expected scalar type",
    "index out of range",
    "out of bounds",
    "truth value of",
    "unhashable",
    "list index",
    "unexpected keyword",
    "positional argument",
    "must be real number",
    "cannot convert",
    "can't convert",
    "ufunc",
)


@st.composite
def values(draw, shape, *, missing=True):
    """Numbers of a shape: ordinary, constant, silent, huge, tiny, far from zero, missing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    numbers = rng.normal(size=shape)
    kind = draw(
        st.sampled_from(
            ["plain", "plain", "plain", "zeros", "constant", "counts", "offset", "huge", "tiny"]
        )
    )
    if kind == "zeros":
        numbers *= 0
    elif kind == "constant":
        numbers = np.full(shape, 2.5)
    elif kind == "counts":
        numbers = rng.poisson(2.0, size=shape).astype(float)
    elif kind in ("offset", "huge", "tiny"):
        numbers = {"offset": numbers + 1e8, "huge": numbers * 1e30, "tiny": numbers * 1e-40}[kind]
    if missing:
        hole = draw(st.sampled_from(["none", "none", "entries", "column", "row", "all"]))
        if hole == "entries":
            numbers = np.where(rng.random(shape) < 0.1, np.nan, numbers)
        elif hole == "column" and len(shape) > 1 and shape[1]:
            numbers[:, 0] = np.nan
        elif hole == "row" and shape[0]:
            numbers[0] = np.nan
        elif hole == "all":
            numbers = np.full(shape, np.nan)
    return numbers


def _masked(numbers):
    filled = np.nan_to_num(numbers, nan=-1.0)
    return np.ma.array(filled, mask=np.isnan(numbers))


def _nullable(numbers):
    return pd.DataFrame({f"n{i}": pd.array(c, dtype="Float64") for i, c in enumerate(numbers.T)})


# How the same table of numbers can be handed over without any change to what it says.
TABLES = {
    "array": lambda a: a,
    "Fortran order": np.asfortranarray,
    "every second row of twice as many": lambda a: np.repeat(a, 2, axis=0)[::2],
    "big-endian": lambda a: a.astype(">f8"),
    "long double": lambda a: a.astype(np.longdouble),
    "objects": lambda a: a.astype(object),
    "objects with None": lambda a: np.where(np.isnan(a), None, a.astype(object)),
    "list": lambda a: a.tolist(),
    "tuple of arrays": lambda a: tuple(a),
    "masked": _masked,
    "list of masked": lambda a: list(_masked(a)),
    "DataFrame": pd.DataFrame,
    "DataFrame with names": lambda a: pd.DataFrame(a, columns=[f"n{i}" for i in range(a.shape[1])]),
    "nullable DataFrame": _nullable,
    "DataArray": lambda a: xr.DataArray(a, dims=("time", "neuron")),
    "tensor": torch.tensor,
}
# Containers of which nobody can say what is meant.
NO_TABLES = {
    "None": lambda a: None,
    "text": lambda a: "abc",
    "a number": lambda a: 3.0,
    "strings": lambda a: a.astype(str),
    "bytes": lambda a: a.astype("S8"),
    "complex": lambda a: a + 1j,
    "dates": lambda a: np.zeros(a.shape, dtype="M8[s]"),
    "ragged": lambda a: [*a.tolist(), [1.0] * (a.shape[1] + 1)],
    "sparse": lambda a: scipy.sparse.csr_array(np.nan_to_num(a)),
    "dict": lambda a: {"a": a},
    "set": lambda a: {1.0, 2.0},
    "generator": lambda a: (row for row in a),
    "structured": lambda a: np.zeros(len(a), dtype=[("a", float), ("b", float)]),
    "infinity": lambda a: np.where(np.arange(a.size).reshape(a.shape) == 0, np.inf, a),
    "a class": lambda a: np.ndarray,
    "a TsGroup": lambda a: nap.TsGroup({0: nap.Ts(np.arange(3.0))}),
    "one dimension": lambda a: a[:, 0],
    "four dimensions": lambda a: a[None, None],
    "no column": lambda a: a[:, :0],
    "no row": lambda a: a[:0],
}


@st.composite
def tables(draw):
    """A table of numbers in any container, of which some make no sense."""
    numbers = draw(values((draw(st.integers(1, 60)), draw(st.integers(1, 5)))))
    if draw(st.integers(0, 4)) == 0:
        what = draw(st.sampled_from(sorted(NO_TABLES)))
        return Draw(NO_TABLES[what](numbers), None, what)
    what = draw(st.sampled_from(sorted(TABLES)))
    return Draw(TABLES[what](numbers), numbers, what)


MISSING_TEXT = (None, np.nan, pd.NA, pd.NaT, "", "  ")


@st.composite
def texts(draw, n, *, unique=False, words=("run", "rest", "turn")):
    """Names or labels in any container; where one is missing, '' is expected."""
    if unique:
        expected = [f"n{i}" for i in range(n)]
    else:
        expected = draw(st.lists(st.sampled_from(words), min_size=n, max_size=n))
    lost = draw(st.lists(st.booleans(), min_size=n, max_size=n)) if draw(st.booleans()) else []
    lost = np.array([*lost, *[False] * (n - len(lost))], dtype=bool)
    expected = np.where(lost, "", np.array(expected, dtype="U4"))
    missing = draw(st.sampled_from(MISSING_TEXT))
    listed = [missing if gone else str(name) for gone, name in zip(lost, expected)]
    objects = np.empty(n, dtype=object)
    objects[:] = listed
    containers = {
        "list": lambda: listed,
        "tuple": lambda: tuple(listed),
        "objects": lambda: objects,
        "Series": lambda: pd.Series(objects, dtype=object),
        "string Series": lambda: pd.Series(
            [None if gone else str(name) for gone, name in zip(lost, expected)], dtype="string"
        ),
        "Categorical": lambda: pd.Categorical(
            [None if gone else str(name) for gone, name in zip(lost, expected)]
        ),
        "array": lambda: expected,
        "bytes": lambda: expected.astype("S"),
        "objects of bytes": lambda: np.array([name.encode() for name in expected], dtype=object),
        "list of bytes": lambda: [name.encode() for name in expected.tolist()],
        "masked": lambda: np.ma.array(np.where(lost, "run", expected), mask=lost),
        "DataArray": lambda: xr.DataArray(expected),
    }
    what = draw(st.sampled_from(sorted(containers)))
    return Draw(containers[what](), expected, f"text, {what}")


@st.composite
def groups(draw, n):
    """Organisms of windows: right, or missing, mixed, of the wrong length or rank."""
    names = np.array([f"o{i}" for i in range(4)])[np.arange(n) * 4 // n]
    numbers = np.arange(n) * 4 // n
    mixed = names.astype(object)
    mixed[0] = 1
    gone = names.astype(object)
    gone[0] = draw(st.sampled_from([None, np.nan, pd.NA, pd.NaT]))
    dates = np.array(["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"], dtype="M8[D]")
    right = {
        "names": names,
        "numbers": numbers,
        "floats": numbers * 0.5,
        "list": names.tolist(),
        "Series": pd.Series(names, index=np.arange(n)[::-1]),
        "Categorical": pd.Categorical(names),
        "nullable": pd.Series(numbers, dtype="Int64"),
        "objects": names.astype(object),
        "dates": dates[numbers],
        "bytes": names.astype("S"),
        "DataArray": xr.DataArray(names),
    }
    wrong = {
        "mixed": mixed,
        "missing": gone,
        "missing in a list": gone.tolist(),
        "NaN": np.where(numbers == 0, np.nan, numbers),
        "NaT": np.where(numbers == 0, np.datetime64("NaT"), dates[numbers]),
        "masked": np.ma.array(numbers, mask=numbers == 0),
        "nullable with NA": pd.Series([pd.NA, *numbers[1:]], dtype="Int64"),
        "too short": names[1:],
        "a column": names[:, None],
        "a name": "o1",
        "a number": 3,
    }
    if draw(st.integers(0, 2)) == 0:
        what = draw(st.sampled_from(sorted(wrong)))
        return Draw(wrong[what], None, f"groups, {what}")
    what = draw(st.sampled_from(sorted(right)))
    return Draw(right[what], names, f"groups, {what}")
