"""One NVIDIA GPU: what its counter says, how far to trust that, and which part of it is the worker's."""

from __future__ import annotations

from typing import Any, Final

from wattrain_api.power_model import GPU_LIMIT_WATTS, IMPLAUSIBLE_FACTOR, NVML_ERROR, NVML_ERROR_NEWER
from wattrain_worker.power.gaps import Gap
from wattrain_worker.power.meter import Energy
from wattrain_worker.power.power_source import Interval, Machine, Sample
from wattrain_worker.power.sources.nvml_devices import Device

_COUNTER_STEP_SECONDS: Final = 0.2
"""The counter moves in steps of about 0.1 s: an interval may hold so much more than its length."""
_LONGEST_MEAN_SECONDS: Final = 5.0
"""Between two power readings that lie further apart the power is not followed, only bounded."""
_SILENT_SECONDS: Final = 60.0
"""A GPU that has not answered for so long is not counted; its counter may catch up later all the same."""
_NO_ENERGY: Final = Energy(0.0, 0.0, 0.0)
_NO_FIGURE: Final = "a GPU reports neither its energy nor its power; it is not counted"


class Gpu:
    """One GPU and its counter."""

    def __init__(self, nvml: Any, device: Device, machine: Machine) -> None:
        """`nvml` is the pynvml module, initialized."""
        self.uuid = device.uuid
        self._component = "module" if device.is_module else "gpu"
        self._nvml, self._machine, self._notices = nvml, machine, machine.notices
        self._handle: Any = None
        self._counts = True
        self._error = NVML_ERROR_NEWER
        self._last: tuple[float, float] | None = None
        """Monotonic time and value of the last read that worked."""
        self._asked_since: float | None = None

    def read(self, interval: Interval) -> Sample | None:
        """What was spent since the last read that worked; None before the first of these."""
        now_seconds = interval.now_seconds
        since_seconds = now_seconds if self._last is None else self._last[0]
        energy: Energy | None = None
        divided = False
        try:
            if self._handle is None:
                self._handle = self._nvml.nvmlDeviceGetHandleByUUID(self.uuid)
                self._error = self._accuracy()
            energy, divided = self._share(self._advance(now_seconds), interval)
            self._machine.gaps.fill(self.uuid)
            self._asked_since = None
        except self._nvml.NVMLError as error:
            # The handle dies with a reset of the driver, the counter does not: the next read asks anew.
            self._handle = None
            self._not_now(interval, f"does not report its energy now ({error})")
        except Exception as error:  # one GPU that breaks leaves the others
            self._not_now(interval, f"cannot be read now ({type(error).__name__}: {error})")
        if self._last is None:
            return None
        return Sample(self._component, energy, since_seconds, self.uuid, divided)

    def _not_now(self, interval: Interval, what: str) -> None:
        self._notices.once(self.uuid, f"GPU {self.uuid} {what}")
        if self._asked_since is None:
            self._asked_since = interval.now_seconds
        was_counted = self._last is not None
        if not was_counted or interval.now_seconds - self._asked_since >= _SILENT_SECONDS:
            reason = "a GPU does not report its energy any more" if was_counted else _NO_FIGURE
            if self._is_in_use(interval):
                self._machine.gaps.note(self.uuid, Gap(self._component, reason))

    def _is_in_use(self, interval: Interval) -> bool:
        """Whether the worker draws power from it, as far as can be seen."""
        if self._machine.devices_are_given:
            return True
        try:
            handle = self._nvml.nvmlDeviceGetHandleByUUID(self.uuid)
            users = self._users(handle)
        except Exception:
            return True
        return self._cannot_tell(users) or bool(users & (interval.live_pids or frozenset()))

    def _advance(self, now_seconds: float) -> Energy:
        """Energy of the whole GPU since the last call that worked."""
        value = self._value()
        before, self._last = self._last, (now_seconds, value)
        if before is None:
            return _NO_ENERGY
        elapsed = now_seconds - before[0]
        joules = value - before[1] if self._counts else (value + before[1]) / 2 * elapsed
        limit_joules = self._power_limit() * (elapsed + _COUNTER_STEP_SECONDS)
        if joules < 0:  # the driver was reset and its counter began anew: what it had counted until then is lost
            return Energy(0.0, 0.0, limit_joules)
        if joules > IMPLAUSIBLE_FACTOR * limit_joules:
            self._notices.once(f"{self.uuid} implausible", f"GPU {self.uuid} reported more than it can draw; left out")
            return Energy(0.0, 0.0, limit_joules)
        if not self._counts and elapsed > _LONGEST_MEAN_SECONDS:
            return Energy(joules, 0.0, max(joules, limit_joules))
        return Energy(joules, joules * (1 - self._error), joules * (1 + self._error))

    def _value(self) -> float:
        """The counter in joules, or the power in watts where there is no counter (`_counts` says which)."""
        if self._counts:
            try:
                return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
            except self._nvml.NVMLError:
                # Pre-Volta GPUs have no counter. Any other error comes again with the power, and is handled there.
                watts = self._power()
                if self._last is not None:
                    raise
                self._counts = False
                return watts
        return self._power()

    def _power(self) -> float:
        return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1000

    def _power_limit(self) -> float:
        """The most that the GPU may draw. Its limit may be raised at any time, but not above this."""
        limits = []
        with_constraints = self._nvml.nvmlDeviceGetPowerManagementLimitConstraints
        for ask in (lambda handle: with_constraints(handle)[1], self._nvml.nvmlDeviceGetEnforcedPowerLimit):
            try:
                limits.append(float(ask(self._handle)) / 1000)
            except self._nvml.NVMLError:
                continue
        return max(limits, default=GPU_LIMIT_WATTS)

    def _accuracy(self) -> float:
        """How far its readings may be off, as a ratio."""
        try:
            architecture = self._nvml.nvmlDeviceGetArchitecture(self._handle)
        except self._nvml.NVMLError:
            return NVML_ERROR_NEWER
        return NVML_ERROR if architecture <= self._nvml.NVML_DEVICE_ARCH_KEPLER else NVML_ERROR_NEWER

    def _share(self, whole: Energy, interval: Interval) -> tuple[Energy, bool]:
        """The worker's part of `whole`, and whether it was divided by the processes that compute on the GPU."""
        bounded = Energy(whole.joules, 0.0, whole.high)
        try:
            users = self._users(self._handle)
        except self._nvml.NVMLError:
            self._notices.once(
                f"{self.uuid} users",
                f"GPU {self.uuid} does not report who uses it; all of it is counted, although others may use it",
            )
            return bounded, False
        own = self._own(users, interval)
        if own:
            is_alone = own == len(users)
            return (whole if is_alone else Energy(whole.joules * own / len(users), 0.0, whole.high)), True
        if self._cannot_tell(users):
            self._notices.once(
                f"{self.uuid} users",
                f"GPU {self.uuid} is used by processes of another PID namespace, and it cannot be told whether they "
                "are this worker's; all of it is counted, and the low bound is 0",
            )
            return bounded, False
        if not users and self._machine.devices_are_given:  # it idles for nobody else
            return whole, False
        return (Energy(0.0, 0.0, whole.high) if self._machine.devices_are_given else _NO_ENERGY), True

    def _users(self, handle: Any) -> set[int]:
        return {int(process.pid) for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)}

    def _own(self, users: set[int], interval: Interval) -> int:
        """How many of `users` are the worker's."""
        if interval.live_pids is None and self._machine.devices_are_given:
            return sum(map(self._machine.has_process, users))
        return len(users & (interval.live_pids or frozenset()))

    def _cannot_tell(self, users: set[int]) -> bool:
        """Whether `users` are processes of another PID namespace. A container's driver tells the machine's numbers, or
        none at all."""
        if users:
            return not any(map(self._machine.has_process, users))
        return not self._machine.devices_are_given and not self._machine.sees_all_processes
