"""CPU seconds of a tree of processes, counted so that no exit loses any and no reaping counts any twice."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

_ATTEMPTS = 3
_READ_BYTES = 65_536
"""More than /proc/<pid>/stat ever has. A list of children may be longer."""


class Process(NamedTuple):
    """A line of the process table. Times are in seconds."""

    pid: int
    parent: int
    started: int
    """Start time, in any unit: with `pid` it distinguishes a process from a later one of the same number."""
    own: float
    """CPU time of the process itself."""
    reaped: float
    """CPU time of its children that have ended and been waited for, and of theirs."""

    @property
    def identity(self) -> tuple[int, int]:
        """What stays the same as long as the process lives, and never comes again."""
        return (self.pid, self.started)

    @property
    def total(self) -> float:
        """CPU time of the process and of what it has reaped."""
        return self.own + self.reaped


class Table(Protocol):
    """The processes of a machine."""

    def below(self, roots: Iterable[int]) -> dict[int, Process]:
        """Those of `roots` that are there and all their descendants, by number; others may be among them."""
        ...

    def again(self, process: Process) -> Process | None:
        """The same process as it is now; None where it has ended."""
        ...


class ProcessTree:
    """CPU time of this process, of those that `pids` names and of all their descendants.

    Over the living, own + reaped time is all that a tree has used: an exit moves a child's time into its parent's
    `reaped`. What ends elsewhere (waited for by a process outside, or not at all) would vanish: then the time of those
    that are gone exceeds what the survivors have reaped since the last read, and the difference is kept as `lost`.
    """

    def __init__(self, table: Table, pids: Callable[[], list[int]], own_pid: int) -> None:
        """`pids` may name processes that are not there."""
        self._table, self._pids, self._own_pid = table, pids, own_pid
        self._known: dict[tuple[int, int], Process] = {}
        self._lost = 0.0
        self._seconds: float | None = None

    def seconds(self) -> float | None:
        """CPU seconds so far, never falling."""
        now = self._read_living()
        if now is not None:
            gone = sum(p.total for identity, p in self._known.items() if identity not in now)
            newly_reaped = sum(p.reaped - self._known[i].reaped for i, p in now.items() if i in self._known)
            self._lost += max(0.0, gone - newly_reaped)
            total = sum(p.total for p in now.values()) + self._lost
            self._seconds = total if self._seconds is None else max(self._seconds, total)
            self._known = now
        return self._seconds

    def live_pids(self) -> set[int]:
        """Process numbers of the tree at the last read."""
        return {pid for pid, _ in self._known}

    def close(self) -> None:
        """There is nothing to close."""

    def _read_living(self) -> dict[tuple[int, int], Process] | None:
        """The living, read parents first; None where the tree did not hold still.

        Parents first, because a child that is reaped meanwhile would otherwise be seen twice: alive, and in its
        parent's `reaped`. Seen in this order it is missing instead, which is noticed, and the read is repeated.
        """
        for _ in range(_ATTEMPTS):
            roots = [self._own_pid, *self._pids()]
            table = self._table.below([*roots, *self.live_pids()])
            order = self._tree(roots, table)
            processes = [self._table.again(process) for process in order]
            found = {p.identity: p for p in processes if p is not None}
            if found and len(found) == len(order):
                return found
        return None

    def _tree(self, roots: list[int], table: dict[int, Process]) -> list[Process]:
        """`roots`, those known from before (an orphan stays ours) and all below, parents first."""
        children: dict[int, list[Process]] = {}
        for process in table.values():
            children.setdefault(process.parent, []).append(process)
        roots = [*roots]
        roots += [pid for pid, started in self._known if pid in table and table[pid].started == started]
        ancestors_first = _without_descendants(roots, table)
        order, seen = [table[pid] for pid in ancestors_first if pid in table], set(ancestors_first)
        for process in order:  # grows while it is walked
            for child in children.get(process.pid, ()):
                if child.pid not in seen:
                    seen.add(child.pid)
                    order.append(child)
        return order


class ProcTable:
    """The process table of Linux: /proc/<pid>/stat."""

    def __init__(self, root: Path) -> None:
        self._proc = str(root / "proc")
        self._tick_seconds = 1.0 / os.sysconf("SC_CLK_TCK")
        self._lists_children = any((root / "proc/self/task").glob("*/children"))

    def below(self, roots: Iterable[int]) -> dict[int, Process]:
        """As Table says: by the lists of children that most kernels keep, else by reading every process there is.

        A list may lack a child for a moment, while another one ends. One that has been seen is among `roots` and is
        read all the same; a new one is found at the next look, with all that it has used.
        """
        if not self._lists_children:
            return self.processes()
        order, found = list(dict.fromkeys(roots)), {}
        seen = set(order)
        for pid in order:  # grows while it is walked
            if (process := self._read(pid)) is not None:
                found[pid] = process
                new = [child for child in self._children(pid) if child not in seen]
                seen.update(new)
                order += new
        return found

    def processes(self) -> dict[int, Process]:
        """All processes by number."""
        found = (self._read(int(entry.name)) for entry in Path(self._proc).iterdir() if entry.name.isdigit())
        return {p.pid: p for p in found if p is not None}

    def again(self, process: Process) -> Process | None:
        """The same process as it is now; None where it has ended."""
        now = self._read(process.pid)
        return now if now is not None and now.started == process.started else None

    def _children(self, pid: int) -> list[int]:
        """Those that any of its threads has started, or has been given as orphans."""
        found: list[int] = []
        try:
            for thread in os.listdir(f"{self._proc}/{pid}/task"):  # noqa: PTH208 (see _content)
                with contextlib.suppress(OSError):  # that thread has just ended
                    found += map(int, _content(f"{self._proc}/{pid}/task/{thread}/children").split())
        except OSError:
            pass
        return found

    def _read(self, pid: int) -> Process | None:
        try:
            text = _content(f"{self._proc}/{pid}/stat")
            fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold blanks and brackets
            user, system, reaped_user, reaped_system = (int(f) * self._tick_seconds for f in fields[11:15])
            return Process(pid, int(fields[1]), int(fields[19]), user + system, reaped_user + reaped_system)
        except (OSError, ValueError, IndexError):
            return None


class PsTable:
    """The process table of other systems: `ps`. It does not report reaped time, so what ends is kept as lost time."""

    def below(self, roots: Iterable[int]) -> dict[int, Process]:
        """As Table says: all processes."""
        command = ["ps", "-axo", "pid=,ppid=,time="]
        try:
            text = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return {}
        rows = (line.split() for line in text.splitlines())
        found = (Process(int(r[0]), int(r[1]), 0, ps_seconds(r[2]), 0.0) for r in rows if len(r) == 3)
        return {p.pid: p for p in found}

    def again(self, process: Process) -> Process | None:
        """The process itself: `ps` reported all at one moment."""
        return process


def ps_seconds(text: str) -> float:
    """Seconds of ps's [days-][hours:]minutes:seconds. ValueError where it is none."""
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + 86400 * int(days or 0)


def find_table(root: Path) -> Table | None:
    """The process table of this machine; None where nothing reports the CPU times of processes."""
    if (root / "proc/self/stat").exists():
        return ProcTable(root)
    return PsTable() if shutil.which("ps") else None


def process_age_seconds(root: Path) -> float | None:
    """How long ago this process started; None where the machine does not say. The clock of /proc/uptime goes on while
    the machine sleeps, which a process that has just started has not seen."""
    try:
        text = (root / "proc/self/stat").read_text(errors="replace")
        started = int(text[text.rindex(")") + 2 :].split()[19]) / os.sysconf("SC_CLK_TCK")
        uptime = float((root / "proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return max(0.0, uptime - started)


def _content(path: str) -> bytes:
    """What a file of /proc holds: read once a second of each process, in a third of the time that Path would take."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        content = b""
        while part := os.read(descriptor, _READ_BYTES):
            content += part
        return content
    finally:
        os.close(descriptor)


def _without_descendants(pids: Iterable[int], table: dict[int, Process]) -> list[int]:
    """`pids` without those that descend from another of them, each once."""
    wanted = set(pids)

    def has_ancestor_in_wanted(pid: int) -> bool:
        seen = {pid}
        while pid in table and table[pid].parent not in seen:
            pid = table[pid].parent
            if pid in wanted:
                return True
            seen.add(pid)
        return False

    return [pid for pid in dict.fromkeys(pids) if not has_ancestor_in_wanted(pid)]
