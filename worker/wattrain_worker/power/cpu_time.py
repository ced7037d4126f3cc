"""CPU seconds that a worker has used: of its cgroup, or of its process tree."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

from wattrain_worker.power import cgroups
from wattrain_worker.power.files import KeptFile
from wattrain_worker.power.power_notices import Notices
from wattrain_worker.power.process_tree import ProcessTree, find_table

SCOPE_CGROUP, SCOPE_PROCESS = "cgroup", "process"


class CpuTime(Protocol):
    """Something that knows how many CPU seconds have been used."""

    def seconds(self) -> float | None:
        """CPU seconds so far, from any fixed beginning, never falling; None where that cannot be read now."""
        ...

    def live_pids(self) -> AbstractSet[int] | None:
        """Process numbers of the worker; None where they are not known."""
        ...

    def close(self) -> None:
        """Close its files."""
        ...


class CgroupCpuTime:
    """CPU time of a cgroup: `usage_usec` of v2's cpu.stat, `cpuacct.usage` (nanoseconds) of v1."""

    def __init__(self, directory: cgroups.CgroupDirectory) -> None:
        """OSError or ValueError where the cgroup does not account for CPU time."""
        self._version, self._directory = directory.version, directory
        self._file = KeptFile(directory.path / ("cpu.stat" if directory.version == 2 else "cpuacct.usage"))
        try:
            self._parse(self._file.read())
        except (OSError, ValueError):
            self._file.close()
            raise

    def seconds(self) -> float | None:
        """CPU seconds of the cgroup since it was made."""
        try:
            return self._parse(self._file.read())
        except (OSError, ValueError):
            return None

    def live_pids(self) -> AbstractSet[int] | None:
        """Process numbers of the cgroup."""
        return self._directory.processes()

    def close(self) -> None:
        """Close its file."""
        self._file.close()

    def _parse(self, text: str) -> float:
        if self._version == 1:
            return int(text) / 1e9
        match = re.search(r"^usage_usec (\d+)$", text, re.MULTILINE)
        if match is None:
            raise ValueError("cpu.stat has no usage_usec")
        return int(match[1]) / 1e6


def find(root: Path, scope: str, pids: Callable[[], list[int]], notices: Notices) -> CpuTime | None:
    """The CPU time of this worker, or None (said once) where the machine reports none.

    `scope` is `cgroup` or `process`; `pids` gives the processes whose trees count, besides this one.
    """
    if scope == SCOPE_CGROUP:
        found = _of_cgroup(root, notices)
        if found is not None:
            return found
    table = find_table(root)
    if table is not None:
        return ProcessTree(table, pids, os.getpid())
    notices.once("cpu time", "nothing reports CPU time here; the model assumes that the CPUs are half busy")
    return None


def _of_cgroup(root: Path, notices: Notices) -> CpuTime | None:
    for directory in cgroups.find(root, "cpuacct"):
        if directory.is_whole_machine():
            notices.once("scope", "this process has no cgroup of its own; CPU time is counted by process instead")
            return None
        try:
            return CgroupCpuTime(directory)
        except (OSError, ValueError):
            continue
    notices.once("scope", "no cgroup reports CPU time here; it is counted by process instead")
    return None
