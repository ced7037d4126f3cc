"""Readers: one module a format, from bytes to a Table. They interpret nothing but the file's own structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from wattrain_worker.data.blocks_in_order import InOrder, one_by_one
from wattrain_worker.data.large_file import LargeFile, bytes_of
from wattrain_worker.data.naming import naming
from wattrain_worker.data.readers.csv_file import read_csv
from wattrain_worker.data.readers.datasets_folder import read_datasets_folder
from wattrain_worker.data.readers.digits import read_digits
from wattrain_worker.data.readers.joined import joined
from wattrain_worker.data.readers.jsonl_file import read_jsonl
from wattrain_worker.data.readers.npz_file import read_npz
from wattrain_worker.data.readers.parquet_file import read_parquet, table_of
from wattrain_worker.data.readers.streamed import read_streamed
from wattrain_worker.data.readers.streamed_folder import read_streamed_folder
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.sources import Format, SourceFile
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_READERS: Final[dict[Format, Callable[[bytes], Table]]] = {
    "digits": read_digits,
    "csv": read_csv,
    "npz": read_npz,
    "parquet": read_parquet,
    "jsonl": read_jsonl,
}


def read(
    source: SourceFile,
    missing_values: tuple[str, ...],
    scratch: Scratch | None = None,
    in_order: InOrder = one_by_one,
) -> Table:
    """The table in `source`, in which `missing_values` stand for no value. `scratch` is where that of a
    LargeFile lies.

    BadData where the file is damaged, empty, or not of the format its name says; of a folder it names the file.
    """
    if source.parts and source.is_large:
        table = read_streamed_folder(source, scratch or Scratch(None))
    elif isinstance(source.content, LargeFile):
        table = read_streamed(source.content, source.format, scratch or Scratch(None), in_order)
    else:
        table = joined(_parts(source)) if source.parts else _READERS[source.format](source.content)
    if not len(table.places):
        raise BadData(f"data: {source.name!r} holds no rows; give a file with a row for every sample")
    return replace(table, missing_values=missing_values)


def _parts(source: SourceFile) -> Iterator[tuple[str, Table]]:
    if source.format == "datasets":
        for name, frame in read_datasets_folder({part.name: part.content for part in source.parts}):
            yield name, table_of(frame, [])
        return
    for part in source.parts:
        with naming(part.name):
            table = _READERS[source.format](bytes(bytes_of(part.content)))
        yield part.name, table
