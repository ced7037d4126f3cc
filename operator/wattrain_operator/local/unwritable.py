"""A run's directory that cannot be written any more: told as what it is, with room kept for what is written last."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Final

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_LOCKED: Final = (errno.EROFS, errno.EACCES, errno.EPERM)
_GONE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EIO)
_RESERVED_BYTES: Final = 256 * 1024
"""Room for a status, some events and a receipt with its plots."""


def storage_failure(error: BaseException, directory: Path) -> str | None:
    """What is wrong with `directory` and what to do, for a person; None where `error` is about something else."""
    if not isinstance(error, OSError) or not _is_about(error, directory):
        return None
    remedy = "see that it is there and can be read and written"
    if error.errno in _FULL:
        remedy = "make room there"
    elif error.errno in _LOCKED:
        remedy = "make it writable"
    return f"{directory}: cannot be written ({error.strerror}); {remedy}, or choose another directory with --dir"


def is_full(error: OSError) -> bool:
    """Whether there is no room, or no quota, for what was written."""
    return error.errno in _FULL


def say_on_stderr(sentence: str) -> None:
    """One line for a person, where what usually shows it is what fails."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"error: {sentence}\n")
        sys.stderr.flush()


def _is_about(error: OSError, directory: Path) -> bool:
    """Whether `error` is of a file below `directory`. One that comes with a write, and not with an open, names none."""
    if error.filename is None:
        return error.errno in (*_FULL, errno.EIO)
    below = isinstance(error.filename, str) and Path(error.filename).absolute().is_relative_to(directory.absolute())
    return below and error.errno in (*_FULL, *_LOCKED, *_GONE)


class Reserve:
    """Some bytes that are kept from all others, until they are needed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def hold(self) -> None:
        """Take them. OSError where there are not so many."""
        self._file.write_bytes(os.urandom(_RESERVED_BYTES))  # not zeros, which some file systems do not store

    def free(self) -> None:
        """Give them back."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
