"""Base class of the neural-network estimators: from windows to a trained net and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skneurograph.base._columns import Columns
from skneurograph.base._device import usual_torch
from skneurograph.base._targets import Continuous
from skneurograph.base._validation import check_windows
from skneurograph.data._lazy import CHUNK_ELEMENTS, LazyWindows, chunks_of_windows

__all__ = ["NetEstimator"]


class NetEstimator(BaseEstimator):
    """Evaluate a trained net on windows, chunk by chunk.

    ``fit`` of a class trains the net by `fit_net`, and sets ``_columns``, which the net reads.
    """

    _columns: Columns

    # Groups are wanted whenever metadata routing is on, without a set_fit_request.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def _checked(self, X: ArrayLike | LazyWindows) -> NDArray | LazyWindows:
        check_is_fitted(self, "net_")
        return check_windows(self, X, reset=False)[0]

    @property
    def _window_size(self) -> int:
        """Elements of the largest tensor for one window, by which evaluation is cut in chunks."""
        n_units = max(self.n_times_in_, self.hidden_size)
        return int(self.n_members * self._columns.largest_layer(n_units))

    def _evaluate(
        self, windows: NDArray | LazyWindows, method: str = "__call__", *arguments: Any
    ) -> Iterator[tuple[slice, Tensor, NDArray[np.intp] | None]]:
        """Evaluate the module on validated windows, chunk by chunk.

        Yields
        ------
        rows : slice
        output : Tensor
            What the method gives for these windows.
        columns : ndarray of int or None
            Neurons that were read; None for all.
        """
        module = self.net_.module_
        parameter = next(module.parameters())
        n_steps = sum(argument for argument in arguments if isinstance(argument, int))
        per_window = self._window_size + self.n_features_in_ * n_steps
        run = module if method == "__call__" else getattr(module, method)
        module.eval()
        for rows, part in chunks_of_windows(windows, per_window, 2 * CHUNK_ELEMENTS):
            columns = self._columns.choose(part)
            if columns is not None:
                part = part[:, columns]
            with usual_torch(), torch.inference_mode():
                # A copy: torch refuses read-only memory.
                tensor = torch.tensor(part, dtype=parameter.dtype, device=parameter.device)
                output = run(tensor, *arguments, *self._columns.inputs(columns, module))
                _check_finite(output, part)
            yield rows, output, columns

    def _predict_continuous(
        self, windows: NDArray | LazyWindows, target: Continuous
    ) -> NDArray[np.floating]:
        """Predict a target in its own units, averaged over the members."""
        parts = [output.mean(dim=0) for _, output, _ in self._evaluate(windows)]
        return target.decode(torch.cat(parts).cpu().numpy())


def _check_finite(output: Tensor, windows: NDArray) -> None:
    if not torch.isfinite(output).all():
        raise ValueError(
            f"X: values as large as {np.nanmax(np.abs(windows)):.3g} make the output of the net "
            "NaN or infinite; scale the windows as those of fit (Recording.zscore, WindowScaler)"
        )
