"""Base classes of transformers of windows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._set_output import ADAPTERS_MANAGER, _get_output_config
from sklearn.utils.validation import check_is_fitted

from skneurograph.base._validation import check_windows

__all__ = ["WindowTransformer", "WindowsToWindows"]


class WindowTransformer(TransformerMixin, BaseEstimator):
    """Validate windows on the way in, give two dimensions back for two dimensions."""

    def _checked(self, X: Any, *, reset: bool) -> tuple[NDArray[np.floating], bool]:
        if not reset:
            check_is_fitted(self)
        windows, _ = check_windows(self, X, reset=reset)
        n_dims = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
        # Contiguous, since the order of sums, and so the last bits, follows the strides.
        return np.ascontiguousarray(windows), n_dims == 2

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class WindowsToWindows(OneToOneFeatureMixin, WindowTransformer):
    """Return windows for windows, and a table for a table.

    scikit-learn would wrap every output in the container of ``set_output``. Windows have
    three dimensions and fit in no data frame, so only outputs of two dimensions are.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Set the container of outputs with two dimensions.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            None leaves it as it is. Windows stay arrays.

        Returns
        -------
        self
        """
        if transform is not None:
            # The place where clone looks for it.
            self._sklearn_output_config = {"transform": transform}
        return self

    def _give(self, values: NDArray[np.floating], X: Any, is_flat: bool) -> Any:
        if not is_flat:
            return values
        container = _get_output_config("transform", self)["dense"]
        if container == "default":
            return values[:, :, 0]
        adapter = ADAPTERS_MANAGER.adapters[container]
        return adapter.create_container(values[:, :, 0], X, columns=self.get_feature_names_out)
