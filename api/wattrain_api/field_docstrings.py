"""The docstrings that stand below the fields of a class, read from its source.

pydantic offers the same as `use_attribute_docstrings`, but reads the sources whenever a class is made: half a second of
CPU at each start, for descriptions that only a writer of schemas wants.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise


def field_docstrings(owner: type) -> dict[str, str]:
    """The docstring of each field of `owner` and of its bases that has one, by the field's name in Python."""
    found: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        found |= _own(base)
    return found


def _own(owner: type) -> dict[str, str]:
    try:
        source = inspect.getsource(sys.modules[owner.__module__])
    except (KeyError, OSError, TypeError):
        return {}  # made without a source, or built into Python
    return _by_class(source).get(owner.__qualname__, {})


@cache
def _by_class(source: str) -> dict[str, dict[str, str]]:
    """Those of all classes of a module, by their qualified names: parsed once, as it has many classes."""
    found: dict[str, dict[str, str]] = {}

    def look(node: ast.AST, prefix: str) -> None:
        for below in ast.iter_child_nodes(node):
            if isinstance(below, ast.ClassDef):
                found[prefix + below.name] = _documented(below)
                look(below, f"{prefix}{below.name}.")
            elif isinstance(below, ast.FunctionDef | ast.AsyncFunctionDef):
                look(below, f"{prefix}{below.name}.<locals>.")
            elif isinstance(below, ast.stmt | ast.excepthandler | ast.match_case):
                look(below, prefix)

    look(ast.parse(source), "")
    return found


def _documented(owner: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(owner.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }
