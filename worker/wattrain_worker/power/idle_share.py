"""For how many of a machine's CPUs a worker answers while they idle, so that nobody's idling is counted twice."""

from __future__ import annotations

import contextlib
from typing import Protocol

from wattrain_worker.power.node_cpu import NodeCpuTime
from wattrain_worker.power.power_source import Machine


class IdleShare(Protocol):
    """A rule by which the idling of a machine is divided."""

    def idle_cpus(self, cpu_seconds: float | None, elapsed_seconds: float) -> float:
        """CPUs whose idling the worker answers for, from the last call until now; it used `cpu_seconds`."""
        ...

    def close(self) -> None:
        """Close its files."""
        ...


class ByRequest:
    """What the worker requested: the scheduler sets no more aside than a machine has."""

    def __init__(self, cpus: float) -> None:
        self._cpus = cpus

    def idle_cpus(self, cpu_seconds: float | None, elapsed_seconds: float) -> float:
        """The request."""
        return self._cpus

    def close(self) -> None:
        """There is nothing to close."""


class ByUse:
    """By CPU time, of what all processes of the machine use: where nobody sets anything aside."""

    def __init__(self, machine_cpus: int, node: NodeCpuTime | None) -> None:
        """`node` is None where the machine does not tell its CPU time: then by CPU time of what it could be."""
        self._machine_cpus, self._node = machine_cpus, node

    def idle_cpus(self, cpu_seconds: float | None, elapsed_seconds: float) -> float:
        """The machine's CPUs x the worker's CPU time / that of all."""
        all_seconds = self._machine_cpus * elapsed_seconds
        if self._node is not None:
            with contextlib.suppress(OSError, ValueError):
                all_seconds = self._node.advance().busy
        if not cpu_seconds or all_seconds <= 0:
            return 0.0
        return self._machine_cpus * min(1.0, cpu_seconds / all_seconds)

    def close(self) -> None:
        """Close its file."""
        if self._node is not None:
            self._node.close()


def idle_share(machine: Machine) -> IdleShare:
    """The rule for this worker."""
    settings = machine.settings
    if settings.requested_cpus is not None:
        return ByRequest(min(settings.requested_cpus, float(settings.machine_cpus)))
    try:
        return ByUse(settings.machine_cpus, NodeCpuTime(machine.root))
    except (OSError, ValueError):
        return ByUse(settings.machine_cpus, None)
