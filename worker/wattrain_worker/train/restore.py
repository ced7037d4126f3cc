"""Loading: the newest checkpoint that is whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from wattrain_api.contract.progress import CheckpointDamage
from wattrain_api.names import FILE_MANIFEST
from wattrain_worker.errors import BadSpec, StorageUnavailable
from wattrain_worker.train.checkpoint import accept_no_dist, remove_checkpoint
from wattrain_worker.train.manifest import (
    CheckpointName,
    DamagedCheckpoint,
    Fence,
    Progress,
    checkpoint_names,
    read_manifest,
)
from wattrain_worker.train.reporting import say
from wattrain_worker.train.training_state import State
from wattrain_worker.train.tuning import Tuning, tuning_from


class Restored(NamedTuple):
    """A checkpoint in memory."""

    progress: Progress
    state: State
    """On the CPU."""


def remembered_tuning(root: Path) -> Tuning | None:
    """What `training.auto` had chosen by the newest checkpoint below `root`; None where there is none. All
    of a training hold the same choice, so one whose tensors are damaged will do."""
    for name in checkpoint_names(root):
        try:
            return tuning_from(json.loads((root / str(name) / FILE_MANIFEST).read_bytes())["tuning"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


OnDamage = Callable[[CheckpointDamage], object]


def read_newest(root: Path, fence: Fence, on_damage: OnDamage) -> Restored | None:
    """The newest whole checkpoint below `root`; None where there is none. What earlier starts left unfinished goes.
    `on_damage` gets each that is damaged and passed over.

    BadSpec where the checkpoints are those of another training, StorageUnavailable where they cannot be read.
    """
    try:
        names = checkpoint_names(root)
        _remove_uncommitted(root, names, fence)
        committed = [name for name in names if (root / str(name) / FILE_MANIFEST).exists()]
        return _first_whole(root, committed, fence, on_damage)
    except OSError as error:
        raise StorageUnavailable(f"{root}: checkpoints cannot be read: {error.strerror or error}") from error


def _first_whole(root: Path, names: list[CheckpointName], fence: Fence, on_damage: OnDamage) -> Restored | None:
    damaged: list[CheckpointName] = []
    for name in names:
        directory = root / str(name)
        try:
            progress, spec_hash = read_manifest(directory)
        except DamagedCheckpoint as damage:
            say(f"checkpoint {name} is damaged: {damage}")
            on_damage(CheckpointDamage(name.step, str(damage)))
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
