"""Adapters for the batteries: tables folded into windows, forecasters given frames to forecast.

scikit-learn knows tables, and runs nearly none of its checks on an estimator that refuses them.
The adapter has the name and the parameters of the estimator, validates a table as scikit-learn
wants it, and hands the estimator windows made of its columns.
"""

import inspect

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data


def fold(table, n_times):
    """Windows (n_rows, n_neurons, n_times) from a table, columns repeated to fill them.

    There are at least two neurons, so that tables of few columns make graphs, too.
    """
    n_neurons = max(2, -(-table.shape[1] // n_times))
    columns = np.arange(n_neurons * n_times) % table.shape[1]
    return table[:, columns].reshape(len(table), n_neurons, n_times)


def apart(estimator, X):
    """Arguments by which each window is a sequence of its own, where windows form sequences.

    TAVRNN and AdaptedClassifier are the exceptions to "a window does not depend on the
    others": a row of a table, or one of shuffled windows, then follows none, and is an
    organism of its own. See tests/embedding/test_tavrnn.py and
    tests/model_selection/test_adapted.py for what holds of several windows.
    """
    depends = type(estimator).__name__ in ("TAVRNN", "AdaptedClassifier")
    return {"groups": np.arange(_num_samples(X))} if depends else {}


class _Folded:
    """Fit the estimator to folded tables; made for one class by `folded`."""

    def fit(self, X, y=None):
        tags = self.__sklearn_tags__()
        finite = "allow-nan" if tags.input_tags.allow_nan else True
        options = {"dtype": [np.float64, np.float32], "ensure_all_finite": finite}
        if tags.target_tags.required:
            X, y = validate_data(
                self, X, y, y_numeric=tags.estimator_type == "regressor", **options
            )
        else:
            X = validate_data(self, X, **options)
        inner = self._estimator_class(**self.get_params(deep=False))
        windows = fold(X, self._n_times)
        self.inner_ = inner.fit(windows, y, **apart(inner, windows))
        for name in ("classes_", "n_iter_", "graph_"):
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))
        return self

    def _folded(self, X):
        check_is_fitted(self, "inner_")
        finite = "allow-nan" if self.__sklearn_tags__().input_tags.allow_nan else True
        X = validate_data(
            self, X, dtype=[np.float64, np.float32], ensure_all_finite=finite, reset=False
        )
        return fold(X, self._n_times)

    def get_feature_names_out(self, input_features=None):
        check_is_fitted(self, "inner_")
        seen = getattr(self, "feature_names_in_", None)
        if input_features is not None:
            if seen is not None and list(input_features) != list(seen):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(input_features) != self.n_features_in_:
                raise ValueError("input_features should have length equal to number of features")
        return self.inner_.get_feature_names_out()

    def __sklearn_tags__(self):
        tags = self._estimator_class(**self.get_params(deep=False)).__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags


def _method(name):
    def call(self, X):
        windows = self._folded(X)
        return getattr(self.inner_, name)(windows, **apart(self.inner_, windows))

    call.__name__ = name
    return call


def folded(estimator, n_times=4):
    """An adapter around a copy of an estimator, for scikit-learn's checks."""
    estimator_class = type(estimator)
    name = estimator_class.__name__
    if name not in globals():
        mixins = [base for base in estimator_class.__mro__ if base.__name__.endswith("Mixin")]
        bases = tuple(base for base in mixins if base.__module__ == "sklearn.base")
        methods = ("transform", "predict", "predict_proba", "decision_function")
        namespace = {method: _method(method) for method in methods if hasattr(estimator, method)}
        namespace["__init__"] = _initialiser(estimator_class)
        namespace["__module__"] = __name__
        namespace["_estimator_class"] = estimator_class
        namespace["_n_times"] = n_times
        # Pickle finds the class by its name in this module.
        globals()[name] = type(name, (_Folded, *bases, BaseEstimator), namespace)
    return globals()[name](**clone(estimator).get_params(deep=False))


def row_by_row(estimator):
    """A copy of an estimator that predicts each row of a table apart."""
    estimator_class = type(estimator)
    name = estimator_class.__name__
    if name not in globals():

        def predict_proba(self, X, groups=None):
            return estimator_class.predict_proba(self, X, **apart(self, X))

        namespace = {"predict_proba": predict_proba, "__module__": __name__}
        globals()[name] = type(name, (estimator_class,), namespace)
    return globals()[name](**clone(estimator).get_params(deep=False))


def _initialiser(estimator_class):
    """An __init__ that assigns what the estimator's own does, with its signature."""
    signature = inspect.signature(estimator_class.__init__)

    def __init__(self, **parameters):  # noqa: N807
        given = signature.bind(self, **parameters)
        given.apply_defaults()
        for name, value in list(given.arguments.items())[1:]:
            setattr(self, name, value)

    __init__.__signature__ = signature
    return __init__


def of_frames(forecaster_class):
    """A forecaster whose targets are always frames, made up from the windows themselves."""
    name = f"{forecaster_class.__name__}OfFrames"
    if name not in globals():

        def fit(self, X, y=None, **metadata):
            values = np.asarray(X)
            last = values if values.ndim == 2 else values[:, :, -1]
            first = values if values.ndim == 2 else values[:, :, 0]
            return forecaster_class.fit(self, X, 0.8 * last - 0.3 * first, **metadata)

        namespace = {"fit": fit, "__module__": __name__}
        globals()[name] = type(name, (forecaster_class,), namespace)
    return globals()[name]
