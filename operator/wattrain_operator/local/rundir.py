"""The directory of a run: what is in it, who may write to it, and how it is written without being torn."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from wattrain_api import names
from wattrain_api.atomic_file import write_atomically
from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.termination import TerminationMessage
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import Event
from wattrain_operator.local.refused import Refused
from wattrain_operator.local.unwritable import Reserve, storage_failure

_LOCK, _OWNER, _CRASH_LOG, _RESERVE = ".lock", ".owner", "crash.log", ".reserve"
_FILES = ("job.json", "spec.json", "status.json", "events.jsonl", "metrics.jsonl", names.FILE_PREPARE)
_RECEIPTS = ("receipt.json", "receipt.md", "receipt.html")
_DIRECTORIES = ("data", "checkpoints", "model", "logs", "termination", "directives", "profiles", "tensorboard")


class RunDirectory:
    """`path` and what belongs below it. It is open to one command at a time: see `open`.

    Two locks tell a command that runs from what a killed one left behind. The command alone holds `.owner`; `.lock`
    is inherited by every supervisor, so that it is free only when the last of them has ended.
    """

    def __init__(self, path: Path, owner_fd: int, lock_fd: int) -> None:
        self.path = path
        self.lock_fd = lock_fd
        self._owner_fd = owner_fd
        self._reserve = Reserve(path / _RESERVE)

    @classmethod
    def open(cls, path: Path, *, wait_seconds: float) -> Self:
        """Create the directory where needed and lock it. Waits up to `wait_seconds` for the workers of a killed
        command to end. Refused where the directory is not ours, not writable or in use."""
        _refuse_foreign(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            owner_fd = os.open(path / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            lock_fd = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Refused(
                f"--dir {path}: cannot be written ({error.strerror}); choose another directory with --dir"
            ) from None
        opened = cls(path, owner_fd, lock_fd)
        try:
            opened._lock(wait_seconds)
            opened._hold_reserve()
        except BaseException:
            opened.close()
            raise
        return opened

    def _lock(self, wait_seconds: float) -> None:
        if not _try_lock(self._owner_fd) and not self._owner_was_only_looked_at():
            raise Refused(
                f"--dir {self.path}: is in use by another wattrain run (process {_holder(self._owner_fd)}); wait for "
                "its end, or choose another directory with --dir"
            )
        os.ftruncate(self._owner_fd, 0)
        os.pwrite(self._owner_fd, str(os.getpid()).encode(), 0)
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(self.lock_fd):
            if time.monotonic() > deadline:
                raise Refused(
                    f"--dir {self.path}: workers of a killed run still hold {self.path / _LOCK} after "
                    f"{wait_seconds:.0f} s; end them (lsof on that file names them), or choose another "
                    "directory with --dir"
                )
            time.sleep(0.1)

    def _owner_was_only_looked_at(self) -> bool:
        """Whether the lock could be taken a moment later: `is_in_use` holds it for some microseconds."""
        time.sleep(0.05)
        return _try_lock(self._owner_fd)

    def _hold_reserve(self) -> None:
        try:
            self._reserve.hold()
        except OSError as error:
            raise Refused(f"--dir {storage_failure(error, self.path) or error}") from None

    def free_reserve(self) -> None:
        """The disk is full: give up what was kept for the last status and the receipt."""
        self._reserve.free()

    def close(self) -> None:
        """Let another command have the directory."""
        self._reserve.free()
        os.close(self.lock_fd)
        os.close(self._owner_fd)

    @property
    def spec_file(self) -> Path:
        """The spec with its defaults, for the supervisors."""
        return self.path / "spec.json"

    @property
    def metrics_file(self) -> Path:
        """One line a recorded step, written by the supervisor of worker 0."""
        return self.path / "metrics.jsonl"

    @property
    def receipt(self) -> Path:
        """The receipt for a reader."""
        return self.path / "receipt.md"

    @property
    def crash_log(self) -> Path:
        """Tracebacks of errors that nobody foresaw."""
        return self.path / _CRASH_LOG

    def directory(self, name: str) -> Path:
        """`data`, `checkpoints`, `model`, `logs`, `termination` or `directives`; made where it is missing."""
        directory = self.path / name
        directory.mkdir(exist_ok=True)
        return directory

    def read_job(self) -> TrainingJob | None:
        """The job that was run here before, without its status; None: there was none."""
        found = self._read("job.json")
        return None if found is None else TrainingJob.model_validate(found, extra="ignore")

    def write_job(self, job: TrainingJob) -> None:
        """Remember what is run here, and tell the supervisors."""
        document = job.to_json_object()
        document.pop("status", None)
        self._write("spec.json", job.spec.to_json_object())
        self._write("job.json", document)  # last: with it the directory counts as a run's

    def read_status(self) -> TrainingJobStatus:
        """The status as it was written last; an empty one where there is none."""
        found = self._read("status.json")
        return TrainingJobStatus() if found is None else TrainingJobStatus.from_json_object(found)

    def write_status(self, status: TrainingJobStatus) -> None:
        """Replace status.json, so that a reader never sees half of one."""
        self._write("status.json", status.to_json_object())

    def termination_messages(self) -> list[tuple[Path, TerminationMessage]]:
        """What supervisors of an earlier command have left, each with its file; what cannot be read is left out."""
        found = []
        for file in sorted((self.path / "termination").glob("*.json")):
            try:
                left = decode_json(TerminationMessage, file.read_bytes())
            except OSError:
                continue
            if left is not None:
                found.append((file, left))
        return found

    def seconds_since_written(self, now: datetime) -> float:
        """How long ago the status was written last; 0 where it never was."""
        try:
            return max(0.0, now.timestamp() - (self.path / "status.json").stat().st_mtime)
        except FileNotFoundError:
            return 0.0

    def append_event(self, event: Event, now: datetime) -> None:
        """One more line in events.jsonl."""
        line = {
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "type": event.type, "reason": event.reason,
            "message": event.message,
        }  # fmt: skip
        with (self.path / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def publish_preparation(self) -> None:
        """Show the result of the preparation at the top of the directory."""
        made, shown = self.path / "data" / names.FILE_PREPARE, self.path / names.FILE_PREPARE
        if made.exists() and not shown.exists():
            write_atomically(shown, made.read_bytes())

    def read_preparation(self) -> dict[str, Any] | None:
        """What was done to the data; None: nothing yet."""
        found = self._read(names.FILE_PREPARE)
        return found if isinstance(found, dict) else None

    def newest_checkpoint_step(self) -> int | None:
        """Step of the checkpoint that was committed last; None: there is none, or it does not say."""
        try:
            text = (self.path / "checkpoints" / names.FILE_LATEST).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        found = re.match(r"step-([0-9]+)\.", text)
        return None if found is None else int(found[1])

    def clear(self) -> None:
        """Remove all that a run leaves, and nothing else."""
        for name in (*_FILES, *_RECEIPTS, _CRASH_LOG):
            (self.path / name).unlink(missing_ok=True)
        for tracked in self.path.glob(".tracked-*.json"):
            tracked.unlink()
        for name in _DIRECTORIES:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def _read(self, name: str) -> Any:
        file = self.path / name
        try:
            return json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            raise Refused(f"{file}: is no JSON; choose another directory with --dir, or remove this one") from None

    def _write(self, name: str, document: object) -> None:
        write_atomically(self.path / name, (json.dumps(document, indent=1) + "\n").encode())


def _refuse_foreign(path: Path) -> None:
    try:
        found = {entry.name for entry in path.iterdir()} - {_LOCK, _OWNER, _CRASH_LOG, _RESERVE}
    except OSError:
        return  # not there, or not readable: what follows says so
    if found and "job.json" not in found:
        raise Refused(
            f"--dir {path}: has files that are not of a run ({', '.join(sorted(found)[:3])}); choose an empty or a new "
            "directory with --dir"
        )


def is_in_use(path: Path) -> bool | None:
    """Whether a command runs in the directory; None: it cannot be told, for it may not be read, or an older version
    has made it."""
    try:
        fd = os.open(path / _OWNER, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return not _try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _try_lock(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(fd: int) -> str:
    return os.pread(fd, 32, 0).decode(errors="replace") or "unknown"
