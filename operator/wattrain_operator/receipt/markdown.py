"""receipt.md: one page in GitHub's Markdown. Pure."""

from __future__ import annotations

import re

from wattrain_operator.receipt.contents import Receipt
from wattrain_operator.receipt.rows import summary, tables
from wattrain_operator.receipt.titled_rows import Row, Table


def to_markdown(receipt: Receipt) -> str:
    """The receipt as Markdown; text of the user cannot become markup."""
    parts = [f"# Receipt of {_escape(receipt.job.name)}", _escape(summary(receipt))]
    parts += [_table(table) for table in tables(receipt)]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    lines = [_row(table.columns), "|" + "---|" * len(table.columns), *(_row(row) for row in table.rows)]
    return f"## {table.title}\n\n" + "\n".join(lines)


def _row(cells: Row) -> str:
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(text: str) -> str:
    """One line, in which nothing is markup, a mention or the end of a cell."""
    safe = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", safe)
