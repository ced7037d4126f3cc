"""Readers: one function a format, from a file to a Table. They interpret nothing but the file's own structure."""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_worker.data.errors import BadData
from wattrain_worker.data.sources import SourceFile
from wattrain_worker.data.table import Table

_CHUNK_ROWS: Final = 65_536
_LABEL_ARRAYS: Final = ("y", "labels")
_MOST_COLUMNS: Final = 65_536


def read(source: SourceFile) -> Table:
    """The table in `source`. BadData where the file is damaged, empty, or not of the format its name says."""
    readers = {"digits": _read_digits, "csv": _read_csv, "npz": _read_npz, "parquet": _read_parquet}
    table = readers[source.format](source.path)
    if table.frame.height == 0:
        raise BadData(f"data: {source.name!r} holds no rows; give a file with a row for every sample")
    return table


def _read_digits(path: Path) -> Table:
    with gzip.open(path) as file:
        numbers = np.loadtxt(file, delimiter=",", dtype=np.int64)
    names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    frame = pl.DataFrame({name: numbers[:, i] for i, name in enumerate([*names, "target"])})
    return _table(frame, "line", default_label="target")


def _read_csv(path: Path) -> Table:
    """Polars' own reader takes a blank or torn line for missing values; here each line is checked."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = _header(next(lines, []))
            chunks: list[pl.DataFrame] = []
            places: list[npt.NDArray[np.int64]] = []
            for rows, chunk_places in _chunks(lines, header):
                columns = zip(*rows, strict=True)
                chunks.append(
                    pl.DataFrame({n: pl.Series(c, dtype=pl.String) for n, c in zip(header, columns, strict=True)})
                )
                places.append(np.array(chunk_places, np.int64))
    except UnicodeDecodeError as error:
        raise BadData(f"data: line {_undecodable_line(path)}: not UTF-8; save the CSV file as UTF-8") from error
    except csv.Error as error:
        raise BadData(f"data: line {lines.line_num}: not CSV ({error}); mend the line") from error
    if not chunks:
        return Table(pl.DataFrame(), np.zeros(0, np.int64), "line", default_label=None)
    return Table(pl.concat(chunks), np.concatenate(places), "line", default_label=None)


def _undecodable_line(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _header(names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if len(names) == 1 and any(separator in names[0] for separator in ";\t|"):
        raise BadData(f"data: line 1: {names[0]!r} has no comma; separate the columns by commas")
    for index, name in enumerate(names):
        if not name:
            raise BadData(f"data: line 1: column {index + 1} has no name; name every column in the first line")
        if name in names[:index]:
            raise BadData(f'data: line 1: column "{name}" is there twice; give every column a name of its own')
    if not names:
        raise BadData("data: the file is empty; give a CSV file whose first line names the columns")
    return names


def _chunks(lines: Any, header: list[str]) -> Iterator[tuple[list[list[str]], list[int]]]:
    """Rows and their lines, `_CHUNK_ROWS` at a time, so that a big file is not held as Python strings."""
    rows: list[list[str]] = []
    places: list[int] = []
    for row in lines:
        if not row and len(header) > 1:
            continue  # a blank line
        row = row or [""]
        if len(row) != len(header):
            raise BadData(
                f"data: line {lines.line_num}: {len(row)} values, but {len(header)} columns are named in line 1; mend "
                "the line (a text with commas needs quotes)"
            )
        rows.append(row)
        places.append(lines.line_num)
        if len(rows) == _CHUNK_ROWS:
            yield rows, places
            rows, places = [], []
    if rows:
        yield rows, places


def _read_parquet(path: Path) -> Table:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadData(f"data: not a readable Parquet file ({_first_line(error)}); write it anew") from error
    categories = [name for name, dtype in frame.schema.items() if dtype in (pl.Categorical, pl.Enum)]
    return _table(frame.with_columns(pl.col(categories).cast(pl.String)), "row", default_label=None)


def _read_npz(path: Path) -> Table:
    """Every 1-D array is a column of its name, every 2-D array `X` the columns X_0, X_1, ..."""
    columns: dict[str, npt.NDArray[Any]] = {}
    try:
        # opened here, since numpy leaves it open where it fails; a pickle would run code from the file
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            for name in arrays.files:
                columns |= _columns_of(name, arrays[name])
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise BadData(
            f"data: not a readable NPZ file ({_first_line(error)}); write it with numpy.savez, without objects"
        ) from error
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        few, many = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise BadData(
            f'data: column "{few}" has {lengths[few]} rows, column "{many}" has {lengths[many]}; give every array one '
            "row a sample"
        )
    label = next((name for name in _LABEL_ARRAYS if name in columns), None)
    return _table(pl.DataFrame(columns), "row", default_label=label)


def _columns_of(name: str, array: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    if array.dtype.kind not in "biufU":
        raise BadData(f'data: array "{name}" is of type {array.dtype}; store numbers, booleans or strings')
    # Polars knows neither half nor long double precision, nor the byte order of other machines.
    is_odd = array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8)
    array = array.astype(np.float64 if is_odd else array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 1:
        return {name: array}
    if array.ndim != 2:
        raise BadData(f'data: array "{name}" has the shape {array.shape}; reshape it to rows x columns')
    if array.shape[1] > _MOST_COLUMNS:
        raise BadData(f'data: array "{name}" has {array.shape[1]} columns; at most {_MOST_COLUMNS} are supported')
    return {f"{name}_{i}": np.ascontiguousarray(array[:, i]) for i in range(array.shape[1])}


def _table(frame: pl.DataFrame, place_word: str, default_label: str | None) -> Table:
    return Table(frame, np.arange(1, frame.height + 1), place_word, default_label=default_label)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
