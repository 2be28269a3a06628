"""Pages of the documentation whose statements the code can contradict."""

import inspect
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.discovery import ESTIMATORS

DOCS = Path(__file__).parents[1] / "docs"


def differing_defaults():
    """Parameters whose default differs between estimators: the defaults, as a page writes them."""
    found = defaultdict(set)
    for estimator in ESTIMATORS.values():
        for name, parameter in inspect.signature(estimator).parameters.items():
            found[name].add(repr(parameter.default).replace("'", '"'))
    return {name: defaults for name, defaults in found.items() if len(defaults) > 1}


def rows_of_defaults():
    """Parameters on the page about defaults, and the text of its second column."""
    rows = {}
    for line in (DOCS / "guide" / "defaults.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            names, defaults, why = line.strip("| ").split(" | ")
            assert why
            rows |= dict.fromkeys(re.findall(r"`(\w+)`", names), defaults)
    return rows


def test_the_page_on_defaults_has_those_that_differ_and_no_others():
    assert set(rows_of_defaults()) == set(differing_defaults())


@pytest.mark.parametrize("name", sorted(differing_defaults()))
def test_the_page_on_defaults_gives_each_default(name):
    given = rows_of_defaults()[name]
    for default in differing_defaults()[name]:
        assert re.search(rf"(?<![\w.]){re.escape(default)}(?![\w.]\d)", given), default
