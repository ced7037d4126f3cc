"""What a training strategy is: how the ranks share one training.

The engine asks its strategy for everything that depends on where parts of the model and of the work are: it never asks
which rank it is to decide what is computed or saved. A new strategy is a class that fulfils `Strategy`, a line in the
registry (`__init__.py`), and `make generate`, which makes the API accept its name.

Life of a strategy, on every rank:

1. It is constructed from the group and the task, and wraps the model; then the optimizer is made from `parameters`.
2. `checkpoints()` once; its `restore()`, and `load_state()` where there was a checkpoint.
3. A step: `gradients()`, then `gradient_is_finite()` where that matters, `clip()` at some steps, and the optimizer's
   step.
4. Now and then `before_evaluation()`, and a checkpoint of what `state()` says.
5. At the end `load_model_state()`, where another model than the last is exported, and `full_model()`.

All ranks call each of these at the same step, so each may communicate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from wattrain_api.contract.progress import CheckpointDamage
from wattrain_worker.train.elastic_sampler import Indices
from wattrain_worker.train.manifest import Fence, Progress
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.restore import Restored
from wattrain_worker.train.strategies.peer_wait import PeerWait
from wattrain_worker.train.task import Task
from wattrain_worker.train.training_state import State

OnLosses = Callable[[Tensor], None]


class Checkpoints(Protocol):
    """The checkpoints of one start of the group, as this rank takes part in them."""

    writes: bool
    """Whether this rank writes something when a checkpoint is saved."""
    damaged: list[CheckpointDamage]
    """What this rank has found damaged when it restored, the newest first."""

    def restore(self) -> Restored | None:
        """The newest whole checkpoint, the same one on every rank; None where there is none.

        BadSpec where the checkpoints are those of another training, StorageUnavailable where they cannot be read.
        """

    def save(self, state: State, progress: Progress, *, wait: bool) -> None:
        """Copy this rank's `state` and write it; `wait`: until it is committed, else in the background.

        Waits for the save before this one, where that is still under way. StorageUnavailable where that one, or with
        `wait` this one, could not be written.
        """

    def raise_if_failed(self) -> None:
        """StorageUnavailable where a save in the background has failed by now."""

    def wait(self) -> None:
        """Until nothing is being written. StorageUnavailable where it could not be."""

    def close(self) -> None:
        """Let the save under way end, for better or worse; nothing can be saved afterwards."""


class Strategy(Protocol):
    """How the ranks share one training. See above for the order of the calls."""

    peer_wait: PeerWait | None
    """How long this rank waits for the others in `gradients`; None: that is not measured."""

    @property
    def parameters(self) -> Sequence[nn.Parameter]:
        """What the optimizer changes on this rank."""

    def gradients(self, batch: Indices, step: int, on_losses: OnLosses) -> int:
        """Set the `grad` of each of `parameters` to the gradient of the mean loss of the global `batch` [samples],
        times the factor of `Task.loss_scaling`, which is 1 but for fp16.

        `step` (0-based) seeds what is drawn at random. `on_losses` is called once, before the last communication of
        gradients starts, with this rank's sums of losses ([], or [parts], the same in each step) on the group's device:
        added over ranks and parts they are the batch's sum of losses. Returns how many samples this rank has computed.
        """

    def clip(self, largest_norm: float | None) -> Tensor:
        """The L2 norm of the whole gradient, a scalar, before it is scaled down to `largest_norm` where it exceeds it.

        None: nothing is scaled.
        """

    def gradient_is_finite(self) -> bool:
        """Whether the whole gradient has finite numbers alone, and with `training.nonFinite` skip or rollback also the
        losses of all ranks: the same answer on each. Waits for the device. To be called before `clip`."""

    def before_evaluation(self) -> None:
        """Make the model the same on all ranks, where training lets parts of it differ (buffers)."""

    def state(self, optimizer: torch.optim.Optimizer) -> State:
        """What this rank holds of the model and the optimizer: references, no copies."""

    def load_state(self, state: State, optimizer: torch.optim.Optimizer) -> None:
        """Bring model and optimizer to `state`, which a checkpoint of this strategy held."""

    def checkpoints(self, root: Path, keep: int, fence: Fence) -> Checkpoints:
        """The checkpoints below `root`, of which the newest `keep` stay."""

    def model_state(self) -> State:
        """What this rank holds of the model alone, under the names of its `state_dict`: references, no copies."""

    def load_model_state(self, state: State) -> None:
        """Bring the model to `state`, which `model_state` has said before, on whichever device it is now."""

    def full_model(self) -> State | None:
        """The whole model under the names of its `state_dict`, on the rank that is to write it; None on the others."""


StrategyFactory = Callable[[ProcessGroup, Task], Strategy]
"""Wraps the model of a task. BadSpec where the strategy cannot train it, with the field to change."""
