"""NPZ files of which memory holds some rows at a time: all arrays of the archive are read beside each other."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any, Final

import numpy as np
import numpy.lib.format
import numpy.typing as npt
import polars as pl

from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.readers.npz_file import (
    END_BYTES,
    Columns,
    columns_of,
    demand_archive,
    no_array,
    told_of_npz,
)
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.stored_columns import Piece

_ENDING: Final = ".npy"
_CHUNK_BYTES: Final = 1 << 20
_HEADERS: Final = {
    (1, 0): numpy.lib.format.read_array_header_1_0,
    (2, 0): numpy.lib.format.read_array_header_2_0,
}


def read_npz_pieces(source: LargeFile, piece_bytes: int, scratch: Scratch) -> tuple[Columns, Iterator[Piece]]:
    """The columns, and the rows, about `piece_bytes` of the arrays at a time. BadData, as `read_npz`. An array that
    lies column by column is copied into `scratch`."""
    demand_archive(source.bytes[:END_BYTES], source.bytes[-END_BYTES:], len(source))
    columns = Columns()
    with told_of_npz(), source.opened_at(0) as file, zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            with archive.open(member) as content:
                shape, _, kind = _header(member, content)
            columns.add(member.removesuffix(_ENDING), shape, kind)
    rows = columns.demand_equal_lengths()
    return columns, _pieces(source, rows, piece_bytes, scratch)


def _pieces(source: LargeFile, rows: int, piece_bytes: int, scratch: Scratch) -> Iterator[Piece]:
    with told_of_npz(), ExitStack() as opened:
        archive = opened.enter_context(zipfile.ZipFile(opened.enter_context(source.opened_at(0))))
        arrays = [_Array(member, opened.enter_context(archive.open(member)), scratch) for member in archive.namelist()]
        step = max(1, piece_bytes // max(1, sum(array.row_bytes for array in arrays)))
        for start in range(0, rows, step):
            columns: dict[str, npt.NDArray[Any]] = {}
            for array in arrays:
                columns |= columns_of(array.name, array.next_rows(min(step, rows - start)))
            frame = pl.DataFrame(columns)
            yield frame, np.arange(start + 1, start + 1 + frame.height)


class _Array:
    """An array of an archive, of which the rows are read from the first to the last."""

    def __init__(self, member: str, content: IO[bytes], scratch: Scratch) -> None:
        self.name, self._content = member.removesuffix(_ENDING), content
        shape, is_by_column, self._kind = _header(member, content)
        self._row_shape = shape[1:]
        self.row_bytes = self._kind.itemsize * math.prod(self._row_shape)
        self._held = self._by_column(shape, scratch) if is_by_column else None
        self._given = 0

    def next_rows(self, count: int) -> npt.NDArray[Any]:
        """[count, ...]: those behind the rows that were given before. EOFError where the archive has fewer."""
        start, self._given = self._given, self._given + count
        if self._held is not None:
            return self._held[start : self._given]
        content = bytearray(count * self.row_bytes)
        self._read_into(memoryview(content))
        return np.frombuffer(content, self._kind).reshape(count, *self._row_shape)

    def _by_column(self, shape: tuple[int, ...], scratch: Scratch) -> npt.NDArray[Any]:
        """The whole array: its rows are not one after the other in the archive."""
        raw = scratch.empty((math.prod(shape) * self._kind.itemsize,), np.uint8)
        self._read_into(raw.data)
        return raw.view(self._kind).reshape(shape[::-1]).T

    def _read_into(self, room: memoryview) -> None:
        for start in range(0, len(room), _CHUNK_BYTES):
            part = room[start : start + _CHUNK_BYTES]
            content = self._content.read(len(part))
            if len(content) < len(part):
                raise EOFError(f'array "{self.name}" is cut off')
            part[:] = content


def _header(member: str, content: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the array lies column by column, and type. ValueError, or BadData, where there is no array."""
    try:
        version = numpy.lib.format.read_magic(content)
    except ValueError as error:
        raise no_array(member.removesuffix(_ENDING)) from error
    if version not in _HEADERS:
        raise ValueError(f"format {version} of {member}")
    shape, is_by_column, kind = _HEADERS[version](content)
    if kind.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    return shape, is_by_column and len(shape) > 1, kind
