"""What the environment says about measuring, read once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wattrain_api import names
from wattrain_worker.power import cgroups
from wattrain_worker.power.cpu_time import SCOPE_CGROUP, SCOPE_PROCESS
from wattrain_worker.power.power_notices import Notices


@dataclass(frozen=True)
class PowerSettings:
    """How this worker's power is to be measured, and its share of the machine."""

    scope: str
    """`cgroup` or `process`."""
    cpus: float
    """CPUs that the worker may use."""
    machine_cpus: int
    memory_bytes: float
    """Memory that it asked for; 0: unknown."""
    requested_cpus: float | None = None
    """CPUs that are set aside for it; None: nobody sets any aside, as on a machine without Kubernetes."""
    limited_cpus: float = 0.0
    """CPUs that it may use by a limit that was given; 0: there is none."""
    workers_here: int = 1
    """Workers of its job that share the whole machine, where nobody sets anything aside; else 1."""
    machine_memory_bytes: float = 0.0
    """Memory of the machine, where nobody sets any aside; else, and where it is unknown, 0."""

    @property
    def memory_cpus(self) -> float:
        """CPUs with whose watts a server's usual memory is counted."""
        return self.machine_cpus / self.workers_here if self.requested_cpus is None else self.requested_cpus

    @property
    def most_idle_cpus(self) -> float:
        """CPUs whose idling the worker would answer for by any rule that published models have."""
        if self.requested_cpus is None:
            return self.machine_cpus / self.workers_here
        return min(float(self.machine_cpus), max(self.requested_cpus, self.limited_cpus))

    @property
    def most_memory_bytes(self) -> float:
        """Memory of the worker, or of all workers of its job here, by any such rule."""
        return max(self.memory_bytes, self.machine_memory_bytes)


def read_settings(environ: Mapping[str, str], root: Path, notices: Notices) -> PowerSettings:
    """Settings from `environ`; what is missing from the cgroup or the machine. Wrong values are said once and left."""
    scope = environ.get(names.ENV_CPU_SCOPE) or SCOPE_CGROUP
    if scope not in (SCOPE_CGROUP, SCOPE_PROCESS):
        notices.once(names.ENV_CPU_SCOPE, f"{names.ENV_CPU_SCOPE} is {scope!r}: write cgroup or process; taking cgroup")
        scope = SCOPE_CGROUP
    machine_cpus = os.cpu_count() or 1
    limit = _number(environ, names.ENV_CPU_LIMIT, notices) or cgroups.cpu_quota(root)
    cpus = limit or float(machine_cpus)
    request: float | None = None
    if scope == SCOPE_CGROUP:  # none was given: as in a pod without a request, its limit is set aside
        millicpus = _number(environ, names.ENV_CPU_REQUEST_MILLICPUS, notices, or_zero=True)
        request = cpus if millicpus is None else millicpus / 1000
    by_use = request is None
    return PowerSettings(
        scope=scope,
        cpus=cpus,
        machine_cpus=machine_cpus,
        memory_bytes=_number(environ, names.ENV_MEMORY_REQUEST, notices, or_zero=True) or 0.0,
        requested_cpus=request,
        limited_cpus=limit or 0.0,
        workers_here=_workers_here(environ, notices) if by_use else 1,
        machine_memory_bytes=_machine_memory() if by_use else 0.0,
    )


def _workers_here(environ: Mapping[str, str], notices: Notices) -> int:
    if environ.get(names.ENV_ROLE) == names.ROLE_PREPARE:  # it has no peers
        return 1
    return max(1, int(_number(environ, names.ENV_WORKERS, notices) or 1))


def _machine_memory() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError):
        return 0.0


def _number(environ: Mapping[str, str], name: str, notices: Notices, *, or_zero: bool = False) -> float | None:
    """The number in that variable; None where there is none above 0. `or_zero`: 0 is one, too."""
    text = environ.get(name, "")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and (number > 0 or (or_zero and number == 0)):
        return number
    notices.once(name, f"{name} is {text!r}: write a number above 0; it is ignored")
    return None
