"""CPU seconds of the whole machine, from /proc/stat."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from wattrain_worker.power.files import KeptFile


class NodeCpu(NamedTuple):
    """CPU seconds of the whole machine since it was started, all CPUs together."""

    busy: float
    idle: float

    @classmethod
    def parse(cls, proc_stat: str, tick_seconds: float) -> NodeCpu:
        """From the first line of /proc/stat: user nice system idle iowait irq softirq. ValueError where it is none."""
        fields = proc_stat.split("\n", 1)[0].split()
        if len(fields) < 8 or fields[0] != "cpu":
            raise ValueError("/proc/stat does not start with the times of all CPUs")
        user, nice, system, idle, iowait, irq, softirq = (int(f) * tick_seconds for f in fields[1:8])
        return cls(user + nice + system + irq + softirq, idle + iowait)


class NodeCpuTime:
    """What the machine's CPUs have done from one call to the next."""

    def __init__(self, root: Path) -> None:
        """OSError or ValueError where /proc/stat cannot be read."""
        self._tick_seconds = 1.0 / os.sysconf("SC_CLK_TCK")
        self._file = KeptFile(root / "proc/stat")
        try:
            self._last = self._read()
        except (OSError, ValueError):
            self._file.close()
            raise

    def advance(self) -> NodeCpu:
        """Busy and idle CPU seconds since the last call. OSError or ValueError where they cannot be read."""
        now = self._read()
        before, self._last = self._last, now
        return NodeCpu(max(0.0, now.busy - before.busy), max(0.0, now.idle - before.idle))

    def close(self) -> None:
        """Close its file."""
        self._file.close()

    def _read(self) -> NodeCpu:
        return NodeCpu.parse(self._file.read(), self._tick_seconds)
