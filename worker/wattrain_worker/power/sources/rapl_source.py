"""The share of a worker in what RAPL, the energy counter of Intel's and AMD's processors, measures for the machine.

The counter is measured; dividing it among the processes is not. The share is by CPU time: what this worker used of what
all processes used. Low and high say how far other fair divisions of the same joules lie.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

from wattrain_worker.power.files import read_text
from wattrain_worker.power.meter import Energy
from wattrain_worker.power.node_cpu import NodeCpuTime
from wattrain_worker.power.power_source import Interval, Machine, PowerSource, Sample
from wattrain_worker.power.sources.rapl_zones import Package, Zone, packages_of


class Source(PowerSource):
    """This worker's share of the machine's counters."""

    def __init__(self, zones: dict[str, list[Zone]], machine: Machine) -> None:
        """`zones` by component. OSError or ValueError where /proc/stat cannot be read."""
        self._packages = {component: packages_of(found) for component, found in zones.items()}
        self._notices = machine.notices
        self._reserved_share = min(1.0, machine.settings.cpus / machine.settings.machine_cpus)
        self._node = NodeCpuTime(machine.root)
        self._read_seconds: float | None = None
        self._is_gone = False

    @classmethod
    def probe(cls, machine: Machine) -> Source | None:
        """The counters of this machine, or None: there are none, or they may not be read (said once)."""
        if not machine.knows_cpu_time:
            return None
        zones: dict[str, list[Zone]] = {"cpu": [], "memory": []}
        try:
            for path, name, component in _zone_paths(machine.root / "sys/class/powercap"):
                zones[component].append(Zone(path, name))
            if zones["cpu"]:
                return cls({component: found for component, found in zones.items() if found}, machine)
        except (OSError, ValueError) as error:
            machine.notices.once(
                "rapl",
                f"the CPU's energy counter cannot be read ({error}); CPU power is modelled. On a machine of your own, "
                "let your user read energy_uj below /sys/class/powercap",
            )
        for found in zones.values():
            for zone in found:
                zone.close()
        return None

    def read(self, interval: Interval, answered: AbstractSet[str]) -> list[Sample]:
        """Energy of the CPUs and, where it has counters, of the memory; nothing where CPU time is not known."""
        if self._is_gone:
            return []
        since_seconds = interval.since_seconds if self._read_seconds is None else self._read_seconds
        # The first interval begins before its counters were first read: what they have counted since is not all of it.
        own_seconds = None if self._read_seconds is None else interval.cpu_seconds
        try:
            energies = self._advance(own_seconds, interval.now_seconds - since_seconds)
        except (OSError, ValueError) as error:
            self._notices.once(
                "rapl", f"the CPU's energy counter went away ({error}); CPU power is modelled from now on"
            )
            self._is_gone = True
            self.close()
            return []
        self._read_seconds = interval.now_seconds
        return [Sample(component, energy, since_seconds) for component, energy in energies.items()]

    def close(self) -> None:
        """Close its files."""
        self._node.close()
        for packages in self._packages.values():
            for package in packages:
                package.close()

    def _advance(self, own_seconds: float | None, elapsed_seconds: float) -> dict[str, Energy]:
        """Energy by component since the last call; empty where `own_seconds`, the CPU time used, is not known."""
        busy, idle = self._node.advance()
        whole = {component: self._whole(packages, elapsed_seconds) for component, packages in self._packages.items()}
        if own_seconds is None:
            return {}
        return {c: _share(e, own_seconds, busy, idle, self._reserved_share) for c, e in whole.items()}

    def _whole(self, packages: list[Package], elapsed_seconds: float) -> Energy:
        """Energy of the machine's `packages` since the last call."""
        parts = [package.advance(elapsed_seconds) for package in packages]
        if any(not part.plausible for part in parts):
            self._notices.once("rapl limit", "the CPU's energy counter reported more than a CPU can draw; left out")
        return Energy(*(sum(part.energy[i] for part in parts) for i in range(3)))


def _share(whole: Energy, own: float, busy: float, idle: float, reserved_share: float) -> Energy:
    """The worker's part of `whole`, by the three divisions of `attribute`."""
    low, middle, high = (attribute(j, own, busy, idle, reserved_share) for j in (whole.low, whole.joules, whole.high))
    return Energy(middle.joules, low.low, high.high)


def attribute(joules: float, own: float, busy: float, idle: float, reserved_share: float) -> Energy:
    """The part of a machine's `joules` that a worker with `own` of its `busy` and `idle` CPU seconds answers for.

    Middle: by CPU time, idle power included. Low: by CPU time, of the active part alone, so that no worker answers for
    idling (Kepler's division, active = total x busy / (busy + idle)). High: the idle part by reserved CPUs instead,
    where that is more.
    """
    if busy <= 0:
        return Energy(0.0, 0.0, joules * reserved_share)
    share = min(1.0, max(0.0, own) / busy)
    active = min(joules, joules * busy / (busy + max(0.0, idle)))  # min: rounding
    middle, low = share * joules, share * active
    return Energy(middle, low, max(middle, low + reserved_share * (joules - active)))


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
