"""YAML documents with the line of every value, read as kubectl reads them, and safe to read from a stranger.

kubectl's parser differs from PyYAML's: `1e-3` is a number, `22:00` and dates are text, and a key that comes twice is an
error. A file must mean the same to `wattrain run` and to `kubectl apply`, so the scalars are resolved here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wattrain_api.problem import InvalidInput, Path, Problem, field_path

if TYPE_CHECKING:
    import yaml

MAX_VALUES = 100_000
"""Values of a document after its aliases are expanded: what a few lines of nested aliases could blow up."""
MAX_DEPTH = 64
MAX_EXACT = 2.0**53
"""Whole numbers below it are exact as floating-point numbers."""
_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,40})$")
_BASED = re.compile(r"[-+]?0(x[0-9a-fA-F]{1,40}|b[01]{1,40}|o?[0-7]{1,40})$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_SPECIAL = re.compile(r"(?P<sign>[-+]?)\.(?P<word>inf|Inf|INF)$|\.(nan|NaN|NAN)$")
_TAG = "tag:yaml.org,2002:"


@dataclass
class Document:
    """One YAML document: its value, and the line and the written text behind every path."""

    file: str
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    """Text of scalars as the user wrote them."""

    def line_of(self, path: Path) -> int:
        """Line of the value at `path`, or of the nearest value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def part(self, path: Path) -> Document:
        """The value at `path` as a document of its own, at the lines where it stands."""
        value, steps = self.value, len(path)
        for step in path:
            value = value[step]
        lines = {full[steps:]: line for full, line in self.lines.items() if full[:steps] == path}
        written = {full[steps:]: text for full, text in self.written.items() if full[:steps] == path}
        return Document(self.file, value, lines, written)


def read_documents(text: str, file: str) -> list[Document]:
    """Every document in `text`, empty ones left out. InvalidInput where it is no YAML, or none that is safe to read."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # scalars stay text here, and are resolved below

    try:
        documents = [_read_one(node, file) for node in yaml.compose_all(text, Loader=Loader)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refused(file, mark.line + 1 if mark else 0, *_syntax(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise _refused(file, line, "a character that YAML does not allow", "remove it, or save as UTF-8") from None
    except RecursionError:
        raise _refused(file, 0, "the document is nested too deeply", "write it flatter") from None
    return [document for document in documents if document.value is not None]


def _read_one(node: yaml.Node, file: str) -> Document:
    document = Document(file)
    document.value = _Reader(document).read(node, ())
    return document


def _refused(file: str, line: int, message: str, remedy: str, path: Path = ()) -> InvalidInput:
    return InvalidInput([Problem(file, line, field_path(path), "", message, remedy)])


def _syntax(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    problem = error.problem or "not readable"
    if "'\\t'" in problem:
        return "YAML cannot be indented with tabs", "use spaces"
    if "undefined alias" in problem:
        return f"this is not YAML: {problem}", "define the anchor (&name) before its alias (*name)"
    return f"this is not YAML: {problem}", "check the indentation, the colons and the quotes here and one line above"


class _Reader:
    """Turns one tree of nodes into plain values, counting every value, aliases expanded."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.values = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        import yaml

        line = node.start_mark.line + 1
        self.values += 1
        if self.values > MAX_VALUES or len(path) > MAX_DEPTH:
            raise _refused(
                self.document.file,
                line,
                f"the document has more than {MAX_VALUES:,} values or {MAX_DEPTH} levels, aliases expanded",
                "write it shorter",
            )
        self.document.lines.setdefault(path, line)
        if isinstance(node, yaml.ScalarNode):
            self.document.written[path] = node.value
            return self._scalar(node, path)
        if node.tag not in (f"{_TAG}map", f"{_TAG}seq"):
            raise self._unknown_tag(node, path)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if key.value == "<<":
                for part in self._merged(child, path):
                    merged = part | merged
                continue
            name = self._key(key, path)
            if name in own:
                first = self.document.lines[(*path, name)]
                message = f"this field is already given in line {first}"
                raise _refused(self.document.file, line, message, "remove one of the two", (*path, name))
            self.document.lines[(*path, name)] = line
            own[name] = self.read(child, (*path, name))
        return merged | own

    def _merged(self, node: yaml.Node, path: Path) -> Iterator[dict[str, Any]]:
        import yaml

        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(part, yaml.MappingNode):
                line = node.start_mark.line + 1
                raise _refused(self.document.file, line, "<< merges maps alone", "name the alias of a map", path)
            yield self._mapping(part, path)

    def _key(self, node: yaml.Node, path: Path) -> str:
        import yaml

        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            raise _refused(self.document.file, line, "a list or a map cannot be the name of a field", "use text", path)
        value = self._scalar(node, path)
        if isinstance(value, bool) or value is None:
            message = f"YAML does not read {node.value or 'nothing'} as the name of a field"
            raise _refused(self.document.file, line, message, f'put it in quotes: "{node.value}"', path)
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind not in ("str", "int", "float", "bool", "null"):
            raise self._unknown_tag(node, path)
        quoted = node.style is not None and kind == "str"
        return node.value if quoted else resolve(node.value)

    def _unknown_tag(self, node: yaml.Node, path: Path) -> InvalidInput:
        line = node.start_mark.line + 1
        return _refused(self.document.file, line, f"the tag {node.tag} is not understood", "remove it", path)


def resolve(text: str) -> Any:
    """What `text`, written without quotes, is to kubectl: null, a truth value, a number, or text."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.match(text):
        return int(text.replace("_", ""))
    if _BASED.match(text):
        return int(text, 0 if re.search("[xbo]", text) else 8)
    if _FLOAT.match(text):
        number = float(text)
        return int(number) if number.is_integer() and abs(number) < MAX_EXACT else number  # in JSON 1e3 is 1000
    if special := _SPECIAL.match(text):
        return float(f"{special['sign']}inf") if special["word"] else float("nan")
    return text
