"""Find every public estimator, and make cheap instances of it for the batteries."""

import importlib
import inspect
import pkgutil

from sklearn.base import BaseEstimator

import skneurograph
from tests.adapter import apart, folded, row_by_row

CHEAP = {"n_members": 1, "max_epochs": 12, "hidden_size": 16}
# Rollouts learn what is no forecast more slowly; those over many pairs take long, and no check
# asks how well they learnt.
CHEAPER = {
    "GraphForecaster": {"max_epochs": 24},
    "RecurrentForecaster": {"max_epochs": 24},
    "MARBLE": {"max_epochs": 3},
    "RelationalGraph": {"max_epochs": 2, "hidden_size": 8, "horizon": 3},
    "TAVRNN": {"max_epochs": 2, "hidden_size": 8, "n_components": 3},
}


def public_estimators():
    """Every estimator class in the ``__all__`` of a public module, by name."""
    found = {}
    for module in pkgutil.walk_packages(skneurograph.__path__, "skneurograph."):
        if any(part.startswith("_") for part in module.name.split(".")):
            continue
        namespace = importlib.import_module(module.name)
        for name in getattr(namespace, "__all__", []):
            value = getattr(namespace, name)
            if (
                inspect.isclass(value)
                and issubclass(value, BaseEstimator)
                and not inspect.isabstract(value)
                and value.__module__.startswith("skneurograph")
            ):
                found[name] = value
    return dict(sorted(found.items()))


def cheap(estimator_class, **parameters):
    """An instance with a small budget, reproducible."""
    accepted = estimator_class().get_params()
    cheaper = CHEAPER.get(estimator_class.__name__, {})
    settings = {**CHEAP, **cheaper, "random_state": 0, **parameters}
    return estimator_class(**{name: value for name, value in settings.items() if name in accepted})


def reads_tables(estimator):
    """Whether the estimator reads 2-D data as windows of one frame."""
    return estimator.__sklearn_tags__().input_tags.two_d_array


def checkable(estimator):
    """What scikit-learn's checks run on: an adapter, where one frame or row has no meaning."""
    if not reads_tables(estimator):
        return folded(estimator)
    return row_by_row(estimator) if apart(estimator, []) else estimator


ESTIMATORS = public_estimators()
