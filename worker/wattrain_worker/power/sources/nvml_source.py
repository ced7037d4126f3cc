"""Energy of this worker's NVIDIA GPUs, by UUID, from the driver's energy counter or else from its power readings."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Set as AbstractSet
from typing import Any

from wattrain_worker.power.power_source import Interval, Machine, PowerSource, Sample
from wattrain_worker.power.sources.nvml_devices import find_devices, leave_out, visible_gpus
from wattrain_worker.power.sources.nvml_gpu import Gpu


class Source(PowerSource):
    """The counters of this worker's GPUs."""

    def __init__(self, nvml: Any, gpus: list[Gpu]) -> None:
        """`nvml` is the pynvml module, initialized; `close` shuts it down."""
        self._nvml, self._gpus = nvml, gpus

    @classmethod
    def probe(cls, machine: Machine) -> Source | None:
        """The GPUs that this worker may use; None where there are none, or no way to them (said once)."""
        nvml = _start(machine)
        if nvml is None:
            return None
        source = cls(nvml, _find(nvml, machine))
        if not source._gpus:
            source.close()
            return None
        return source

    def read(self, interval: Interval, answered: AbstractSet[str]) -> list[Sample]:
        """A sample for each GPU that has ever answered."""
        samples = (gpu.read(interval) for gpu in self._gpus)
        return [sample for sample in samples if sample is not None]

    def close(self) -> None:
        """Shut the library down."""
        with contextlib.suppress(Exception):
            self._nvml.nvmlShutdown()


def _start(machine: Machine) -> Any:
    """pynvml, initialized; None where there is no NVIDIA GPU, or no way to it (said once)."""
    try:
        library = importlib.import_module("pynvml")
    except ImportError:
        _no_way(machine, "there is an NVIDIA GPU, but not the package nvidia-ml-py; it is not counted")
        return None
    try:
        library.nvmlInit()
    except Exception as error:  # NVML's own and what a mismatched library makes of it
        _no_way(machine, f"there is an NVIDIA GPU, but its management library fails ({error}); it is not counted")
        return None
    return library


def _no_way(machine: Machine, sentence: str) -> None:
    if (machine.root / "dev/nvidiactl").exists() and visible_gpus(machine.environ) != ():
        machine.notices.once("nvml", sentence)
        leave_out(machine, sentence)


def _find(nvml: Any, machine: Machine) -> list[Gpu]:
    try:
        devices = find_devices(nvml, machine)
    except Exception as error:
        sentence = f"the GPUs cannot be listed ({error}); none is counted"
        machine.notices.once("nvml", sentence)
        leave_out(machine, sentence)
        return []
    if any(device.is_module for device in devices):
        machine.notices.once("module", "the GPU's counter covers its CPU as well, so the CPU is not counted on its own")
    return [Gpu(nvml, device, machine) for device in devices]
