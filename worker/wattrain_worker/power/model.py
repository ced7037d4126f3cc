"""vm_linear_v1: watts of a share of a server without any counter, from its CPUs, their utilization and memory."""

from __future__ import annotations

from wattrain_worker.power.constants import (
    CPU_FULL_WATTS,
    CPU_IDLE_WATTS,
    MEMORY_COVERED_GB,
    MEMORY_WATTS,
    MODEL_HIGH,
    MODEL_LOW,
)
from wattrain_worker.power.reading import Energy


def cpu_watts(cpus: float, utilization: float) -> float:
    """cpus x (idle + utilization x (full - idle)), with utilization from 0 to 1.

    The coefficients are a whole server's watts per vCPU, so fans, disks and the usual memory are in them. Formula and
    coefficients: Cloud Carbon Footprint.
    """
    clamped = min(1.0, max(0.0, utilization))
    return cpus * (CPU_IDLE_WATTS.value + clamped * (CPU_FULL_WATTS.value - CPU_IDLE_WATTS.value))


def memory_watts(memory_bytes: float, cpus_with_memory: float) -> float:
    """Watts of the memory beyond what the watts of `cpus_with_memory` CPUs already cover; 1 GB is 1e9 bytes."""
    beyond_gb = memory_bytes / 1e9 - MEMORY_COVERED_GB.value * cpus_with_memory
    return max(0.0, beyond_gb) * MEMORY_WATTS.value


def with_band(joules: float) -> Energy:
    """`joules` of the model with the band that the published models spread over."""
    return Energy(joules, joules * MODEL_LOW.value, joules * MODEL_HIGH.value)
