"""The kinds of values in the contract: `step: int = field(default=0, metadata=count("steps"))`.

Each function answers the metadata of a dataclass field, in which `codec` finds how to read it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final

from wattrain_api.contract.codec import KIND, NOT_FINITE, Kind, Metadata, decode

LARGEST_COUNT: Final = 2**53 - 1
"""The last whole number up to which every reader of JSON counts without gaps."""
LARGEST_AMOUNT: Final = 1e18
"""Above it a figure is nonsense, and sums of such figures might become infinite."""
LATEST_TIME_SECONDS: Final = 2**33
"""The year 2242: datetime goes no further than the year 9999."""
LINE_CHARACTERS: Final = 1024
"""Longest line of a program's output, and longest message of a rank."""
NODE_CHARACTERS: Final = 253
"""Longest name of a node in Kubernetes."""
UID_CHARACTERS: Final = 64
"""More than any uid has."""


def count(unit: str = "", *, spoils: bool = False) -> Metadata:
    """A whole number from 0 on. 3.0 is one too: figures of tensors come as floats."""
    return _metadata("count", _count, unit, spoils=spoils)


def integer() -> Metadata:
    """A whole number of 32 bits, such as an exit code."""
    return _metadata("integer", _integer)


def number(unit: str = "") -> Metadata:
    """A finite number."""
    return _metadata("number", _number, unit)


def figure(unit: str = "") -> Metadata:
    """A number, or what became of one in a training that went wrong: "NaN", "Infinity", "-Infinity"."""
    return _metadata("figure", _figure, unit)


def amount(unit: str = "") -> Metadata:
    """A number from 0 on that can be summed up."""
    return _metadata("amount", _amount, unit)


def share() -> Metadata:
    """A share of a whole, above 0 and at most 1."""
    return _metadata("share", _share)


def moment() -> Metadata:
    """A time of day in seconds since 1970."""
    return _metadata("time", _moment, "s since 1970")


def flag() -> Metadata:
    """True or false."""
    return _metadata("true or false", lambda value: value if isinstance(value, bool) else None)


def text(longest: int) -> Metadata:
    """A text in one line, cut after `longest` characters, without what could steer a terminal."""
    return _metadata(f"text of {longest}", lambda value: one_line(value, longest) if isinstance(value, str) else None)


def reason() -> Metadata:
    """A word in CamelCase, as in `wattrain_api.reasons`; a newer side may know more of them."""
    return _metadata("reason", lambda value: value if isinstance(value, str) and _REASON.fullmatch(value) else None)


def one_of(words: Sequence[str]) -> Metadata:
    """One of `words`."""
    kind = Kind("word", lambda value: value if isinstance(value, str) and value in words else None, words=tuple(words))
    return {KIND: kind}


def member_of(enumeration: type[Enum]) -> Metadata:
    """A member of an enumeration of texts."""
    members: dict[str, Enum] = {member.value: member for member in enumeration}
    name, words = enumeration.__name__, tuple(members)
    return {KIND: Kind(name, lambda v: members.get(v) if isinstance(v, str) else None, words=words)}


def nested(structure: type, *, inline: bool = False) -> Metadata:
    """Another structure; `inline`: its keys lie in the same object as those of the one that has it."""
    return {KIND: Kind(structure.__name__, lambda v: decode(structure, v), inline=inline, structure=structure)}


def many(item: Metadata) -> Metadata:
    """A list, without the items that make no sense; a tuple in the structure."""
    kind = item[KIND]

    def read(value: Any) -> tuple[Any, ...] | None:
        if not isinstance(value, list):
            return None
        kept = [None if i is None else kind.read(i) for i in value]
        return tuple(k for k in kept if k is not None)

    return {KIND: Kind(f"list of {kind.name}", read, structure=kind.structure)}


def one_line(value: str, longest: int) -> str:
    """`value` cut to `longest` characters, with blanks for line ends, control characters and marks of direction."""
    return "".join(c if c.isprintable() else " " for c in value[:longest]).strip()


_REASON: Final = re.compile("[A-Z][A-Za-z]{0,63}")


def _metadata(name: str, read: Callable[[Any], Any], unit: str = "", *, spoils: bool = False) -> Metadata:
    return {KIND: Kind(name, read, unit, spoils=spoils)}


def _count(value: Any) -> int | None:
    whole = _whole(value)
    return whole if whole is not None and 0 <= whole <= LARGEST_COUNT else None


def _integer(value: Any) -> int | None:
    whole = _whole(value)
    return whole if whole is not None and abs(whole) < 2**31 else None


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    found = None if isinstance(value, str) else _figure(value)
    return found if found is not None and math.isfinite(found) else None


def _figure(value: Any) -> float | None:
    if isinstance(value, str):
        return NOT_FINITE.get(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _amount(value: Any) -> float | None:
    found = _number(value)
    return found if found is not None and 0 <= found <= LARGEST_AMOUNT else None


def _share(value: Any) -> float | None:
    found = _number(value)
    return found if found is not None and 0 < found <= 1 else None


def _moment(value: Any) -> float | None:
    found = _amount(value)
    return found if found is not None and found < LATEST_TIME_SECONDS else None
