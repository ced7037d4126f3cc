"""The line of a CSV file that names its columns, and what people have there instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wattrain_worker.errors import BadData

_NUMBER: Final = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """The names of the columns, and the lines that they are in."""

    first_line: int
    last_line: int
    names: list[str]


def demand_names(header: Header, fields_below: int | None) -> None:
    """BadData where the header names no columns. `fields_below`: values in the next record, where that was read."""
    names, where = header.names, f"data: line {header.first_line}"
    if names[0].startswith("#") and (names[0][1:2] == " " or fields_below not in (None, len(names))):
        raise BadData(
            f"{where}: {names[0][:60]!r} looks like a comment, which CSV has not; remove the line, or, where it names "
            "the columns, the # alone"
        )
    if names[0].lower().startswith("sep="):
        raise BadData(f"{where}: {names[0]!r} is a note to Excel, and names no columns; remove the line")
    if len(names) == 1 and any(separator in names[0] for separator in ";\t| "):
        raise BadData(
            f"{where}: {names[0][:60]!r} has no comma; separate the columns by commas, and "
            "write numbers with a decimal point"
        )
    if all(_NUMBER.fullmatch(name) for name in names) and not all(name.isdecimal() for name in names):
        raise BadData(f"{where}: {', '.join(names)[:60]}: numbers, where names belong; add a line of names")
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not name:
            raise BadData(f"{where}: {_nameless(index, len(names))}")
        if name in seen:
            hint = " (the first line must name the columns, and is not a row)" if _NUMBER.fullmatch(name) else ""
            raise BadData(f'{where}: column "{name}" is there twice; give every column a name of its own{hint}')
        seen.add(name)


def _nameless(index: int, columns: int) -> str:
    complaint = f"column {index + 1} has no name"
    if index == 0 and columns > 1:
        return (
            f"{complaint}; it looks like the row index of a pandas frame: write the file with "
            "to_csv(..., index=False), or delete the column; where it is no index, name it"
        )
    if index == columns - 1:
        return f"{complaint}; name it, or remove the comma at the end of every line"
    return f"{complaint}; name every column"
