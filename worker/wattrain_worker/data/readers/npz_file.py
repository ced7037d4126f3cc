"""NPZ files: archives of NumPy arrays."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_worker.data.readers.content import told_by_beginning
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_LABEL_ARRAYS: Final = ("y", "labels")
_MOST_COLUMNS: Final = 65_536
RULE_OF_NAMES: Final = (
    "a 2-D array X has the columns X_0, X_1, ...; the label is y or labels, if there is such an array"
)
_END: Final = b"PK\5\6"
END_BYTES: Final = 65_557
"""What a ZIP archive ends with begins so, and has this many bytes at most: 22 and a comment."""


def read_npz(content: bytes) -> Table:
    """Every array of n or n x 1 is a column of its name, every 2-D array `X` the columns X_0, X_1, ..."""
    demand_archive(content[:END_BYTES], content[-END_BYTES:], len(content))
    columns = Columns()
    series: dict[str, npt.NDArray[Any]] = {}
    with told_of_npz():
        for name, array in _arrays(content):
            columns.add(name, array.shape, array.dtype)
            series |= columns_of(name, array)
    columns.demand_equal_lengths()
    frame = pl.DataFrame(series)
    return Table(frame, np.arange(1, frame.height + 1), "row", default_label=columns.label, rule_of_names=RULE_OF_NAMES)


def demand_archive(head: bytes, tail: bytes, size: int) -> None:
    """BadData where a file of `size` bytes that begins and ends so is no whole archive."""
    if not head.startswith(b"PK"):
        raise BadData(f"data: not a readable NPZ file: {told_by_beginning(head) or 'write it with numpy.savez'}")
    if _END not in tail:
        raise BadData(
            f"data: not a readable NPZ file: it is cut off after {size} bytes, its end is not there; copy or write it "
            "anew"
        )


@contextmanager
def told_of_npz() -> Iterator[None]:
    """While this lasts, what NumPy and zipfile find wrong is BadData."""
    try:
        yield
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the file's content
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadData(f"data: not a readable NPZ file ({first}); write it with numpy.savez, without objects") from error


class Columns:
    """What the arrays of an archive are as columns of one table."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._owners: dict[str, str] = {}
        self._lengths: dict[str, int] = {}

    def add(self, array: str, shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
        """BadData where an array of this shape and type is none, or gives a column that is there already."""
        _demand_table(array, shape, kind)
        are_one = len(shape) == 1 or shape[1] == 1
        for name in [array] if are_one else [f"{array}_{i}" for i in range(shape[1])]:
            if name in self._owners:
                raise BadData(
                    f'data: the arrays "{self._owners[name]}" and "{array}" both give a column "{name}" (column i of '
                    "a 2-D array X is called X_i); rename one of the arrays"
                )
            self._owners[name] = array
            self._lengths[array] = shape[0]
            self.names.append(name)

    @property
    def label(self) -> str | None:
        """What such a file calls its label."""
        return next((name for name in _LABEL_ARRAYS if name in self._owners), None)

    def demand_equal_lengths(self) -> int:
        """The number of rows. BadData where arrays have different ones."""
        if len({*self._lengths.values()}) > 1:
            few, many = (
                min(self._lengths, key=self._lengths.__getitem__),
                max(self._lengths, key=self._lengths.__getitem__),
            )
            raise BadData(
                f'data: array "{few}" has {self._lengths[few]} rows, array "{many}" has {self._lengths[many]}; give '
                "every array one row a sample"
            )
        return next(iter(self._lengths.values()), 0)


def _arrays(content: bytes) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    # a pickle would run code from the file
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for name in arrays.files:
            array = arrays[name]
            if not isinstance(array, np.ndarray):
                raise no_array(name)
            yield name, array


def no_array(name: str) -> BadData:
    """What is to be raised because of a member of the archive that holds none."""
    return BadData(f'data: "{name}" in the NPZ file is no array of numpy.save; write the file with numpy.savez')


def _demand_table(name: str, shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
    if kind.kind not in "biufU":
        raise BadData(f'data: array "{name}" is of type {kind}; store numbers, booleans or strings')
    if len(shape) not in (1, 2):
        raise BadData(f'data: array "{name}" has the shape {shape}; reshape it to rows x columns')
    if len(shape) == 2 and shape[1] > _MOST_COLUMNS:
        raise BadData(f'data: array "{name}" has {shape[1]} columns; at most {_MOST_COLUMNS} are supported')


def columns_of(name: str, array: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """The columns, [rows] each, of an array, or of some rows of one."""
    # Polars knows neither half nor long double precision, nor the byte order of other machines.
    is_odd = array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8)
    array = array.astype(np.float64 if is_odd else array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        return {name: np.ascontiguousarray(array)}
    by_column = np.ascontiguousarray(array.T)
    return {f"{name}_{i}": by_column[i] for i in range(array.shape[1])}
