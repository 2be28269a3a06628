"""Rules for every ``fit``: aligned rows, and no half-fitted estimator after an error."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from skneurograph.base._containers import check_alignment

__all__ = ["all_or_nothing"]

_Fit = TypeVar("_Fit", bound=Callable[..., Any])
_BY_ROW = ("X", "y", "sample_weight", "groups")


def all_or_nothing(fit: _Fit) -> _Fit:
    """Let a fit that fails leave the estimator as it was before: fitted, or not.

    Without this a failed second fit would leave some attributes of the first and some of its
    own, and predictions that belong to neither. Arguments with an index (a DataFrame, a
    Series) are refused if they bear the same labels in another order.
    """
    signature = inspect.signature(fit)

    @wraps(fit)
    def whole(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        try:
            given = signature.bind(self, *args, **kwargs).arguments
            check_alignment(**{name: given.get(name) for name in _BY_ROW})
            return fit(self, *args, **kwargs)
        except BaseException:  # an interrupt, too
            vars(self).clear()
            vars(self).update(before)
            raise

    return cast("_Fit", whole)
