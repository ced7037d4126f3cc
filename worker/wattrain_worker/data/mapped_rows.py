"""Rows of arrays that lie in files: their pages are asked of the kernel at once, where memory does not hold them.

Touched one after the other, each page waits for the disk. Measured on one, of 1 GiB that memory did not hold: 1,300
pages a second as the kernel reads by default, for it reads ahead what nobody wants; 9,900 without that; 85,000 where
they were asked for at once. Asking for a page that memory holds takes 0.6 us.
"""

from __future__ import annotations

import contextlib
import mmap
import resource
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_QUIET_BATCHES: Final = 16
"""After so many for which no disk was read memory seems to hold them all, and asking is left off."""


class MappedRows:
    """The rows of an array, [rows, ...], that lies in a file. From now on nothing of it is read ahead."""

    def __init__(self, mapping: mmap.mmap, values: npt.NDArray[Any]) -> None:
        """`values` are in `mapping`."""
        self._mapping = mapping
        self._start = values.ctypes.data - np.frombuffer(mapping, np.uint8).ctypes.data
        self._row_bytes = values.nbytes // len(values)
        self._advise(mmap.MADV_RANDOM, self._start, self._start + values.nbytes)

    def ask_for(self, rows: npt.NDArray[np.int64]) -> int:
        """Have the pages of `rows` read, each once; how many stretches that are. Nothing is waited for."""
        begin = self._start + rows * self._row_bytes
        first, last = begin // mmap.PAGESIZE, (begin + self._row_bytes - 1) // mmap.PAGESIZE
        stretches = sorted(set(zip(first.tolist(), last.tolist(), strict=True)))
        for page, end in stretches:
            self._advise(mmap.MADV_WILLNEED, page * mmap.PAGESIZE, (end + 1) * mmap.PAGESIZE)
        return len(stretches)

    def ask_for_span(self, start: int, end: int) -> None:
        """Have the pages of the rows from `start` to before `end` read; there may be fewer."""
        begin = self._start + start * self._row_bytes
        self._advise(mmap.MADV_WILLNEED, begin, begin + (end - start) * self._row_bytes)

    def _advise(self, advice: int, start: int, end: int) -> None:
        start -= start % mmap.PAGESIZE
        with contextlib.suppress(OSError):  # a file system that takes none: rows are read as they are touched
            self._mapping.madvise(advice, start, end - start)


def mapped_rows(values: npt.NDArray[Any]) -> MappedRows | None:
    """The rows of `values`, [rows, ...] without gaps; None where they are in memory, or none."""
    owner: object = values
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return MappedRows(owner, values) if isinstance(owner, mmap.mmap) and values.nbytes else None


class RandomRows:
    """Rows of tensors in no order, as batches have them. What memory holds is soon not asked for any more."""

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """`tensors` have the same rows, [rows, ...] each."""
        self._mapped = [mapped for values in tensors.values() if (mapped := mapped_rows(values))]
        self._read, self._quiet = _pages_read(), 0

    def ask_for(self, rows: npt.NDArray[np.int64]) -> int:
        """Have the pages of `rows` read, unless nothing had to be read for many batches; how many stretches."""
        if not self._mapped:
            return 0
        before, self._read = self._read, _pages_read()
        self._quiet = 0 if self._read != before else self._quiet + 1
        return sum(each.ask_for(rows) for each in self._mapped) if self._quiet <= _QUIET_BATCHES else 0


def _pages_read() -> int:
    """A number that grows whenever this process reads from a disk: by asking, and by touching what is not there."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_inblock + used.ru_majflt
