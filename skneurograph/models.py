"""Default models of a comparison: chance, classical baselines and graph models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal, Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.utils.class_weight import compute_sample_weight

from skneurograph import decoding, forecasting
from skneurograph.data._inputs import InputError, read_names
from skneurograph.preprocessing import NeuronImputer, make_baseline

__all__ = ["default_models"]

# Models by name, made when they are asked for: nets alone need torch.
_Models = dict[str, Callable[[], BaseEstimator]]


class _BalancedMLPClassifier(MLPClassifier):
    """scikit-learn's MLP with classes weighted inversely to their frequency.

    `MLPClassifier` has no ``class_weight``; without one it loses balanced accuracy to
    models that have, for a reason that has nothing to do with the network. Parameters
    and attributes are those of `sklearn.neural_network.MLPClassifier`.
    """

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit with balanced classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional
            Multiplies the weights of the classes.

        Returns
        -------
        self
        """
        balanced = compute_sample_weight("balanced", y)
        if sample_weight is not None:
            balanced = balanced * sample_weight
        super().fit(X, y, sample_weight=balanced)
        return self


def default_models(
    kind: Literal["classifier", "regressor", "forecaster"] = "classifier",
    *,
    names: Sequence[str] | None = None,
    neurons: Iterable[str] | None = None,
    **graph_parameters: Any,
) -> dict[str, BaseEstimator]:
    """Return the baselines that a graph model has to beat, and the graph model.

    Parameters
    ----------
    kind : {"classifier", "regressor", "forecaster"}, default="classifier"
        Labels of behaviour (all models weigh classes equally), a continuous covariate, or
        the frames that follow.
    names : sequence of str, optional
        Which models, in which order. By default all: ``chance``, ``logistic`` (or
        ``ridge``) on the flattened window, ``pca-logistic`` (``pca-ridge``) on the window
        of 10 principal components, ``mlp``, ``recurrent``, ``graph``, the baselines with
        missing neurons inferred (`preprocessing.NeuronImputer`); of forecasters
        ``persistence``, ``ar`` (each neuron by itself), ``var``, ``ridge``, ``mlp``,
        ``recurrent``, ``graph``.
    neurons : iterable of str, optional
        Names of the neurons, for the feature names of the baselines. ``''`` among them makes
        those columns anonymous for the graph model.
    **graph_parameters
        Given to the graph model, such as ``identities=windows.identities``.

    Returns
    -------
    dict of str to estimator
        The penalties of the linear models suit some 3,000 windows of worms; with much other
        data choose them by a search over organisms, or the comparison is unfair to them.
        The nets expect z-scored activity (`Recording.zscore`); the baselines scale.

    Raises
    ------
    ValueError
        If a name is not known or given twice, or if neurons are no names.

    Examples
    --------
    >>> from skneurograph import default_models
    >>> list(default_models())
    ['chance', 'logistic', 'pca-logistic', 'mlp', 'recurrent', 'graph']
    """
    names_of_neurons = [] if neurons is None else _names_of(neurons)
    if "" in names_of_neurons and "identities" not in graph_parameters:
        # Anonymous columns hold other cells in every animal.
        named = [name != "" for name in names_of_neurons]
        graph_parameters["identities"] = [i if known else -1 for i, known in enumerate(named)]
    imputer = NeuronImputer(identities=graph_parameters.get("identities", "all"))
    neurons = names_of_neurons or None
    if kind == "classifier":
        models = _classifiers(neurons, imputer, graph_parameters)
    elif kind == "regressor":
        models = _regressors(neurons, imputer, graph_parameters)
    elif kind == "forecaster":
        models = _forecasters(graph_parameters)
    else:
        raise ValueError(f"kind: got {kind!r}; expected 'classifier', 'regressor' or 'forecaster'")
    if names is None:
        return {name: make() for name, make in models.items()}
    chosen = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in chosen if not isinstance(name, str) or name not in models]
    if unknown or not chosen:
        raise ValueError(
            f"names: got {', '.join(map(str, unknown)) or 'none'}; expected some of "
            f"{', '.join(models)}"
        )
    if len(set(chosen)) < len(chosen):
        raise InputError("names", f"a model twice in {', '.join(chosen)}", "each model once")
    return {name: models[name]() for name in chosen}


def _names_of(neurons: Iterable[str]) -> list[str]:
    if isinstance(neurons, (str, bytes)):
        raise InputError("neurons", repr(neurons), "a sequence of names (Windows.neurons)")
    names: list[str] = read_names(neurons, "neurons").tolist()
    return names


_PERCEPTRON: dict[str, Any] = {"hidden_layer_sizes": (64,), "alpha": 10.0}


# Penalties of the linear models were chosen by leave-one-worm-out, in favour of the baselines.
def _classifiers(
    neurons: list[str] | None, imputer: NeuronImputer, graph_parameters: dict[str, Any]
) -> _Models:
    baseline = partial(make_baseline, neurons=neurons, imputer=imputer)
    linear = {"class_weight": "balanced", "max_iter": 3000}
    return {
        "chance": lambda: DummyClassifier(strategy="prior"),
        "logistic": lambda: baseline(LogisticRegression(C=1e-3, **linear)),
        "pca-logistic": lambda: baseline(LogisticRegression(C=1e-2, **linear), n_components=10),
        "mlp": lambda: baseline(_BalancedMLPClassifier(**_PERCEPTRON)),
        "recurrent": lambda: make_pipeline(
            clone(imputer), decoding.RecurrentClassifier(class_weight="balanced")
        ),
        "graph": lambda: decoding.GraphClassifier(class_weight="balanced", **graph_parameters),
    }


def _regressors(
    neurons: list[str] | None, imputer: NeuronImputer, graph_parameters: dict[str, Any]
) -> _Models:
    baseline = partial(make_baseline, neurons=neurons, imputer=imputer)
    return {
        "chance": lambda: DummyRegressor(strategy="mean"),
        "ridge": lambda: baseline(Ridge(alpha=1e4)),
        "pca-ridge": lambda: baseline(Ridge(alpha=1e3), n_components=10),
        "mlp": lambda: baseline(MLPRegressor(**_PERCEPTRON)),
        "recurrent": lambda: make_pipeline(clone(imputer), decoding.RecurrentRegressor()),
        "graph": lambda: decoding.GraphRegressor(**graph_parameters),
    }


def _forecasters(graph_parameters: dict[str, Any]) -> _Models:
    return {
        "persistence": lambda: forecasting.PersistenceForecaster(),
        "ar": lambda: forecasting.VARForecaster(n_lags=0),
        "var": lambda: forecasting.VARForecaster(),
        "ridge": lambda: forecasting.RidgeForecaster(),
        "mlp": lambda: forecasting.MLPForecaster(),
        "recurrent": lambda: forecasting.RecurrentForecaster(),
        "graph": lambda: forecasting.GraphForecaster(**graph_parameters),
    }
