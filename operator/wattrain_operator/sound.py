"""JSON that strangers wrote, cut down to what makes sense. Wrong types, nonsense and unknown fields are left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
Kind = Callable[[Any], Any]
"""Answers the value, made harmless, or None where it makes no sense."""
Shape = Mapping[str, "Kind | Shape | list[Kind | Shape]"]
"""The fields of an object; a list with one kind or shape stands for a list of such items."""

_LARGEST_COUNT = 2**53 - 1
_LARGEST_AMOUNT = 1e18
"""Above it a figure is nonsense, and sums of such figures might become infinite."""


def sound(value: object, shape: Shape) -> Json:
    """The fields of `value` that `shape` names and that make sense; {} where it is no object."""
    found = {}
    for name, kind in shape.items():
        item = value.get(name) if isinstance(value, dict) else None
        kept = None if item is None else _kept(item, kind)
        if kept is not None:
            found[name] = kept
    return found


def _kept(item: Any, kind: Kind | Shape | list[Kind | Shape]) -> Any:
    if isinstance(kind, list):
        kept = [_kept(i, kind[0]) for i in item] if isinstance(item, list) else []
        return [k for k in kept if k is not None]
    if isinstance(kind, Mapping):
        return sound(item, kind) if isinstance(item, dict) else None
    return kind(item)


def count(value: Any) -> int | None:
    """A whole number from 0 on."""
    is_one = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT
    return value if is_one else None


def integer(value: Any) -> int | None:
    """A whole number of 32 bits, such as an exit code."""
    is_one = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
    return value if is_one else None


def number(value: Any) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def amount(value: Any) -> float | None:
    """A number from 0 on that can be summed up."""
    found = number(value)
    return found if found is not None and 0 <= found <= _LARGEST_AMOUNT else None


def text(longest: int) -> Kind:
    """A text of at most `longest` characters in one line, without what could steer a terminal."""
    return lambda value: one_line(value, longest) if isinstance(value, str) else None


def one_line(value: str, longest: int) -> str:
    """`value` cut to `longest` characters, with blanks for line ends, control characters and marks of direction."""
    return "".join(c if c.isprintable() else " " for c in value[:longest]).strip()


def one_of(known: tuple[str, ...]) -> Kind:
    """One of the words `known`."""
    return lambda value: value if isinstance(value, str) and value in known else None


def whole(shape: Shape) -> Kind:
    """An object with all fields of `shape`; it is of no use without one of them."""

    def kept(value: Any) -> Json | None:
        found = sound(value, shape)
        return found if len(found) == len(shape) else None

    return kept
