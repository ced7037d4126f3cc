"""The control groups that a node's containers live in, below one of our own."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from harness.daemon import wait_for

_MOUNT = Path("/sys/fs/cgroup")


def _hierarchies() -> list[Path]:
    """Roots of the control groups: one (version 2), or one for each controller (version 1)."""
    if (_MOUNT / "cgroup.controllers").exists():
        return [_MOUNT]
    return [path for path in _MOUNT.iterdir() if path.is_dir() and not path.is_symlink()]


def make(name: str) -> None:
    """Make the group `name` for every controller."""
    for root in _hierarchies():
        (root / name).mkdir(exist_ok=True)
        if root == _MOUNT:
            available = (root / "cgroup.controllers").read_text(encoding="ascii").split()
            (root / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in available), encoding="ascii")


def remove(name: str) -> None:
    """Remove the group `name` with all that a kubelet has made below it. Its processes must have been killed."""
    for root in _hierarchies():
        for folder, _, _ in os.walk(root / name, topdown=False):
            wait_for(partial(_removed, Path(folder)), seconds=20, what=f"{folder} to be out of use")


def cpus_of_pod(uid: str) -> float | None:
    """The CPUs that the kernel lets a pod use at most; None: all."""
    root = next((path for path in _hierarchies() if path.name == "cpu"), _MOUNT)
    folder = next(root.glob(f"*/kubepods*/**/pod{uid}"))
    file = folder / "cpu.max"
    files = [file] if file.exists() else [folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"]
    quota, period = " ".join(file.read_text(encoding="ascii") for file in files).split()
    return None if quota in ("max", "-1") else int(quota) / int(period)


def removal(name: str, lock: Path) -> str:
    """A shell's command for the same, once who holds `lock` is dead; not where another one has taken it since."""
    find = f"find {_MOUNT} -depth -type d -path '*/{name}*' -exec rmdir {{}} +"
    return f'flock --nonblock {lock} timeout 20 sh -c "until {find}; do sleep 0.2; done"'


def _removed(folder: Path) -> bool:
    folder.rmdir()  # OSError for a moment, while the kernel buries the last process
    return True
