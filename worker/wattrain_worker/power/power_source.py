"""The protocol of a power source. How to add one: docs/energy.md, "Adding a source"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from wattrain_worker.power.gaps import Gaps
from wattrain_worker.power.meter import Energy
from wattrain_worker.power.power_notices import Notices
from wattrain_worker.power.power_settings import PowerSettings

_INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC
"""PROC_PID_INIT_INO of Linux (include/linux/proc_ns.h)."""


@dataclass(frozen=True)
class Machine:
    """Where a source finds out whether it can measure here."""

    root: Path
    """Root of the file system."""
    environ: Mapping[str, str]
    settings: PowerSettings
    knows_cpu_time: bool
    """Whether intervals have the CPU time that the worker used."""
    notices: Notices
    """For what its user should know: each thing is said once."""
    gaps: Gaps
    """For what is not counted: it makes the worker's figure incomplete."""
    devices_are_given: bool
    """Whether the devices that are there have been given to this worker, as in a pod; else it may use them or not, as
    others may."""

    @property
    def sees_all_processes(self) -> bool:
        """Whether this is the machine's first PID namespace, in which every process has its number."""
        try:
            return str((self.root / "proc/self/ns/pid").readlink()) == f"pid:[{_INITIAL_PID_NAMESPACE}]"
        except OSError:
            return True

    def has_process(self, pid: int) -> bool:
        """Whether there is a process of that number in this PID namespace."""
        return (self.root / "proc" / str(pid)).exists()


@dataclass(frozen=True)
class Interval:
    """The time between two reads, and what the worker used in it."""

    since_seconds: float
    """Monotonic time of the read before; at the first read `now_seconds`, or the time of the start of this
    process, before any source was opened."""
    now_seconds: float
    cpu_seconds: float | None
    """CPU time of the worker in it, at the first read all that it has used; None: not known."""
    live_pids: AbstractSet[int] | None
    """The worker's processes; None: not known."""

    @property
    def elapsed_seconds(self) -> float:
        """Its length."""
        return self.now_seconds - self.since_seconds


class Sample(NamedTuple):
    """Energy of one component, or of one device of it, from `since_seconds` until now."""

    component: str
    """One of those in the source's row of `wattrain_api.power_sources`."""
    energy: Energy | None
    """None: it cannot be read now, but a later sample will contain it. The component stays with this source."""
    since_seconds: float
    """Monotonic time from which the energy counts: a counter that was away for a while reaches back further than the
    interval."""
    device: str = ""
    """UUID of a GPU; empty where the component has no devices."""
    divided: bool = False
    """Whether it is the worker's share of a device, by processes; else all of the device counts."""


class PowerSource(Protocol):
    """Something that measures or computes the energy of components of this worker.

    Its row in `wattrain_api.power_sources` says which components. All calls come from one thread at a time. An
    exception of any of them is said once and gone on from: the source has then not answered.
    """

    @classmethod
    def probe(cls, machine: Machine) -> PowerSource | None:
        """The opened source; None where it cannot measure here. What its user could mend is said on the notices."""
        ...

    def read(self, interval: Interval, answered: AbstractSet[str]) -> Sequence[Sample]:
        """What was spent since the last read; nothing for what cannot be read.

        `answered` are the components that sources before this one have counted in the interval. Samples of these are
        dropped, and so are samples that reach back into time that another source has counted. Every source is read
        once an interval all the same, so that its counters go on.
        """
        ...

    def close(self) -> None:
        """Close all files and libraries. There is no read afterwards."""
        ...
