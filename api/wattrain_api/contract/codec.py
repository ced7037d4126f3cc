"""One way between the contract's structures and JSON.

Fields in snake_case are keys in camelCase; None is an absent key. What is decoded comes from processes in which a
user's program runs, so nothing of it is trusted: a value that is missing or makes no sense becomes the field's default,
by the kind that the field declares in its metadata (`kinds`).
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, NamedTuple, TypeVar

NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""What stands for a number that is not finite, which JSON does not know."""
KIND: Final = "kind"
"""Key of a field's metadata under which its `Kind` lies."""
Structure = TypeVar("Structure")


@dataclass(frozen=True)
class Kind:
    """How the values of a field are read."""

    name: str
    """What it is, in a word or two, for docs/worker-contract.md."""
    read: Callable[[Any], Any]
    """Answers the value, made harmless; None where it makes no sense."""
    unit: str = ""
    words: tuple[str, ...] = ()
    """All values that there are, where they are a closed set of texts."""
    spoils: bool = False
    """Whether a value without sense makes the whole object useless. A missing one does not."""
    inline: bool = False
    """Whether the keys of the nested structure lie in the same object."""
    structure: type | None = None
    """The structure that is nested, if one is."""


class Field(NamedTuple):
    """A field of a structure, as it is on the wire."""

    name: str
    key: str
    kind: Kind
    required: bool
    """Whether an object without it is of no use."""


_PLAIN: Final = frozenset((int, str, bool))
"""What JSON has as it is."""
_to_text: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_FIELDS: Final[dict[type, tuple[Field, ...]]] = {}
"""The fields of the structures that have been met."""


def fields_of(structure: type) -> tuple[Field, ...]:
    """The fields of a structure, in their order."""
    known = _FIELDS.get(structure)
    if known is None:
        known = _FIELDS[structure] = tuple(_fields(structure))
    return known


def _fields(structure: type) -> Iterator[Field]:
    for field in dataclasses.fields(structure):
        first, *rest = field.name.split("_")
        key = first + "".join(word.capitalize() for word in rest)
        yield Field(field.name, key, field.metadata[KIND], field.default is dataclasses.MISSING)


def decode(structure: type[Structure], value: object) -> Structure | None:
    """`value`, which JSON gave, as a `structure`.

    None where it is no object, where nothing in it makes sense, or where a required field does not."""
    if not isinstance(value, dict):
        return None
    found = {}
    for name, key, kind, required in fields_of(structure):
        item = value if kind.inline else value.get(key)
        kept = None if item is None else kind.read(item)
        if kept is not None:
            found[name] = kept
        elif required or (kind.spoils and item is not None):
            return None
    return structure(**found) if found else None


def problem_of(structure: type, value: object) -> str:
    """Why `decode` makes nothing of `value`, in a sentence without its full stop that says what to write."""
    if not isinstance(value, dict):
        return f"a {structure.__name__} is an object, not {value!r:.80}"
    for _, key, kind, required in fields_of(structure):
        item = value.get(key)
        if (required or (kind.spoils and item is not None)) and (item is None or kind.read(item) is None):
            return f"{key} is {item!r:.80}: write {' or '.join(kind.words) or kind.name}"
    return f"it has none of the fields of a {structure.__name__}"


def not_finite_word(value: float) -> Literal["NaN", "Infinity", "-Infinity"]:
    """The key of NOT_FINITE for `value`, which is not finite."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def decode_json(structure: type[Structure], text: str | bytes) -> Structure | None:
    """As `decode`, of a JSON text; None where it is none."""
    try:
        return decode(structure, json.loads(text))
    except (ValueError, RecursionError):
        return None


def encode(structure: object) -> dict[str, object]:
    """A structure as JSON has it: absent where it is None."""
    found: dict[str, object] = {}
    for name, key, kind, _ in fields_of(type(structure)):
        value = getattr(structure, name)
        if kind.inline:
            found.update(encode(value))
        elif value is not None:
            found[key] = _plain(value)
    return found


def encode_json(structure: object) -> bytes:
    """A structure as JSON text, without blanks. Halves of surrogate pairs, which UTF-8 cannot write, become `?`."""
    return to_json(encode(structure))


def to_json(encoded: dict[str, object]) -> bytes:
    """What `encode` gave as JSON text, as `encode_json` does."""
    return _to_text(encoded).encode("utf-8", errors="replace")


def _plain(value: object) -> object:
    if type(value) in _PLAIN:  # most values: first, since a line is encoded every step
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return not_finite_word(value)
    return encode(value) if dataclasses.is_dataclass(value) else value


Metadata = Mapping[str, Kind]
