"""Power limit and SM clock of a GPU, by NVML: what is set is read back, and what does not hold is an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

_SAME_MILLIWATTS: Final = 1000
"""Drivers round a limit."""
_CLOCK_STEP_MHZ: Final = 15
"""Clocks of NVIDIA's GPUs come in steps of 7.5 or 15 MHz."""
_SETTLE_SECONDS: Final = 2.0
"""So long a GPU may run above the clock that it was locked to. Our choice."""
_LOOK_SECONDS: Final = 0.1


class GpuRefusedError(Exception):
    """A GPU cannot be limited, or did not hold what was set: why, and what to do."""


class PowerRange(NamedTuple):
    """Power limits that a GPU takes, in milliwatts."""

    least: int
    most: int


class GpuControl:
    """The settings of a machine's GPUs. GpuRefusedError: the driver does not do it, or says so and has not."""

    def __init__(self, nvml: Any, sleep: Callable[[float], None] = time.sleep) -> None:
        """`nvml` is the pynvml module, initialized."""
        self._nvml, self._sleep = nvml, sleep

    def uuids(self) -> list[str]:
        """All GPUs that answer."""
        nvml, found = self._nvml, []
        try:
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            raise GpuRefusedError(f"the driver does not list its GPUs ({error})") from None
        for index in range(count):
            try:
                uuid = nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(index))
            except nvml.NVMLError:
                continue
            found.append(uuid.decode() if isinstance(uuid, bytes) else str(uuid))
        return found

    def users(self, uuid: str) -> set[int]:
        """Processes that compute on a GPU, by their numbers of the machine."""
        listed = self._ask(uuid, "say who uses it", self._nvml.nvmlDeviceGetComputeRunningProcesses)
        return {int(process.pid) for process in listed}

    def limit(self, uuid: str) -> int:
        """The power limit, in milliwatts."""
        return int(self._ask(uuid, "say its power limit", self._nvml.nvmlDeviceGetPowerManagementLimit))

    def power_range(self, uuid: str) -> PowerRange:
        """What it takes as a power limit."""
        least, most = self._ask(uuid, "say its power limits", self._nvml.nvmlDeviceGetPowerManagementLimitConstraints)
        return PowerRange(int(least), int(most))

    def clock(self, uuid: str) -> int:
        """The SM clock that it runs at now, in MHz."""
        nvml = self._nvml
        return int(self._ask(uuid, "say its clock", lambda h: nvml.nvmlDeviceGetClockInfo(h, nvml.NVML_CLOCK_SM)))

    def set_limit(self, uuid: str, milliwatts: int) -> None:
        """Set the power limit, and see that it is set."""
        nvml = self._nvml
        self._ask(uuid, "take a power limit", lambda h: nvml.nvmlDeviceSetPowerManagementLimit(h, milliwatts))
        seen = self.limit(uuid)
        if abs(seen - milliwatts) > _SAME_MILLIWATTS:
            raise GpuRefusedError(
                f"GPU {uuid} was set to {milliwatts / 1000:g} W and says {seen / 1000:g} W; another program may set it"
            )

    def lock_clock(self, uuid: str, mhz: int) -> None:
        """Let no SM clock be higher, and see that none is. The driver has no way to say what is locked."""
        nvml = self._nvml
        self._ask(uuid, "lock its clock", lambda h: nvml.nvmlDeviceSetGpuLockedClocks(h, 0, mhz))
        for _ in range(round(_SETTLE_SECONDS / _LOOK_SECONDS)):
            if not self.runs_above(uuid, mhz):
                return
            self._sleep(_LOOK_SECONDS)
        raise GpuRefusedError(f"GPU {uuid} was locked to {mhz} MHz and runs at {self.clock(uuid)} MHz")

    def runs_above(self, uuid: str, mhz: int) -> bool:
        """Whether it runs at a higher SM clock than a lock to `mhz` allows."""
        return self.clock(uuid) > mhz + _CLOCK_STEP_MHZ

    def reset_clock(self, uuid: str) -> None:
        """Lock its clock no longer."""
        self._ask(uuid, "reset its clock", self._nvml.nvmlDeviceResetGpuLockedClocks)

    def _ask(self, uuid: str, what: str, question: Callable[[Any], Any]) -> Any:
        try:
            return question(self._nvml.nvmlDeviceGetHandleByUUID(uuid))
        except self._nvml.NVMLError as error:
            raise GpuRefusedError(f"GPU {uuid} does not {what} ({error}); see that the agent runs as root") from None
