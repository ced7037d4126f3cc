"""Columns of a table that memory does not hold: in files, of which a column, or some rows of one, is read at a time."""

from __future__ import annotations

import io
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import polars as pl

_OPEN_FILES: Final = Path("/proc/self/fd")


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
    parts: Sequence[Part]
    """In the order of their rows; one at least."""

    def column(self, name: str) -> pl.Series:
        """All rows of one column."""
        return pl.concat([part.column(name) for part in self.parts])

    def parts_of(self, name: str) -> Iterator[pl.Series]:
        """One column, some rows at a time."""
        for part in self.parts:
            yield part.column(name)


class PartInFile:
    """Some rows in a file of their own, which is gone when nothing uses it any more."""

    def __init__(self, frame: pl.DataFrame, folder: Path) -> None:
        """OSError where `folder` has no room for it."""
        with tempfile.TemporaryFile(dir=folder) as file:  # has no name, so that nothing is left behind
            frame.write_ipc(file, compat_level=pl.CompatLevel.newest())
            file.flush()
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def column(self, name: str) -> pl.Series:
        """These rows of one column."""
        with self._opened() as file:
            return pl.read_ipc(file, columns=[name]).to_series()

    def _opened(self) -> BinaryIO:
        """The file anew, since threads that read other columns would move the place in a file that they share."""
        if _OPEN_FILES.exists():
            return (_OPEN_FILES / str(self._descriptor)).open("rb")
        with mmap.mmap(self._descriptor, 0, prot=mmap.PROT_READ) as content:  # macOS
            return io.BytesIO(content)
