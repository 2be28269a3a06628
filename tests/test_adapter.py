"""The adapter must fail what scikit-learn's checks would fail."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from skneurograph.graph_inference import VARGraph
from tests.adapter import fold, folded


@pytest.mark.parametrize("n_columns", [1, 2, 3, 10, 21])
def test_every_column_reaches_the_estimator_and_there_are_pairs(n_columns):
    windows = fold(np.arange(3 * n_columns).reshape(3, n_columns), 4)
    assert windows.shape[1] >= 2
    assert windows.shape[2] == 4
    for row, window in enumerate(windows):
        assert set(window.ravel()) == set(range(row * n_columns, (row + 1) * n_columns))


def test_the_adapter_has_the_name_and_parameters_of_the_estimator():
    estimator = folded(VARGraph(n_lags=2))
    assert type(estimator).__name__ == "VARGraph"
    assert estimator.get_params() == VARGraph(n_lags=2).get_params()


class Forgetful(VARGraph):
    """Breaks the contract: what it gives depends on how often it was asked."""

    def transform(self, X):
        self.calls_ = getattr(self, "calls_", 0) + 1
        return super().transform(X) * self.calls_


def test_an_estimator_that_breaks_the_contract_fails_through_the_adapter():
    failed = set()
    for instance, check in estimator_checks_generator(folded(Forgetful()), legacy=True):
        try:
            check(instance)
        except AssertionError:
            failed.add(check.func.__name__)
    assert "check_methods_subset_invariance" in failed
