"""What a job may draw before anything of it has been measured: the estimate that its reservation begins with."""

from __future__ import annotations

from typing import Final, NamedTuple

from wattrain_api.base import quantity_value
from wattrain_api.names import GPU_PRODUCT_LABEL
from wattrain_api.power_model import GPU_IDLE_RATIO, Watts, cpu_watts, estimate_worker_watts, memory_watts
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_api.workers import Resources

GPU_LIMITS_WATTS: Final = {
    "T4": 70.0, "L4": 72.0, "A10": 150.0, "V100": 300.0, "L40S": 350.0, "A100": 400.0, "H100": 700.0, "H200": 700.0,
    "B200": 1000.0,
}  # fmt: skip
"""W by product, as nodes are labelled with it (nvidia.com/gpu.product). Source: NVIDIA's data sheets, maximum thermal
design power; of the kinds of one product the one with the most."""
UNKNOWN_GPU_WATTS: Final = 1000.0
"""W. Our choice: a GPU of which no product is known is counted as the largest of them."""


def estimated_watts(spec: TrainingJobSpec, cpus: float) -> Watts:
    """Power of all workers of the job. `cpus`: of a worker that names neither a limit nor a request."""
    resources = spec.workers.resources
    gpus = [_gpu_watts(spec)] * gpus_of(resources)
    worker = estimate_worker_watts(resources.cpus() or cpus, resources.memory_bytes() or 0.0, gpus)
    return Watts(*(round(spec.workers.replicas * watts, 1) for watts in worker))


class PowerRange(NamedTuple):
    """Power of all workers of a job, in watts, as the middle of the model has it."""

    idle_watts: float
    most_watts: float
    """All CPUs are busy, and all GPUs at their limits."""


def power_range(spec: TrainingJobSpec, cpus: float) -> PowerRange:
    """Between what the workers draw. `cpus`: of a worker that names neither a limit nor a request."""
    resources, replicas = spec.workers.resources, spec.workers.replicas
    cpus = resources.cpus() or cpus
    memory, gpus = memory_watts(resources.memory_bytes() or 0.0, cpus).mid, _gpu_watts(spec) * gpus_of(resources)
    idle = cpu_watts(cpus, 0.0).mid + memory + GPU_IDLE_RATIO * gpus
    return PowerRange(replicas * idle, replicas * (cpu_watts(cpus, cpus).mid + memory + gpus))


def gpus_of(resources: Resources) -> int:
    """GPUs of a worker; a part of one (nvidia.com/mig-1g.10gb) is counted as a whole, which is the most that it is."""
    amounts = {**resources.requests, **resources.limits}
    return sum(int(quantity_value(amount)) for name, amount in amounts.items() if "gpu" in name or "/mig-" in name)


def _gpu_watts(spec: TrainingJobSpec) -> float:
    product = spec.workers.node_selector.get(GPU_PRODUCT_LABEL, "")
    words = product.replace("_", "-").split("-")
    return next((watts for name, watts in GPU_LIMITS_WATTS.items() if name in words), UNKNOWN_GPU_WATTS)
