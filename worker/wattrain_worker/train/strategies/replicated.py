"""What strategies share in which every rank holds the whole model and the whole state of the optimizer."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from wattrain_worker.train.manifest import Fence
from wattrain_worker.train.non_finite import with_loud_gradient
from wattrain_worker.train.optimizers import clip_gradients
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.strategies.peer_wait import PeerWait
from wattrain_worker.train.strategies.replicated_checkpoints import ReplicatedCheckpoints
from wattrain_worker.train.task import Task
from wattrain_worker.train.training_state import State, load_state, state_of


class Replicated:
    """All of a Strategy but the gradients."""

    peer_wait: PeerWait | None = None
    """See Strategy."""

    def __init__(self, group: ProcessGroup, task: Task) -> None:
        self._group, self._task = group, task
        self.parameters: list[nn.Parameter] = list(task.model.parameters())
        self._loud = task.training.non_finite != "fail"

    def _loss_sum_of(self, outputs: Tensor, labels: Tensor) -> Tensor:
        loss_sum = self._task.loss_sum(outputs, labels)
        return with_loud_gradient(loss_sum) if self._loud else loss_sum

    def clip(self, largest_norm: float | None) -> Tensor:
        """See Strategy. Every rank has all gradients, so nothing is sent."""
        return clip_gradients(self.parameters, largest_norm)

    def gradient_is_finite(self) -> bool:
        """See Strategy."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        # A sum with a number that is not finite is not finite; looking at each number takes ten times as long.
        if bool(torch.isfinite(torch.stack([gradient.sum() for gradient in gradients])).all()):
            return True
        return all(bool(torch.isfinite(gradient).all()) for gradient in gradients)

    def before_evaluation(self) -> None:
        """See Strategy. Buffers, such as the running statistics of a BatchNorm, become those of rank 0."""
        for buffer in self._task.model.buffers():
            self._group.broadcast_tensor(buffer)

    def state(self, optimizer: torch.optim.Optimizer) -> State:
        """See Strategy."""
        return state_of(self._task.model, optimizer)

    def load_state(self, state: State, optimizer: torch.optim.Optimizer) -> None:
        """See Strategy."""
        load_state(state, self._task.model, optimizer)

    def checkpoints(self, root: Path, keep: int, fence: Fence) -> ReplicatedCheckpoints:
        """See Strategy."""
        return ReplicatedCheckpoints(self._group, root, keep, fence)

    def model_state(self) -> State:
        """See Strategy."""
        return dict(self._task.model.state_dict())

    def load_model_state(self, state: State) -> None:
        """See Strategy."""
        self._task.model.load_state_dict(state)

    def full_model(self) -> State | None:
        """See Strategy."""
        return self._task.model.state_dict() if self._group.rank == 0 else None
