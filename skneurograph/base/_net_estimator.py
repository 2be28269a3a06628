"""What estimators with a net share: from validated windows to a trained net and back."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context, is_classifier
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skneurograph.base._batches import TrainingData, hold_out
from skneurograph.base._device import resolve_device, usual_torch
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._seeds import draw_seeds, seeded
from skneurograph.base._training import TrainingOptions, keep_record, train
from skneurograph.base._units import power_of_two
from skneurograph.base._validation import (
    check_groups,
    check_weights,
    check_windows,
    recorded_columns,
)
from skneurograph.data._lazy import LazyWindows, cut_windows

__all__ = ["NetEstimator"]

# Windows are evaluated in chunks of about this many elements of the largest tensor.
_CHUNK_ELEMENTS = 8_000_000
# A target that varies by less than so many times its precision does not vary.
_ROUNDING = 8


class NetEstimator(BaseEstimator):
    """Fit a torch module to windows and evaluate it; the targets are up to a mixin."""

    # Groups are wanted whenever metadata routing is on, without a set_fit_request.
    __metadata_request__fit = {"groups": True}  # noqa: RUF012

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "neuron_dropout": [Interval(Real, 0, 1, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "patience": [None, Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "callbacks": [None, list, tuple],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | LazyWindows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train on windows.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            Windows of activity, roughly z-scored (`Recording.zscore`): nets do not scale.
            A neuron with NaN (or a masked value) in a window is missing in it. Two
            dimensions are read as windows of one frame. float32 windows, as
            `sliding_windows` gives them, are trained in single precision, all others in
            double precision.
        y : array-like of shape (n_windows,)
            Labels, none missing, or continuous behaviour (then also
            ``(n_windows, n_outputs)``).
        sample_weight : array-like of shape (n_windows,), optional
            A weight of two counts as the window standing there twice.
        groups : array-like of shape (n_windows,), optional
            Organism of each window. With ``patience``, whole organisms are held out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit; the message names the argument. If training diverged,
            its loss or a parameter being NaN or infinite.

        Warns
        -----
        UserWarning
            If the windows are far from z-scored, such as raw fluorescence.
        """
        windows, labels = check_windows(self, X, y, reset=True)
        return self._fit_windows(windows, labels, sample_weight, groups)

    def _fit_windows(
        self,
        windows: NDArray | LazyWindows,
        labels: NDArray,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
    ) -> Self:
        """Train on validated windows and targets."""
        organisms = check_groups(groups, len(windows))
        weight = check_weights(sample_weight, len(windows))
        counted = weight > 0
        if not counted.all():
            windows, labels, weight = windows[counted], labels[counted], weight[counted]
            organisms = None if organisms is None else organisms[counted]
        hold_out_seed, seed = draw_seeds(self.random_state, 2)
        kept, held = self._split(len(labels), organisms, hold_out_seed)
        self.columns_ = recorded_columns(windows[kept])
        self._prepare(windows[kept], labels[kept], weight[kept])
        target, weight, n_outputs = self._encode_target(labels, weight, kept)
        if weight[kept].sum() == 0:
            raise ValueError(
                "the windows to train on all have weight zero (class_weight or sample_weight), or "
                "do so once some are held out; use other weights, or patience=None"
            )
        if held is not None:
            self._check_held_out(target[kept], target[held], weight[held])
        dtype = np.float64 if windows.dtype == np.float64 else np.float32
        if target.dtype.kind == "f":
            target = target.astype(dtype)
        data = self._training_data(windows[kept], target[kept], weight[kept])
        validation = None
        if held is not None:
            validation = self._training_data(windows[held], target[held], weight[held])
        device = resolve_device(self.device)
        with seeded(seed, device):
            module = self._build_module(n_outputs)
            module.to(torch.float64 if dtype == np.float64 else torch.float32)
            self.net_ = train(
                module,
                self._loss(),
                data,
                validation,
                TrainingOptions.of(
                    self, device, weight_decay=self._weight_decay(), patience=self.patience
                ),
                seed,
            )
        keep_record(self, stacklevel=3)
        self._finish(data)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def _prepare(
        self, windows: NDArray | LazyWindows, labels: NDArray, weight: NDArray[np.float64]
    ) -> None:
        """Learn from the windows kept for training what the target and the module need."""

    def _training_data(
        self, windows: NDArray | LazyWindows, target: NDArray, weight: NDArray[np.float64]
    ) -> TrainingData:
        """Give what is trained on, or held out."""
        return TrainingData(windows, target, weight, self._used_columns())

    @abstractmethod
    def _build_module(self, n_outputs: int) -> nn.Module:
        """Make the module; called under a seed."""

    @abstractmethod
    def _encode_target(
        self, y: NDArray, weight: NDArray[np.float64], kept: slice | NDArray[np.intp]
    ) -> tuple[NDArray, NDArray[np.float64], int]:
        """Give what the loss reads, the weights and the number of outputs.

        Statistics of the target come from the windows ``kept`` for training.
        """

    @abstractmethod
    def _loss(self) -> Any:
        """Give the loss of each window."""

    def _encode_continuous(
        self, y: NDArray, weight: NDArray[np.float64], kept: slice | NDArray[np.intp]
    ) -> tuple[NDArray, NDArray[np.float64], int]:
        """Standardise a continuous target by the windows kept for training."""
        outputs = np.asarray(y, dtype=np.float64)
        self._is_flat = outputs.ndim == 1
        outputs = outputs.reshape(len(outputs), -1)
        unit = power_of_two(np.abs(outputs[kept]).max(axis=0))
        outputs = outputs / unit
        mean = np.average(outputs[kept], axis=0, weights=weight[kept])
        deviation = (outputs[kept] - mean) ** 2
        spread = np.sqrt(np.average(deviation, axis=0, weights=weight[kept]))
        # What rounding leaves of a constant is no spread: predictions are then the constant.
        precision = np.finfo(y.dtype if y.dtype.kind == "f" else np.float64).eps
        spread[spread <= _ROUNDING * precision * np.abs(outputs[kept]).max(axis=0)] = 0.0
        self.y_mean_, self.y_scale_ = mean * unit, spread * unit
        return (outputs - mean) / np.where(spread > 0, spread, 1.0), weight, outputs.shape[1]

    def _predict_continuous(self, windows: NDArray | LazyWindows) -> NDArray[np.floating]:
        """Predict such a target in its own units, averaged over the members."""
        parts = [output.mean(dim=0) for _, output, _ in self._evaluate(windows)]
        outputs = torch.cat(parts).cpu().numpy() * self.y_scale_ + self.y_mean_
        return outputs[:, 0] if self._is_flat else outputs

    def _finish(self, data: TrainingData) -> None:
        """Set fitted attributes that need the trained net."""

    def _used_columns(self) -> NDArray[np.intp] | None:
        """Columns that training sees: None if all are recorded."""
        return None if len(self.columns_) == self.n_features_in_ else self.columns_

    def _split(
        self, n_windows: int, organisms: NDArray | None, seed: int
    ) -> tuple[slice | NDArray[np.intp], NDArray[np.intp] | None]:
        """Give the windows to train on, and those that early stopping looks at."""
        if self.patience is None:
            return slice(None), None
        return hold_out(
            n_windows,
            organisms,
            self.validation_fraction,
            self.n_times_in_ + self._n_ahead(),
            np.random.default_rng(seed),
        )

    def _weight_decay(self) -> float:
        return float(self.weight_decay)

    def _n_ahead(self) -> int:
        """Frames after a window that its target reads."""
        return 0

    def _check_held_out(self, trained: NDArray, held: NDArray, weight: NDArray[np.float64]) -> None:
        if weight.sum() == 0:
            raise ValueError(
                "early stopping holds out windows that all have weight zero (class_weight or "
                "sample_weight); use patience=None or other weights"
            )
        lost = np.setdiff1d(held, trained) if is_classifier(self) else np.array([])
        if len(lost):
            names = ", ".join(map(str, self.classes_[lost]))
            warnings.warn(
                f"early stopping holds out every window of {names}: the model never learns it",
                UserWarning,
                stacklevel=4,
            )

    def _prediction_columns(self, X: NDArray) -> NDArray[np.intp] | None:
        """Columns that prediction reads from these windows."""
        return self._used_columns()

    def _inputs(self, columns: NDArray[np.intp] | None) -> tuple[Tensor, ...]:
        """Further inputs of the module, beside the windows."""
        return ()

    def _checked(self, X: ArrayLike | LazyWindows) -> NDArray | LazyWindows:
        check_is_fitted(self, "net_")
        return check_windows(self, X, reset=False)[0]

    def _evaluate(
        self, windows: NDArray | LazyWindows, method: str = "__call__", *arguments: Any
    ) -> Iterator[tuple[slice, Tensor, NDArray[np.intp] | None]]:
        """Evaluate the module on validated windows, chunk by chunk."""
        module = self.net_.module_
        parameter = next(module.parameters())
        n_steps = sum(argument for argument in arguments if isinstance(argument, int))
        per_window = self._elements_per_window() + self.n_features_in_ * n_steps
        chunk = max(1, _CHUNK_ELEMENTS // per_window)
        run = module if method == "__call__" else getattr(module, method)
        module.eval()
        for start in range(0, len(windows), chunk):
            rows = slice(start, min(start + chunk, len(windows)))
            part = cut_windows(windows, rows, None)
            columns = self._prediction_columns(part)
            if columns is not None:
                part = part[:, columns]
            with usual_torch(), torch.inference_mode():
                # A copy: torch refuses read-only memory.
                tensor = torch.tensor(part, dtype=parameter.dtype, device=parameter.device)
                output = run(tensor, *arguments, *self._inputs(columns))
                _check_finite(output, part)
            yield rows, output, columns

    def _elements_per_window(self) -> int:
        per_member = self.n_features_in_ * max(self.n_times_in_, self.hidden_size)
        return int(getattr(self, "n_members", 1) * per_member)


def _check_finite(output: Tensor, windows: NDArray) -> None:
    if not torch.isfinite(output).all():
        raise ValueError(
            f"X: values as large as {np.nanmax(np.abs(windows)):.3g} make the output of the net "
            "NaN or infinite; scale the windows as those of fit (Recording.zscore, WindowScaler)"
        )
