"""Files of the kernel that are read again and again: opened once, read from their start each time."""

from __future__ import annotations

import os
from pathlib import Path


class KeptFile:
    """An open file of /proc or /sys. Reading a kept descriptor costs a tenth of opening it anew."""

    def __init__(self, path: Path) -> None:
        """OSError where `path` cannot be opened."""
        self._descriptor = os.open(path, os.O_RDONLY)

    def read(self) -> str:
        """What the file says now (at most 64 KiB). OSError where it cannot be read any more."""
        return os.pread(self._descriptor, 65536, 0).decode("ascii", "replace")

    def close(self) -> None:
        """Close it; twice does no harm."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_text(path: Path) -> str | None:
    """The stripped text of `path`, or None where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None
