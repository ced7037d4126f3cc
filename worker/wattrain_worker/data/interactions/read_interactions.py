"""Interactions as a table has them: pairs of a user and an item, in the order in which they happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_api.data import Interactions
from wattrain_worker.data.columns import dates, numbers
from wattrain_worker.data.table import Table
from wattrain_worker.data.words import is_missing, stripped

_USER, _ITEM, _TIME = (f"spec.data.interactions.{name}" for name in ("user", "item", "time"))


class Counts(NamedTuple):
    """Rows of the file by what became of them."""

    read: int
    missing: int
    """Without user, item or time: left out."""
    repeats: int
    """Of the same user and item as an earlier one: left out."""


@dataclass(frozen=True)
class Pairs:
    """Interactions, the oldest of each user first; of one user and one item the first alone."""

    users: tuple[str, ...]
    """The different ones, sorted."""
    items: tuple[str, ...]
    user: npt.NDArray[np.int64]
    """[pairs]: index into `users`; rising."""
    item: npt.NDArray[np.int64]
    """[pairs]: index into `items`."""
    counts: Counts


def read_pairs(table: Table, columns: Interactions) -> Pairs:
    """The interactions in `table`. Of rows without a time, or of the same, the earlier one in the file is the older.

    BadData where a column is not there, or a time is none.
    """
    user, without_user = _names(table, columns.user, _USER)
    item, without_item = _names(table, columns.item, _ITEM)
    times = _times(table, columns.time)
    there = np.flatnonzero(~(without_user | without_item | np.isnan(times)))
    frame = pl.DataFrame({"user": user, "item": item, "time": times})[there]
    ordered = frame.sort(["user", "time"], maintain_order=True)
    first = ordered.unique(["user", "item"], keep="first", maintain_order=True)
    users, items = first["user"].unique().sort(), first["item"].unique().sort()
    return Pairs(
        users=tuple(users),
        items=tuple(items),
        user=first["user"].cast(pl.Enum(users)).to_physical().cast(pl.Int64).to_numpy(),
        item=first["item"].cast(pl.Enum(items)).to_physical().cast(pl.Int64).to_numpy(),
        counts=Counts(len(user), len(user) - len(there), len(there) - len(first)),
    )


def _names(table: Table, name: str, field: str) -> tuple[pl.Series, npt.NDArray[np.bool_]]:
    series = table.column(name, field)
    return stripped(series.cast(pl.String)), is_missing(series, table.missing_values)


def _times(table: Table, name: str | None) -> npt.NDArray[np.float64]:
    """[rows]: numbers, or days of dates; NaN: missing. Without a column all the same."""
    if name is None:
        return np.zeros(len(table.places))
    if _begins_with_a_number(table.column(name, _TIME)):
        return numbers(table, name, _TIME, None).values
    return dates(table, name, _TIME).values


def _begins_with_a_number(series: pl.Series) -> bool:
    """Whether the first value that is there is a number, so that the others are to be numbers too, and no dates."""
    first = series.drop_nulls().head(1)
    return series.dtype.is_numeric() or bool(
        series.dtype == pl.String and stripped(first).cast(pl.Float64, strict=False).null_count() == 0 and len(first)
    )
