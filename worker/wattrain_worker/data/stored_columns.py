"""Columns of a table that memory does not hold: in files, of which a column, or some rows of one, is read at a time."""

from __future__ import annotations

import io
import os
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

Piece = tuple[pl.DataFrame, npt.NDArray[np.int64]]
"""Columns of some rows, and the line, or the row, that each row is in."""


class Part(Protocol):
    """Some rows of all columns."""

    def column(self, name: str) -> pl.Series:
        """These rows of one column. BadData where it cannot be read."""


@dataclass(frozen=True)
class StoredColumns:
    """The columns of a table."""

    columns: tuple[str, ...]
    """Names, without those of an index."""
    index: tuple[str, ...]
    """Names of the columns of an index."""
    parts: list[Part]
    """In the order of their rows; one at least."""

    def column(self, name: str) -> pl.Series:
        """All rows of one column."""
        return pl.concat([part.column(name) for part in self.parts])

    def release(self) -> None:
        """Give back the room of the columns: none can be read any more."""
        self.parts.clear()

    def parts_of(self, name: str) -> Iterator[pl.Series]:
        """One column, some rows at a time."""
        for part in self.parts:
            yield part.column(name)


class PartInFile:
    """Some rows in a file of their own, which is gone when nothing uses it any more."""

    def __init__(self, frame: pl.DataFrame, folder: Path, numbers: dict[str, int]) -> None:
        """`numbers` are those of the columns of all parts, by name, as they came up; those of `frame` are added. What
        else a part keeps in memory is 8 bytes a column. OSError where `folder` has no room for it."""
        for name in frame.columns:
            numbers.setdefault(name, len(numbers))
        self._numbers, self._rows = numbers, frame.height
        self._ends = array("Q", [0])
        """[columns + 1]: where in the file the one before each column ends. By memory map the kernel would read
        megabytes around each of them, which memory does not hold until the next column is read."""
        with tempfile.TemporaryFile(dir=folder) as file:  # has no name, so that nothing is left behind
            columns = {series.name: series for series in frame.get_columns()}
            for name in numbers:
                if name in columns:
                    content = io.BytesIO()
                    columns[name].to_frame().write_ipc(content, compat_level=pl.CompatLevel.newest())
                    file.write(content.getbuffer())
                self._ends.append(file.tell())
            file.flush()
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    def column(self, name: str) -> pl.Series:
        """These rows of one column, which are all missing where it is not in the file."""
        number = self._numbers[name]
        is_later = number + 1 >= len(self._ends)  # it came up in a later part
        begin, end = (0, 0) if is_later else self._ends[number : number + 2]
        if begin == end:
            return pl.Series(name, [None], pl.String).new_from_index(0, self._rows)
        return pl.read_ipc(io.BytesIO(os.pread(self._descriptor, end - begin, begin))).to_series()
