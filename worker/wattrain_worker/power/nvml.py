"""Energy of this worker's NVIDIA GPUs, by UUID, from the driver's energy counter or else from its power readings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wattrain_worker.power.constants import GPU_LIMIT_WATTS, IMPLAUSIBLE_FACTOR, NVML_ERROR
from wattrain_worker.power.notices import Notices
from wattrain_worker.power.reading import Energy, Meter, Reading

_COUNTER_STEP_SECONDS = 0.2
"""The counter moves in steps of about 0.1 s: an interval may hold so much more than its length."""
_MODULE_PRODUCTS = ("GH200",)
"""Products whose counter covers the CPU on the same module as well (NVIDIA Grace Hopper)."""

_MIG = "a GPU is cut into MIG slices, which have no counter of their own; it is not counted"


class Gpu:
    """One GPU and its meter."""

    def __init__(self, nvml: Any, uuid: str, module: bool, notices: Notices, now_seconds: float) -> None:
        """`nvml` is the pynvml module; `module`: the counter covers a CPU too."""
        self.uuid, self.module = uuid, module
        self.dropped = 0
        """Intervals that the GPU cannot have drawn."""
        self._nvml, self._notices = nvml, notices
        self._handle: Any = None
        self._counts = True
        self._limit_watts = GPU_LIMIT_WATTS.value
        self._last: tuple[float, float] | None = None
        self._meter = Meter("module" if module else "gpu", uuid, "nvml", now_seconds)
        self._answered = False

    def update(self, now_seconds: float, live_pids: set[int] | None) -> None:
        """Count what was spent since the last call. `live_pids`: count only what these processes use; None: all."""
        try:
            if self._handle is None:
                self._handle = self._nvml.nvmlDeviceGetHandleByUUID(self.uuid)
                self._limit_watts = self._power_limit()
            joules = self._advance(now_seconds)
            energy = self._share(joules, live_pids)
        except self._nvml.NVMLError as error:
            # The handle dies with a reset of the driver, the joules so far do not; the next look asks anew.
            self._handle = None
            self._notices.once(self.uuid, f"GPU {self.uuid} does not tell its energy now ({error})")
            return
        self._answered = True
        self._meter.add(energy, now_seconds)

    def readings(self) -> list[Reading]:
        """Its meter, once the GPU has answered."""
        return [self._meter.reading()] if self._answered else []

    def _advance(self, now_seconds: float) -> float:
        """Joules since the last call that worked."""
        value = self._read()
        before, self._last = self._last, (now_seconds, value)
        if before is None:
            return 0.0
        elapsed = now_seconds - before[0]
        joules = value - before[1] if self._counts else (value + before[1]) / 2 * elapsed
        if joules < 0:  # the driver was reset and its counter began anew
            return 0.0
        if joules > IMPLAUSIBLE_FACTOR.value * self._limit_watts * (elapsed + _COUNTER_STEP_SECONDS):
            self.dropped += 1
            self._notices.once(f"{self.uuid} implausible", f"GPU {self.uuid} told more than it can draw; left out")
            return 0.0
        return joules

    def _read(self) -> float:
        """The counter in joules, or the power in watts where there is no counter (`_counts` says which)."""
        if self._counts:
            try:
                return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
            except self._nvml.NVMLError:
                # Pre-Volta GPUs have no counter. Any other error comes again with the power, and is told there.
                watts = self._power()
                if self._last is not None:
                    raise
                self._counts = False
                return watts
        return self._power()

    def _power(self) -> float:
        return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1000

    def _power_limit(self) -> float:
        try:
            return float(self._nvml.nvmlDeviceGetEnforcedPowerLimit(self._handle)) / 1000
        except self._nvml.NVMLError:
            return GPU_LIMIT_WATTS.value

    def _share(self, joules: float, live_pids: set[int] | None) -> Energy:
        """The worker's part of `joules`: all, or by the number of processes that compute on the GPU."""
        all_of_it = Energy(joules, joules * (1 - NVML_ERROR.value), joules * (1 + NVML_ERROR.value))
        if live_pids is None:
            return all_of_it
        try:
            users = {int(p.pid) for p in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)}
        except self._nvml.NVMLError:
            self._notices.once(f"{self.uuid} users", f"GPU {self.uuid} does not tell who uses it; all of it is counted")
            return all_of_it
        own = len(users & live_pids)
        if own == len(users) and own:
            return all_of_it
        return Energy(joules * own / len(users), 0.0, all_of_it.high) if own else Energy(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Device:
    """A GPU as NVML lists it."""

    index: int
    uuid: str
    product: str
    partitioned: bool
    """Whether it is cut into MIG slices."""


def find(
    nvml: Any, wanted: tuple[str, ...] | None, by_bus: bool, notices: Notices, clock: Callable[[], float]
) -> list[Gpu]:
    """This worker's GPUs, each once. `nvml` has been initialized; `wanted` are UUIDs or indices, None: all."""
    listed = (_describe(nvml, index, notices) for index in range(nvml.nvmlDeviceGetCount()))
    devices = [device for device in listed if device is not None]
    chosen = devices if wanted is None else _choose(wanted, devices, by_bus, notices)
    now, found = clock(), []
    for device in dict.fromkeys(chosen):
        if device.partitioned:
            notices.once("mig", _MIG)
        else:
            module = any(product in device.product for product in _MODULE_PRODUCTS)
            found.append(Gpu(nvml, device.uuid, module, notices, now))
    return found


def _choose(wanted: tuple[str, ...], devices: list[Device], by_bus: bool, notices: Notices) -> list[Device]:
    """The devices that `wanted` names. CUDA counts the fastest first, NVML by bus: with unlike GPUs they may differ."""
    indices_agree = by_bus or len({d.product for d in devices}) <= 1 or len(set(wanted)) >= len(devices)
    chosen = []
    for token in wanted:
        if token.startswith("MIG-"):
            notices.once("mig", _MIG)
        elif token.isdigit() and not indices_agree:
            notices.once(
                "order",
                f"GPU {token} of CUDA_VISIBLE_DEVICES may be another one for NVML, as the GPUs differ; it is not "
                "counted. Set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name GPUs by UUID",
            )
        else:
            named = [d for d in devices if (d.index == int(token) if token.isdigit() else d.uuid.startswith(token))]
            if len(named) != 1:
                notices.once(token, f"GPU {token!r} of CUDA_VISIBLE_DEVICES is not there; it is not counted")
            chosen += named if len(named) == 1 else []
    return chosen


def _describe(nvml: Any, index: int, notices: Notices) -> Device | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid, product = _text(nvml.nvmlDeviceGetUUID(handle)), _text(nvml.nvmlDeviceGetName(handle))
    except nvml.NVMLError as error:
        notices.once(f"gpu {index}", f"GPU {index} does not answer ({error}); it is not counted")
        return None
    try:
        partitioned = bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError:  # GPUs that know no MIG
        partitioned = False
    return Device(index, uuid, product, partitioned)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
