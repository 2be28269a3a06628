"""Validation of windows, identities, groups and weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    check_array,
    check_consistent_length,
    validate_data,
)

from skneurograph.base._containers import (
    column_names,
    read_numeric_target,
    read_target_labels,
    read_windows,
)
from skneurograph.data._inputs import InputError, read_groups, unmasked
from skneurograph.data._lazy import LazyWindows
from skneurograph.data._warnings import warn

__all__ = [
    "check_classes",
    "check_groups",
    "check_identities",
    "check_weights",
    "check_windows",
    "groups_needed",
    "neuron_names",
    "recorded_columns",
]

_NO_VALUE = "no_validation"
# Sums of many squares of such numbers are within double precision.
_LARGEST = 1e140


def check_windows(
    estimator: BaseEstimator,
    X: Any,
    y: Any = _NO_VALUE,
    *,
    reset: bool,
    min_times: int = 1,
    nan_in_y: bool = False,
) -> tuple[NDArray | LazyWindows, Any]:
    """Validate windows (and a target), and remember or check their shape.

    Masked values are NaN. The columns of a table, the neurons of an xarray.DataArray and the
    columns of a pynapple.TsdFrame, if they are text, become ``feature_names_in_``, against
    which later windows are checked as scikit-learn does it.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` (neurons) and ``n_times_in_`` when ``reset``.
    X : array-like of shape (n_windows, n_neurons, n_times) or (n_windows, n_neurons), \
or LazyWindows
        Two dimensions are read as windows of one frame.
    y : array-like, optional
        Target, checked together with ``X``: numbers for a regressor, else labels.
    reset : bool
        True in ``fit``.
    min_times : int, default=1
        Frames that a window needs at least.
    nan_in_y : bool, default=False
        Whether NaN in ``y`` marks neurons that were not recorded.

    Returns
    -------
    X : ndarray of shape (n_windows, n_neurons, n_times) or LazyWindows
        float32 or float64.
    y : ndarray or None

    Raises
    ------
    ValueError
        If there are infinities, other than two or three dimensions, or other neurons or
        frames than in ``fit``; if windows differ in shape, if named dimensions stand in
        another order, or if a label is missing.
    """
    columns = column_names(X)
    X = (
        _check_lazy(estimator, X, reset)
        if isinstance(X, LazyWindows)
        else _check_array(estimator, X, reset)
    )
    target: Any = None
    if not (isinstance(y, str) and y == _NO_VALUE):
        if nan_in_y and columns is not None:
            _check_columns(y, columns)
        target = _check_target(estimator, y, nan_in_y)
        check_consistent_length(X, target)
    _check_shape(estimator, X.shape, reset=reset)
    if X.shape[2] < min_times:
        raise ValueError(
            f"X has windows of {X.shape[2]} frame{'s' * (X.shape[2] > 1)}, but "
            f"{type(estimator).__name__} needs at least {min_times}: consecutive frames, as "
            f"sliding_windows(recordings, {max(8, min_times)}).X gives them (recordings may be an "
            "array (n_times, n_neurons))"
        )
    return X, target


def _check_lazy(estimator: BaseEstimator, X: LazyWindows, reset: bool) -> LazyWindows:
    if len(X) == 0:
        raise ValueError(
            "Found array with 0 sample(s) (shape=" + str(X.shape) + ") while a minimum of 1 "
            f"is required by {type(estimator).__name__}."
        )
    if X.has_infinity():
        raise ValueError("Input X contains infinity.")
    if reset:
        estimator.n_features_in_ = X.shape[1]
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    return X


def _check_array(estimator: BaseEstimator, X: Any, reset: bool) -> NDArray:
    """Validate windows by scikit-learn, and give them with three dimensions."""
    X, neurons = read_windows(X)
    if not reset and getattr(X, "ndim", 0) == 3:
        # Before scikit-learn speaks of features: its own checks only know two dimensions.
        _check_shape(estimator, X.shape, reset=False)
    options: dict[str, Any] = {
        "allow_nd": True,
        "dtype": [np.float64, np.float32],
        "ensure_all_finite": "allow-nan",
    }
    try:
        if neurons is None:
            X = validate_data(estimator, X, reset=reset, **options)
        else:
            names = pd.DataFrame(columns=neurons)
            validate_data(estimator, names, skip_check_array=True, reset=reset)
            X = check_array(X, estimator=estimator, input_name="X", **options)
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        text = str(error).partition(": ")[2]
        raise InputError("X", f"text ({text})", "the activity of neurons, numbers") from error
    if X.dtype == np.float64 and X.size:
        largest = max(np.fmax.reduce(X, axis=None), -np.fmin.reduce(X, axis=None))
        if largest > _LARGEST:
            raise InputError(
                "X", f"values as large as {largest:.3g}", "numbers whose squares are finite"
            )
    if X.ndim == 2:
        X = X[:, :, None]
    if X.ndim != 3:
        raise ValueError(
            f"Found array with dim {X.ndim}, while {type(estimator).__name__} expected "
            "windows of shape (n_windows, n_neurons, n_times), or 2 dimensions for windows "
            "of one frame."
        )
    return X


def _check_columns(y: Any, columns: list[str]) -> None:
    """Refuse a table of following frames whose neurons stand in another order than in X."""
    names = column_names(y)
    if names is not None and names != columns and sorted(names) == sorted(columns):
        raise InputError(
            "y", "the columns of X in another order", "the order of X; use y[X.columns]"
        )


def _check_target(estimator: BaseEstimator, y: Any, nan_in_y: bool) -> NDArray:
    """Validate a target; with ``nan_in_y`` it holds numbers, of up to three dimensions."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, "
            "but the target y is None."
        )
    if nan_in_y:
        return check_array(
            read_numeric_target(y),
            ensure_2d=False,
            allow_nd=True,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            input_name="y",
        )
    tags = estimator.__sklearn_tags__()
    is_numeric = tags.estimator_type == "regressor"
    return _check_y(
        read_numeric_target(y) if is_numeric else read_target_labels(y),
        multi_output=bool(tags.target_tags.multi_output),
        y_numeric=is_numeric,
        estimator=estimator,
    )


def _check_shape(estimator: BaseEstimator, shape: tuple[int, ...], *, reset: bool) -> None:
    name = type(estimator).__name__
    _, n_neurons, n_times = shape
    if n_neurons == 0:
        raise ValueError(
            f"X has 0 neurons; {name} needs at least 1: sliding_windows(recordings, ...) gives "
            "those that are named in some recording, with neurons='all' unnamed ones, too"
        )
    if n_times == 0:
        raise ValueError(f"X has windows of 0 frames; {name} needs at least 1")
    if reset:
        estimator.n_times_in_ = n_times
        return
    if n_neurons != estimator.n_features_in_:
        raise ValueError(
            f"X has {n_neurons} neurons, but {name} was fitted with "
            f"{estimator.n_features_in_}; align windows with "
            "sliding_windows(..., neurons=[the names used for fit])"
        )
    if n_times != estimator.n_times_in_:
        raise ValueError(
            f"X has windows of {n_times} frames, but {name} was fitted with "
            f"windows of {estimator.n_times_in_}"
        )


def check_identities(
    identities: str | Sequence[int] | NDArray[np.integer], n_neurons: int
) -> NDArray[np.intp]:
    """Validate ``identities``: one integer per neuron, -1 for anonymous ones.

    Raises
    ------
    ValueError
        If it is neither ``"all"``, ``"none"`` nor one integer >= -1 per neuron.
    """
    if isinstance(identities, str):
        if identities not in ("all", "none"):
            raise ValueError(
                f"identities: got {identities!r}; expected 'all', 'none' or an integer per neuron"
            )
        return np.arange(n_neurons) if identities == "all" else np.full(n_neurons, -1)
    labels = np.asarray(unmasked(identities))
    if labels.shape != (n_neurons,) or labels.dtype.kind not in "iu" or (labels < -1).any():
        raise ValueError(
            f"identities: got shape {labels.shape} and dtype {labels.dtype}; expected one "
            f"integer per neuron of X, shape ({n_neurons},), with -1 for anonymous neurons "
            "(Windows.identities gives that)"
        )
    return labels.astype(np.intp)


def check_groups(groups: Any, n_windows: int) -> NDArray | None:
    """Validate the organism of each window; None stays None.

    Raises
    ------
    ValueError
        If there is not exactly one group per window, if one is missing (NaN, NaT, None,
        masked, ``''``), or if they are of mixed types.
    """
    return None if groups is None else read_groups(groups, n_windows)


def groups_needed(estimator: BaseEstimator, fitted_with: str, wanted: str) -> ValueError:
    """Make the error for windows without groups that an estimator cannot read without them."""
    return ValueError(
        f"groups: not given, but {type(estimator).__name__} was fitted with {fitted_with}; give "
        f"{wanted}. A Pipeline passes them on with metadata routing, "
        "sklearn.set_config(enable_metadata_routing=True) and predict(X, groups=groups); "
        "scikit-learn's named scorers never do, but score and scoring=None do"
    )


def neuron_names(estimator: BaseEstimator, given: ArrayLike | None) -> list[str]:
    """Names of the neurons: given, seen in fit as column names, or x0, x1, ...

    Raises
    ------
    ValueError
        If there is not one name per neuron, or other names than in ``fit``.
    """
    n_neurons = estimator.n_features_in_
    seen = getattr(estimator, "feature_names_in_", None)
    if given is None:
        return (
            [str(name) for name in seen]
            if seen is not None
            else [f"x{i}" for i in range(n_neurons)]
        )
    names = [str(name) for name in np.asarray(given, dtype=object)]
    if len(names) != n_neurons:
        raise ValueError(
            "input_features should have length equal to number of features (neurons) "
            f"({n_neurons}), got {len(names)}"
        )
    if seen is not None and names != list(seen):
        raise ValueError("input_features is not equal to feature_names_in_")
    return [name or f"x{i}" for i, name in enumerate(names)]


def recorded_columns(X: NDArray | LazyWindows) -> NDArray[np.intp]:
    """Return the neurons that some window holds; warn about windows that hold none.

    Raises
    ------
    ValueError
        If no window holds any neuron.
    """
    if isinstance(X, LazyWindows):
        present, n_empty = X.recorded()
    else:
        recorded = ~np.isnan(X).any(axis=2)
        present, n_empty = recorded.any(axis=0), int((~recorded.any(axis=1)).sum())
    if not present.any():
        raise ValueError("X: no neuron is recorded in any window, every value is NaN")
    if n_empty:
        warn(
            f"{n_empty} of {len(X)} windows have no recorded neuron: nothing can be learnt "
            "from them"
        )
    return np.flatnonzero(present)


def check_classes(y: NDArray) -> None:
    """Refuse labels that are no classes, such as continuous numbers.

    Raises
    ------
    ValueError
        By scikit-learn.
    """
    # Numbers beyond all integers are no classes either, but no reason for a warning.
    with np.errstate(invalid="ignore"):
        check_classification_targets(y)


def check_weights(sample_weight: Any, n_windows: int) -> NDArray[np.float64]:
    """Validate the weight of each window; without weights all count one.

    Raises
    ------
    ValueError
        If there is not one per window, if one is negative, or if all are zero.
    """
    given = read_numeric_target(sample_weight, "sample_weight")
    if given is not None and np.size(given) and not np.any(given):
        # scikit-learn's own message does not name the argument.
        raise ValueError("sample_weight: all weights are zero, no window counts")
    weight: NDArray[np.float64] = _check_sample_weight(
        given,
        np.zeros(n_windows),
        dtype=np.float64,
        ensure_non_negative=True,
    )
    return weight
