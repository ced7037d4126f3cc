"""What the preparation came to, as prepare.json tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MOST_NAMED = 6
_SAMPLES = {"image": "pictures", "interactions": "interactions"}
_SAMPLES_OF_TEXT = {
    "masked-language-modeling": "pairs of texts", "language-modeling": "windows", "classification": "texts",
}  # fmt: skip


@dataclass(frozen=True)
class PreparedData:
    """What there is to say of it. Empty where prepare.json does not say."""

    counts: Mapping[str, int]
    """Rows by what became of them: `read`, `duplicates`, ..., `test`."""
    features: str
    """`3 (2 numbers, 1 boolean): age, size, member`."""
    task: str
    """`regression of price: its numbers have fractions`."""
    left_out: str
    """Columns that the file has and that are no features unless the spec names them."""
    read_as: str = "rows"
    """What was read, in the plural: `rows`, `pictures`, `documents`."""
    sample: str = "rows"
    """What is trained on and tested: the same, but `windows` or `pairs of texts` of documents."""


def to_prepared(document: Mapping[str, Any]) -> PreparedData:
    """What `document`, a prepare.json of whatever version, says."""
    counts = document.get("counts")
    known = counts if isinstance(counts, dict) else {}
    read_as, sample = sample_nouns(document)
    return PreparedData(
        counts={name: count for name, count in known.items() if isinstance(count, int)},
        features=_features(_texts(document.get("columns")), _texts(document.get("columnTypes"))),
        task=_task(document),
        left_out=", ".join(_texts(document.get("leftOut"))),
        read_as=read_as,
        sample=sample,
    )


def sample_nouns(document: Mapping[str, Any]) -> tuple[str, str]:
    """What was read, and what is trained on and tested, in the plural."""
    kind = str(document.get("samples", "table"))
    if kind == "text":
        return "documents", _SAMPLES_OF_TEXT.get(str(document.get("task")), "samples")
    noun = _SAMPLES.get(kind, "rows")
    return noun, noun


def counted(count: int, plural: str) -> str:
    """`1 row`, `1,797 rows`, `1 pair of texts`."""
    first, *rest = plural.split(" ")
    return " ".join([f"{count:,}", first.removesuffix("s") if count == 1 else first, *rest])


def _task(document: Mapping[str, Any]) -> str:
    task, label, why = (document.get(name) for name in ("task", "label", "taskChosen"))
    return f"{task} of {label}: {why}" if task and label and why else ""


def _features(columns: list[str], types: list[str]) -> str:
    if not columns:
        return ""
    kinds = [f"{types.count(kind):,} {kind}{'s' * (types.count(kind) > 1)}" for kind in dict.fromkeys(types)]
    more = f" and {len(columns) - _MOST_NAMED:,} more" if len(columns) > _MOST_NAMED else ""
    of_kinds = f" ({', '.join(kinds)})" if kinds else ""
    return f"{len(columns):,}{of_kinds}: {', '.join(columns[:_MOST_NAMED])}{more}"


def _texts(found: object) -> list[str]:
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
