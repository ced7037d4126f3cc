"""What of a worker draws power and is not counted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Gap(NamedTuple):
    """Something that is not counted."""

    component: str
    """One of `wattrain_api.power_sources.COMPONENTS`."""
    reason: str
    """What is not counted and why, in a sentence without names of devices."""


class Gaps:
    """All gaps of a worker. One that depends on use counts from the moment when a process of the worker has the device
    open."""

    def __init__(self) -> None:
        self._gaps: dict[str, Gap] = {}
        self._unused: dict[str, Gap] = {}

    def note(self, topic: str, gap: Gap) -> None:
        """`gap` is there from now on."""
        self._gaps[topic] = gap

    def note_where_used(self, device_file: str, gap: Gap) -> None:
        """`gap` is there as soon as a process of the worker opens a file whose path begins with `device_file`."""
        self._unused[device_file] = gap

    def fill(self, topic: str) -> None:
        """The gap is there no more."""
        self._gaps.pop(topic, None)

    def look_for_use(self, root: Path, pids: Iterable[int]) -> None:
        """See whether any of `pids` uses a device that is not counted."""
        if not self._unused:
            return
        opened = [path for pid in pids for path in _open_files(root / f"proc/{pid}/fd")]
        for device_file in [name for name in self._unused if any(path.startswith(name) for path in opened)]:
            self._gaps[device_file] = self._unused.pop(device_file)

    def all(self) -> tuple[Gap, ...]:
        """All that are there now, each once."""
        return tuple(dict.fromkeys(list(self._gaps.values())))


def _open_files(directory: Path) -> list[str]:
    try:
        return [_target(link) for link in directory.iterdir()]
    except OSError:  # the process has ended, or it is another user's
        return []


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""
