"""Checkpoints of strategies in which every rank holds the whole state: rank 0 alone writes and reads them.

That also makes checkpoints independent of a directory that all workers share: on ephemeral storage each pod has its
own, and rank 0 is always in the same one.
"""

from __future__ import annotations

from pathlib import Path

import torch

from wattrain_api.contract.progress import CheckpointDamage
from wattrain_worker.train.checkpoint import CheckpointWriter
from wattrain_worker.train.manifest import Fence, Progress
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.restore import Restored, read_newest
from wattrain_worker.train.training_state import State


class ReplicatedCheckpoints:
    """See Checkpoints."""

    def __init__(self, group: ProcessGroup, root: Path, keep: int, fence: Fence) -> None:
        self._group, self._root, self._fence = group, root, fence
        self.writes = group.rank == 0
        self.damaged: list[CheckpointDamage] = []
        self._writer = CheckpointWriter(root, keep, fence) if self.writes else None

    def restore(self) -> Restored | None:
        """See Checkpoints. What rank 0 has read is sent to the others."""
        found = read_newest(self._root, self._fence, self.damaged.append) if self._writer else None
        shapes = {n: (t.shape, t.dtype) for n, t in found.state.items()} if found else None
        progress, shapes = self._group.broadcast_object((found.progress if found else None, shapes))
        if shapes is None:
            return None
        state = found.state if found else {n: torch.empty(shape, dtype=dtype) for n, (shape, dtype) in shapes.items()}
        for tensor in state.values():
            self._group.broadcast_tensor(tensor)
        return Restored(progress, state)

    def save(self, state: State, progress: Progress, *, wait: bool) -> None:
        """See Checkpoints."""
        if self._writer:
            self._writer.save(state, progress, wait=wait)

    def raise_if_failed(self) -> None:
        """See Checkpoints."""
        if self._writer:
            self._writer.raise_if_failed()

    def wait(self) -> None:
        """See Checkpoints."""
        if self._writer:
            self._writer.wait()

    def close(self) -> None:
        """See Checkpoints."""
        if self._writer:
            self._writer.close()
