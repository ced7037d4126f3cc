"""Columns that are read some rows at a time, with the result that reading them at once has.

What a column holds (numbers, truths, dates or texts) shows in each of its parts. Where parts do not agree, or one of
them is refused, the column is read at once, which decides.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattrain_api.data import ColumnSchema
from wattrain_worker.data.blocks_in_order import InOrder, one_by_one
from wattrain_worker.data.columns import MOST_CATEGORIES, Numbers, check_schema
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData


class _Kind(NamedTuple):
    is_boolean: bool
    is_date: bool
    are_texts: bool


class _Indices(NamedTuple):
    """Where a part's values are, and the texts that they are indices into."""

    at: slice
    texts: tuple[str, ...]


def read_in_parts(
    table: Table,
    name: str,
    field: str,
    read: Callable[[Table, str], Numbers],
    scratch: Scratch,
    in_order: InOrder = one_by_one,
) -> Numbers:
    """`read(table, name)`, whose values lie in `scratch` where memory does not hold the table."""
    if table.stored is None:
        return read(table, name)
    values: npt.NDArray[np.float64] = scratch.empty((len(table.places),), np.float64)
    parts_read = in_order(functools.partial(_read_part, read, name), table.parts(name, field))
    found = _agreeing_parts(len(table.places), parts_read, values)
    if found is None:
        whole = read(table, name)
        values[:] = whole.values
        return Numbers(values, whole.is_boolean, whole.is_date, whole.texts)
    kind, parts = found
    different = sorted({text for part in parts for text in part.texts})
    places = {text: float(place) for place, text in enumerate(different)}
    for part in parts:
        there = np.flatnonzero(~np.isnan(values[part.at]))
        moved = np.array([places[text] for text in part.texts])
        values[part.at][there] = moved[values[part.at][there].astype(np.int64)]
    return Numbers(values, kind.is_boolean, kind.is_date, tuple(different) if kind.are_texts else None)


def _read_part(read: Callable[[Table, str], Numbers], name: str, part: Table) -> Numbers | None:
    try:
        return read(part, name)
    except BadData:
        return None


def _agreeing_parts(
    rows: int, parts_read: Iterator[Numbers | None], values: npt.NDArray[np.float64]
) -> tuple[_Kind, list[_Indices]] | None:
    """What the parts hold, and where their texts are, once all are in `values`; None where they do not agree."""
    kind, of_nothing, parts, start, different = None, None, list[_Indices](), 0, set[str]()
    for numbers in parts_read:
        if numbers is None:
            return None
        at = slice(start, start + len(numbers.values))
        values[at], start = numbers.values, at.stop
        here = _Kind(numbers.is_boolean, numbers.is_date, numbers.texts is not None)
        if np.isnan(numbers.values).all():
            of_nothing = here  # nothing shows what it holds
            continue
        if kind not in (None, here):
            return None
        kind = here
        if numbers.texts is not None:
            parts.append(_Indices(at, numbers.texts))
            different |= {*numbers.texts}
            # Whether there are too many is decided by all rows.
            if len(different) > MOST_CATEGORIES or 2 * len(different) > rows:
                return None
    return (kind or of_nothing or _Kind(False, False, False)), parts


def check_in_parts(table: Table, name: str, schema: ColumnSchema) -> None:
    """`check_schema`, some rows at a time."""
    try:
        for part in table.parts(name, f"spec.data.schema.{name}"):
            check_schema(part, name, schema)
    except BadData:
        check_schema(table, name, schema)  # says how many more values are wrong
        raise
