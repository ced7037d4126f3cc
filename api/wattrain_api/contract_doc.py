"""docs/worker-contract.md: its template's prose, with tables and examples from `wattrain_api.contract`.

`python -m wattrain_api.contract_doc [--check]` writes it; `--check` writes nothing and exits with 1 where it is stale.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

from wattrain_api import contract
from wattrain_api.contract.codec import Field, encode, fields_of
from wattrain_api.contract_examples import EXAMPLES
from wattrain_api.generated import add_check_option, write_or_check

_COMMAND = "python -m wattrain_api.contract_doc"
_PLACEHOLDER = re.compile(r"^\{\{ (\w+) \}\}$", re.MULTILINE)


def render(template: str) -> str:
    """The page: each line `{{ Name }}` of `template` becomes the text, table and example of that structure."""
    sections = dict(_sections())
    placeholders = _PLACEHOLDER.findall(template)
    if sorted(placeholders) != sorted(sections):
        odd = sorted(set(placeholders) ^ set(sections))
        raise ValueError(f"the template has to name every structure of the contract once: {', '.join(odd)}")
    return _PLACEHOLDER.sub(lambda match: sections[match[1]], template)


def _sections() -> Iterator[tuple[str, str]]:
    for found in pkgutil.iter_modules(contract.__path__, f"{contract.__name__}."):
        module = importlib.import_module(found.name)
        for node in ast.parse(inspect.getsource(module)).body:
            item = getattr(module, node.name) if isinstance(node, ast.ClassDef) else None
            if isinstance(node, ast.ClassDef) and isinstance(item, type):
                if issubclass(item, Enum):
                    yield item.__name__, _words(item, node)
                elif dataclasses.is_dataclass(item) and all(field.metadata for field in dataclasses.fields(item)):
                    yield item.__name__, _structure(item, node)


def _words(enumeration: type[Enum], node: ast.ClassDef) -> str:
    meanings = _docstrings(node)
    rows = [f"| `{member.value}` | {meanings.get(member.name, '')} |" for member in enumeration]
    return "\n".join([_text(node), "", f"| {enumeration.__name__} | meaning |", "|---|---|", *rows])


def _structure(structure: type, node: ast.ClassDef) -> str:
    meanings = _docstrings(node)
    rows = [_row(field, meanings.get(field.name, "")) for field in fields_of(structure)]
    lines = [_text(node), "", "| key | value | unit | meaning |", "|---|---|---|---|", *rows]
    if structure in EXAMPLES:
        example = json.dumps(encode(EXAMPLES[structure]))
        lines += ["", *(f"    {line}" for line in _wrapped(example))]
    return "\n".join(lines)


def _row(field: Field, meaning: str) -> str:
    kind = field.kind
    name = ", ".join(f"`{word}`" for word in kind.words) if kind.name == "word" else kind.name
    linked = kind.structure.__name__ if kind.structure is not None else kind.name if kind.words else ""
    if linked and kind.name != "word":
        name = name.replace(linked, f"[{linked}](#{linked.lower()})")
    if kind.inline:
        return f"| the keys of {name} | | | {meaning} |"
    return f"| `{field.key}`{' (required)' if field.required else ''} | {name} | {kind.unit} | {meaning} |"


def _docstrings(node: ast.ClassDef) -> dict[str, str]:
    """The texts under the fields or members of a class, by name."""
    found = {}
    for one, following in zip(node.body, node.body[1:], strict=False):
        if isinstance(one, ast.AnnAssign | ast.Assign) and isinstance(following, ast.Expr):
            target = one.target if isinstance(one, ast.AnnAssign) else one.targets[0]
            text = following.value
            if isinstance(target, ast.Name) and isinstance(text, ast.Constant):
                found[target.id] = " ".join(str(text.value).split())
    return found


def _text(node: ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").strip()


def _wrapped(example: str, width: int = 110) -> Iterator[str]:
    """JSON text in lines that are broken at blanks between its items."""
    line = ""
    for item in re.split(r"(?<=,) ", example):
        if line and len(line) + len(item) >= width:
            yield line
            line = ""
        line += f" {item}" if line else item
    yield line


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page; the exit status."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Write docs/worker-contract.md.")
    add_check_option(parser)
    parser.add_argument("file", nargs="?", type=Path, default=Path("docs/worker-contract.md"), metavar="FILE")
    options = parser.parse_args(arguments)
    template: Path = options.file.with_suffix(".template.md")
    page = render(template.read_text(encoding="utf-8"))
    return write_or_check({options.file: page}, check=options.check, command=_COMMAND)


if __name__ == "__main__":
    sys.exit(main())
