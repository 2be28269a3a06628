"""A warning points at the line of the user, however deep it arises."""

import warnings
from types import FunctionType

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skneurograph.data._warnings import warn
from skneurograph.decoding import GraphClassifier


def placed_in(module, function, **names):
    """The function as if a module had defined it; without a name, as if typed into a notebook."""
    named = {} if module is None else {"__name__": module}
    return FunctionType(function.__code__, {**named, **names}, argdefs=function.__defaults__)


def _warn(category=UserWarning):
    warn("look here", category)


def _call(*given):
    inner(*given)  # noqa: F821


shallow = placed_in("skneurograph.one", _warn, warn=warn)
deep = placed_in("skneurograph.other._module", _call, inner=shallow)


def place_of(call):
    """File and line that the one warning of this call names."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert len(caught) == 1
    return caught[0].filename, caught[0].lineno


@pytest.mark.parametrize("function", [shallow, deep])
def test_it_names_the_first_line_outside_of_the_package(function):
    def here():
        function()

    assert place_of(here) == (__file__, here.__code__.co_firstlineno + 1)


@pytest.mark.parametrize("library", ["sklearn.pipeline", "joblib.parallel", "skorch.net"])
def test_libraries_that_call_the_package_are_passed_over(library):
    between = placed_in(library, _call, inner=deep)

    def here():
        between()

    assert place_of(here) == (__file__, here.__code__.co_firstlineno + 1)


@pytest.mark.parametrize("module", ["skneurographics", "__main__", None])
def test_a_module_of_the_user_may_have_any_name_or_none(module):
    users = placed_in(module, _call, inner=deep)
    assert place_of(users) == (__file__, _call.__code__.co_firstlineno + 1)


def test_the_category_is_a_user_warning_unless_another_is_given():
    with pytest.warns(UserWarning, match="^look here$"):
        deep()
    with pytest.warns(FutureWarning, match="^look here$"):
        deep(FutureWarning)


def test_with_nothing_but_libraries_on_the_stack_there_is_still_a_warning(monkeypatch):
    monkeypatch.setattr("skneurograph.data._warnings._BETWEEN", ("",))
    with pytest.warns(UserWarning, match="look here"):
        deep()


WAYS = {
    "alone": lambda net, X, y: net.fit(X, y),
    "pipeline": lambda net, X, y: make_pipeline(make_pipeline(net)).fit(X, y),
    "cross-validation": lambda net, X, y: cross_val_score(net, X, y, cv=[(range(20), range(4))]),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_warning_of_fit_names_the_line_from_which_it_was_reached(way):
    X = np.random.default_rng(0).normal(size=(24, 3, 4))
    net = GraphClassifier(max_epochs=1, n_members=1, hidden_size=4)
    filename, line = place_of(lambda: way(net, X, ["rest"] * 24))
    assert (filename, line) == (__file__, way.__code__.co_firstlineno)
