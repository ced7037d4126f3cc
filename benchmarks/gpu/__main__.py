"""`PYTHONPATH=benchmarks python -m gpu`, as root: what limits of power and of clocks do to the GPU of this machine.

For under five minutes the GPU multiplies matrices: as it is, under three limits of its power, three of its clock, and
both. Of each point it prints what the node agent's code set and read back, the clock and the watts under load, steps a
second and joules a step, and at the end which wins; and the joules that a worker's ledger counts beside those of the
GPU's counter.

Exit code: 0 measured; 1 a point was refused, or the ledger is more than 5 % off; 2 the GPU was not restored; 3 there is
no NVIDIA GPU here, or torch cannot use it: nothing was measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gpu.frontier import Load, Measured, kind_of, measure, points, winner
from wattrain_api.contract.gpu_limit import APPLIED
from wattrain_worker.agent.gpu_control import GpuControl
from wattrain_worker.agent.gpu_limiter import GpuLimiter
from wattrain_worker.agent.kept_settings import KeptSettings
from wattrain_worker.power.power_sampler import PowerSampler

NO_GPU: Final = 3
_SIZE: Final = 8192
_SETTLE_SECONDS: Final = 3.0


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m gpu", description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="of load at each of ten points (default 12)")
    seconds = parser.parse_args().seconds
    nvml = _nvml()
    if isinstance(nvml, str):
        sys.stdout.write(f"nothing was measured: {nvml}\n")
        return NO_GPU
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    control = GpuControl(nvml)
    uuid = control.uuids()[0]
    most, highest = control.power_range(uuid).most / 1000, nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)
    run = _runner(nvml, handle, control, uuid, seconds)
    run()  # warm
    sampler = PowerSampler.from_environment(list)
    sampler.start()
    before = nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
    counted_before = _ledger(sampler)
    with tempfile.TemporaryDirectory() as folder:
        kept = KeptSettings(Path(folder) / "gpus.json")
        limiter = GpuLimiter(control, kept, _say)
        found = []
        for each in measure(limiter, uuid, points(most, highest), run):
            found.append(each)
            _say(line_of(each))
        is_restored = not kept.uuids()
    counter = nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000 - before
    ledger = _ledger(sampler) - counted_before
    sampler.stop()
    for slower in (0.02, 0.1, 1.0):
        best = winner(found, slower)
        _say(f"least joules a step, at most {slower:.0%} slower: {'nothing' if best is None else kind_of(best.point)}")
    _say(f"ledger {ledger:.0f} J, counter {counter:.0f} J: {ledger / counter - 1:+.2%}")
    if not is_restored:
        _say(f"the GPU was NOT restored: nvidia-smi -rgc; nvidia-smi -pl {most:g}")
        return 2
    return int(any(each.state != APPLIED for each in found) or abs(ledger / counter - 1) > 0.05)


def line_of(each: Measured) -> str:
    """A point for a person."""
    if each.state != APPLIED:
        return f"{kind_of(each.point):24} {each.state}: {each.message}"
    limit = "" if each.limit_watts is None else f", limit {each.limit_watts:g} W"
    return (
        f"{kind_of(each.point):24} {each.steps_per_second:8.2f} steps/s {each.joules_per_step:8.2f} J/step "
        f"{each.watts:7.1f} W {each.clock_mhz} MHz{limit}"
    )


def _nvml() -> Any:
    """pynvml, initialized; a text: why nothing can be measured."""
    try:
        import pynvml
    except ImportError as error:
        return f"{error.name} is not installed"
    try:
        pynvml.nvmlInit()
        if not pynvml.nvmlDeviceGetCount():
            return "there is no NVIDIA GPU here"
    except pynvml.NVMLError as error:
        return f"there is no NVIDIA GPU here ({error})"
    import torch

    return pynvml if torch.cuda.is_available() else "torch cannot use the GPU that is here"


def _runner(nvml: Any, handle: Any, control: GpuControl, uuid: str, seconds: float) -> Callable[[], Load]:
    import torch

    left, right = (torch.randn(_SIZE, _SIZE, device="cuda", dtype=torch.bfloat16) for _ in range(2))

    def steps_until(end: float) -> int:
        steps = 0
        while time.monotonic() < end:
            for _ in range(4):
                torch.mm(left, right)
            torch.cuda.synchronize()
            steps += 4
        return steps

    def run() -> Load:
        steps_until(time.monotonic() + _SETTLE_SECONDS)
        start, joules = time.monotonic(), nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
        steps = steps_until(start + seconds / 2)
        clock = control.clock(uuid)
        steps += steps_until(start + seconds)
        spent = nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000 - joules
        return Load(steps, time.monotonic() - start, spent, clock)

    return run


def _ledger(sampler: PowerSampler) -> float:
    time.sleep(1.5)  # the sampler's own period
    return sum(reading.joules for reading in sampler.readings() if reading.source == "nvml")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
