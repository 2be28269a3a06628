"""Imports run one way: each room of the package knows only those below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skneurograph

ROOT = Path(skneurograph.__file__).parent
# What each room may import from the package; a room may always import itself.
ALLOWED = {
    "inputs": set(),
    "clock": {"inputs"},
    "labelled": {"clock", "inputs"},
    "recordings": {"clock", "inputs", "labelled"},
    "lazy": set(),
    "_interrupt": set(),
    "alignment": {"recordings", "clock", "inputs", "labelled"},
    "windows": {"alignment", "recordings", "lazy", "inputs"},
    "nn": set(),
    "_units": set(),
    "_containers": {"inputs"},
    "_fitting": {"_containers"},
    "validation": {"_containers", "lazy", "inputs"},
    "memory": set(),
    "preprocessing": {
        "recordings",
        "_fitting",
        "_units",
        "validation",
        "lazy",
        "clock",
        "inputs",
        "labelled",
    },
    "_torch_state": set(),
    "training": {"lazy", "nn", "_interrupt"},
    "_net_estimator": {"training", "_torch_state", "_fitting", "_units", "validation", "lazy"},
    "_graph_net": {
        "_net_estimator",
        "_torch_state",
        "training",
        "nn",
        "validation",
        "lazy",
        "memory",
    },
    "decoding": {
        "_graph_net",
        "_net_estimator",
        "_containers",
        "_units",
        "training",
        "nn",
        "validation",
        "lazy",
        "inputs",
    },
    "graph_inference": {
        "inputs",
        "_net_estimator",
        "_fitting",
        "training",
        "nn",
        "validation",
        "lazy",
        "memory",
    },
    "forecasting": {
        "inputs",
        "_fitting",
        "_graph_net",
        "_net_estimator",
        "training",
        "nn",
        "validation",
        "lazy",
        "metrics",
    },
    "embedding": {
        "graph_inference",
        "_net_estimator",
        "_torch_state",
        "_fitting",
        "_containers",
        "training",
        "nn",
        "validation",
        "lazy",
        "memory",
    },
    "metrics": {"inputs", "_units"},
    "datasets": {"recordings", "clock", "inputs"},
    "plotting": {"model_selection", "metrics", "inputs"},
    "model_selection": {"lazy", "inputs", "_interrupt", "plotting", "metrics"},
    "models": {"decoding", "forecasting", "preprocessing", "inputs"},
    "cli": {"__init__", "windows", "model_selection", "datasets"},
}
# A Comparison draws itself, a display takes a Comparison: both only inside functions or for types.
THIRD_PARTY_OF_NN = {
    "torch",
    "torch_geometric",
    "math",
    "typing",
    "collections",
    "abc",
    "__future__",
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def room(path):
    part = path.relative_to(ROOT).parts[0]
    return part.removesuffix(".py")


MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_the_rooms_below(path):
    here = room(path)
    for name in imports(path):
        if name == "skneurograph":
            assert "__init__" in ALLOWED[here], f"{path.name} imports the whole package"
        elif name.startswith("skneurograph."):
            there = name.split(".")[1]
            assert there == here or there in ALLOWED[here], f"{here} must not import {there}"


@pytest.mark.parametrize("path", sorted((ROOT / "nn").rglob("*.py")), ids=lambda path: path.name)
def test_torch_modules_import_torch_and_nothing_else(path):
    for name in imports(path):
        if not name.startswith("skneurograph.nn"):
            assert name.split(".")[0] in THIRD_PARTY_OF_NN


def test_every_public_name_has_a_docstring():
    for name in skneurograph.__all__:
        if not name.startswith("__"):
            assert getattr(skneurograph, name).__doc__, name


def test_importing_the_package_opens_no_figure_and_leaves_threads_alone():
    code = (
        "import sys, torch; n = torch.get_num_threads(); import skneurograph; "
        "assert torch.get_num_threads() == n; "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
