"""Modelled energy of a worker's CPUs and memory, from its CPU time: for where nothing measures."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from wattrain_api.power_model import FALLBACK_UTILIZATION, Watts, cpu_watts, memory_watts
from wattrain_worker.power.idle_share import IdleShare, idle_share
from wattrain_worker.power.meter import Energy
from wattrain_worker.power.power_settings import PowerSettings
from wattrain_worker.power.power_source import Interval, Machine, PowerSource, Sample


class Source(PowerSource):
    """The model of `wattrain_api.power_model`. It always answers."""

    def __init__(self, settings: PowerSettings, share: IdleShare) -> None:
        """`share` says for how many idling CPUs the worker answers."""
        self._settings, self._share = settings, share

    @classmethod
    def probe(cls, machine: Machine) -> Source:
        """The model for the worker's share of the machine."""
        return cls(machine.settings, idle_share(machine))

    def read(self, interval: Interval, answered: AbstractSet[str]) -> list[Sample]:
        """Energy of the CPUs, and of the memory where it draws more than what the watts of the CPUs hold."""
        elapsed = interval.elapsed_seconds
        idle_cpus = self._share.idle_cpus(interval.cpu_seconds, elapsed)
        if elapsed <= 0:
            return []
        since = interval.since_seconds
        settings = self._settings
        high = memory_watts(settings.most_memory_bytes, 0.0).high / settings.workers_here
        if "cpu" in answered:  # the counter of a processor holds no memory
            watts = memory_watts(settings.memory_bytes or self._memory_share(idle_cpus), 0.0)
            watts = watts._replace(high=max(watts.mid, high))
            is_known = settings.memory_bytes > 0 or settings.machine_memory_bytes > 0
            return [Sample("memory", _energy(watts, elapsed), since)] if is_known else []
        memory = memory_watts(settings.memory_bytes, settings.memory_cpus)
        cpu = self._cpus(interval, idle_cpus)
        # The model's watts per CPU hold a server's usual memory, so what memory may draw besides is in their high.
        besides = 0.0 if "memory" in answered else max(0.0, high - memory.mid)
        samples = [Sample("cpu", _energy(cpu._replace(high=cpu.high + besides), elapsed), since)]
        if memory.mid > 0:
            samples.append(Sample("memory", _energy(memory._replace(high=memory.mid), elapsed), since))
        return samples

    def close(self) -> None:
        """Close what the machine's CPU time is read from."""
        self._share.close()

    def _memory_share(self, idle_cpus: float) -> float:
        """Bytes of the machine's memory that the worker answers for where nobody sets any aside: as with idling."""
        return self._settings.machine_memory_bytes * idle_cpus / self._settings.machine_cpus

    def _cpus(self, interval: Interval, idle_cpus: float) -> Watts:
        settings = self._settings
        if interval.cpu_seconds is None:
            low, high = (cpu_watts(idle_cpus, used, settings.most_idle_cpus) for used in (0.0, settings.cpus))
            mid = cpu_watts(idle_cpus, FALLBACK_UTILIZATION * settings.cpus).mid
            return Watts(low.low, mid, high.high)
        used = interval.cpu_seconds / interval.elapsed_seconds
        return cpu_watts(idle_cpus, used, max(used, settings.most_idle_cpus))


def _energy(watts: Watts, seconds: float) -> Energy:
    return Energy(watts.mid * seconds, watts.low * seconds, watts.high * seconds)
