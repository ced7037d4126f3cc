"""The docstrings that stand below the fields of a class, read from its source.

pydantic offers the same as `use_attribute_docstrings`, but reads the sources whenever a class is made: half a second of
CPU at each start, for descriptions that only a writer of schemas wants.
"""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from textwrap import dedent


def field_docstrings(owner: type) -> dict[str, str]:
    """The docstring of each field of `owner` and of its bases that has one, by the field's name in Python."""
    found: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        found |= _own(base)
    return found


def _own(owner: type) -> dict[str, str]:
    try:
        tree = ast.parse(dedent(inspect.getsource(owner)))
    except (OSError, TypeError):
        return {}  # made without a source, or built into Python
    body = tree.body[0].body if tree.body and isinstance(tree.body[0], ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }
