"""Tables that many people know. docs/tables.md says where the files come from."""

from __future__ import annotations

from typing import Final, NamedTuple


class KnownTable(NamedTuple):
    """A CSV file and the column to predict: all that a user tells `wattrain init`."""

    name: str
    """The file is called so, with `.csv`."""
    label: str
    splits: int
    """Over how many splits metrics are averaged: one of a few dozen test rows says little."""


TABLES: Final = (
    KnownTable("penguins", "species", 5),
    KnownTable("titanic", "survived", 5),
    KnownTable("mpg", "mpg", 5),
    KnownTable("diamonds", "price", 1),
    KnownTable("adult", "income", 1),
)
