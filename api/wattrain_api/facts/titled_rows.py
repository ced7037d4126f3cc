"""What a table of a receipt is, whoever shows it."""

from __future__ import annotations

from typing import NamedTuple

Row = tuple[str, ...]


class Table(NamedTuple):
    """A title, the names of the columns, and the rows."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
