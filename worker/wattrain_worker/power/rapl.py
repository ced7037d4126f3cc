"""The share of a worker in what RAPL, the energy counter of Intel's and AMD's processors, measures for the machine.

The counter is measured; dividing it among the processes is not. The share is by CPU time: what this worker used of what
all processes used. Low and high say how far other fair divisions of the same joules lie.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from wattrain_worker.power.constants import PACKAGE_LIMIT_WATTS
from wattrain_worker.power.files import KeptFile, read_text
from wattrain_worker.power.notices import Notices
from wattrain_worker.power.reading import Energy

_MIRROR_JOULES = 1.0


class Zone:
    """One counter: a processor package, or the memory beside it."""

    def __init__(self, path: Path, name: str) -> None:
        """OSError or ValueError where the counter cannot be read."""
        self.name = name
        self.range_joules = int((path / "max_energy_range_uj").read_text()) / 1e6
        self._file = KeptFile(path / "energy_uj")
        try:
            self._last = self._read()
        except (OSError, ValueError):
            self._file.close()
            raise

    def advance(self, limit_joules: float) -> float | None:
        """Joules since the last call; None where they exceed `limit_joules`: no processor drew them.

        OSError or ValueError where the counter cannot be read any more.
        """
        before, self._last = self._last, self._read()
        joules = self._last - before
        if joules < 0:  # the counter starts again at 0 behind its range
            joules += self.range_joules
        return joules if 0 <= joules <= limit_joules else None

    def mirrors(self, other: Zone) -> bool:
        """Whether both are the same counter: processors of several dies may show one under two paths."""
        same_kind = self.name == other.name and self.range_joules == other.range_joules
        return same_kind and abs(self._last - other._last) < _MIRROR_JOULES

    def close(self) -> None:
        """Close its file."""
        self._file.close()

    def _read(self) -> float:
        return int(self._file.read()) / 1e6


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


class Rapl:
    """This worker's share of the machine's counters."""

    def __init__(self, zones: dict[str, list[Zone]], stat: Path, tick_seconds: float, reserved_share: float) -> None:
        """`zones` by component; `stat` is /proc/stat; `reserved_share` is the worker's part of the machine's CPUs."""
        self._zones = zones
        self._tick_seconds = tick_seconds
        self._reserved_share = min(1.0, max(0.0, reserved_share))
        self._stat = KeptFile(stat)
        self._node = NodeCpu.parse(self._stat.read(), tick_seconds)
        self.dropped = 0
        """Intervals of a counter that no processor can have drawn."""

    def advance(self, own_seconds: float | None, elapsed_seconds: float) -> dict[str, Energy]:
        """Energy by component since the last call; empty where `own_seconds`, the CPU time used, is not known.

        OSError or ValueError where the counters cannot be read any more.
        """
        node = NodeCpu.parse(self._stat.read(), self._tick_seconds)
        busy, idle = node.busy - self._node.busy, node.idle - self._node.idle
        self._node = node
        joules = {component: self._joules(zones, elapsed_seconds) for component, zones in self._zones.items()}
        if own_seconds is None:
            return {}
        return {c: attribute(j, own_seconds, busy, idle, self._reserved_share) for c, j in joules.items()}

    def close(self) -> None:
        """Close its files."""
        self._stat.close()
        for zone in _flat(self._zones.values()):
            zone.close()

    def _joules(self, zones: list[Zone], elapsed_seconds: float) -> float:
        total = 0.0
        for zone in zones:
            joules = zone.advance(PACKAGE_LIMIT_WATTS.value * max(1.0, elapsed_seconds))
            if joules is None:
                self.dropped += 1
            else:
                total += joules
        return total


def attribute(joules: float, own: float, busy: float, idle: float, reserved_share: float) -> Energy:
    """The part of a machine's `joules` that a worker with `own` of its `busy` and `idle` CPU seconds answers for.

    Middle: by CPU time, idle power included. Low: by CPU time, of the active part alone, so that nobody answers for
    idling (Kepler's division, active = total x busy / (busy + idle)). High: the idle part by reserved CPUs instead,
    where that is more.
    """
    if busy <= 0:
        return Energy(0.0, 0.0, joules * reserved_share)
    share = min(1.0, max(0.0, own) / busy)
    active = min(joules, joules * busy / (busy + max(0.0, idle)))  # min: rounding
    middle, low = share * joules, share * active
    return Energy(middle, low, max(middle, low + reserved_share * (joules - active)))


def find(root: Path, tick_seconds: float, reserved_share: float, notices: Notices) -> Rapl | None:
    """The counters of this machine, or None: there are none, or they may not be read (said once)."""
    zones: dict[str, list[Zone]] = {"cpu": [], "memory": []}
    stat = root / "proc/stat"
    try:
        for path, name, component in _zone_paths(root / "sys/class/powercap"):
            zone = Zone(path, name)
            if any(zone.mirrors(other) for other in zones[component]):
                zone.close()
            else:
                zones[component].append(zone)
        if zones["cpu"]:
            return Rapl({c: found for c, found in zones.items() if found}, stat, tick_seconds, reserved_share)
    except (OSError, ValueError) as error:
        notices.once(
            "rapl",
            f"the CPU's energy counter cannot be read ({error}); CPU power is modelled. On a machine of your own, "
            "let your user read energy_uj below /sys/class/powercap",
        )
    for zone in _flat(zones.values()):
        zone.close()
    return None


def _zone_paths(powercap: Path) -> Iterable[tuple[Path, str, str]]:
    """Path, name and component of packages and of the memory zones below them; psys, core and uncore overlap them."""
    for package in sorted(powercap.glob("intel-rapl:*")):
        name = read_text(package / "name") or ""
        if not name.startswith("package"):
            continue
        yield package, name, "cpu"
        for part in sorted(package.glob("intel-rapl:*:*")):
            if read_text(part / "name") == "dram":
                yield part, f"{name}/dram", "memory"


def _flat(lists: Iterable[list[Zone]]) -> list[Zone]:
    return [zone for zones in lists for zone in zones]
