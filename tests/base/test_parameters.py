"""Every parameter of every estimator is described and constrained, those they share once."""

import ast
import inspect
import pydoc
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, is_regressor
from sklearn.linear_model import Ridge
from sklearn.utils._param_validation import InvalidParameterError

import skneurograph
from skneurograph.base._described import Entry, described
from tests.discovery import ESTIMATORS, cheap

COMMON = {
    "alpha": Entry("float", "Penalty.", [float]),
    "order": Entry("int", "Frames of the past, and of what\n        was before.", lambda: [int]),
    "coef_": Entry("ndarray", "Weights."),
}


def section(docstring, title):
    """Heads and texts of the entries of a section, as a reader of numpydoc sees them."""
    found = re.search(rf"^{title}\n-+\n(.*?)(\n\n\S[^\n]*\n-{{3,}}\n|\Z)", docstring, re.S | re.M)
    lines = found.group(1).split("\n") if found else []
    entries = []
    for line in lines:
        if line.startswith("    "):
            entries[-1][1].append(line[4:])
        elif line:
            entries.append((line, []))
    return [(head, "\n".join(text)) for head, text in entries]


def signature(cls):
    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}


def fitted(cls):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 4, 5))
    model = cheap(cls)
    if "max_epochs" in model.get_params():
        model.set_params(max_epochs=1)
    if hasattr(cls, "forecast"):
        return model.fit(X, X[:, :, 0])
    return model.fit(X, X[:, 0, -1] if is_regressor(model) else np.arange(24) % 2)


@pytest.mark.parametrize("cls", ESTIMATORS.values(), ids=ESTIMATORS)
def test_parameters_are_described_in_the_order_of_the_signature_with_their_defaults(cls):
    entries = section(inspect.getdoc(cls), "Parameters")
    names, kinds, defaults = [], [], []
    for head, text in entries:
        name, kind, default = re.fullmatch(r"(\w+) : (.+), default=(.+)", head).groups()
        assert text.strip(), name
        assert max(map(len, text.split("\n"))) <= 96
        names.append(name)
        kinds.append(kind)
        defaults.append(ast.literal_eval(default))
    assert dict(zip(names, defaults)) == signature(cls)
    assert names == list(signature(cls))
    assert not any("default" in kind for kind in kinds)


@pytest.mark.parametrize("cls", ESTIMATORS.values(), ids=ESTIMATORS)
def test_numpydoc_reads_the_same(cls):
    docscrape = pytest.importorskip("numpydoc.docscrape")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = docscrape.ClassDoc(cls, config={"show_class_members": False})
    assert [p.name for p in read["Parameters"]] == list(signature(cls))
    for title in ("Parameters", "Attributes"):
        heads = [f"{entry.name} : {entry.type}" for entry in read[title]]
        assert heads == [head for head, _ in section(inspect.getdoc(cls), title)]


@pytest.mark.parametrize("cls", ESTIMATORS.values(), ids=ESTIMATORS)
def test_every_parameter_is_constrained_and_every_default_allowed(cls):
    assert cls._parameter_constraints.keys() == signature(cls).keys()
    cls()._validate_params()


@pytest.mark.parametrize("cls", ESTIMATORS.values(), ids=ESTIMATORS)
def test_every_attribute_of_a_fit_is_described(cls):
    entries = section(inspect.getdoc(cls), "Attributes")
    names = [name for head, _ in entries for name in head.partition(" : ")[0].split(", ")]
    found = {name for name in vars(fitted(cls)) if re.fullmatch(r"[a-z]\w*_", name)}
    assert found <= set(names)
    assert len(names) == len(set(names))
    assert all(text.strip() for _, text in entries)


def test_no_two_estimators_bring_the_same_description():
    seen = {}
    for path in Path(skneurograph.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name in ESTIMATORS:
                for entry in section(ast.get_docstring(node), "Parameters"):
                    assert entry not in seen, f"{node.name} and {seen[entry]}: {entry}"
                    seen[entry] = node.name


def test_own_text_wins_over_the_tables_and_a_later_table_over_an_earlier():
    @described(COMMON, {"order": Entry("str", "Another.", [str])})
    class Model(BaseEstimator):
        r"""Fit \alpha.

        More of it.

        Parameters
        ----------
        alpha : float or None
            Own text.

            With a second paragraph.

        Attributes
        ----------
        own_ : float
            Own.
        coef_ : matrix

        Notes
        -----
        A note.
        """

        _parameter_constraints: ClassVar = {"alpha": [float, None]}

        def __init__(self, *, order="one", alpha=None):
            self.order = order
            self.alpha = alpha

    assert Model.__doc__ == inspect.cleandoc(
        r"""Fit \alpha.

        More of it.

        Parameters
        ----------
        order : str, default="one"
            Another.
        alpha : float or None, default=None
            Own text.

            With a second paragraph.

        Attributes
        ----------
        own_ : float
            Own.
        coef_ : matrix
            Weights.

        Notes
        -----
        A note.
        """
    )
    assert Model._parameter_constraints == {"order": [str], "alpha": [float, None]}
    assert COMMON["order"].type == "int"


def test_a_class_that_describes_nothing_is_described_by_the_tables():
    @described(COMMON)
    class Model(BaseEstimator):
        """Fit it."""

        def __init__(self, alpha, order=1):
            self.alpha = alpha
            self.order = order

    assert section(Model.__doc__, "Parameters") == [
        ("alpha : float", "Penalty."),
        ("order : int, default=1", "Frames of the past, and of what\nwas before."),
    ]
    with pytest.raises(InvalidParameterError, match="must be an instance of 'int'"):
        Model(1.0, "many")._validate_params()


@pytest.mark.parametrize(
    ("docstring", "constraints", "message"),
    [
        ("", {}, "nothing describes 'beta'"),
        ("Parameters\n---\nbeta : int", {}, "nothing describes 'beta'"),
        ("Parameters\n---\nbeta : int\n    B.\ngamma : int\n    C.", {}, r"\['gamma'\] are desc"),
        ("Parameters\n---\nbeta : int\n    B.\nbeta : int\n    C.", {}, "'beta' is described twi"),
        ("Parameters\n---\nbeta : int, default=1\n    B.", {}, "'beta' repeats the default"),
        (
            "Parameters\n---\nbeta : int\n    B.\n\nAttributes\n---\nb_",
            {},
            "nothing describes 'b_'",
        ),
        ("Parameters\n---\nbeta : int\n    B.", {"gamma": [int]}, r"\['gamma'\] are constrained"),
    ],
)
def test_what_is_not_described_or_is_no_parameter_is_refused(docstring, constraints, message):
    class Model(BaseEstimator):
        _parameter_constraints: ClassVar = {"beta": [int], **constraints}

        def __init__(self, *, alpha=1.0, beta=1):
            self.alpha = alpha
            self.beta = beta

    Model.__doc__ = f"Fit it.\n\n{docstring}"
    with pytest.raises(TypeError, match=f"Model: .*{message}"):
        described(COMMON)(Model)


def test_a_parameter_without_a_constraint_is_refused():
    class Model(BaseEstimator):
        """Fit it.

        Parameters
        ----------
        beta : int
            Described, but may it be 0?
        """

        def __init__(self, *, beta=1):
            self.beta = beta

    with pytest.raises(TypeError, match="nothing says which values 'beta' may have"):
        described(COMMON)(Model)


@pytest.mark.parametrize("cls", ESTIMATORS.values(), ids=ESTIMATORS)
def test_help_shows_every_parameter(cls):
    shown = pydoc.plain(pydoc.render_doc(cls))
    for name in signature(cls):
        assert re.search(rf"^ \|  {name} : ", shown, re.MULTILINE)


def test_scikit_learn_keeps_its_docstrings():
    before = Ridge.__doc__
    described(COMMON)(type("Model", (Ridge,), {"__doc__": None, "__init__": lambda self: None}))
    assert Ridge.__doc__ == before
    assert "alpha" in Ridge._parameter_constraints


def test_classical_estimators_do_without_docstrings():
    code = (
        "from skneurograph import forecasting, graph_inference\n"
        "for cls in (forecasting.VARForecaster, graph_inference.VARGraph):\n"
        "    if cls.__doc__ is not None or not cls._parameter_constraints:\n"
        "        raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-OO", "-c", code], check=True)
