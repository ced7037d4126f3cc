"""Writing a file that somebody else reads: whole or not at all, also after a power cut.

Standard library only, Python >= 3.9.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` into the file `path`, on disk when this returns. Readers find the old file or the new one.

    OSError where that cannot be done; the old file is then as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")  # a fixed name: what a killed process left is overwritten
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # the rename itself must survive a power cut
    finally:
        os.close(descriptor)
