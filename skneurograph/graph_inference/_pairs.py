"""Pairwise products of neurons, each over the frames in which both are recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skneurograph.base._noise_band import CONSTANT
from skneurograph.graph_inference._blocks import add_product, mirror, row_blocks
from skneurograph.graph_inference._moments import Chunks, deviations

__all__ = ["Pairs", "pairwise_products"]


@dataclass
class Pairs:
    """Sums over the frames in which receiver (row) and sender (column) are both recorded.

    Activity is taken as the deviation from each neuron's mean. As long as no neuron is
    missing, a sum over one neuron is the same in all pairs, and is held once: such arrays
    have the length 1 in place of the other neuron.

    Attributes
    ----------
    product : ndarray of shape (n_neurons, n_neurons)
        Sums of the products.
    product_square : ndarray of shape (n_neurons, n_neurons) or None
        Sums of their squares.
    count : ndarray of shape (n_neurons, n_neurons) or (1, 1)
        Number of frames.
    receiver, receiver_square : ndarray of shape (n_neurons, n_neurons) or (n_neurons, 1)
        Sums of the activity of receivers, and of its squares.
    sender, sender_square : ndarray of shape (n_neurons, n_neurons) or (1, n_neurons)
    """

    product: NDArray[np.float64]
    product_square: NDArray[np.float64] | None
    count: NDArray[np.float64]
    receiver: NDArray[np.float64]
    receiver_square: NDArray[np.float64]
    sender: NDArray[np.float64]
    sender_square: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Pairs that were recorded together at least once."""
        return np.broadcast_to(self.count > 0, self.product.shape)

    def counts(self, rows: slice) -> NDArray[np.float64]:
        """Frames of the pairs of some receivers, as far as they differ."""
        return _take(self.count, rows)

    def spread(self) -> NDArray[np.float64]:
        """Return the standard deviation of each neuron, if there is no lag."""
        count = np.diagonal(np.broadcast_to(self.count, self.product.shape))
        return np.sqrt(np.diagonal(self.product) / np.maximum(count, 1))

    def means(self) -> NDArray[np.float64]:
        """Mean product of each pair, 0 if never recorded together, in place of ``product``."""
        for rows in row_blocks(len(self.product)):
            self.product[rows] /= np.maximum(self.counts(rows), 1)
        return self.product

    def correlation(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pearson correlation of each pair over its own frames; 0 if one is constant.

        Takes the place of ``product``, and gives up the sums of receivers and senders.
        """
        floor = CONSTANT * np.abs(mean)
        for rows in row_blocks(len(mean)):
            count = np.maximum(self.counts(rows), 1)
            receiver, sender = _take(self.receiver, rows) / count, _take(self.sender, rows) / count
            block = self.product[rows]
            block /= count
            block -= receiver * sender
            block *= _inverse_spread(
                _take(self.receiver_square, rows) / count - receiver**2, floor[rows, None]
            )
            block *= _inverse_spread(_take(self.sender_square, rows) / count - sender**2, floor)
            np.clip(block, -1, 1, out=block)
        del self.receiver, self.sender, self.receiver_square, self.sender_square
        return self.product


def _take(sums: NDArray[np.float64], rows: slice) -> NDArray[np.float64]:
    return sums if len(sums) == 1 else sums[rows]


def _inverse_spread(
    variance: NDArray[np.float64], floor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One over the standard deviation, 0 for what is constant."""
    spread = np.sqrt(np.maximum(variance, 0))
    varies = spread > floor
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=varies)


def pairwise_products(
    chunks: Chunks,
    mean: NDArray[np.float64],
    *,
    lag: int = 0,
    moments: bool = True,
    squares: bool = False,
) -> Pairs:
    """Sum the products of the receiver's frames and the sender's ``lag`` frames before.

    Parameters
    ----------
    chunks : callable
        Gives an iterator over chunks of windows.
    mean : ndarray of shape (n_neurons,)
        Taken off the activity.
    lag : int, default=0
        Frames by which the sender is ahead.
    moments : bool, default=True
        Whether to sum the activity of receiver and sender and its squares too, which only
        `Pairs.correlation` needs.
    squares : bool, default=False
        Whether to sum the squares of the products.

    Returns
    -------
    Pairs

    Notes
    -----
    One matrix product for each sum over pairs and chunk of frames, half of one where it is
    symmetric. Only the products are sums over pairs if no neuron is missing.
    """
    n_neurons = len(mean)
    sums = _Sums(n_neurons, lag=lag, moments=moments, squares=squares)
    for windows, recorded in chunks():
        deviation = deviations(windows, recorded, mean)
        n_times = deviation.shape[2]
        sums.add(deviation[:, :, lag:], deviation[:, :, : n_times - lag], recorded)
    return sums.pairs()


class _Sums:
    """What `pairwise_products` adds up.

    Without lag, receivers are senders: matrices are filled above the diagonal, and the sums
    of senders are those of receivers, transposed.
    """

    def __init__(self, n_neurons: int, *, lag: int, moments: bool, squares: bool) -> None:
        shape = (n_neurons, n_neurons)
        self.symmetric = lag == 0
        self.moments = moments
        self.product = np.zeros(shape)
        self.product_square = np.zeros(shape) if squares else None
        self.count = np.zeros((1, 1))
        self.receiver, self.receiver_square = np.zeros((n_neurons, 1)), np.zeros((n_neurons, 1))
        self.sender, self.sender_square = np.zeros((1, n_neurons)), np.zeros((1, n_neurons))

    def add(
        self,
        receiver: NDArray[np.float64],
        sender: NDArray[np.float64],
        recorded: NDArray[np.bool_],
    ) -> None:
        """Add windows (n_rows, n_neurons, n_frames)."""
        if recorded.all():
            self._add_complete(receiver, sender)
        else:
            self._add_incomplete(receiver, sender, recorded)
        left = _side_by_side(receiver)
        right = None if self.symmetric else _side_by_side(sender)
        add_product(self.product, left, right)
        if self.product_square is not None:
            add_product(self.product_square, left**2, None if right is None else right**2)

    def _add_complete(self, receiver: NDArray[np.float64], sender: NDArray[np.float64]) -> None:
        self.count += receiver.shape[0] * receiver.shape[2]
        if self.moments:
            self.receiver += receiver.sum(axis=(0, 2))[:, None]
            self.receiver_square += np.einsum("wnt,wnt->n", receiver, receiver)[:, None]
            if not self.symmetric:
                self.sender += sender.sum(axis=(0, 2))
                self.sender_square += np.einsum("wnt,wnt->n", sender, sender)

    def _add_incomplete(
        self,
        receiver: NDArray[np.float64],
        sender: NDArray[np.float64],
        recorded: NDArray[np.bool_],
    ) -> None:
        # Windows of one animal lack the same neurons and stand together: they are one term.
        changes = (recorded[1:] != recorded[:-1]).any(axis=1)
        starts = np.append(0, 1 + np.flatnonzero(changes))
        is_recorded = recorded[starts].T.astype(np.float64)
        n_frames = receiver.shape[2] * np.diff(np.append(starts, len(recorded)))
        self.count = self._grown(self.count)
        add_product(self.count, is_recorded * n_frames, is_recorded)
        if not self.moments:
            return
        self.receiver = self._grown(self.receiver)
        self.receiver_square = self._grown(self.receiver_square)
        add_product(self.receiver, _summed(receiver, starts), is_recorded)
        add_product(self.receiver_square, _summed(receiver, starts, squared=True), is_recorded)
        if not self.symmetric:
            self.sender = self._grown(self.sender)
            self.sender_square = self._grown(self.sender_square)
            add_product(self.sender, is_recorded, _summed(sender, starts))
            add_product(self.sender_square, is_recorded, _summed(sender, starts, squared=True))

    def _grown(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Broadcast sums to one for each pair."""
        if sums.shape == self.product.shape:
            return sums
        return np.array(np.broadcast_to(sums, self.product.shape))

    def pairs(self) -> Pairs:
        """Complete what was added on one side of the diagonal."""
        if self.symmetric:
            mirror(self.product)
            if self.product_square is not None:
                mirror(self.product_square)
            self.sender, self.sender_square = self.receiver.T, self.receiver_square.T
        return Pairs(
            self.product,
            self.product_square,
            self.count,
            self.receiver,
            self.receiver_square,
            self.sender,
            self.sender_square,
        )


def _side_by_side(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frames of all windows, (n_neurons, n_frames)."""
    return windows.transpose(1, 0, 2).reshape(windows.shape[1], -1)


def _summed(
    windows: NDArray[np.float64], starts: NDArray[np.intp], *, squared: bool = False
) -> NDArray[np.float64]:
    """Sum over the frames of windows that stand together, (n_neurons, n_terms)."""
    if squared:
        of_window = np.einsum("wnt,wnt->nw", windows, windows)
    else:
        of_window = windows.sum(axis=2).T
    total: NDArray[np.float64] = np.add.reduceat(of_window, starts, axis=1)
    return total
