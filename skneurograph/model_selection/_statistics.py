"""Paired test corrected for folds that share training data (Nadeau and Bengio)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from skneurograph.data._inputs import InputError, read_numbers
from skneurograph.model_selection._numbers import is_number

__all__ = ["PairedTest", "corrected_paired_test"]


class PairedTest(NamedTuple):
    """Result of `corrected_paired_test`.

    Attributes
    ----------
    difference : float
        Mean difference over folds.
    low, high : float
        Confidence interval of the mean difference.
    statistic : float
        Corrected t statistic.
    p_value : float
        Two-sided.
    n_folds : int
    """

    difference: float
    low: float
    high: float
    statistic: float
    p_value: float
    n_folds: int


def corrected_paired_test(
    differences: ArrayLike, test_train_ratio: float, *, confidence: float = 0.95
) -> PairedTest:
    """Compare two models over folds by the corrected paired t-test (Nadeau and Bengio).

    Folds of a cross-validation share most of their training data, so their differences
    are correlated and the ordinary paired t-test finds too much. Nadeau and Bengio [1]_
    widen the variance of the mean from ``s^2 / J`` to ``(1 / J + n_test / n_train) s^2``.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Difference of the scores of the two models in each fold; NaN where one has none,
        and the fold is left out.
    test_train_ratio : float
        Size of a test set divided by that of its training set.
    confidence : float, default=0.95
        Level of the interval.

    Returns
    -------
    PairedTest
        With fewer than two folds there is no test: all but the difference is NaN.

    Raises
    ------
    ValueError
        If differences are no numbers or infinite, if the ratio is no number from 0 on, or
        if the confidence is not between 0 and 1.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio (2003). Inference for the generalization error. Machine
       Learning 52, 239-281. doi:10.1023/A:1024068626366

    Examples
    --------
    >>> from skneurograph.model_selection import corrected_paired_test
    >>> test = corrected_paired_test([0.05, 0.02, 0.07, 0.04], test_train_ratio=1 / 3)
    >>> round(test.difference, 3), bool(0.05 < test.p_value < 0.1)
    (0.045, True)
    """
    values = read_numbers(differences, "differences", "a number per fold").astype(np.float64)
    if values.ndim != 1:
        raise InputError("differences", f"shape {values.shape}", "a number per fold")
    if not is_number(test_train_ratio) or not 0 <= test_train_ratio < np.inf:
        raise InputError(
            "test_train_ratio", repr(test_train_ratio), "windows tested by windows trained on, >= 0"
        )
    if not is_number(confidence) or not 0 < confidence < 1:
        raise InputError("confidence", repr(confidence), "a number between 0 and 1, such as 0.95")
    values = values[~np.isnan(values)]
    n_folds = len(values)
    if n_folds < 2:
        mean = float(values.mean()) if n_folds else np.nan
        return PairedTest(mean, np.nan, np.nan, np.nan, np.nan, n_folds)
    mean = float(values.mean())
    error = float(np.sqrt((1 / n_folds + test_train_ratio) * values.var(ddof=1)))
    if error == 0:
        statistic = 0.0 if mean == 0 else np.inf * np.sign(mean)
    else:
        statistic = mean / error
    p_value = float(2 * stats.t.sf(abs(statistic), n_folds - 1))
    half = float(stats.t.ppf(0.5 + confidence / 2, n_folds - 1)) * error
    return PairedTest(mean, mean - half, mean + half, float(statistic), p_value, n_folds)
