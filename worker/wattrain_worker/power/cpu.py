"""Energy of a worker's CPUs and memory: its share of the machine's counters, or else the model."""

from __future__ import annotations

from wattrain_worker.power.constants import FALLBACK_UTILIZATION
from wattrain_worker.power.cpu_time import CpuTime
from wattrain_worker.power.model import cpu_watts, memory_watts, with_band
from wattrain_worker.power.notices import Notices
from wattrain_worker.power.rapl import Rapl
from wattrain_worker.power.reading import Energy, Meter, Reading


class CpuPower:
    """Meters of `cpu` and `memory`. In any interval each component is counted by one source alone."""

    def __init__(
        self, cpu_time: CpuTime | None, rapl: Rapl | None, cpus: float, memory_bytes: float, notices: Notices
    ) -> None:
        """`cpus` that the worker may use and `memory_bytes` that it asked for (0: unknown) are for the model."""
        self._cpu_time, self._rapl = cpu_time, rapl
        self._cpus, self._memory_bytes = cpus, memory_bytes
        self._notices = notices
        self._last_seconds: float | None = None
        self._last_cpu_seconds: float | None = None
        self._meters: dict[tuple[str, str], Meter] = {}

    def update(self, now_seconds: float) -> None:
        """Count what has been spent since the last call, up to the monotonic time `now_seconds`."""
        cpu_seconds = self._cpu_time.seconds() if self._cpu_time else None
        last, last_cpu = self._last_seconds, self._last_cpu_seconds
        self._last_seconds, self._last_cpu_seconds = now_seconds, cpu_seconds
        if last is None:
            return
        elapsed = now_seconds - last
        own = None if cpu_seconds is None or last_cpu is None else max(0.0, cpu_seconds - last_cpu)
        measured = self._measured(own, elapsed)
        for component, energy in self._modelled(own, elapsed, "cpu" in measured).items():
            if component not in measured:
                self._add(component, "model", energy, last, now_seconds)
        for component, energy in measured.items():
            self._add(component, "rapl", energy, last, now_seconds)

    def readings(self) -> list[Reading]:
        """All meters that have counted anything."""
        return [meter.reading() for meter in self._meters.values()]

    def close(self) -> None:
        """Close all files."""
        for source in (self._cpu_time, self._rapl):
            if source is not None:
                source.close()

    def _measured(self, own_seconds: float | None, elapsed_seconds: float) -> dict[str, Energy]:
        if self._rapl is None:
            return {}
        try:
            shares = self._rapl.advance(own_seconds, elapsed_seconds)
            if self._rapl.dropped:
                self._notices.once("rapl limit", "the CPU's energy counter told more than a CPU can draw; left out")
            return shares
        except (OSError, ValueError) as error:
            self._notices.once(
                "rapl", f"the CPU's energy counter went away ({error}); CPU power is modelled from now on"
            )
            self._rapl.close()
            self._rapl = None
            return {}

    def _modelled(self, own_seconds: float | None, elapsed_seconds: float, cpu_is_measured: bool) -> dict[str, Energy]:
        utilization = FALLBACK_UTILIZATION.value
        if own_seconds is not None and elapsed_seconds > 0:
            utilization = own_seconds / (self._cpus * elapsed_seconds)
        # The model's watts per CPU hold a server's usual memory; a package counter does not.
        memory = memory_watts(self._memory_bytes, 0.0 if cpu_is_measured else self._cpus)
        found = {"cpu": with_band(cpu_watts(self._cpus, utilization) * elapsed_seconds)}
        if memory > 0:
            found["memory"] = with_band(memory * elapsed_seconds)
        return found

    def _add(self, component: str, source: str, energy: Energy, since_seconds: float, now_seconds: float) -> None:
        key = (component, source)
        if key not in self._meters:
            self._meters[key] = Meter(component, "", source, since_seconds)
        self._meters[key].add(energy, now_seconds)
