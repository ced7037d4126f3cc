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
from wattrain_worker.power.notices import Notices


@dataclass(frozen=True)
class Settings:
    """How this worker's power is to be measured."""

    scope: str
    """`cgroup` or `process`."""
    cpus: float
    """CPUs that the worker may use."""
    machine_cpus: int
    memory_bytes: float
    """Memory that it asked for; 0: unknown."""
    gpus: tuple[str, ...] | None
    """UUIDs or indices of its GPUs; None: all that can be seen."""
    gpus_by_bus: bool
    """Whether indices are in the order of the bus, which is NVML's; else CUDA puts the fastest first."""


def read_settings(environ: Mapping[str, str], root: Path, notices: Notices) -> Settings:
    """Settings from `environ`; what is missing from the cgroup or the machine. Wrong values are said once and left."""
    scope = environ.get(names.ENV_CPU_SCOPE) or SCOPE_CGROUP
    if scope not in (SCOPE_CGROUP, SCOPE_PROCESS):
        notices.once(names.ENV_CPU_SCOPE, f"{names.ENV_CPU_SCOPE} is {scope!r}: write cgroup or process; taking cgroup")
        scope = SCOPE_CGROUP
    machine_cpus = os.cpu_count() or 1
    cpus = _number(environ, names.ENV_CPU_LIMIT, notices) or cgroups.cpu_quota(root) or float(machine_cpus)
    return Settings(
        scope=scope,
        cpus=cpus,
        machine_cpus=machine_cpus,
        memory_bytes=_number(environ, names.ENV_MEMORY_REQUEST, notices) or 0.0,
        gpus=visible_gpus(environ),
        gpus_by_bus=environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID",
    )


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


def _number(environ: Mapping[str, str], name: str, notices: Notices) -> float | None:
    text = environ.get(name, "")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and number > 0:
        return number
    notices.once(name, f"{name} is {text!r}: write a number above 0; it is ignored")
    return None
