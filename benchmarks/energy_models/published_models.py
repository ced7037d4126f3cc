"""What published models say of a piece of work, in joules. Standard library only.

Each function takes the work alone; its constants are those of the source that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple


class Work(NamedTuple):
    """A piece of work on CPUs."""

    cpu_seconds: float
    wall_seconds: float
    cpus: float
    """CPUs that are allocated to it."""
    memory_gb: float
    """Memory that is allocated to it, in units of 1e9 bytes."""

    @property
    def utilization(self) -> float:
        """Of its CPUs, from 0 to 1."""
        return min(1.0, self.cpu_seconds / (self.cpus * self.wall_seconds))


def cloud_carbon_footprint(work: Work, min_watts: float, max_watts: float, *, with_memory: bool) -> float:
    """Cloud Carbon Footprint, methodology: vCPU-hours x (min + utilization x (max - min)), and 0.392 W a GB of memory
    (with_memory: all of it, else as much as the watts of the CPUs hold)."""
    cpu_watts = work.cpus * (min_watts + work.utilization * (max_watts - min_watts))
    return (cpu_watts + (0.392 * work.memory_gb if with_memory else 0.0)) * work.wall_seconds


def teads(work: Work, tdp_watts_per_thread: float) -> float:
    """Teads' curve, as the Impact Framework has it: a share of the TDP at 0, 10, 50 and 100 % load, interpolated."""
    loads, factors = (0.0, 0.1, 0.5, 1.0), (0.12, 0.32, 0.75, 1.02)
    u = work.utilization
    i = next(i for i in range(3) if u <= loads[i + 1])
    factor = factors[i] + (u - loads[i]) / (loads[i + 1] - loads[i]) * (factors[i + 1] - factors[i])
    return work.cpus * tdp_watts_per_thread * factor * work.wall_seconds


def codecarbon_process(work: Work, watts_per_thread: float = 4.0) -> float:
    """CodeCarbon 3.3, tracking_mode="process", mode cpu_load: TDP x load, 4 W a thread where the processor is not
    known, and its RAM model."""
    return watts_per_thread * work.cpu_seconds + codecarbon_ram_watts(work.memory_gb) * work.wall_seconds


def codecarbon_machine(work: Work, watts_per_thread: float = 4.0) -> float:
    """CodeCarbon 3.3, tracking_mode="machine" (its default), for a machine that does this work alone: TDP x
    (0.1 + 0.9 x load^3), and its RAM model."""
    load = 0.1 + 0.9 * work.utilization**3
    watts = watts_per_thread * work.cpus * load + codecarbon_ram_watts(work.memory_gb)
    return watts * work.wall_seconds


def codecarbon_ram_watts(memory_gb: float) -> float:
    """CodeCarbon 3.3, external/ram.py, x86, up to 255 GB: 5 W a module, at least two, the number guessed from the
    size."""
    modules = 2 if memory_gb <= 16 else 4 if memory_gb <= 64 else 8 if memory_gb <= 128 else -(-memory_gb // 16)
    watts = 5.0 * min(modules, 4) + 4.5 * min(max(0, modules - 4), 4) + 4.0 * max(0, modules - 8)
    return max(10.0, watts)


MODELS: Final[Mapping[str, Callable[[Work], float]]] = {
    "CCF, AWS": lambda work: cloud_carbon_footprint(work, 0.74, 3.5, with_memory=False),
    "CCF, AWS, with memory": lambda work: cloud_carbon_footprint(work, 0.74, 3.5, with_memory=True),
    "CCF, Google, with memory": lambda work: cloud_carbon_footprint(work, 0.71, 4.26, with_memory=True),
    "CCF, Azure, with memory": lambda work: cloud_carbon_footprint(work, 0.78, 3.76, with_memory=True),
    "CCF, EPYC 2nd Gen": lambda work: cloud_carbon_footprint(work, 0.4015625, 1.671875, with_memory=False),
    "CCF, Coffee Lake, with memory": lambda work: cloud_carbon_footprint(work, 1.6667, 7.7583, with_memory=True),
    "Teads, EPYC 280 W / 128 threads": lambda work: teads(work, 280 / 128),
    "Teads, Xeon 240 W / 48 threads": lambda work: teads(work, 240 / 48),
    "CodeCarbon, process": codecarbon_process,
}
"""Models of a worker's own work. CodeCarbon's machine mode is none: it counts all that the machine does."""
