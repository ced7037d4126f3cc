"""What somebody needs to know who trains the same again. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from wattrain_api.facts.training_rows import training_rows
from wattrain_operator.receipt.contents import Receipt


def repeat_rows(receipt: Receipt) -> tuple[tuple[str, str], ...]:
    """Names and values, from the spec with its defaults filled in, prepare.json, and the machine."""
    rows = [*_data(receipt), *training_rows(receipt.spec)]
    if receipt.seed is not None:
        rows.append(("seed", str(receipt.seed)))
    rows += receipt.versions.items()
    if receipt.cpu_model:
        rows.append(("CPU", receipt.cpu_model))
    return tuple(rows)


def _data(receipt: Receipt) -> Iterator[tuple[str, str]]:
    prepared = receipt.data or {}
    source, label = prepared.get("source"), prepared.get("label")
    if isinstance(source, dict) and source.get("sha256"):
        yield "data, SHA-256", f"{str(source['sha256'])[:12]}..."
    if label:
        yield "label", str(label)
