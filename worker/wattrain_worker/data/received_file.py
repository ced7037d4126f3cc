"""What a server sends, as it comes: in memory, and once it is more than memory is to hold, in a file without a name."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.errors import StorageUnavailable


class ReceivedFile(tempfile.SpooledTemporaryFile[bytes]):
    """Drivers of fsspec write into it. It goes with the process, however that ends."""

    def __init__(self, folder: Path, most_held_bytes: int) -> None:
        """`folder` takes the file without a name."""
        super().__init__(max(1, most_held_bytes), dir=str(folder))  # 0 would be no limit
        self._folder, self._most_held_bytes = folder, most_held_bytes

    def write(self, data: bytes) -> int:  # type: ignore[override]  # never text
        """StorageUnavailable where the folder has no room: of a driver, an OSError would be one of the server."""
        try:
            return super().write(data)
        except OSError as error:
            raise StorageUnavailable(
                f"data directory {self._folder}: {error.strerror or error}; see that it has room and is writable for "
                "the user that the workers run as"
            ) from error

    def content(self) -> bytes | LargeFile:
        """All that was written, which memory holds where it is little."""
        size = self.seek(0, os.SEEK_END)
        self.seek(0)
        if size <= self._most_held_bytes:
            return self.read()
        self.flush()
        # Opened anew through the descriptor, for it has no name.
        return LargeFile(Path(f"/dev/fd/{self.fileno()}"))
