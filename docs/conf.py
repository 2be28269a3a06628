"""Configuration of Sphinx."""

import sys
import warnings
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skneurograph"
author = "The skneurograph developers"
copyright = f"2026, {author}"
release = installed_version("skneurograph")
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "import_diagram",
]

templates_path = ["_templates"]
exclude_patterns = ["_build", "generated/README*", "Thumbs.db"]
default_role = "py:obj"
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
suppress_warnings = ["config.cache"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
autodoc_default_options = {"inherited-members": False}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = "skneurograph"
html_show_sourcelink = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1,
    "remove_config_comments": True,
    "reset_modules": ("matplotlib",),
    "doc_module": ("skneurograph",),
    "backreferences_dir": "generated/backreferences",
    "within_subsection_order": ExplicitOrder(
        [
            "plot_compare_worms.py",
            "plot_unseen_organisms_pipeline.py",
            "plot_velocity.py",
            "plot_inferred_graph.py",
            "*",
        ]
    ),
}

warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive.*")
warnings.filterwarnings("ignore", module="sklearn.neural_network")
