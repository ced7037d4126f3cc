"""Which of the machine's NVIDIA GPUs are this worker's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wattrain_worker.power.gaps import Gap
from wattrain_worker.power.power_source import Machine

_MODULE_PRODUCTS: Final = ("GH200",)
"""Products whose counter covers the CPU on the same module as well (NVIDIA Grace Hopper)."""
_MIG: Final = "a GPU is cut into MIG slices, which have no counter of their own; it is not counted"
_ORDER: Final = "a GPU may be another one for NVML than for CUDA, as the GPUs differ; it is not counted"
DEVICE_FILES: Final = "/dev/nvidia"
"""Processes that compute on NVIDIA's GPUs have files open whose paths begin so."""


@dataclass(frozen=True)
class Device:
    """A GPU as NVML lists it."""

    index: int
    uuid: str
    product: str
    partitioned: bool
    """Whether it is cut into MIG slices."""

    @property
    def is_module(self) -> bool:
        """Whether its counter covers a CPU too."""
        return any(product in self.product for product in _MODULE_PRODUCTS)


def find_devices(nvml: Any, machine: Machine) -> list[Device]:
    """This worker's GPUs that have a counter, each once. `nvml` is the pynvml module, initialized."""
    environ = machine.environ
    listed = [_describe(nvml, index, machine) for index in range(nvml.nvmlDeviceGetCount())]
    devices = [device for device in listed if device is not None]
    wanted = visible_gpus(environ)
    if len(devices) < len(listed) and wanted != ():
        leave_out(machine, "a GPU does not answer; it is not counted")
    # NVML counts in the order of the bus. CUDA does where CUDA_DEVICE_ORDER says so, else the fastest is first.
    by_bus = environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    chosen = devices if wanted is None else _choose(wanted, devices, by_bus, machine)
    if any(device.partitioned for device in chosen):
        machine.notices.once("mig", _MIG)
        leave_out(machine, _MIG)
    return [device for device in dict.fromkeys(chosen) if not device.partitioned]


def leave_out(machine: Machine, reason: str) -> None:
    """A GPU of this worker, or one that it may use, is not counted."""
    gap = Gap("gpu", reason)
    if machine.devices_are_given:
        machine.gaps.note(reason, gap)
    else:
        machine.gaps.note_where_used(DEVICE_FILES, gap)


def visible_gpus(environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """The GPUs that this worker may use, as UUIDs or indices; None: all that can be seen.

    NVIDIA's container runtime takes `void` where the devices come another way (CDI), so that says nothing about them.
    An index below 0 ends CUDA's list.
    """
    cuda = environ.get("CUDA_VISIBLE_DEVICES")
    if cuda is None:
        runtime = environ.get("NVIDIA_VISIBLE_DEVICES", "all")
        # Indices of the runtime are the host's, not those that this container counts by.
        tokens = _tokens(runtime)
        if tokens == ("none",):
            return ()
        return tokens if tokens and all(t.startswith(("GPU-", "MIG-")) for t in tokens) else None
    tokens = _tokens(cuda)
    end = next((i for i, t in enumerate(tokens) if t.startswith("-") or t == "NoDevFiles"), len(tokens))
    return tokens[:end]


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(t.strip() for t in text.split(",") if t.strip())


def _choose(wanted: tuple[str, ...], devices: list[Device], by_bus: bool, machine: Machine) -> list[Device]:
    """The devices that `wanted` names. CUDA counts the fastest first, NVML by bus: with unlike GPUs they may differ."""
    notices = machine.notices
    indices_agree = by_bus or len({d.product for d in devices}) <= 1 or len(set(wanted)) >= len(devices)
    chosen = []
    for token in wanted:
        if token.startswith("MIG-"):
            notices.once("mig", _MIG)
            leave_out(machine, _MIG)
        elif token.isdigit() and not indices_agree:
            notices.once(
                "order",
                f"GPU {token} of CUDA_VISIBLE_DEVICES may be another one for NVML, as the GPUs differ; it is not "
                "counted. Set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name GPUs by UUID",
            )
            leave_out(machine, _ORDER)
        else:
            named = [d for d in devices if (d.index == int(token) if token.isdigit() else d.uuid.startswith(token))]
            if len(named) != 1:
                notices.once(token, f"GPU {token!r} of CUDA_VISIBLE_DEVICES is not there; it is not counted")
            chosen += named if len(named) == 1 else []
    return chosen


def _describe(nvml: Any, index: int, machine: Machine) -> Device | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid, product = _text(nvml.nvmlDeviceGetUUID(handle)), _text(nvml.nvmlDeviceGetName(handle))
    except nvml.NVMLError as error:
        machine.notices.once(f"gpu {index}", f"GPU {index} does not answer ({error}); it is not counted")
        return None
    try:
        partitioned = bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError:  # GPUs that know no MIG
        partitioned = False
    return Device(index, uuid, product, partitioned)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
