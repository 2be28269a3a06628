"""A fit is done as a whole or not at all."""

import numpy as np
import pandas as pd
import pytest
import xarray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._units import power_of_two


class Mean(BaseEstimator):
    @all_or_nothing
    def fit(self, X, y=None, sample_weight=None, groups=None):
        self.n_ = len(X)
        self.old_ = None
        if len(X) == 3:
            del self.mean_
        if np.isnan(X).any():
            raise KeyboardInterrupt if y is None else ValueError
        self.mean_ = np.mean(X)
        return self


@pytest.mark.parametrize("y", [None, [1, 2, 3]])
def test_a_failed_fit_changes_no_attribute_whether_interrupted_or_wrong(y):
    model = Mean()
    error = KeyboardInterrupt if y is None else ValueError
    with pytest.raises(error):
        model.fit([1.0, np.nan], y)
    assert vars(model) == {}
    model.fit([1.0, 2.0])
    before = dict(vars(model))
    with pytest.raises(error):
        model.fit([1.0, np.nan, 2.0], y)
    assert vars(model) == before
    check_is_fitted(model)


def by_label(values, labels):
    return pd.Series(values, index=labels)


def coordinates(values, labels):
    return xarray.DataArray(values, dims="window", coords={"window": labels})


@pytest.mark.parametrize("wrap", [by_label, coordinates])
@pytest.mark.parametrize("name", ["y", "sample_weight", "groups"])
def test_rows_with_the_same_labels_in_another_order_are_refused(wrap, name):
    X = wrap([1.0, 2.0, 3.0], ["p", "q", "r"])
    message = rf"{name}: got rows whose index is that of X in another order"
    with pytest.raises(ValueError, match=message):
        Mean().fit(X, **{name: by_label([1, 2, 3], ["q", "p", "r"])})
    for others in (["p", "q", "r"], [0, 1, 2], ["p", "q", "s"]):
        Mean().fit(wrap([1.0, 2.0], ["p", "q"]), **{name: by_label([1, 2, 3], others)})
        Mean().fit(wrap([1.0] * 4, list("pqrs")), **{name: by_label([1, 2, 3, 4], [*others, 9])})


def test_the_rows_of_targets_and_groups_belong_together_too():
    with pytest.raises(ValueError, match="groups: got rows whose index is that of y"):
        Mean().fit(np.ones(2), by_label([1, 2], [0, 1]), groups=by_label([1, 2], [1, 0]))


def test_units_are_powers_of_two_that_can_be_inverted():
    largest = np.array([0, 1, 3, 0.75, 1e-308, 5e-324, 1.7e308])
    units = power_of_two(largest)
    assert units[:4].tolist() == [1, 1, 2, 0.5]
    assert np.isfinite(1 / units).all()
    assert (np.frexp(units)[0] == 0.5).all()
    assert (largest[:4] / units[:4] <= 2).all()
