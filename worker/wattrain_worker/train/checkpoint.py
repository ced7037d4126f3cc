"""Saving: the state is copied, and a thread writes and commits it while the training goes on.

A directory is written once: files, fsync, then `manifest.json`, then LATEST. Whatever is cut short has no manifest.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch

from wattrain_api.atomic_file import write_atomically
from wattrain_api.names import FILE_LATEST, FILE_MANIFEST
from wattrain_worker.errors import StorageUnavailable
from wattrain_worker.report import report
from wattrain_worker.train.manifest import CheckpointName, Fence, Progress, checkpoint_names, write_manifest
from wattrain_worker.train.training_state import State


class CheckpointWriter:
    """Writes the checkpoints of one rank, one at a time."""

    def __init__(self, root: Path, keep: int, fence: Fence) -> None:
        self._root, self._keep, self._fence = root, keep, fence
        self._staged: State = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        accept_no_dist()

    def save(self, state: State, progress: Progress, *, wait: bool) -> None:
        """Copy `state` and write it; `wait`: until it is committed, else in the background.

        Waits for the save before this one, where that is still under way. StorageUnavailable where that one, or with
        `wait` this one, could not be written.
        """
        started = time.monotonic()
        self.wait()
        self._stage(state)
        self._writing = self._thread.submit(self._write, progress, started, None if wait else time.monotonic())
        if wait:
            self.wait()

    def raise_if_failed(self) -> None:
        """StorageUnavailable where a save in the background has failed by now."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Until nothing is being written. StorageUnavailable where it could not be."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Let the save under way end, for better or worse; nothing can be saved afterwards."""
        self._thread.shutdown(wait=True)

    def _stage(self, state: State) -> None:
        # The copies are kept: allocating them anew for each checkpoint took three times as long as copying.
        self._staged = {name: copy for name, copy in self._staged.items() if name in state}
        for name, tensor in state.items():
            copy = self._staged.get(name)
            if copy is None:
                self._staged[name] = copy = torch.empty_like(tensor, device="cpu")
            copy.copy_(tensor)

    def _write(self, progress: Progress, started: float, released: float | None) -> None:
        name = CheckpointName(self._fence.attempt, self._fence.generation, progress.step)
        directory = self._root / str(name)
        with _removed_if_failed(directory), _storage_errors(directory):
            if directory.exists():
                shutil.rmtree(directory)  # an earlier try of this same rank; nobody else has this name
            _write_tensors(directory, self._staged)
            size = write_manifest(directory, name, progress, self._fence.world_size, self._fence.spec_hash)
            write_atomically(self._root / FILE_LATEST, f"{name}\n".encode())
        ended = time.monotonic()
        blocked = (released or ended) - started
        report(
            checkpoint={
                "step": progress.step,
                "path": str(directory),
                "seconds": ended - started,
                "blockedSeconds": blocked,
                "bytes": size,
            }
        )
        self._remove_old()

    def _remove_old(self) -> None:
        committed = [n for n in checkpoint_names(self._root) if (self._root / str(n) / FILE_MANIFEST).exists()]
        for name in committed[self._keep :]:
            remove_checkpoint(self._root / str(name))


def remove_checkpoint(directory: Path) -> None:
    """Delete `directory`, its manifest first, so that what a crash leaves behind is no checkpoint any more. What cannot
    be deleted stays: too many checkpoints are no reason to stop a training."""
    with contextlib.suppress(OSError):
        (directory / FILE_MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(directory)


def accept_no_dist() -> None:
    """Silence the warning with which torch.distributed.checkpoint answers to no_dist, which is what is meant. For the
    whole process, because filters cannot be set for one thread."""
    warnings.filterwarnings("ignore", message="torch.distributed is disabled")


def _write_tensors(directory: Path, state: State) -> None:
    # Imported here, in the thread: 0.2 s that the first step need not wait for.
    from torch.distributed.checkpoint.state_dict_saver import save

    save(state, checkpoint_id=directory, no_dist=True)


@contextlib.contextmanager
def _removed_if_failed(directory: Path) -> Iterator[None]:
    """What is there of a checkpoint that cannot be written fills a disk that is full already, perhaps."""
    try:
        yield
    except StorageUnavailable:
        remove_checkpoint(directory)
        raise


@contextlib.contextmanager
def _storage_errors(directory: Path) -> Iterator[None]:
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        yield
    except CheckpointException as error:  # a BaseException, around what went wrong on each rank
        cause = next(iter(error.failures.values()))[0]
        raise StorageUnavailable(_cannot_write(directory, cause)) from error
    except OSError as error:
        raise StorageUnavailable(_cannot_write(directory, error)) from error


def _cannot_write(directory: Path, cause: BaseException) -> str:
    found = _os_error_behind(cause)
    text = str(cause).splitlines()[0] if found is None else found.strerror
    return f"{directory}: the checkpoint cannot be written: {text}; make room there, or make it writable"


def _os_error_behind(error: BaseException | None) -> OSError | None:
    """What the system has said. torch tells of a full disk that a position in its archive is not what it expected."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error
        error = error.__cause__ or error.__context__
    return None
