"""The files of a folder that samples come from, and what tells whether they are still the same."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable, Iterable
from pathlib import Path


def folder_files(folder: Path) -> list[tuple[str, Path]]:
    """All files below `folder` in the order of their names, which have `/` between folders; hidden ones (`.name`) are
    left out, and links to folders not followed. OSError where a folder cannot be listed."""

    def unreadable(error: OSError) -> None:
        raise error

    found = list[Path]()
    for where, folders, names in os.walk(folder, onerror=unreadable, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in names if not name.startswith(".")]
    return sorted((path.relative_to(folder).as_posix(), path) for path in found)


def digest_of_files(files: Iterable[tuple[str, Callable[[], bytes | mmap.mmap]]]) -> tuple[str, int]:
    """SHA-256 of the names and contents of files, in hexadecimal, and the number of bytes they hold."""
    digest, size = hashlib.sha256(), 0
    for name, read in files:
        content = read()
        size += len(content)
        digest.update(f"{len(name)}:{name}".encode() + hashlib.sha256(content).digest())
    return digest.hexdigest(), size
