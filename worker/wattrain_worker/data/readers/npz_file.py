"""NPZ files: archives of NumPy arrays."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_worker.data.readers.content import told_by_beginning
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_LABEL_ARRAYS: Final = ("y", "labels")
_MOST_COLUMNS: Final = 65_536
_RULE: Final = "a 2-D array X has the columns X_0, X_1, ...; the label is y or labels, if there is such an array"
_END: Final = b"PK\5\6"
"""Begins what a ZIP archive ends with, which is 22 bytes and a comment of at most 65,535."""


def read_npz(content: bytes) -> Table:
    """Every array of n or n x 1 is a column of its name, every 2-D array `X` the columns X_0, X_1, ..."""
    if not content.startswith(b"PK"):
        raise BadData(f"data: not a readable NPZ file: {told_by_beginning(content) or 'write it with numpy.savez'}")
    if _END not in content[-65_557:]:
        raise BadData(
            f"data: not a readable NPZ file: it is cut off after {len(content)} bytes, its end is not there; copy or "
            "write it anew"
        )
    columns: dict[str, npt.NDArray[Any]] = {}
    owners: dict[str, str] = {}
    try:
        for name, array in _arrays(content):
            for column, values in _columns_of(name, array):
                if column in owners:
                    raise BadData(
                        f'data: the arrays "{owners[column]}" and "{name}" both give a column "{column}" (column i of '
                        "a 2-D array X is called X_i); rename one of the arrays"
                    )
                columns[column], owners[column] = values, name
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadData(f"data: not a readable NPZ file ({first}); write it with numpy.savez, without objects") from error
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        few, many = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise BadData(
            f'data: array "{owners[few]}" has {lengths[few]} rows, array "{owners[many]}" has {lengths[many]}; give '
            "every array one row a sample"
        )
    label = next((name for name in _LABEL_ARRAYS if name in columns), None)
    frame = pl.DataFrame(columns)
    return Table(frame, np.arange(1, frame.height + 1), "row", default_label=label, rule_of_names=_RULE)


def _arrays(content: bytes) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    # a pickle would run code from the file
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for name in arrays.files:
            array = arrays[name]
            if not isinstance(array, np.ndarray):
                raise BadData(
                    f'data: "{name}" in the NPZ file is no array of numpy.save; write the file with numpy.savez'
                )
            yield name, array


def _columns_of(name: str, array: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    if array.dtype.kind not in "biufU":
        raise BadData(f'data: array "{name}" is of type {array.dtype}; store numbers, booleans or strings')
    # Polars knows neither half nor long double precision, nor the byte order of other machines.
    is_odd = array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8)
    array = array.astype(np.float64 if is_odd else array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        yield name, np.ascontiguousarray(array)
        return
    if array.ndim != 2:
        raise BadData(f'data: array "{name}" has the shape {array.shape}; reshape it to rows x columns')
    if array.shape[1] > _MOST_COLUMNS:
        raise BadData(f'data: array "{name}" has {array.shape[1]} columns; at most {_MOST_COLUMNS} are supported')
    by_column = np.ascontiguousarray(array.T)
    for i in range(array.shape[1]):
        yield f"{name}_{i}", by_column[i]
