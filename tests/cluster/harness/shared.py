"""One costly thing for all test processes of a run: the first that asks makes it, and ends it when all are done."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

Description = dict[str, Any]


@contextmanager
def shared(folder: Path, make: Callable[[], AbstractContextManager[Description]]) -> Iterator[Description]:
    """What `make()` describes, made by one process for all that name the same `folder`.

    The maker waits at its end until the others are done. The kernel drops the lock of a process that dies, and what it
    had made ends with it: then the next one makes it anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(folder / "gate") as gate, _opened(folder / "users") as users, _opened(folder / "maker") as maker:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if not _try_lock(maker):
            fcntl.flock(users, fcntl.LOCK_SH)
            fcntl.flock(gate, fcntl.LOCK_UN)
            yield json.loads((folder / "description.json").read_text(encoding="utf-8"))
            return
        with make() as description:
            (folder / "description.json").write_text(json.dumps(description), encoding="utf-8")
            fcntl.flock(gate, fcntl.LOCK_UN)
            try:
                yield description
            finally:
                fcntl.flock(gate, fcntl.LOCK_EX)  # nobody new ...
                fcntl.flock(users, fcntl.LOCK_EX)  # ... and nobody left


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # which drops its locks


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
