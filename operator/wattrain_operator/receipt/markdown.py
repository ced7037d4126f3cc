"""receipt.md: one page in GitHub's Markdown. Pure."""

from __future__ import annotations

from wattrain_api.facts.markdown_tables import escaped, markdown_table
from wattrain_operator.receipt.contents import Receipt
from wattrain_operator.receipt.rows import summary, tables


def to_markdown(receipt: Receipt) -> str:
    """The receipt as Markdown; text of the user cannot become markup."""
    parts = [f"# Receipt of {escaped(receipt.job.name)}", escaped(summary(receipt))]
    parts += [markdown_table(table) for table in tables(receipt)]
    return "\n\n".join(parts) + "\n"
