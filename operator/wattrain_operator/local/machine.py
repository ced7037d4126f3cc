"""What a run was computed with: packages and processor."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def versions() -> dict[str, str]:
    """Of the installed packages, without importing them: the operator needs no torch."""
    found = {"python": platform.python_version()}
    for name in ("torch", "wattrain"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def cpu_model(cpuinfo: Path = CPUINFO) -> str:
    """The processor as Linux names it, else as Python does; empty where neither knows it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() == "model name")
    return next(names, "") or platform.processor()
