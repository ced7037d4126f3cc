"""Loading: the newest checkpoint that is whole, on as many ranks as there are now."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from wattrain_api.names import FILE_MANIFEST
from wattrain_worker.train.checkpoint import Fence, accept_no_dist, remove_checkpoint
from wattrain_worker.train.errors import BadSpec, StorageUnavailable
from wattrain_worker.train.group import Group
from wattrain_worker.train.manifest import (
    CheckpointName,
    DamagedCheckpoint,
    Progress,
    checkpoint_names,
    read_manifest,
)
from wattrain_worker.train.reporting import say
from wattrain_worker.train.state import State


class Restored(NamedTuple):
    """A checkpoint in memory."""

    progress: Progress
    state: State
    """On the CPU."""


def restore(group: Group, root: Path, fence: Fence) -> Restored | None:
    """The newest whole checkpoint below `root`, the same on every rank; None where there is none. Rank 0 alone reads.

    BadSpec where the checkpoints are those of another training, StorageUnavailable where they cannot be read.
    """
    found = _read_newest(root, fence) if group.rank == 0 else None
    shapes = {n: (t.shape, t.dtype) for n, t in found.state.items()} if found else None
    progress, shapes = group.broadcast_object((found.progress if found else None, shapes))
    if shapes is None:
        return None
    state = found.state if found else {n: torch.empty(shape, dtype=dtype) for n, (shape, dtype) in shapes.items()}
    for tensor in state.values():
        group.broadcast_tensor(tensor)
    return Restored(progress, state)


def _read_newest(root: Path, fence: Fence) -> Restored | None:
    try:
        names = checkpoint_names(root)
        _remove_uncommitted(root, names, fence)
        committed = [name for name in names if (root / str(name) / FILE_MANIFEST).exists()]
        return _first_whole(root, committed, fence)
    except OSError as error:
        raise StorageUnavailable(f"{root}: checkpoints cannot be read: {error.strerror or error}") from error


def _first_whole(root: Path, names: list[CheckpointName], fence: Fence) -> Restored | None:
    damaged: list[CheckpointName] = []
    for name in names:
        directory = root / str(name)
        try:
            progress, spec_hash = read_manifest(directory)
        except DamagedCheckpoint as damage:
            say(f"checkpoint {name} is damaged: {damage}")
            damaged.append(name)
            continue
        if spec_hash != fence.spec_hash:
            raise BadSpec(
                f"{directory}: this checkpoint is of another training: spec.recipe, spec.data or spec.training has "
                "changed since; undo the change, or start with an empty checkpoint directory"
            )
        if damaged:
            say(f"checkpoint step-{damaged[0].step} is damaged, going on from step-{progress.step}")
        for bad in damaged:  # they would count among those that are kept, and push out good ones
            remove_checkpoint(root / str(bad))
        return Restored(progress, _read_tensors(directory))
    if damaged:
        say(f"no checkpoint in {root} is whole, starting from the beginning")
    return None


def _read_tensors(directory: Path) -> State:
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata
    from torch.distributed.checkpoint.state_dict_loader import load

    # The metadata is a pickle: it is opened only after its sum has been compared with the manifest's.
    reader = FileSystemReader(directory)
    stored = reader.read_metadata().state_dict_metadata
    state = {
        name: torch.empty(entry.size, dtype=entry.properties.dtype)
        for name, entry in stored.items()
        if isinstance(entry, TensorStorageMetadata)
    }
    accept_no_dist()
    load(state, storage_reader=reader, no_dist=True)
    return state


def _remove_uncommitted(root: Path, names: list[CheckpointName], fence: Fence) -> None:
    """What earlier starts did not finish. A start of the same number or a later one may still be writing."""
    for name in names:
        earlier = (name.attempt, name.generation) < (fence.attempt, fence.generation)
        if earlier and not (root / str(name) / FILE_MANIFEST).exists():
            remove_checkpoint(root / str(name))
