"""The output of a worker's ranks beside its log, in a file that outlives the pod: bounded, with one older file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

LONGEST_BYTES: Final = 10 * 2**20
"""Of the file, and of the one before it."""


class KeptLog:
    """Appends to a file, and begins a new one where it has become long. The caller sees to it that one thread at a
    time writes."""

    def __init__(
        self, path: str, first_line: str, on_failure: Callable[[str, OSError], None], longest_bytes: int = LONGEST_BYTES
    ) -> None:
        """`path` "": nothing is kept. `first_line` is written before all else. `on_failure` hears once, with the path,
        why nothing more is kept."""
        self._path, self._on_failure, self._longest_bytes = path, on_failure, longest_bytes
        self._fd: int | None = None
        self._size_bytes = 0
        self.write(f"{first_line}\n".encode())

    def write(self, data: bytes) -> None:
        """Append whole lines."""
        if not self._path:
            return
        try:
            descriptor = self._opened()
            if self._size_bytes and self._size_bytes + len(data) > self._longest_bytes:
                self.close()
                Path(self._path).replace(f"{self._path}.1")
                descriptor = self._opened()
            while data:
                written = os.write(descriptor, data)
                self._size_bytes += written
                data = data[written:]
        except OSError as error:
            path, self._path = self._path, ""
            self.close()
            self._on_failure(path, error)

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _opened(self) -> int:
        if self._fd is None:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._size_bytes = os.fstat(self._fd).st_size
        return self._fd
