"""The one bridge from estimator parameters to skorch: batches, loss, seeds, stopping."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, PrintLog
from torch import Tensor, nn
from tqdm.auto import tqdm

from skneurograph._interrupt import pass_on_interrupt
from skneurograph.lazy import LazyWindows

__all__ = [
    "BatchSource",
    "TrainingData",
    "TrainingOptions",
    "cut_windows",
    "draw_seeds",
    "hold_out",
    "keep_record",
    "loss_curve",
    "train",
]

# Small data are revisited within an epoch until it has this many steps, so that
# `max_epochs` means a comparable amount of training for 30 windows and for 30,000.
_MIN_STEPS_PER_EPOCH = 16


def draw_seeds(random_state: Any, n_seeds: int) -> list[int]:
    """Draw seeds from an estimator's ``random_state``, never from numpy's global generator."""
    if random_state is None:
        return [int(seed) for seed in np.random.default_rng().integers(2**31 - 1, size=n_seeds)]
    source = check_random_state(random_state)
    return [int(seed) for seed in source.randint(2**31 - 1, size=n_seeds)]


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


@dataclass(frozen=True)
class TrainingData:
    """Windows with encoded targets and weights, as the training loop reads them.

    Attributes
    ----------
    X : ndarray or LazyWindows, shape (n_windows, n_neurons, n_times)
    y : ndarray, shape (n_windows,) of class indices or (n_windows, n_outputs) of floats
    weight : ndarray of float64, shape (n_windows,)
    columns : ndarray of int or None
        The neurons that the network sees; None for all.
    min_steps_per_epoch : int
        Fewer windows are visited again until an epoch has so many steps.
    """

    X: NDArray | LazyWindows
    y: NDArray
    weight: NDArray[np.float64]
    columns: NDArray[np.integer] | None = None
    min_steps_per_epoch: int = _MIN_STEPS_PER_EPOCH

    def __len__(self) -> int:
        return len(self.y)

    def n_steps(self, batch_size: int) -> int:
        """Count the steps of an epoch, at most."""
        return _steps_per_epoch(len(self), batch_size, self.min_steps_per_epoch)

    def batches(
        self, batch_size: int, device: torch.device, rng: np.random.Generator | None
    ) -> Iterable[Any]:
        """Mini-batches of an epoch; without ``rng`` in order, to evaluate."""
        return _Batches(self, batch_size, device, rng)


class BatchSource(Protocol):
    """What `train` reads: `TrainingData`, or data that make batches in a way of their own."""

    def __len__(self) -> int: ...

    def n_steps(self, batch_size: int) -> int:
        """Count the steps of an epoch, at most."""

    def batches(
        self, batch_size: int, device: torch.device, rng: np.random.Generator | None
    ) -> Iterable[Any]:
        """Give inputs of the module, and its target with a weight for each entry of the loss."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train: the parameters that all estimators share.

    ``undecayed`` names parameters of the module (patterns are allowed) that weight decay
    leaves alone.
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    verbose: int = 0
    callbacks: tuple[Any, ...] = ()
    undecayed: tuple[str, ...] = ()

    @classmethod
    def of(cls, estimator: Any, device: torch.device, **others: Any) -> TrainingOptions:
        """Read the parameters of an estimator; ``others`` are what it has not, or derives."""
        if "weight_decay" not in others:
            others["weight_decay"] = float(estimator.weight_decay)
        return cls(
            max_epochs=estimator.max_epochs,
            batch_size=estimator.batch_size,
            learning_rate=estimator.learning_rate,
            device=device,
            verbose=int(estimator.verbose),
            callbacks=tuple(estimator.callbacks or ()),
            **others,
        )


def _steps_per_epoch(n_windows: int, batch_size: int, least: int = _MIN_STEPS_PER_EPOCH) -> int:
    return max(-(-n_windows // batch_size), least)


class _Batches:
    """Mini-batches of one epoch; iterating again gives the next epoch.

    Data that fit in one batch are given whole, with their weights. Otherwise windows are
    drawn in proportion to their weights by systematic sampling: with equal weights each
    window comes exactly once in an epoch.
    """

    def __init__(
        self,
        data: TrainingData,
        batch_size: int,
        device: torch.device,
        rng: np.random.Generator | None,
    ) -> None:
        self.data = data
        self.batch_size = batch_size
        self.device = device
        self.rng = rng
        weight = data.weight / data.weight.sum()
        self._cumulative = np.cumsum(weight)
        self._whole_weight = weight * len(data)

    def __iter__(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        n_windows = len(self.data)
        if self.rng is None:
            for start in range(0, n_windows, self.batch_size):
                rows = np.arange(start, min(start + self.batch_size, n_windows))
                yield self._batch(rows, self._whole_weight[rows])
        elif n_windows <= self.batch_size:
            # The one batch is cut once and visited again.
            batch = self._batch(np.arange(n_windows), self._whole_weight)
            for _ in range(self._n_steps()):
                yield batch
        else:
            left = self._n_steps()
            while left > 0:
                order = self._draw(self.rng)
                for rows in np.array_split(order, -(-n_windows // self.batch_size))[:left]:
                    yield self._batch(rows, np.ones(len(rows)))
                    left -= 1

    def _n_steps(self) -> int:
        return self.data.n_steps(self.batch_size)

    def _draw(self, rng: np.random.Generator) -> NDArray[np.intp]:
        n_windows = len(self.data)
        points = (np.arange(n_windows) + rng.random()) / n_windows
        # Rounding may leave the last cumulative weight just below the last point.
        rows = np.minimum(np.searchsorted(self._cumulative, points, side="right"), n_windows - 1)
        return rng.permutation(rows)

    def _batch(
        self, rows: NDArray[np.integer], weight: NDArray[np.float64]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        windows = torch.from_numpy(cut_windows(self.data.X, rows, self.data.columns))
        target = torch.from_numpy(self.data.y[rows])
        weights = torch.from_numpy(weight).to(windows.dtype)
        return windows.to(self.device), (target.to(self.device), weights.to(self.device))


class _Schedule(LRScheduler):
    """A schedule that is not pickled with its optimizer, which may live on another device."""

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "lr_scheduler_": None}


class _Net(NeuralNet):
    """A skorch net that reads `TrainingData` and weighs its loss per window."""

    interrupted_ = False
    diverged_ = False

    def __init__(
        self,
        *args: Any,
        loss: Callable[..., Tensor],
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        self.loss = loss
        self.seed = seed
        super().__init__(*args, criterion=nn.Module, **kwargs)

    def fit_loop(self, *args: Any, **kwargs: Any) -> NeuralNet:
        try:
            return super().fit_loop(*args, **kwargs)
        except _DivergedError:
            self.diverged_ = True
            return self
        except KeyboardInterrupt:
            # skorch ends training quietly and keeps the state; remember that it was cut
            # short. Its own early stopping interrupts in the same way.
            self.interrupted_ = not any(
                isinstance(callback, EarlyStopping) and callback.misses_ >= callback.patience
                for _, callback in self.callbacks_
            )
            raise

    def __getstate__(self) -> dict[str, Any]:
        # The module stands twice in a net that was given an instance; skorch moves only
        # `module_` to the device at hand when a net is loaded.
        return {**super().__getstate__(), "module": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.module = self.module_

    def get_iterator(self, dataset: BatchSource, training: bool = False) -> Iterable[Any]:
        rng = np.random.default_rng(self.seed) if training else None
        return dataset.batches(self.batch_size, torch.device(self.device), rng)

    def get_loss(
        self, y_pred: Tensor, y_true: tuple[Tensor, Tensor], X: Any = None, training: bool = False
    ) -> Tensor:
        target, weight = y_true
        return (self.loss(y_pred, target, training) * weight).mean()

    def check_data(self, X: Any, y: Any = None) -> None:
        """Accept what the estimators have validated."""

    def get_split_datasets(
        self, X: tuple[BatchSource, BatchSource | None], y: Any = None, **fit_params: Any
    ) -> tuple[BatchSource, BatchSource | None]:
        return X


class _DivergedError(Exception):
    """Training has left the finite numbers; it never leaves `_Net.fit_loop`."""


class _StopIfDiverged(Callback):
    """End training after the first epoch whose losses or parameters are not finite."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        epoch = net.history[-1]
        losses = [epoch[name] for name in ("train_loss", "valid_loss") if name in epoch]
        if not (np.isfinite(losses).all() and _is_finite(net.module_)):
            raise _DivergedError


def _is_finite(module: nn.Module) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in module.parameters())


class _ProgressBar(Callback):
    """A bar over epochs with the current losses."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.bar_ = tqdm(total=net.max_epochs, desc="training", unit="epoch")

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        losses = {
            name: f"{net.history[-1, name]:.4f}"
            for name in ("train_loss", "valid_loss")
            if name in net.history[-1]
        }
        self.bar_.set_postfix(losses)
        self.bar_.update()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        self.bar_.close()
        del self.bar_


def hold_out(
    n_windows: int,
    groups: NDArray | None,
    fraction: float,
    n_times: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split training windows for early stopping, without leaking.

    Parameters
    ----------
    n_windows : int
    groups : array of shape (n_windows,) or None
        With groups, whole organisms are held out; without, the last part in time, after
        a gap of one window, since windows overlap.
    fraction : float
        Part of the organisms or windows to hold out; at least one of each.
    n_times : int
        Frames of a window, the length of the gap.
    rng : numpy.random.Generator
        Chooses the organisms.

    Returns
    -------
    train, valid : arrays of int

    Raises
    ------
    ValueError
        If nothing would be left to train on.
    """
    if groups is not None:
        organisms = np.unique(groups)
        n_held = max(1, round(fraction * len(organisms)))
        if n_held >= len(organisms):
            raise ValueError(
                f"early stopping holds out whole organisms, but groups names {len(organisms)}; "
                "give more organisms, no groups, or patience=None"
            )
        held = np.isin(groups, rng.choice(organisms, size=n_held, replace=False))
        return np.flatnonzero(~held), np.flatnonzero(held)
    n_valid = max(1, round(fraction * n_windows))
    n_train = n_windows - n_valid - (n_times - 1)
    if n_train < 1:
        raise ValueError(
            f"early stopping holds out {n_valid} of {n_windows} windows after a gap of "
            f"{n_times - 1}, which leaves none to train on; use patience=None"
        )
    return np.arange(n_train), np.arange(n_windows - n_valid, n_windows)


def train(
    module: nn.Module,
    loss: Callable[..., Tensor],
    data: BatchSource,
    validation: BatchSource | None,
    options: TrainingOptions,
    seed: int,
) -> NeuralNet:
    """Train a module and return the skorch net that did it.

    The learning rate follows one cycle: it rises over the first twentieth of the steps and
    falls to zero along a cosine. An interrupt from the keyboard ends training and keeps the best
    state so far (by validation loss), or the current one without validation. The first epoch
    that is not finite ends it, too.

    Parameters
    ----------
    module : torch.nn.Module
        On the CPU; initialised by the caller under `seeded`.
    loss : callable
        ``loss(output, target, training) -> (n_windows,)``.
    data, validation : TrainingData or another BatchSource
        Validation is needed for ``options.patience``.
    options : TrainingOptions
    seed : int
        Order of the mini-batches.

    Returns
    -------
    skorch.NeuralNet

    Raises
    ------
    ValueError
        If the loss or a parameter became NaN or infinite, and no finite state was kept.

    Warns
    -----
    UserWarning
        If that happened, but the best state of an earlier epoch is kept.
    """
    n_steps = int(options.max_epochs * data.n_steps(options.batch_size)) + 1
    if n_steps == 20:
        n_steps = 21  # 5 % of 20 steps are one, whose rise torch divides by zero
    callbacks: list[Any] = [
        (
            "schedule",
            _Schedule(
                policy=torch.optim.lr_scheduler.OneCycleLR,
                max_lr=options.learning_rate,
                total_steps=n_steps,
                pct_start=0.05,
                cycle_momentum=False,
                step_every="batch",
            ),
        ),
        # Before early stopping, which must not take such a state for the best.
        ("stop_if_diverged", _StopIfDiverged()),
    ]
    if validation is not None:
        stopping = EarlyStopping(patience=options.patience, load_best=True, sink=_silent)
        callbacks.append(("early_stopping", stopping))
    if options.verbose == 1:
        callbacks.append(("progress", _ProgressBar()))
    net = _Net(
        module,
        loss=loss,
        seed=seed,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=options.weight_decay,
        optimizer__fused=True,
        optimizer__param_groups=[(name, {"weight_decay": 0.0}) for name in options.undecayed],
        lr=options.learning_rate,
        max_epochs=options.max_epochs,
        batch_size=options.batch_size,
        device=options.device.type if options.device.index is None else str(options.device),
        train_split=None,
        callbacks=[*callbacks, *options.callbacks],
        callbacks__print_log=PrintLog() if options.verbose > 1 else None,
        verbose=max(0, options.verbose - 1),
    )
    net.initialize()
    net.partial_fit((data, validation), None)
    _explain_divergence(net, options)
    return net


def _explain_divergence(net: _Net, options: TrainingOptions) -> None:
    """Raise an error if training ended with numbers that are not finite, or warn if it did not."""
    kept = _is_finite(net.module_)
    if kept and not net.diverged_:
        return
    explanation = (
        f"training diverged in epoch {max(1, len(net.history))}: the loss or a parameter of the "
        f"net is NaN or infinite (learning_rate={options.learning_rate:g}). Scale the data "
        "(Recording.zscore, WindowScaler), lower learning_rate, or use less extreme class_weight "
        "or sample_weight"
    )
    best = _best_epoch(net)
    if best is None or not kept:
        raise ValueError(explanation)
    warnings.warn(f"{explanation}. The best state, of epoch {best}, is kept", UserWarning, 4)


def _best_epoch(net: NeuralNet) -> int | None:
    """Epoch whose state early stopping kept as the best; None without one."""
    for _, callback in net.callbacks_:
        is_kept = isinstance(callback, EarlyStopping) and callback.load_best
        if is_kept and callback.best_epoch_:
            return int(callback.best_epoch_)
    return None


def _silent(*args: Any, **kwargs: Any) -> None:
    """Drop what skorch would print."""


def keep_record(estimator: Any, *, stacklevel: int) -> None:
    """Set ``n_epochs_`` and ``interrupted_`` from ``net_``, and warn of an interrupt.

    ``stacklevel`` is that of the caller.
    """
    net = estimator.net_
    estimator.n_epochs_ = len(net.history)
    estimator.interrupted_ = net.interrupted_
    if estimator.interrupted_:
        pass_on_interrupt()
        best = _best_epoch(net)
        kept = "current state" if best is None else f"best state, of epoch {best},"
        warnings.warn(
            f"training was interrupted in epoch {estimator.n_epochs_}: the {kept} is kept",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def loss_curve(net: NeuralNet) -> NDArray[np.float64]:
    """Give the training loss of each epoch that was completed."""
    losses = (epoch.get("train_loss") for epoch in net.history)
    return np.array([loss for loss in losses if loss is not None], dtype=np.float64)
