"""Watts of a worker without any counter, and every constant that a figure in watts or joules depends on.

The model is called `vm_linear_v2`; another formula or other constants get another name:

    CPU watts    = idle CPUs x CPU_IDLE_WATTS + used CPUs x (CPU_FULL_WATTS - CPU_IDLE_WATTS)
    memory watts = max(0, GB - MEMORY_COVERED_GB x idle CPUs) x MEMORY_WATTS

with the CPUs whose idling the worker answers for, the CPU seconds that it used a second, and 1 GB = 1e9 bytes. Low and
high have constants of their own, so that between them lies what published models say of the same work. docs/energy.md
shows the constants and how they were found.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

CPU_IDLE_WATTS: Final = 0.74
"""W per vCPU. Cloud Carbon Footprint, methodology, coefficients for AWS (SPECpower, whole servers)."""
CPU_FULL_WATTS: Final = 3.5
"""W per vCPU. Cloud Carbon Footprint, methodology, coefficients for AWS (SPECpower, whole servers)."""
FALLBACK_UTILIZATION: Final = 0.5
"""Ratio. Cloud Carbon Footprint, methodology, where no utilization is known."""
MEMORY_WATTS: Final = 0.392
"""W per GB. Cloud Carbon Footprint, methodology: mean of Crucial (0.375) and Micron (0.4083)."""
MEMORY_COVERED_GB: Final = 4.0
"""GB per vCPU. Our assumption: memory of the SPECpower servers, which is part of the watts per vCPU."""
CPU_ACTIVE_LOW_WATTS: Final = 1.27
"""W a used CPU. The least of Cloud Carbon Footprint's architectures, maximum - minimum: EPYC 2nd Gen, 1.672 - 0.402."""
CPU_ACTIVE_HIGH_WATTS: Final = 6.09
"""W a used CPU. The most of Cloud Carbon Footprint's architectures since 2016: Coffee Lake, 7.758 - 1.667."""
CPU_IDLE_HIGH_WATTS: Final = 1.67
"""W per vCPU. The same architecture when it idles. The least is 0: some models charge no worker for idling."""
MEMORY_HIGH_WATTS: Final = 10.0
"""W. CodeCarbon 3, RAM model: at least two modules of 5 W, however little memory is used."""
MEMORY_HIGH_WATTS_PER_GB: Final = 0.625
"""W per GB. With MEMORY_HIGH_WATTS a line above the steps of CodeCarbon's model, such as four modules from 16 GB on."""
GPU_IDLE_RATIO: Final = 0.115
"""Share of the power limit. Cloud Carbon Footprint, methodology: idle / maximum of T4, V100, A100, A10G and P100 is
8/71, 35/306, 46/407, 18/153 and 36/306 W; their mean."""
GPU_TYPICAL_RATIO: Final = 0.7
"""Share of the power limit. Our computation from the training traces that Zeus publishes (NSDI 2023): power drawn /
power limit is 0.71 for V100, 0.68 for A40, 0.74 for RTX 6000 and 0.48 for P100; their median, rounded."""
NVML_ERROR: Final = 0.05
"""Ratio. NVIDIA, NVML API reference, nvmlDeviceGetPowerUsage: within 5 % of the power drawn, on Fermi and Kepler."""
NVML_ERROR_NEWER: Final = 0.35
"""Ratio, for all newer GPUs. Yang, Adamek and Armour, "Accurate and Convenient Energy Measurements for GPUs" (SC24;
arXiv 2312.02741): on A100 and H100 the sensor samples 25 % of the time, and corrected readings were 35 % nearer to an
external meter on average. Ours are not corrected."""
IMPLAUSIBLE_FACTOR: Final = 1.5
"""Factor. Our choice: more than this times the power limit is no reading."""
GPU_LIMIT_WATTS: Final = 3000.0
"""W. Our choice: the limit of a GPU that reports none, for the check of readings."""
PACKAGE_LIMIT_WATTS: Final = 1000.0
"""W. Our choice: no processor package draws so much."""


class Watts(NamedTuple):
    """Power in watts, with low <= mid <= high."""

    low: float
    mid: float
    high: float


def cpu_watts(idle_cpus: float, used_cpus: float, most_idle_cpus: float = 0.0) -> Watts:
    """Power of a worker's CPUs.

    `idle_cpus` are those whose idling it answers for, `used_cpus` the CPU seconds that it uses a second, whatever it
    may use by its limit. `most_idle_cpus`: for how many it would answer by any other rule. The coefficients are a whole
    server's watts per vCPU, so fans, disks and the usual memory are in them.
    """
    active_watts = CPU_FULL_WATTS - CPU_IDLE_WATTS
    return Watts(
        used_cpus * CPU_ACTIVE_LOW_WATTS,
        idle_cpus * CPU_IDLE_WATTS + used_cpus * active_watts,
        max(idle_cpus, most_idle_cpus) * CPU_IDLE_HIGH_WATTS + used_cpus * CPU_ACTIVE_HIGH_WATTS,
    )


def memory_watts(memory_bytes: float, cpus_with_memory: float) -> Watts:
    """Power of the memory. Low leaves it out, the middle what the watts of `cpus_with_memory` CPUs already cover;
    high counts all of it besides."""
    gigabytes = memory_bytes / 1e9
    beyond = max(0.0, gigabytes - MEMORY_COVERED_GB * cpus_with_memory)
    return Watts(0.0, beyond * MEMORY_WATTS, MEMORY_HIGH_WATTS + gigabytes * MEMORY_HIGH_WATTS_PER_GB)


def estimate_worker_watts(cpus: float, memory_bytes: float, gpu_limits_watts: Iterable[float] = ()) -> Watts:
    """What a worker will draw that has not started, from what it may use.

    `cpus` is its CPU limit and request, `memory_bytes` its memory request (0: unknown), `gpu_limits_watts` has the
    power limit of each of its GPUs. Low: all of it idles. Mid: the CPUs are half busy (FALLBACK_UTILIZATION), the GPUs
    draw what trainings usually draw. High: the CPUs are busy, the GPUs are at their limits. What the worker's model
    counts later lies between low and high as long as it uses no more CPUs than that.
    """
    memory, limits_watts = memory_watts(memory_bytes, cpus), sum(gpu_limits_watts)
    return Watts(
        cpu_watts(cpus, 0.0).low + memory.low + GPU_IDLE_RATIO * limits_watts,
        cpu_watts(cpus, FALLBACK_UTILIZATION * cpus).mid + memory.mid + GPU_TYPICAL_RATIO * limits_watts,
        cpu_watts(cpus, cpus).high + memory.high + limits_watts,
    )
