"""Every constant of the power figures, with its unit and where it is from. docs/energy.md shows the same table."""

from __future__ import annotations

from typing import Final, NamedTuple


class Constant(NamedTuple):
    """A number that a figure in watts or joules depends on."""

    value: float
    unit: str
    source: str


_CCF: Final = "Cloud Carbon Footprint, methodology, coefficients for AWS (SPECpower, whole servers)"
_SPREAD: Final = "spread of the published models for one virtual machine at full load: 4.5 to 28 W around 13 W"

MODEL: Final = "vm_linear_v1"
"""Name of the model; another formula or other constants get another name."""

CPU_IDLE_WATTS: Final = Constant(0.74, "W per vCPU", _CCF)
CPU_FULL_WATTS: Final = Constant(3.5, "W per vCPU", _CCF)
FALLBACK_UTILIZATION: Final = Constant(
    0.5, "ratio", "Cloud Carbon Footprint, methodology, where no utilization is known"
)
MEMORY_WATTS: Final = Constant(
    0.392, "W per GB", "Cloud Carbon Footprint, methodology: mean of Crucial (0.375) and Micron (0.4083)"
)
MEMORY_COVERED_GB: Final = Constant(
    4.0, "GB per vCPU", "our assumption: memory of the SPECpower servers, part of the watts per vCPU"
)
MODEL_LOW: Final = Constant(0.35, "factor", _SPREAD)
MODEL_HIGH: Final = Constant(2.2, "factor", _SPREAD)
NVML_ERROR: Final = Constant(
    0.05, "ratio", "NVIDIA, NVML API reference, nvmlDeviceGetPowerUsage: within 5 % of the power drawn"
)
IMPLAUSIBLE_FACTOR: Final = Constant(1.5, "factor", "our choice: more than this times the power limit is no reading")
GPU_LIMIT_WATTS: Final = Constant(3000.0, "W", "our choice: the limit of a GPU that tells none")
PACKAGE_LIMIT_WATTS: Final = Constant(1000.0, "W", "our choice: no processor package draws so much")

CONSTANTS: Final = (
    CPU_IDLE_WATTS, CPU_FULL_WATTS, FALLBACK_UTILIZATION, MEMORY_WATTS, MEMORY_COVERED_GB, MODEL_LOW, MODEL_HIGH,
    NVML_ERROR, IMPLAUSIBLE_FACTOR, GPU_LIMIT_WATTS, PACKAGE_LIMIT_WATTS,
)  # fmt: skip
