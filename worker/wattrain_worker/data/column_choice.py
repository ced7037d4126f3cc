"""Which columns of a table nobody has described may be features, and why others are not.

Each column is read as a training reads it (`columns.numbers`). What that refuses is mended where there is one way to
mend it that loses nothing, and else left out, with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from wattrain_api.inspected import SeenColumn
from wattrain_worker.data.columns import FEATURES, MOST_CATEGORIES, Numbers, numbers, texts
from wattrain_worker.data.doubts import identifying_columns
from wattrain_worker.data.table import Table
from wattrain_worker.data.words import as_floats, is_missing, stripped
from wattrain_worker.errors import BadData

_MARKS: Final = frozenset(
    ("?", "-", "--", "---", ".", "..", "*", "n.a.", "na", "nil", "none", "missing", "unknown", "no data", "nd")
)
"""What people write in a column of numbers where there is none, in lower case; among texts it may be one of them."""
_LARGEST: Final = 1e150
"""From about its square on, a variance is no finite number."""
_MOST_SHOWN: Final = 160


@dataclass(frozen=True)
class ReadColumn:
    """A column as it was seen, with its values where it may be a feature."""

    seen: SeenColumn
    values: Numbers | None


def words_for_missing(table: Table, label: str) -> tuple[str, ...]:
    """Words that stand for no value in a column of numbers, besides `missing_values`: all that is no number there. A
    word that the label has is none of them, for its rows would be lost."""
    classes = _different(table, label)
    found: dict[str, None] = {}
    for series in table.frame.get_columns():
        if series.name == label or series.dtype != pl.String:
            continue
        present = series.filter(pl.Series(~is_missing(series, table.missing_values)))
        are_numbers = ~np.isnan(as_floats(present))
        others = stripped(present.filter(pl.Series(~are_numbers))).unique().to_list()
        if are_numbers.any() and others and all(word.lower() in _MARKS and word not in classes for word in others):
            found |= dict.fromkeys(sorted(others))
    return tuple(found)


def read_columns(table: Table, label: str) -> list[ReadColumn]:
    """All columns but the label, in the order of the file."""
    read = [_read(table, name) for name in table.frame.columns if name != label]
    usable = [each for each in read if each.values is not None and not each.seen.left_out]
    measured = [each for each in usable if each.seen.kind in ("number", "boolean")]
    names = tuple(each.seen.name for each in measured)
    values = [each.values.values for each in measured if each.values is not None]
    reasons = {
        name: why for found, why in identifying_columns(names, values, table.place_word) for name in found
    }  # fmt: skip
    if len(reasons) == len(usable):
        return read  # better than nothing
    return [
        replace(each, seen=each.seen.model_copy(update={"left_out": reasons[each.seen.name]}))
        if each.seen.name in reasons
        else each
        for each in read
    ]


def _read(table: Table, name: str) -> ReadColumn:
    series = table.column(name, FEATURES)
    missing = is_missing(series, table.missing_values)
    if missing.all():
        return ReadColumn(
            SeenColumn(name=name, kind="other", missing=len(series), different=0, left_out="no value"), None
        )
    try:
        values = numbers(table, name, FEATURES, None)
    except BadData as error:
        mended = _as_categories(table, name)
        if mended is None:
            facts = SeenColumn(
                name=name,
                kind="other",
                missing=int(missing.sum()),
                different=_count(series),
                left_out=_why(error, name),
            )
            return ReadColumn(facts, None)
        values = mended
    gaps = np.isnan(values.values)
    different = len(np.unique(values.values[~gaps]))
    seen = SeenColumn(name=name, kind=_kind(values), missing=int(gaps.sum()), different=different)
    if values.texts is None and np.nanmax(np.abs(values.values)) > _LARGEST:
        seen = seen.model_copy(update={"left_out": f"numbers beyond {_LARGEST:g}"})
    return ReadColumn(seen, values)


def _as_categories(table: Table, name: str) -> Numbers | None:
    """A column of numbers and texts as texts, where these are kinds of rows rather than names of them."""
    series = table.column(name, FEATURES)
    if series.dtype != pl.String or not np.isfinite(as_floats(series)).any():
        return None  # of another type, or all of them are texts: then there was another reason
    different = len(_different(table, name))
    if different > min(MOST_CATEGORIES, max(20, len(series) // 20)):
        return None
    return texts(table, name, FEATURES)


def _different(table: Table, name: str) -> set[object]:
    series = table.column(name, FEATURES)
    return set((stripped(series) if series.dtype == pl.String else series).unique().to_list())


def _count(series: pl.Series) -> int:
    try:
        return series.drop_nulls().n_unique()
    except pl.exceptions.PolarsError:  # of a type that is not compared, such as lists
        return 0


def _kind(values: Numbers) -> str:
    if values.texts is not None:
        return "text"
    return "date" if values.is_date else "boolean" if values.is_boolean else "number"


def _why(error: BadData, name: str) -> str:
    """What was wrong, without what could be done, which the job says by itself."""
    sentence = " ".join(str(error).split()).removeprefix(f'data: column "{name}"').lstrip(" ,")
    return sentence.split("; ", 1)[0][:_MOST_SHOWN]
