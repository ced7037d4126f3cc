"""Parquet files. Columns that pandas stored as a frame's index are no measurements, so they are kept apart."""

from __future__ import annotations

import io
import json
import re
from typing import Any, Final

import numpy as np
import polars as pl

from wattrain_worker.data.readers.content import told_by_beginning
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_NAMELESS_INDEX: Final = re.compile(r"__index_level_\d+__")


def read_parquet(content: bytes) -> Table:
    """The table in the Parquet file `content`. BadData where it is none, damaged, or cut off."""
    demand_whole(content, content, len(content))
    try:
        frame = pl.read_parquet(io.BytesIO(content))
        index = index_columns(frame.columns, pl.read_parquet_metadata(io.BytesIO(content)))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise BadData(f"data: not a readable Parquet file ({first_line(error)}); write it anew") from error
    return table_of(frame, index)


def table_of(frame: pl.DataFrame, index: list[str]) -> Table:
    """A table of typed columns, categories as the texts that they are. `index`: those that are kept apart."""
    frame = without_categories(frame)
    places = np.arange(1, frame.height + 1)
    return Table(frame.drop(index), places, "row", default_label=None, index=frame.select(index))


def without_categories(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with strings in their place."""
    categories = [name for name, dtype in frame.schema.items() if dtype in (pl.Categorical, pl.Enum)]
    return frame.with_columns(pl.col(categories).cast(pl.String))


def demand_whole(head: bytes, tail: bytes, size: int) -> None:
    """BadData where a file of `size` bytes that begins and ends so is no whole Parquet file."""
    if head[:4] == tail[-4:] == _ENCRYPTED:
        raise BadData("data: not a readable Parquet file: it is encrypted; write it without encryption")
    if not head.startswith(_MAGIC):
        raise BadData(f"data: not a readable Parquet file: {told_by_beginning(head) or 'write it anew'}")
    if size < 12 or not tail.endswith(_MAGIC):
        raise BadData(
            f"data: not a readable Parquet file: it is cut off after {size} bytes, its end is not there; copy or write "
            "it anew"
        )


def index_columns(names: list[str], metadata: dict[str, str]) -> list[str]:
    """Those of `names` that hold the index of the pandas frame that was written.

    pandas describes a frame in the file's metadata (https://pandas.pydata.org/docs/development/developer.html): an
    index is a column's name, or, where it is a mere range, an object, for which no column is stored.
    """
    try:
        described: Any = json.loads(metadata.get("pandas", "{}"))
        index = {each for each in described.get("index_columns", []) if isinstance(each, str)}
    except (ValueError, TypeError, AttributeError):
        index = set()
    return [name for name in names if name in index or _NAMELESS_INDEX.fullmatch(name)]


def first_line(error: BaseException) -> str:
    """What `error` says, cut after a line."""
    return next(iter(str(error).splitlines()), type(error).__name__)
