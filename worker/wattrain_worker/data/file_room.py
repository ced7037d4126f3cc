"""Room in a file that is written through memory: without it a full disk ends the process as it writes, with no word."""

from __future__ import annotations

import os


def reserve(descriptor: int, size: int) -> None:
    """Give an open file `size` bytes, zeros beyond what it has. OSError where the disk has no room for them."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        os.truncate(descriptor, size)
