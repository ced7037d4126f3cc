"""Where this process's cgroup lies, in cgroup v1, v2 and both at once, on a host and in a container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wattrain_worker.power.files import read_text


@dataclass(frozen=True)
class CgroupDirectory:
    """The directory of this process's cgroup in one hierarchy."""

    path: Path
    version: int
    """1 or 2."""

    def is_whole_machine(self) -> bool:
        """Whether it is the root of its hierarchy, where every process of the machine is counted.

        Only a root lacks `cgroup.type` (v2), only a root has `release_agent` (v1). A container's own root has the
        path `/` too, so the path does not show it.
        """
        if self.version == 2:
            return not (self.path / "cgroup.type").exists()
        return (self.path / "release_agent").exists()

    def processes(self) -> frozenset[int] | None:
        """Its processes and those of the cgroups below it, by number in this PID namespace; None: they are not told."""
        found: set[int] = set()
        try:
            for file in (self.path / "cgroup.procs", *self.path.glob("*/**/cgroup.procs")):
                found.update(int(line) for line in file.read_text().split())
        except (OSError, ValueError):
            return None
        return frozenset(found - {0})  # 0: a process outside of this namespace


def find(root: Path, controller: str) -> list[CgroupDirectory]:
    """Directories that may account for `controller` (`cpu`, `cpuacct`), the one to trust first in front.

    `root` is the root of the file system. In a hybrid layout v1 goes first: the container's runtime works on the
    hierarchy that the controller is bound to, and may have left the process elsewhere in the other.
    """
    memberships = _memberships(root)
    mounts = _mounts(root)
    found = []
    for version, key in ((1, controller), (2, "")):
        if key not in memberships or (version, key) not in mounts:
            continue
        mount_point, mount_root = mounts[version, key]
        below = _below(memberships[key], mount_root)
        if below is not None:
            found.append(CgroupDirectory(root / mount_point.lstrip("/") / below, version))
    return found


def cpu_quota(root: Path) -> float | None:
    """CPUs that the cgroup's quota allows; None where there is no quota."""
    for directory in find(root, "cpu"):
        if directory.version == 2:
            words = (read_text(directory.path / "cpu.max") or "").split()
        else:
            quota = read_text(directory.path / "cpu.cfs_quota_us")
            period = read_text(directory.path / "cpu.cfs_period_us")
            words = [quota, period] if quota and period else []
        try:
            quota_us, period_us = float(words[0]), float(words[1])
        except (IndexError, ValueError):  # no such file, or "max"
            continue
        if quota_us > 0 and period_us > 0:
            return quota_us / period_us
    return None


def _memberships(root: Path) -> dict[str, str]:
    """Path of this process's cgroup by controller; the key of v2 is empty."""
    found = {}
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _mounts(root: Path) -> dict[tuple[int, str], tuple[str, str]]:
    """Mount point and mounted root by version and controller; the first mount of each counts."""
    found: dict[tuple[int, str], tuple[str, str]] = {}
    for line in (read_text(root / "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        mount = (fields[4], fields[3])
        if kind[0] == "cgroup2":
            found.setdefault((2, ""), mount)
        elif kind[0] == "cgroup":
            for option in kind[2].split(","):
                found.setdefault((1, option), mount)
    return found


def _below(cgroup: str, mount_root: str) -> str | None:
    """Path of `cgroup` below the mount point; None where the mount does not show it."""
    if ".." in PurePosixPath(cgroup).parts:  # outside of this cgroup namespace
        return None
    if mount_root == "/" or ".." in PurePosixPath(mount_root).parts:
        return cgroup.lstrip("/")
    try:
        return str(PurePosixPath(cgroup).relative_to(mount_root))
    except ValueError:
        # A container that sees its own cgroup as "/" while the mount was made outside its namespace.
        return "" if cgroup == "/" else None
