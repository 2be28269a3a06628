"""Imports run one way: each room of the package knows only those below it."""

import ast
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

import skneurograph

ROOT = Path(skneurograph.__file__).parent
FLOOR = {"data", "base"}
# What each room may import from the package; a room may always import itself.
ALLOWED = {
    "data": set(),
    "nn": set(),
    "base": {"data", "nn"},
    "metrics": FLOOR,
    "datasets": {"data"},
    "plotting": {"data", "metrics"},
    "preprocessing": FLOOR,
    "graph_inference": {*FLOOR, "nn"},
    "forecasting": {*FLOOR, "nn", "metrics"},
    "decoding": {*FLOOR, "nn"},
    "embedding": {*FLOOR, "nn"},
    "model_selection": {*FLOOR, "metrics", "plotting", "preprocessing"},
    "models": {"data", "decoding", "forecasting", "preprocessing"},
    "cli": {"data", "datasets", "model_selection", "models"},
}
# Imports inside functions, of the package: what a user of the rest need not wait for.
DEFERRED = {
    ("skneurograph.cli._command", "skneurograph.cli._run"),
    ("skneurograph.model_selection._comparison", "skneurograph.plotting"),
}
THIRD_PARTY_OF_NN = {
    "torch",
    "torch_geometric",
    "math",
    "typing",
    "collections",
    "abc",
    "__future__",
}


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
# Faces load what they offer when it is asked for; stubs beside them say what that is.
STUBS = {name_of(path): path for path in sorted(ROOT.rglob("*.pyi"))}


def imports(path, *, inside_functions=None):
    """What a module imports, ``module`` or ``module.name``, but for imports for types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    deferred = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if inside_functions is not None and (id(node) in deferred) != inside_functions:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in PATHS else node.module


def room(module):
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", [name for name in PATHS if room(name)])
def test_a_module_imports_only_from_the_rooms_below(module):
    here = room(module)
    for name in imports(PATHS[module]):
        if name.startswith("skneurograph."):
            there = room(name)
            assert there == here or there in ALLOWED[here], f"{here} must not import {there}"


def test_no_modules_import_each_other_in_a_circle():
    edges = [(module, name) for module, path in PATHS.items() for name in imports(path)]
    graph = nx.DiGraph([(here, there) for here, there in edges if there in PATHS and here != there])
    assert list(nx.simple_cycles(graph)) == []


def test_imports_of_the_package_inside_functions_are_few_and_stated():
    found = {
        (module, name)
        for module, path in PATHS.items()
        for name in imports(path, inside_functions=True)
        if name.startswith("skneurograph")
    }
    assert found == DEFERRED


@pytest.mark.parametrize("module", [name for name in PATHS if room(name) == "nn"])
def test_torch_modules_import_torch_and_nothing_else(module):
    for name in imports(PATHS[module]):
        if not name.startswith("skneurograph.nn"):
            assert name.split(".")[0] in THIRD_PARTY_OF_NN


def test_only_faces_of_packages_are_public():
    names = [name.split(".") for name, path in PATHS.items() if path.name != "__init__.py"]
    public = {".".join(parts) for parts in names if not parts[-1].startswith("_")}
    assert public == {"skneurograph.models"}


def test_faces_offer_what_their_stubs_say_and_leave_threads_and_figures_alone():
    # Those that draw come last.
    faces = sorted(STUBS, key=lambda face: face == "skneurograph.plotting")
    faces.remove("skneurograph")
    script = (
        "import importlib, sys, torch\n"
        "n_threads = torch.get_num_threads()\n"
        f"for name in {[*faces, 'skneurograph']}:\n"
        "    if name == 'skneurograph.plotting':\n"
        "        assert 'matplotlib.pyplot' not in sys.modules\n"
        "    face = importlib.import_module(name)\n"
        "    assert face.__all__, name\n"
        "    [getattr(face, offered) for offered in face.__all__]\n"
        "assert torch.get_num_threads() == n_threads"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def loaded_by(code):
    """The top-level names of what a fresh process has imported after some code."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
    return set(result.stdout.decode().split())


TORCH = {"torch", "skorch", "torch_geometric"}
CLASSICAL = {
    "graph_inference": ["CorrelationGraph", "PartialCorrelationGraph", "VARGraph"],
    "preprocessing": ["NeuronImputer", "WindowImputer", "WindowPCA", "WindowScaler"],
    "forecasting": ["PersistenceForecaster", "RidgeForecaster", "VARForecaster"],
}


@pytest.mark.parametrize("room", CLASSICAL)
def test_classical_estimators_do_without_torch(room):
    code = (
        "import numpy as np\n"
        f"from skneurograph.{room} import {', '.join(CLASSICAL[room])}\n"
        "X = np.random.default_rng(0).normal(size=(30, 4, 8))\n"
        f"for model in ({', '.join(CLASSICAL[room])}):\n"
        "    model().fit(X, X[:, :, 0])"
    )
    assert not loaded_by(code) & TORCH


def test_a_comparison_of_classical_models_does_without_torch():
    code = (
        "from skneurograph import compare, default_models, make_worms, sliding_windows\n"
        "windows = sliding_windows(make_worms(3, duration=60).recordings, 4, step=4)\n"
        "models = default_models(names=['chance', 'logistic'])\n"
        "print(compare(models, windows.X, windows.y, groups=windows.groups))"
    )
    assert not loaded_by(code) & TORCH


def test_importing_the_package_loads_nothing_that_takes_long():
    loaded = loaded_by("import skneurograph")
    assert not loaded & {*TORCH, "numpy", "pandas", "scipy", "sklearn", "matplotlib", "joblib"}


def test_a_recording_needs_neither_torch_nor_scikit_learn():
    code = "import numpy, skneurograph; skneurograph.Recording(numpy.zeros((9, 2)), 4.0)"
    assert not loaded_by(code) & {*TORCH, "sklearn", "matplotlib"}


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["compare", "--tusk"]])
def test_help_and_mistyped_options_do_not_wait_for_libraries(arguments):
    code = (
        "from skneurograph.cli import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit:\n    pass"
    )
    assert not loaded_by(code) & {*TORCH, "numpy", "pandas", "scipy", "sklearn", "matplotlib"}
