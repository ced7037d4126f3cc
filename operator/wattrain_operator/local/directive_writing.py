"""The file with the newest directive of a local worker, which its command and `wattrain profile` both write."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wattrain_api.atomic_file import write_atomically
from wattrain_api.contract.codec import decode_json, encode_json
from wattrain_api.contract.directive import Directive


def given_directive(file: Path) -> Directive | None:
    """The directive that is there; None: there is none yet."""
    try:
        return decode_json(Directive, file.read_bytes())
    except FileNotFoundError:
        return None


def write_directive(file: Path, directive: Directive) -> None:
    """Have `directive` replace the one that is there."""
    write_atomically(file, encode_json(directive))


@contextmanager
def sole_writer(file: Path) -> Iterator[None]:
    """Inside, what is read there stays the newest: two directives of one version would be one for their supervisor."""
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the file itself is replaced by writing
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)  # which gives the lock back
