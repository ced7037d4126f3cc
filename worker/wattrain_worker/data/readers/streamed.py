"""Tables of files that memory does not hold."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from wattrain_api.contract.progress import READING
from wattrain_worker.data.blocks_in_order import InOrder, one_by_one
from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.prepare_progress import SampleCounter
from wattrain_worker.data.readers.csv_pieces import read_csv_pieces
from wattrain_worker.data.readers.parquet_file import demand_whole, first_line, index_columns
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.sources import Format
from wattrain_worker.data.stored_columns import Part, PartInFile, StoredColumns
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_PIECE_BYTES: Final = 16 << 20
"""Of a file, that are read at a time."""
_MOST_PIECES: Final = 500
"""Each is an open file."""


def read_streamed(source: LargeFile, kind: Format, scratch: Scratch, in_order: InOrder = one_by_one) -> Table:
    """The table in `source`, of one of `sources.STREAMED_FORMATS`: as readers that hold it give it. BadData."""
    piece_bytes = max(_PIECE_BYTES, len(source) // _MOST_PIECES)
    table = _csv(source, piece_bytes, scratch, in_order) if kind == "csv" else _parquet(source, piece_bytes)
    source.demand_unchanged()
    return table


def _csv(source: LargeFile, piece_bytes: int, scratch: Scratch, in_order: InOrder) -> Table:
    """A copy of the columns, as strings, in files of `scratch`."""
    if scratch.folder is None:
        raise ValueError("a table that is streamed needs a folder for its columns")
    names, pieces = read_csv_pieces(source, piece_bytes, in_order)
    parts, places = list[Part](), [np.zeros(0, np.int64)]
    rows_read = SampleCounter(READING)
    for frame, lines in pieces:
        if frame.height:
            parts.append(PartInFile(frame, scratch.folder))
            places.append(lines)
            rows_read.add(frame.height)
    rows_read.end()
    stored = StoredColumns(tuple(names), (), parts)
    return Table(pl.DataFrame(), np.concatenate(places), "line", default_label=None, stored=stored)


class _RowsOfParquet:
    """Some rows of a Parquet file."""

    def __init__(self, source: LargeFile, start: int, rows: int) -> None:
        self._source, self._start, self._rows = source, start, rows

    def column(self, name: str) -> pl.Series:
        """These rows of one column; categories as strings."""
        lazy = pl.scan_parquet(self._source.own_path, glob=False).select(pl.col(name))
        try:
            found = lazy.slice(self._start, self._rows).collect().to_series()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise BadData(f"data: not a readable Parquet file ({first_line(error)}); write it anew") from error
        return found.cast(pl.String) if found.dtype in (pl.Categorical, pl.Enum) else found


def _parquet(source: LargeFile, piece_bytes: int) -> Table:
    demand_whole(source.bytes[:1024], source.bytes[-1024:], len(source))
    try:
        lazy = pl.scan_parquet(source.own_path, glob=False)
        names = lazy.collect_schema().names()
        rows = int(lazy.select(pl.len()).collect().item())
        index = index_columns(names, pl.read_parquet_metadata(source.own_path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise BadData(f"data: not a readable Parquet file ({first_line(error)}); write it anew") from error
    step = max(1, rows * piece_bytes // len(source))
    parts: list[Part] = [_RowsOfParquet(source, start, min(step, rows - start)) for start in range(0, rows, step)]
    stored = StoredColumns(tuple(name for name in names if name not in index), tuple(index), parts)
    return Table(pl.DataFrame(), np.arange(1, rows + 1), "row", default_label=None, stored=stored)
