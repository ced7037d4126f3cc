"""Values as YAML that a person would write: on one line, with quotes only where they are needed. Pure."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence

from wattrain_api.document import resolve

WIDTH = 118
"""Characters of a line of comments."""
_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_/.-]*( [A-Za-z0-9_/.-]+)*")
"""Texts that mean the same without quotes, also within brackets; unless they are a number, a truth or nothing."""


def in_yaml(value: object) -> str:
    """`value` of JSON on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{in_yaml(name)}: {in_yaml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(in_yaml, value)) + "]"
    return json.dumps(value)


def in_comment(text: str) -> str:
    """`text` on one line, without characters that YAML does not allow or that move a cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def trailing(text: str) -> str:
    """`text` as a comment after a value."""
    return f"   # {text}"


def comment(text: str, indent: str) -> list[str]:
    """`text` as lines of a comment; what it begins with is how far its lines are indented."""
    inner = " " * (len(text) - len(text.lstrip(" ")))
    return textwrap.wrap(
        in_comment(text.strip()), WIDTH, initial_indent=f"{indent}# {inner}", subsequent_indent=f"{indent}#   {inner}",
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and isinstance(resolve(text), str):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
