"""Cross-validation splitter in time, with a gap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils.validation import _num_samples

from skneurograph.data._inputs import InputError, read_groups
from skneurograph.model_selection._numbers import is_integer, is_number

__all__ = ["TemporalSplit"]


class TemporalSplit(BaseCrossValidator):
    """Split in time: train on the first part of each organism, test on the last, with a gap.

    Windows overlap, so the windows between the two parts that share frames with the test
    part are left out. Windows must be in order of time within each group, as
    `sliding_windows` gives them.

    Parameters
    ----------
    gap : int
        Windows left out between the parts. Windows share no frames if it is the frames of
        a window less one, divided by ``step``, rounded up; with ``target="next"`` add the
        frames of the horizon to those of a window.
    test_size : float, default=0.3
        Part of each organism's windows that is tested.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph.model_selection import TemporalSplit
    >>> train, test = next(TemporalSplit(test_size=0.3, gap=2).split(np.zeros((10, 1))))
    >>> train.tolist(), test.tolist()
    ([0, 1, 2, 3, 4], [7, 8, 9])
    """

    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    def __init__(self, *, gap: int, test_size: float = 0.3) -> None:
        self.test_size = test_size
        self.gap = gap

    def split(
        self, X: Any, y: Any = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the one split.

        Parameters
        ----------
        X : array-like of shape (n_windows, ...)
        y : ignored
        groups : array-like of shape (n_windows,), optional
            Organism of each window, none missing; without, all windows are one sequence.

        Yields
        ------
        train, test : ndarrays of int

        Raises
        ------
        ValueError
            If ``gap`` is no whole number of windows or ``test_size`` no part of them, if there
            is not one group per window, or if an organism is left without training windows.
        """
        self._check()
        n_windows = _num_samples(X)
        labels = np.zeros(n_windows) if groups is None else read_groups(groups, n_windows)
        train, test = [], []
        for organism in np.unique(labels):
            rows = np.flatnonzero(labels == organism)
            n_test = max(1, round(self.test_size * len(rows)))
            n_train = len(rows) - n_test - self.gap
            if n_train < 1:
                raise ValueError(
                    f"TemporalSplit: {len(rows)} windows of {str(organism)!r} leave none to train "
                    f"on with test_size={self.test_size} and gap={self.gap}"
                )
            train.append(rows[:n_train])
            test.append(rows[-n_test:])
        yield np.concatenate(train), np.concatenate(test)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits, 1."""
        return 1

    def _check(self) -> None:
        if not is_integer(self.gap) or self.gap < 0:
            raise InputError(
                "TemporalSplit: gap", repr(self.gap), "a whole number of windows, at least 0"
            )
        size = self.test_size
        if not is_number(size) or not 0 < size < 1:
            raise InputError(
                "TemporalSplit: test_size", repr(size), "a part of the windows, between 0 and 1"
            )
