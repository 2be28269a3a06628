"""Features of a flow for the network: coordinates, or rotation-invariant inner products."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from skneurograph.embedding.marble._manifold import FlowTerms

__all__ = ["FeatureScaler", "coordinate_features", "invariant_features"]

Array = NDArray[np.float64]

# Blocks that vary by less than this share of their size do not vary.
_ROUNDING = 1e-7


def coordinate_features(points: Array | None, terms: FlowTerms) -> list[Array]:
    """Return features of the local flow, in the axes of the state space.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_neurons) or None
        Positions, if they count.
    terms : FlowTerms

    Returns
    -------
    list of ndarray, each of shape (n_points, n_features)
        A block for positions, one for vectors, one for each order of derivatives.
    """
    blocks = [] if points is None else [points]
    return blocks + [tensor.reshape(len(tensor), -1) for tensor in terms.in_state_space()]


def invariant_features(terms: FlowTerms) -> list[Array]:
    """Return features that rotations, reflections and shifts of the state space leave unchanged.

    From the vector v, its derivative ``G`` (``G[i, k]``: change of component k along axis i)
    and second derivative ``H``, vectors are made that turn with the space, and their inner
    products are the features: v itself; its change along the flow and the change of its
    component along the flow (order 1); the second derivative along the flow, the Laplacian,
    and the gradient of the divergence (order 2). Besides, for each order, the sizes of the
    tensors' parts. All have the units of v: of products the root with its sign is taken.

    Parameters
    ----------
    terms : FlowTerms
        Of any order; derivatives above the second count by their size alone.

    Returns
    -------
    list of ndarray, each of shape (n_points, n_features)
        A block for the vector, one for each order of derivatives.
    """
    vector = terms.tensors[0]
    speed = np.linalg.norm(vector, axis=1, keepdims=True)
    along = vector / np.where(speed > 0, speed, 1)
    turning, blocks = [vector], [speed]
    for order, tensor in enumerate(terms.tensors[1:], start=1):
        if order == 1:
            new = [np.einsum("pi,pik->pk", along, tensor), np.einsum("pik,pk->pi", tensor, along)]
            transposed = tensor.transpose(0, 2, 1)
            sizes = [
                np.trace(tensor, axis1=1, axis2=2),
                _size(tensor + transposed) / 2,
                _size(tensor - transposed) / 2,
            ]
        elif order == 2:
            new = [
                np.einsum("pi,pj,pijk->pk", along, along, tensor),
                np.einsum("piik->pk", tensor),
                np.einsum("pikk->pi", tensor),
            ]
            sizes = [_size(tensor)]
        else:
            new, sizes = [], [_size(tensor)]
        products = [np.einsum("pi,pi->p", one, other) for one, other in _new_pairs(turning, new)]
        roots = [np.sign(product) * np.sqrt(np.abs(product)) for product in products]
        blocks.append(np.stack(roots + sizes, axis=1))
        turning += new
    return blocks


class FeatureScaler:
    """Scale blocks of features to the same size, and project on principal components.

    Each block is centred and divided by its root mean square length, so that each has the same
    share of the variance however many columns it has.

    Parameters
    ----------
    n_components : int
        At most the number of columns and of points.
    vectors : int
        Which of the blocks holds vectors. It and those after it are in its units.

    Attributes
    ----------
    spread_ : ndarray of shape (n_components_,)
        Root mean square of each principal component over the points of ``fit``, falling.
    """

    def __init__(self, n_components: int, vectors: int) -> None:
        self.n_components = n_components
        self.vectors = vectors

    def fit(self, blocks: list[Array]) -> FeatureScaler:
        """Learn from the blocks of some points."""
        self._means = [block.mean(axis=0) for block in blocks]
        squares = [np.square(block - mean).sum(axis=1) for block, mean in zip(blocks, self._means)]
        sizes = [np.sqrt(square.mean()) for square in squares]
        # Rounding makes a constant look as if it varied, the more so after a square root.
        floor = [_ROUNDING * _rms(block) for block in blocks]
        floor[self.vectors :] = [floor[self.vectors]] * (len(blocks) - self.vectors)
        self._sizes = [size if size > least else np.inf for size, least in zip(sizes, floor)]
        table = self._scaled(blocks)
        # Wide tables are decomposed by random projections, always the same.
        self._pca = PCA(min(self.n_components, *table.shape), random_state=0)
        self._pca.set_output(transform="default")
        with np.errstate(invalid="ignore", divide="ignore"):  # nothing may vary at all
            self._pca.fit(table)
        self.spread_ = np.sqrt(self._pca.explained_variance_ * (len(table) - 1) / len(table))
        return self

    def transform(self, blocks: list[Array]) -> Array:
        """Return principal components, (n_points, n_components)."""
        return np.asarray(self._pca.transform(self._scaled(blocks)))

    def _scaled(self, blocks: list[Array]) -> Array:
        parts = zip(blocks, self._means, self._sizes)
        return np.hstack([(block - mean) / size for block, mean, size in parts])


def _new_pairs(known: list[Array], new: list[Array]) -> Iterable[tuple[Array, Array]]:
    """Pairs of vectors of which at least one is new."""
    for one in new:
        yield from ((one, other) for other in known)
    yield from combinations_with_replacement(new, 2)


def _rms(block: Array) -> float:
    return float(np.sqrt(np.square(block).sum(axis=1).mean()))


def _size(tensor: Array) -> Array:
    return np.sqrt(np.square(tensor.reshape(len(tensor), -1)).sum(axis=1))
