"""All-pairs matrices of many neurons, computed block by block without copies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["add_product", "mirror", "row_blocks"]

# Elements of a block of rows on which something is computed: 2 MB of float64.
_BLOCK_ELEMENTS = 262_144
# Rows of a block that is a product: enough for BLAS to be at its best.
_PRODUCT_ROWS = 512
# Rows and columns of a block that fits in the cache with its transpose.
_MIRROR_ROWS = 128


def row_blocks(n_neurons: int) -> Iterator[slice]:
    """Cut the rows of a matrix of all pairs into blocks."""
    size = max(1, _BLOCK_ELEMENTS // max(1, n_neurons))
    return (slice(start, start + size) for start in range(0, n_neurons, size))


def add_product(
    total: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64] | None = None
) -> None:
    """Add ``left @ right.T`` to ``total``.

    Without ``right``, add ``left @ left.T`` on and above the diagonal; what stands below it
    is up to `mirror`.
    """
    for start in range(0, len(left), _PRODUCT_ROWS):
        rows = slice(start, start + _PRODUCT_ROWS)
        if right is None:
            total[rows, start:] += left[rows] @ left[start:].T
        else:
            total[rows] += left[rows] @ right.T


def mirror(matrix: NDArray[np.float64]) -> None:
    """Copy what stands above the diagonal below it."""
    size = _MIRROR_ROWS
    below = np.tri(size, k=-1, dtype=bool)
    for start in range(0, len(matrix), size):
        stop = start + size
        block = matrix[start:stop, start:stop]
        np.copyto(block, block.T.copy(), where=below[: len(block), : len(block)])
        for other in range(stop, len(matrix), size):
            matrix[other : other + size, start:stop] = matrix[start:stop, other : other + size].T
