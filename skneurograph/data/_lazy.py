"""Lazy windows: an array-like that cuts windows on access."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["CHUNK_ELEMENTS", "LazyWindows", "chunks_of_windows", "cut_windows"]

# Windows are read in chunks of about so many elements of the largest array.
CHUNK_ELEMENTS = 4_000_000


class LazyWindows:
    """Lazy windows: an array-like that cuts windows on access and copies no data.

    Behaves like an array of shape ``(n_windows, n_neurons, n_times)`` towards
    scikit-learn's splitters, ``cross_validate`` and the estimators of this package.
    Indexing with an integer gives one window as an array; indexing with a slice, a mask
    or an array of indices gives another `LazyWindows` over the same recordings.
    ``numpy.asarray`` cuts all windows.

    Parameters
    ----------
    sources : sequence of array-like, each of shape (n_frames, n_recorded)
        Activity of each recording. Windows are float64 if one of them is, else float32.
    columns : sequence of array of int, each of shape (n_recorded,)
        Where the neurons of each recording stand among the ``n_neurons`` columns.
    recording : array of int, shape (n_windows,)
        Which recording each window is cut from.
    starts : array of int, shape (n_windows,)
        First frame of each window.
    n_neurons, n_times : int
        Columns and frames of a window. Neurons that a recording lacks are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import sliding_windows
    >>> windows = sliding_windows(np.arange(12.0).reshape(6, 2), 3, lazy=True)
    >>> windows.X.shape, windows.X[1:3].shape
    ((4, 2, 3), (2, 2, 3))
    >>> windows.X[0]
    array([[0., 2., 4.],
           [1., 3., 5.]], dtype=float32)
    """

    ndim = 3

    def __init__(
        self,
        sources: Sequence[NDArray[np.floating]],
        columns: Sequence[NDArray[np.intp]],
        recording: NDArray[np.integer],
        starts: NDArray[np.integer],
        n_neurons: int,
        n_times: int,
    ) -> None:
        self._sources = list(sources)
        is_double = any(getattr(source, "dtype", None) == np.float64 for source in self._sources)
        self.dtype = np.dtype(np.float64 if is_double else np.float32)
        self._columns = list(columns)
        self._recording = recording
        self._starts = starts
        self.shape = (len(starts), n_neurons, n_times)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<LazyWindows of shape {self.shape} over {len(self._sources)} recordings>"

    def __getitem__(self, key: Any) -> Any:
        rows, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if any(part is not Ellipsis and part != slice(None) for part in rest):
            raise IndexError("LazyWindows can be indexed by window only; use np.asarray first")
        if isinstance(rows, (int, np.integer)):
            row = range(len(self))[int(rows)]
            return self.cut(np.array([row]))[0]
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            if rows.ndim != 1:
                raise IndexError(
                    f"LazyWindows takes one list of windows, not {rows.ndim}-D indices"
                )
            if rows.size == 0:
                rows = rows.astype(np.intp)
        n_neurons, n_times = self.shape[1:]
        return LazyWindows(
            self._sources,
            self._columns,
            self._recording[rows],
            self._starts[rows],
            n_neurons,
            n_times,
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        if copy is False:
            raise ValueError("LazyWindows has no data of its own: a copy is needed")
        cut = self.cut()
        return cut if dtype is None else cut.astype(dtype, copy=False)

    def cut(self, indices: NDArray[np.integer] | None = None) -> NDArray[np.floating]:
        """Cut the windows at these positions (all by default) into an array."""
        recording = self._recording if indices is None else self._recording[indices]
        starts = self._starts if indices is None else self._starts[indices]
        n_neurons, n_times = self.shape[1:]
        out = np.full((len(starts), n_neurons, n_times), np.nan, dtype=self.dtype)
        for index in np.unique(recording):
            rows = np.flatnonzero(recording == index)
            frames = sliding_window_view(self._sources[index], n_times, axis=0)
            out[rows[:, None], self._columns[index][None, :]] = frames[starts[rows]]
        return out

    def places(self) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the recording and the first frame of each window."""
        return self._recording, self._starts

    def recorded(self) -> tuple[NDArray[np.bool_], int]:
        """Which neurons some window holds without NaN, and how many windows hold none."""
        present = np.zeros(self.shape[1], dtype=bool)
        n_empty = 0
        for index in np.unique(self._recording):
            starts = self._starts[self._recording == index]
            missing = np.isnan(self._sources[index])
            if missing.any():
                # NaNs of every window from their running count, without cutting any.
                count = np.zeros((len(missing) + 1, missing.shape[1]), dtype=np.int32)
                np.cumsum(missing, axis=0, out=count[1:])
                whole = count[starts + self.shape[2]] == count[starts]
                present[self._columns[index][whole.any(axis=0)]] = True
                n_empty += int((~whole.any(axis=1)).sum())
            else:
                present[self._columns[index]] = True
                n_empty += len(starts) if missing.shape[1] == 0 else 0
        return present, n_empty

    def has_nan(self) -> bool:
        """Whether a window holds NaN, or lacks a neuron."""
        for index in np.unique(self._recording):
            if len(self._columns[index]) < self.shape[1]:
                return True
            missing = np.isnan(self._sources[index]).any(axis=1)
            count = np.concatenate([[0], np.cumsum(missing)])
            starts = self._starts[self._recording == index]
            if (count[starts + self.shape[2]] > count[starts]).any():
                return True
        return False

    def has_infinity(self) -> bool:
        """Whether a recording behind these windows holds an infinite value."""
        return any(np.isinf(self._sources[index]).any() for index in np.unique(self._recording))


def cut_windows(
    X: NDArray | LazyWindows, rows: NDArray[np.integer] | slice, columns: NDArray[np.integer] | None
) -> NDArray:
    """Take some windows, and some of their neurons, as a contiguous array.

    Contiguous, since the order of sums in torch, and so the last bits, follows the strides.
    """
    if isinstance(X, LazyWindows):
        cut = X.cut(np.arange(len(X))[rows] if isinstance(rows, slice) else rows)
    else:
        cut = X[rows]
    return np.ascontiguousarray(cut if columns is None else cut[:, columns])


def chunks_of_windows(
    X: NDArray | LazyWindows,
    elements_per_window: int | None = None,
    n_elements: int = CHUNK_ELEMENTS,
    columns: NDArray[np.integer] | None = None,
) -> Iterator[tuple[slice, NDArray]]:
    """Cut some windows at a time, so that memory is bounded.

    Parameters
    ----------
    X : ndarray or LazyWindows of shape (n_windows, n_neurons, n_times)
    elements_per_window : int, optional
        Elements of the largest array that the reader makes of one window; by default those
        of the window.
    n_elements : int, default=CHUNK_ELEMENTS
        Elements that this array may have for a chunk.
    columns : ndarray of int, optional
        Neurons to cut; all by default.

    Yields
    ------
    rows : slice
        Which windows.
    part : ndarray of shape (n_rows, n_columns, n_times)
    """
    if elements_per_window is None:
        elements_per_window = X.shape[1] * X.shape[2]
    size = max(1, n_elements // max(1, elements_per_window))
    for start in range(0, len(X), size):
        rows = slice(start, min(start + size, len(X)))
        yield rows, cut_windows(X, rows, columns)
