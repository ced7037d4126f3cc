"""Which pods use which GPUs: by the cgroups of the processes that compute on them. It needs the machine's process
numbers (`hostPID`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from wattrain_worker.agent.gpu_control import GpuControl, GpuRefusedError

_POD: Final = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")
"""A pod's uid in the path of its cgroup; where systemd names cgroups it has `_` for `-`."""


def gpus_by_pod(control: GpuControl, root: Path, pods: Iterable[str]) -> dict[str, frozenset[str]]:
    """UUIDs of the GPUs that each of `pods` computes on, by its uid; those that anybody else computes on are under "".

    `root` is that of the machine's /proc.
    """
    wanted = set(pods)
    found: dict[str, set[str]] = {uid: set() for uid in wanted}
    for uuid in control.uuids():
        try:
            owners = {pod_of(root, pid) for pid in control.users(uuid)}
        except GpuRefusedError:
            continue
        for owner in owners:
            found.setdefault(owner if owner in wanted else "", set()).add(uuid)
    return {uid: frozenset(uuids) for uid, uuids in found.items()}


def pod_of(root: Path, pid: int) -> str:
    """Uid of the pod that a process belongs to; empty: of none, or it has ended."""
    try:
        text = (root / f"proc/{pid}/cgroup").read_text()
    except OSError:
        return ""
    found = _POD.search(text)
    return found[1].replace("_", "-") if found else ""
