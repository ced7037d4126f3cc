"""Tables in GitHub's Markdown. Pure; standard library alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wattrain_api.facts.titled_rows import Row, Table


def markdown_table(table: Table) -> str:
    """The title and the table; text of the user cannot become markup."""
    return f"## {table.title}\n\n{markdown_rows(table.columns, table.rows)}"


def markdown_rows(columns: Row, rows: Iterable[Row]) -> str:
    """The table without its title."""
    return "\n".join([_row(columns), "|" + "---|" * len(columns), *map(_row, rows)])


def escaped(text: str) -> str:
    """One line, in which nothing is markup, a mention or the end of a cell."""
    safe = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", safe)


def _row(cells: Row) -> str:
    return "| " + " | ".join(map(escaped, cells)) + " |"
