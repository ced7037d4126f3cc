"""Tables of folders that memory does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.naming import naming
from wattrain_worker.data.readers.datasets_folder import read_datasets_folder
from wattrain_worker.data.readers.joined import difference
from wattrain_worker.data.readers.parquet_file import read_parquet, without_categories
from wattrain_worker.data.readers.streamed import copied, parquet_in_parts, piece_bytes_of
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.sources import SourceFile
from wattrain_worker.data.stored_columns import Piece
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData


def read_streamed_folder(source: SourceFile, scratch: Scratch) -> Table:
    """The table in the folder `source`, as readers that hold all its files give it. BadData."""
    piece_bytes, index = piece_bytes_of(sum(len(part.content) for part in source.parts)), list[str]()
    if source.format == "datasets":
        frames = read_datasets_folder({part.name: part.content for part in source.parts})
    else:
        frames = _frames_of_parquet(source, piece_bytes, index)
    starts = list[tuple[str, int]]()
    table = copied(_counted(frames, starts), piece_bytes, scratch, "row")
    for part in source.parts:
        if isinstance(part.content, LargeFile):
            part.content.demand_unchanged()
    columns = tuple(name for name in table.names if name not in index)
    stored = None if table.stored is None else replace(table.stored, columns=columns, index=tuple(index))
    return replace(table, files=tuple(starts), stored=stored)


def _counted(frames: Iterator[tuple[str, pl.DataFrame]], starts: list[tuple[str, int]]) -> Iterator[Piece]:
    """`frames` of files, whose rows are counted through all of them. `starts` is given each file, and how many rows are
    before it. BadData, with both files, where the columns of two differ."""
    rows, first = 0, None
    for name, read in frames:
        frame = without_categories(read)
        if not starts or starts[-1][0] != name:
            starts.append((name, rows))
        first = frame.clear() if first is None else first
        if frame.schema != first.schema or frame.columns != first.columns:
            raise BadData(f"data: {name!r} {difference(frame, first, starts[0][0])}; write all files alike")
        yield frame, np.arange(rows + 1, rows + 1 + frame.height)
        rows += frame.height


def _frames_of_parquet(source: SourceFile, piece_bytes: int, index: list[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of the files of a folder. `index` is given the columns of an index."""
    for part in source.parts:
        with naming(part.name):
            if isinstance(part.content, LargeFile):
                table = parquet_in_parts(part.content, piece_bytes)
            else:
                table = read_parquet(part.content)
        index += [name for name in table.index_names if name not in index]
        if table.stored is None:
            yield part.name, pl.concat([table.frame, table.index], how="horizontal")
            continue
        for rows in table.stored.parts:
            with naming(part.name):
                frame = pl.DataFrame([rows.column(name) for name in (*table.names, *table.index_names)])
            yield part.name, frame
