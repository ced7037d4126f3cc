"""How the GPUs were before the agent changed them, in a file of the node: what a new agent restores after a dead one.

The file is written before a GPU is changed and after it is restored. So a GPU that is changed is in it, always; one
that is in it may be unchanged, and to restore it then does no harm.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from wattrain_api.atomic_file import write_atomically


class UnreadableSettingsError(Exception):
    """The file is there and holds something else: what GPUs were before is not known."""


@dataclass(frozen=True)
class Before:
    """How a GPU was before."""

    limit_milliwatts: int
    """Its power limit."""
    clock_locked: bool = False
    """Whether the agent may have locked its clock. It is restored to none: a lock of others cannot be read."""


class KeptSettings:
    """What is to be restored, by UUID."""

    def __init__(self, path: Path) -> None:
        """UnreadableSettingsError, OSError."""
        self._path = path
        self._known = _read(path)

    def uuids(self) -> list[str]:
        """GPUs that are to be restored."""
        return list(self._known)

    def of(self, uuid: str) -> Before | None:
        """How a GPU was; None: it has not been changed."""
        return self._known.get(uuid)

    def keep(self, uuid: str, before: Before) -> None:
        """OSError: it cannot be kept, and so the GPU must not be changed."""
        self._write({**self._known, uuid: before})

    def forget(self, uuid: str) -> None:
        """The GPU is as it was. OSError: it stays in the file."""
        self._write({known: before for known, before in self._known.items() if known != uuid})

    def _write(self, known: dict[str, Before]) -> None:
        content = json.dumps({uuid: asdict(before) for uuid, before in known.items()}, indent=1)
        write_atomically(self._path, content.encode())
        self._known = known


def _read(path: Path) -> dict[str, Before]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UnreadableSettingsError(f"{path}: is no JSON ({error})") from None
    try:
        return {str(uuid): _before(entry) for uuid, entry in found.items()}
    except (AttributeError, KeyError, TypeError):
        raise UnreadableSettingsError(f"{path}: holds no settings of GPUs") from None


def _before(entry: dict[str, object]) -> Before:
    limit, locked = entry["limit_milliwatts"], entry["clock_locked"]
    if not isinstance(limit, int) or not isinstance(locked, bool):
        raise TypeError
    return Before(limit, locked)
