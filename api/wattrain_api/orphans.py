"""Processes that have lost their parent: adopted, where the system can do that, and ended with whoever adopted them.

A process that makes itself a daemon (setsid, double fork) is in no process group and below no parent by which it could
be found. On Linux a "child subreaper" becomes the parent of every such descendant (prctl(2), PR_SET_CHILD_SUBREAPER).

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_PR_SET_CHILD_SUBREAPER: Final = 36
_PASS_SECONDS: Final = 0.002
"""Between two looks: a killed process needs a moment to go."""


class Ended(NamedTuple):
    """What `end_orphans` has done."""

    names: Sequence[str]
    """Name and id of each process that it has killed."""
    none_left: bool
    """Whether the last look has found none."""


def adopt_orphans(*, adopt: bool = True) -> bool:
    """Become the parent of all descendants that lose theirs (or, not `adopt`, cease to). Whether this process is that
    now: always as the first process of a container; else on Linux alone."""
    if sys.platform.startswith("linux") and ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0) == 0:
        return adopt or os.getpid() == 1
    return os.getpid() == 1


def reap_orphans(is_own: Callable[[int], bool]) -> None:
    """Take the exit status of adopted processes that have ended, so that their numbers are free, and their CPU time
    counts as that of children. `is_own`: whether this process has started the child itself, and waits for it."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or is_own(ended.si_pid):
            return
        _reap(ended.si_pid)


def end_orphans(is_own: Callable[[int], bool], seconds: float) -> Ended:
    """Kill and reap all children of this process, which adopts orphans, but those that are its own; what was below them
    is its child then, and follows. For `seconds` at most; 0: one look, which leaves what it has killed to the next.

    The bound is for what forks faster than it is killed, and for what hangs in the kernel.
    """
    deadline = time.monotonic() + seconds
    names: dict[int, str] = {}
    while True:
        found = [pid for pid in _children() if not is_own(pid)]
        orphans = [pid for pid in found if not _reap(pid)]
        new = [pid for pid in orphans if pid not in names]
        for pid in new:
            names[pid] = f"{_name_of(pid)} ({pid})"
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        # What has been reaped just now may have started another one meanwhile: the end is a look that finds none.
        if not found or time.monotonic() >= deadline:
            return Ended(list(names.values()), not found)
        if len(found) == len(orphans) and not new:
            time.sleep(_PASS_SECONDS)


def descendants(root: int) -> list[int]:
    """Ids of the processes below `root`, nearest first."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    found = list(children.get(root, ()))
    for pid in found:  # grows while it is walked
        found += children.get(pid, ())
    return found


def _children() -> list[int]:
    """Ids of this process's children: what fork()s must be found fast, and the table of all processes takes long."""
    try:
        lists = [(task / "children").read_text() for task in Path("/proc/self/task").iterdir()]
    except OSError:  # a kernel without these lists; or a thread has just ended
        return [pid for pid, parent in _parents().items() if parent == os.getpid()]
    return [int(pid) for listed in lists for pid in listed.split()]


def _reap(pid: int) -> bool:
    """Whether `pid` is gone: it has ended and its exit status is taken, or it is no child of this process."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "process"


def _parents() -> dict[int, int]:
    """Parent of every process, by id: from /proc, or from ps where there is none (macOS)."""
    if not Path("/proc/self/stat").exists():
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
        return {int(pid): int(parent) for pid, parent in (line.split() for line in listing.splitlines())}
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                # The name in parentheses may itself hold spaces and parentheses: count from the last one.
                stat = (entry / "stat").read_text(errors="replace")
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return parents
