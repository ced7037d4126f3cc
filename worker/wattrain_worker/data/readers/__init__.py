"""Readers: one module a format, from bytes to a Table. They interpret nothing but the file's own structure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from wattrain_worker.data.readers.csv_file import read_csv
from wattrain_worker.data.readers.digits import read_digits
from wattrain_worker.data.readers.npz_file import read_npz
from wattrain_worker.data.readers.parquet_file import read_parquet
from wattrain_worker.data.sources import Format, SourceFile
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_READERS: Final[dict[Format, Callable[[bytes], Table]]] = {
    "digits": read_digits,
    "csv": read_csv,
    "npz": read_npz,
    "parquet": read_parquet,
}


def read(source: SourceFile, missing_values: tuple[str, ...]) -> Table:
    """The table in `source`, in which `missing_values` stand for no value.

    BadData where the file is damaged, empty, or not of the format its name says.
    """
    table = _READERS[source.format](source.content)
    if table.frame.height == 0:
        raise BadData(f"data: {source.name!r} holds no rows; give a file with a row for every sample")
    return replace(table, missing_values=missing_values)
