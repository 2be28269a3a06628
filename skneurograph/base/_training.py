"""Training with skorch: loss, optimiser, schedule, early stopping, progress, interrupts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, PrintLog
from torch import Tensor, nn
from tqdm.auto import tqdm

from skneurograph.base._batches import BatchSource
from skneurograph.base._interrupt import pass_on_interrupt
from skneurograph.data._warnings import warn

__all__ = ["TrainingOptions", "keep_record", "loss_curve", "train"]


@dataclass(frozen=True)
class TrainingOptions:
    """Training parameters that all estimators share.

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
        others.setdefault("patience", getattr(estimator, "patience", None))
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
    warn(f"{explanation}. The best state, of epoch {best}, is kept")


def _best_epoch(net: NeuralNet) -> int | None:
    """Epoch whose state early stopping kept as the best; None without one."""
    for _, callback in net.callbacks_:
        is_kept = isinstance(callback, EarlyStopping) and callback.load_best
        if is_kept and callback.best_epoch_:
            return int(callback.best_epoch_)
    return None


def _silent(*args: Any, **kwargs: Any) -> None:
    """Drop what skorch would print."""


def keep_record(estimator: Any) -> None:
    """Set ``n_epochs_`` and ``interrupted_`` from ``net_``, and warn of an interrupt."""
    net = estimator.net_
    estimator.n_epochs_ = len(net.history)
    estimator.interrupted_ = net.interrupted_
    if estimator.interrupted_:
        pass_on_interrupt()
        best = _best_epoch(net)
        kept = "current state" if best is None else f"best state, of epoch {best},"
        warn(f"training was interrupted in epoch {estimator.n_epochs_}: the {kept} is kept")


def loss_curve(net: NeuralNet) -> NDArray[np.float64]:
    """Return the training loss of each epoch that was completed."""
    losses = (epoch.get("train_loss") for epoch in net.history)
    return np.array([loss for loss in losses if loss is not None], dtype=np.float64)
