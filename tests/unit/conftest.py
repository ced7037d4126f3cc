"""For all unit tests: structures that say something in each of their fields."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

import pytest
from pydantic import AwareDatetime

_MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_VALUES: Final[dict[Any, object]] = {
    bool: True, int: 3, float: 0.5, str: "a", datetime: _MOMENT, AwareDatetime: _MOMENT
}  # fmt: skip


@pytest.fixture(scope="session")
def filled() -> Callable[..., Any]:
    """Makes a structure of the contract, of the status or of the core with a value in every field, those of nested
    structures included. Keywords are values of its own fields. So a test of "every field" need not grow with them."""
    return _filled


def _filled(structure: type, **given: object) -> Any:
    hints, names = typing.get_type_hints(structure), [field.name for field in dataclasses.fields(structure)]
    return structure(**{name: _value(hints[name]) for name in names if name not in given}, **given)


def _value(hint: Any) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return (_value(arguments[0]),)
    if origin is typing.Literal:
        return arguments[0]
    if origin in (typing.Union, types.UnionType):
        return _value(next(argument for argument in arguments if argument is not types.NoneType))
    if dataclasses.is_dataclass(hint):
        return _filled(hint)
    return next(iter(hint)) if issubclass(hint, Enum) else _VALUES[hint]
