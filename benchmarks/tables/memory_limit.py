"""A cgroup with a limit of memory, for the processes of a measurement; needs root."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path("/sys/fs/cgroup")
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class MemoryLimit:
    """What its processes use together, page cache included, does not exceed the limit."""

    path: Path
    version: int
    """1 or 2, of cgroups."""

    def enter(self) -> None:
        """Put this process into it, and all that it starts afterwards."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def anonymous_bytes(self) -> int:
        """What is used now and can only be given back by its processes: no page cache."""
        return self._number("memory.stat", "total_rss" if self.version == 1 else "anon")

    def killed(self) -> int:
        """Processes that the kernel has ended because the limit was reached."""
        return self._number("memory.oom_control" if self.version == 1 else "memory.events", "oom_kill")

    def _number(self, file: str, name: str) -> int:
        lines = (line.split() for line in (self.path / file).read_text().splitlines())
        return next(int(value) for key, value in lines if key == name)


@contextmanager
def memory_limit(mib: int | None) -> Iterator[MemoryLimit]:
    """A cgroup of its own, which goes when its processes have ended; None: without a limit, to see what is used.
    OSError where this user may make none."""
    v1 = _ROOT / "memory"
    limit = MemoryLimit(v1 if v1.is_dir() else _ROOT, 1 if v1.is_dir() else 2)
    limit = MemoryLimit(limit.path / f"wattrain-tables-{os.getpid()}", limit.version)
    limit.path.mkdir()
    try:
        if mib is not None:
            (limit.path / ("memory.limit_in_bytes" if limit.version == 1 else "memory.max")).write_text(str(mib * _MIB))
        yield limit
    finally:
        _removed(limit.path)


def _removed(path: Path) -> None:
    """A cgroup can be removed a moment after its last process."""
    for _ in range(100):
        try:
            path.rmdir()
            return
        except OSError:
            time.sleep(0.1)


def watched(limit: MemoryLimit, is_over: Callable[[float], bool]) -> int:
    """Most anonymous bytes until `is_over`, which waits so many seconds for it."""
    most = 0
    while not is_over(0.2):
        most = max(most, limit.anonymous_bytes())
    return most


def has_ended(process: subprocess.Popen[Any], seconds: float) -> bool:
    """Whether it ends within so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
