"""The files of a folder as one table: the rows of each after those of the one before."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData


def joined(tables: Iterable[tuple[str, Table]]) -> Table:
    """One table of those in files, with the name of each. Rows are counted through all of them. BadData, with both
    files, where the columns of two differ."""
    found = list(tables)
    first_name, first = found[0]
    starts, rows = [], 0
    for name, table in found:
        for of_file, of_first in ((table.frame, first.frame), (table.index, first.index)):
            if of_file.schema != of_first.schema or of_file.columns != of_first.columns:
                raise BadData(f"data: {name!r} {difference(of_file, of_first, first_name)}; write all files alike")
        starts.append((name, rows))
        rows += table.frame.height
    return Table(
        pl.concat([table.frame for _, table in found]),
        np.arange(1, rows + 1),
        "row",
        first.default_label,
        index=pl.concat([table.index for _, table in found]),
        files=tuple(starts),
    )


def difference(frame: pl.DataFrame, other: pl.DataFrame, name: str) -> str:
    """In what the columns of `frame` differ from those of `other`, which is in the file `name`."""
    missing = [column for column in other.columns if column not in frame.columns]
    if missing:
        return f'has no column "{missing[0]}", which {name!r} has'
    further = [column for column in frame.columns if column not in other.columns]
    if further:
        return f'has a column "{further[0]}", which {name!r} has not'
    for column, dtype in frame.schema.items():
        if dtype != other.schema[column]:
            return f'has the column "{column}" of type {dtype}, and {name!r} of type {other.schema[column]}'
    return f"has its columns in another order than {name!r}"
