"""A table as it was read: columns under their names, and the place of every row in its file."""

from __future__ import annotations

import bisect
import difflib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_api.data import DEFAULT_MISSING_VALUES
from wattrain_worker.data.stored_columns import StoredColumns
from wattrain_worker.errors import BadData


@dataclass(frozen=True)
class Table:
    """Columns of equal length, nothing interpreted: the columns of a CSV file are strings."""

    frame: pl.DataFrame
    places: npt.NDArray[np.int64]
    """[rows]: line (CSV) or 1-based row (otherwise) of each row, for messages."""
    place_word: str
    """`line` or `row`."""
    default_label: str | None
    """The label where the spec names none."""
    missing_values: tuple[str, ...] = DEFAULT_MISSING_VALUES
    """The words that stand for no value, besides the empty one: `spec.data.missingValues`."""
    index: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Columns that pandas stored as a frame's index, [rows] each: no features unless the spec names them."""
    files: tuple[tuple[str, int], ...] = ()
    """Of a folder: its files in the order of their rows, and the number of rows before each."""
    rule_of_names: str = ""
    """How the format names columns, for messages; empty: as the file does."""
    stored: StoredColumns | None = None
    """All of the columns, where memory does not hold them; `frame` and `index` then have none."""

    @property
    def names(self) -> list[str]:
        """Of the columns, without those of an index."""
        return self.frame.columns if self.stored is None else list(self.stored.columns)

    @property
    def names_told(self) -> str:
        """The names of all columns, for a message."""
        rule = f" ({self.rule_of_names})" if self.rule_of_names else ""
        return f"{listed([*self.names, *self.index_names])}{rule}"

    @property
    def index_names(self) -> list[str]:
        """Of the columns of an index."""
        return self.index.columns if self.stored is None else list(self.stored.index)

    def column(self, name: str, field: str) -> pl.Series:
        """The column `name`, which `field` of the spec asked for."""
        if (column := self._columns.get(name)) is not None:
            return column
        names = [*self.names, *self.index_names]
        if self.stored is not None and name in names:
            return self.stored.column(name)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise BadData(f'data: column "{name}" ({field}) is not in the data; {hint}its columns are {self.names_told}')

    def parts(self, name: str, field: str) -> Iterator[Table]:
        """Tables of the column `name` alone, which `field` of the spec asked for, that are together its rows in order.
        One, where the table is held."""
        if self.stored is None or name not in (*self.names, *self.index_names):
            self.column(name, field)  # it is there
            yield self
            return
        start = 0
        for series in self.stored.parts_of(name):
            places = self.places[start : start + len(series)]
            yield replace(self, frame=pl.DataFrame([series]), stored=None, places=places)
            start += len(series)

    @functools.cached_property
    def _columns(self) -> dict[str, pl.Series]:
        """By name. Asking the frame for each of many columns would look through all of them each time."""
        return {series.name: series for series in [*self.frame.get_columns(), *self.index.get_columns()]}

    def place(self, row: int) -> str:
        """Where row `row` (0-based) is in the file: `line 17`; of a folder `row 17 (row 2 of 'b.parquet')`."""
        place = f"{self.place_word} {self.places[row]}"
        if not self.files:
            return place
        file, before = self.files[bisect.bisect_right([start for _, start in self.files], row) - 1]
        return f"{place} (row {row - before + 1} of {file!r})"


def listed(names: list[str], limit: int = 12) -> str:
    """`names` for a message, cut where there are many."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
