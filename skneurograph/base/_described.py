"""Parameters that several estimators share: described, and constrained, once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import Any, TypeVar

from sklearn.base import BaseEstimator

__all__ = ["Entry", "described"]

_Estimator = TypeVar("_Estimator", bound=BaseEstimator)

_HEADING = re.compile(r"^(\S.*)\n-{3,}$", re.MULTILINE)
_NEXT_ENTRY = re.compile(r"\n+(?=\S)")


@dataclass(frozen=True)
class Entry:
    """What a table says of a parameter, or of a fitted attribute.

    Attributes
    ----------
    type, text : str
        As numpydoc has them, the type without the default.
    constraint : list, callable or None
        Values that a parameter may have, as scikit-learn's validation reads them, or a
        function that gives them, where that needs an import which others do without.
    """

    type: str
    text: str
    constraint: list[Any] | Callable[[], list[Any]] | None = None


def described(
    *tables: Mapping[str, Entry],
) -> Callable[[type[_Estimator]], type[_Estimator]]:
    """Complete what an estimator class says of its parameters and attributes.

    *Parameters* of the docstring then follow the signature and give its defaults. A parameter
    that the class itself describes (``name : type``, without the default) keeps that text, any
    other has that of the tables, as has a name without text under *Attributes*. Likewise
    ``_parameter_constraints``: those of the class, and those of the tables for the others.

    Parameters
    ----------
    *tables : mapping of str to Entry
        The last one that has a name counts.

    Returns
    -------
    callable
        A decorator of classes.

    Raises
    ------
    TypeError
        By the decorator, if a parameter is described or constrained nowhere, if something is
        that is no parameter, or if a description repeats a name or a default.
    """
    table = {name: entry for each in tables for name, entry in each.items()}

    def complete(cls: type[_Estimator]) -> type[_Estimator]:
        defaults = _defaults(cls)
        cls._parameter_constraints = _constraints(cls, defaults, table)
        if cls.__doc__ is not None:  # as with python -OO
            cls.__doc__ = _docstring(cls, defaults, table)
        return cls

    return complete


def _defaults(cls: type) -> dict[str, Any]:
    """Return the parameters of a class with their defaults, in the order of its signature."""
    signature = inspect.signature(cls)
    return {name: parameter.default for name, parameter in signature.parameters.items()}


def _constraints(
    cls: type, defaults: dict[str, Any], table: Mapping[str, Entry]
) -> dict[str, list[Any]]:
    own = vars(cls).get("_parameter_constraints", {})
    _refuse_strangers(cls, own, defaults, "constrained")
    constraints = {}
    for name in defaults:
        shared = table[name].constraint if name in table else None
        found = own.get(name, shared() if callable(shared) else shared)
        if found is None:
            raise TypeError(f"{cls.__name__}: nothing says which values {name!r} may have")
        constraints[name] = list(found)
    return constraints


def _docstring(cls: type, defaults: dict[str, Any], table: Mapping[str, Entry]) -> str:
    # Parameters and attributes come first, as numpydoc has it.
    sections = {"": "", "Parameters": "", "Attributes": ""}
    sections |= _sections(inspect.cleandoc(cls.__doc__ or ""))
    own = _entries(cls, sections["Parameters"])
    _refuse_strangers(cls, own, defaults, "described")
    parameters = []
    for name, default in defaults.items():
        kind, text = _description(cls, name, own, table)
        if "default=" in kind:
            raise TypeError(
                f"{cls.__name__}: the description of {name!r} repeats the default, which is "
                "written from the signature"
            )
        if default is not inspect.Parameter.empty:
            kind += f", default={_literal(default)}"
        parameters.append(_entry(name, kind, text))
    sections["Parameters"] = "\n".join(parameters)
    own = _entries(cls, sections["Attributes"])
    attributes = [_entry(name, *_description(cls, name, own, table)) for name in own]
    sections["Attributes"] = "\n".join(attributes)
    return "\n\n".join(
        f"{title}\n{'-' * len(title)}\n{body}" if title else body
        for title, body in sections.items()
        if body
    )


def _description(
    cls: type, name: str, own: Mapping[str, tuple[str, str]], table: Mapping[str, Entry]
) -> tuple[str, str]:
    """Give type and text of a name: those of the class, else those of the table."""
    kind, text = own.get(name, ("", ""))
    if text:
        return kind, text
    if name not in table:
        raise TypeError(f"{cls.__name__}: nothing describes {name!r}")
    return kind or table[name].type, inspect.cleandoc(table[name].text)


def _refuse_strangers(
    cls: type, names: Mapping[str, Any], defaults: dict[str, Any], what: str
) -> None:
    strangers = [name for name in names if name not in defaults]
    if strangers:
        raise TypeError(f"{cls.__name__}: {strangers} are {what}, but no parameters")


def _sections(docstring: str) -> dict[str, str]:
    """Split a docstring at its headings; what comes before them is under an empty one."""
    before, *pairs = _HEADING.split(docstring)
    bodies = (body.strip("\n") for body in [before, *pairs[1::2]])
    return dict(zip(["", *pairs[::2]], bodies))


def _entries(cls: type, section: str) -> dict[str, tuple[str, str]]:
    """Read type and text of each name in a section, empty where only the name stands."""
    entries: dict[str, tuple[str, str]] = {}
    for entry in _NEXT_ENTRY.split(section) if section else []:
        head, _, text = entry.partition("\n")
        name, _, kind = head.partition(" : ")
        if name in entries:
            raise TypeError(f"{cls.__name__}: {name!r} is described twice")
        entries[name] = kind, inspect.cleandoc(text)
    return entries


def _entry(name: str, kind: str, text: str) -> str:
    return f"{name} : {kind}\n{indent(text, '    ')}"


def _literal(value: Any) -> str:
    """Write a default as code, strings in double quotes."""
    return f'"{value}"' if isinstance(value, str) else repr(value)
