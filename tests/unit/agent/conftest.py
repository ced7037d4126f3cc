"""A driver that obeys, refuses, lies or dies, for GPUs that a test describes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest


@dataclass
class FakeGpu:
    uuid: str
    limit: int = 700_000
    least: int = 200_000
    most: int = 700_000
    wanted_clock: int = 1980
    """What it would run at."""
    locked: int | None = None
    users: set[int] = field(default_factory=set)
    refuses: bool = False
    lies: bool = False
    """It says that it obeys, and does not."""
    is_lost: bool = False
    joules: float = 0.0

    @property
    def clock(self) -> int:
        return self.wanted_clock if self.locked is None else min(self.wanted_clock, self.locked)


class FakeDriver:
    """What the agent uses of pynvml."""

    NVML_CLOCK_SM = 1

    class NVMLError(Exception):
        pass

    def __init__(self, *gpus: FakeGpu) -> None:
        self.gpus = {gpu.uuid: gpu for gpu in gpus}
        self.dies_after: int | None = None
        """So many changes are made, then the process is killed."""

    def _changes(self, gpu: FakeGpu, no: bool = False) -> bool:
        self._there(gpu)
        if gpu.refuses:
            raise self.NVMLError("Insufficient Permissions")
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                raise KeyboardInterrupt
        return not gpu.lies

    def _there(self, gpu: FakeGpu) -> FakeGpu:
        if gpu.is_lost:
            raise self.NVMLError("GPU is lost")
        return gpu

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:  # noqa: N802
        return list(self.gpus.values())[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeGpu:  # noqa: N802
        return self._there(self.gpus[uuid])

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:  # noqa: N802
        return gpu.uuid

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=pid) for pid in gpu.users]

    def nvmlDeviceGetPowerManagementLimit(self, gpu: FakeGpu) -> int:  # noqa: N802
        return self._there(gpu).limit

    def nvmlDeviceGetPowerManagementLimitConstraints(self, gpu: FakeGpu) -> list[int]:  # noqa: N802
        return [gpu.least, gpu.most]

    def nvmlDeviceSetPowerManagementLimit(self, gpu: FakeGpu, milliwatts: int) -> None:  # noqa: N802
        if self._changes(gpu):
            gpu.limit = milliwatts

    def nvmlDeviceGetClockInfo(self, gpu: FakeGpu, kind: int) -> int:  # noqa: N802
        assert kind == self.NVML_CLOCK_SM
        return self._there(gpu).clock

    def nvmlDeviceSetGpuLockedClocks(self, gpu: FakeGpu, least: int, most: int) -> None:  # noqa: N802
        assert least == 0
        if self._changes(gpu):
            gpu.locked = most

    def nvmlDeviceResetGpuLockedClocks(self, gpu: FakeGpu) -> None:  # noqa: N802
        if self._changes(gpu):
            gpu.locked = None


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver(FakeGpu("GPU-a"), FakeGpu("GPU-b", limit=500_000))
