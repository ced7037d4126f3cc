"""Files that are too large to be held: read by memory map, of which the kernel keeps in memory what has room."""

from __future__ import annotations

import mmap
import os
import weakref
from pathlib import Path
from typing import BinaryIO

from wattrain_worker.errors import BadData


def bytes_of(content: bytes | LargeFile) -> bytes | mmap.mmap:
    """What is in a file that is held, or not."""
    return content.bytes if isinstance(content, LargeFile) else content


class LargeFile:
    """The bytes of a file, as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        """OSError where it cannot be read."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        self._as_opened = self._state()
        self.bytes = mmap.mmap(self._descriptor, 0, prot=mmap.PROT_READ)

    def __len__(self) -> int:
        return len(self.bytes)

    @property
    def own_path(self) -> str:
        """A path of the file that is open, whatever is at its own by now, and in which nothing is a pattern."""
        return f"/dev/fd/{self._descriptor}"

    def opened_at(self, position: int) -> BinaryIO:
        """The same file, to be read from `position` on and closed."""
        file = os.fdopen(os.dup(self._descriptor), "rb")
        file.seek(position)
        return file

    def demand_unchanged(self) -> None:
        """BadData where it was written to since it was opened."""
        if self._state() != self._as_opened:
            raise BadData(f"data: {self._path.name!r} was written to while it was read; start again when it is whole")

    def _state(self) -> tuple[int, int]:
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime_ns
