"""The data of a training, of prepare.json of whatever version: where it came from, and what became of each sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattrain_api.facts.prepared import counted, to_prepared
from wattrain_api.facts.titled_rows import Row, Table

_COUNTS = {
    "read": "Read",
    "repeats": "That repeat an earlier one",
    "duplicates": "Duplicates removed",
    "missingDropped": "Removed for missing values",
    "unreadable": "Left out as unreadable",
    "outliersDropped": "Removed as outliers",
    "outliersClipped": "Clipped as outliers",
    "training": "For training",
    "validation": "For validation",
    "test": "For the test",
    "testAlsoInTraining": "Of the test, alike one of the training",
}
_OF_SAMPLES = ("training", "validation", "test")
"""Counts of what is trained on; the others are of what was read."""
_MOST_CLASSES = 20


def data_table(data: Mapping[str, Any]) -> Table:
    """Where the data came from and what became of them; counts of 0 say nothing and are left out."""
    source, counts = data.get("source"), data.get("counts")
    rows: list[Row] = []
    if isinstance(source, dict):
        rows.append(
            ("Source", str(source.get("name") or source.get("uri") or source.get("path") or source.get("kind")))
        )
    prepared = to_prepared(data)
    if isinstance(counts, dict):
        for name, count in _in_order(counts):
            noun = prepared.sample if name in _OF_SAMPLES else prepared.read_as
            if isinstance(count, int) and count:
                rows.append((_COUNTS.get(name, name), counted(count, noun)))
    rows += [
        ("Task", prepared.task),
        ("Features", prepared.features),
        ("Left out, as the file's index", prepared.left_out),
    ]
    rows += [("Warning", str(warning)) for warning in data.get("warnings") or ()]
    return Table("Data", ("", ""), tuple(row for row in rows if row[1]))


def classes_table(data: Mapping[str, Any]) -> Table:
    """How many samples of each class each split has, and which share of the split these are."""
    names, histogram = data.get("classesAsWritten"), data.get("labelHistogram")
    columns = ("Class", "Training", "Validation", "Test")
    if not isinstance(names, list) or not isinstance(histogram, dict):
        return Table("Classes", columns, ())
    splits = [histogram.get(split) or [0] * len(names) for split in ("train", "validation", "test")]
    rows = [(str(name), *(_share(split, code) for split in splits)) for code, name in enumerate(names[:_MOST_CLASSES])]
    more = f", the first {_MOST_CLASSES} of {len(names):,}" if len(names) > _MOST_CLASSES else ""
    return Table(f"Classes{more}", columns, tuple(rows))


def _share(split: list[int], code: int) -> str:
    return f"{split[code]:,} ({100 * split[code] / sum(split):.1f} %)" if sum(split) else "0"


def _in_order(counts: dict[str, object]) -> list[tuple[str, object]]:
    order = list(_COUNTS)
    return sorted(counts.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))
