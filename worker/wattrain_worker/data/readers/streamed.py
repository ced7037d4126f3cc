"""Tables of files that memory does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl

from wattrain_api.contract.progress import READING
from wattrain_worker.data.blocks_in_order import InOrder, one_by_one
from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.prepare_progress import SampleCounter
from wattrain_worker.data.readers.csv_pieces import read_csv_pieces
from wattrain_worker.data.readers.jsonl_file import read_jsonl_pieces
from wattrain_worker.data.readers.npz_file import RULE_OF_NAMES
from wattrain_worker.data.readers.npz_pieces import read_npz_pieces
from wattrain_worker.data.readers.parquet_file import demand_whole, first_line, index_columns
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.sources import Format
from wattrain_worker.data.stored_columns import Part, PartInFile, Piece, StoredColumns
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_PIECE_BYTES: Final = 16 << 20
"""Of a file, that are read at a time."""
_MOST_PIECES: Final = 500
"""Each is an open file."""


def read_streamed(source: LargeFile, kind: Format, scratch: Scratch, in_order: InOrder = one_by_one) -> Table:
    """The table in `source`, of one of `sources.STREAMED_FORMATS`: as readers that hold it give it. BadData."""
    piece_bytes = piece_bytes_of(len(source))
    if kind == "parquet":
        table = parquet_in_parts(source, piece_bytes)
    elif kind == "npz":
        columns, pieces = read_npz_pieces(source, piece_bytes, scratch)
        table = replace(
            copied(pieces, piece_bytes, scratch, "row"), default_label=columns.label, rule_of_names=RULE_OF_NAMES
        )
    else:
        lines = read_csv_pieces(source, piece_bytes, in_order) if kind == "csv" else read_jsonl_pieces(source, in_order)
        table = copied(lines, piece_bytes, scratch, "line")
    source.demand_unchanged()
    return table


def piece_bytes_of(size: int) -> int:
    """How much of `size` bytes is read at a time."""
    return max(_PIECE_BYTES, size // _MOST_PIECES)


def copied(pieces: Iterable[Piece], piece_bytes: int, scratch: Scratch, place_word: str) -> Table:
    """A copy of the columns in files of `scratch`."""
    if scratch.folder is None:
        raise ValueError("a table that is streamed needs a folder for its columns")
    numbers, parts, places = dict[str, int](), list[Part](), [np.zeros(0, np.int64)]
    rows_read = SampleCounter(READING)
    for frame, of_frame in _gathered(pieces, piece_bytes):
        parts.append(PartInFile(frame, scratch.folder, numbers))
        places.append(of_frame)
        rows_read.add(frame.height)
    rows_read.end()
    stored = StoredColumns(tuple(numbers), (), parts)
    return Table(pl.DataFrame(), np.concatenate(places), place_word, default_label=None, stored=stored)


def _gathered(pieces: Iterable[Piece], piece_bytes: int) -> Iterator[Piece]:
    """Pieces with rows, small ones together, so that there are not too many files."""
    held, size = list[Piece](), 0.0
    for piece in pieces:
        if not piece[0].height:
            continue
        held.append(piece)
        size += piece[0].estimated_size()
        if size >= piece_bytes // 2:
            yield _together(held)
            held, size = [], 0.0
    if held:
        yield _together(held)


def _together(pieces: list[Piece]) -> Piece:
    frame = pl.concat([frame for frame, _ in pieces], how="diagonal")
    return frame, np.concatenate([places for _, places in pieces])


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


def parquet_in_parts(source: LargeFile, piece_bytes: int) -> Table:
    """The table in a Parquet file, of which some rows of a column are read at a time. BadData where it is none."""
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
