"""How far a tracker has come in metrics.jsonl, in a file beside it."""

from __future__ import annotations

import json
from pathlib import Path

from wattrain_api.atomic_file import write_atomically


class Position:
    """The place of the first line that has not been tracked. It outlives the process; a file that cannot be written is
    no reason to stop."""

    def __init__(self, file: Path, job_uid: str, start_bytes: int, size_bytes: int) -> None:
        """What `file` says, if it is of this job and not beyond `size_bytes`, the end of metrics.jsonl; else
        `start_bytes`, where this attempt begins: an older job of the same name has recorded before that."""
        self._file, self._job_uid = file, job_uid
        found = _read(file, job_uid)
        self.offset_bytes = start_bytes if found is None or found > size_bytes else found
        self.save(self.offset_bytes)

    def save(self, offset_bytes: int) -> None:
        """All before `offset_bytes` has been tracked."""
        self.offset_bytes = offset_bytes
        text = json.dumps({"jobUid": self._job_uid, "offsetBytes": offset_bytes})
        try:
            write_atomically(self._file, text.encode())
        except OSError:
            return


def _read(file: Path, job_uid: str) -> int | None:
    try:
        found = json.loads(file.read_bytes())
        return int(found["offsetBytes"]) if found["jobUid"] == job_uid else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
