"""The adapter must fail what scikit-learn's checks would fail."""

from sklearn.utils.estimator_checks import estimator_checks_generator

from skneurograph.graph_inference import VARGraph
from tests.adapter import folded


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
