"""From a global batch to its gradients: the interface of both ways, and the fast way, DistributedDataParallel."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from wattrain_api.training import Training
from wattrain_worker.data.prepared import Shard
from wattrain_worker.train.group import Group
from wattrain_worker.train.recipes import Recipe
from wattrain_worker.train.sampler import Indices, part
from wattrain_worker.train.seeds import seed_torch

OnLosses = Callable[[Tensor], None]


class Rows:
    """A split as tensors, read by row index and moved to the device of the group."""

    def __init__(self, shard: Shard, device: torch.device) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable")  # nobody writes to it, so no copy is needed
            self._features = torch.from_numpy(shard.features)
            self._labels = torch.from_numpy(shard.labels)
        self._device = device
        self.seconds = 0.0
        """Time that taking rows has cost."""

    def __len__(self) -> int:
        return len(self._labels)

    def take(self, rows: Indices | slice) -> tuple[Tensor, Tensor]:
        """Features [rows, columns] float32 and labels [rows] int64."""
        started = time.perf_counter()
        if isinstance(rows, slice):
            features, labels = self._features[rows], self._labels[rows]
        else:
            index = torch.from_numpy(rows)
            features, labels = self._features.index_select(0, index), self._labels.index_select(0, index)
        taken = features.to(self._device), labels.to(self._device)
        self.seconds += time.perf_counter() - started
        return taken


@dataclass(frozen=True)
class Task:
    """What is optimized, and how its forward pass is run."""

    model: nn.Module
    recipe: Recipe
    training: Training
    rows: Rows
    """The training split."""

    def autocast(self, device: torch.device) -> contextlib.AbstractContextManager[object]:
        """The precision of the spec for a forward pass."""
        if self.training.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(device.type, dtype=torch.bfloat16)


class Stepper(Protocol):
    """Computes the gradients of a global batch, on all ranks together."""

    def gradients(self, batch: Indices, step: int, on_losses: OnLosses) -> int:
        """Set each parameter's `grad` to the gradient of the mean loss of `batch`, the same on every rank.

        `on_losses` is called once, before the last communication of gradients starts, with this rank's sums of losses
        [parts] in float64, on the group's device: added over ranks and parts they are the batch's sum of losses.
        Returns how many samples this rank computed.
        """


class DataParallel:
    """A rank computes its part of the batch; DDP averages the gradients over the ranks while they are computed."""

    def __init__(self, group: Group, task: Task) -> None:
        self._group, self._task = group, task
        self._micro_batches = task.training.gradient_accumulation
        self._draws = any(isinstance(module, nn.Dropout) for module in task.model.modules())
        self._parameters = list(task.model.parameters())
        self._ddp: DistributedDataParallel | None = None
        forward: nn.Module = task.model
        if group.size > 1:
            # static_graph together with no_sync() ends in an assertion of DDP's.
            static = self._micro_batches == 1 and not task.training.compile
            forward = self._ddp = DistributedDataParallel(task.model, gradient_as_bucket_view=True, static_graph=static)
        self._forward = torch.compile(forward) if task.training.compile else forward

    def gradients(self, batch: Indices, step: int, on_losses: OnLosses) -> int:
        """See Stepper. Dropout is seeded by (seed, step, rank): exact after a restart on as many ranks."""
        if self._draws:
            seed_torch(self._group.device, self._task.training.seed, step, self._group.rank)
        for parameter in self._parameters:
            parameter.grad = None
        mine = batch[part(len(batch), self._group.size, self._group.rank)]
        losses = torch.zeros(1, dtype=torch.float64, device=self._group.device)
        for index in range(self._micro_batches):
            last = index == self._micro_batches - 1
            with contextlib.nullcontext() if last or self._ddp is None else self._ddp.no_sync():
                loss_sum = self._loss_sum(mine[part(len(mine), self._micro_batches, index)])
                losses += loss_sum.detach()
                if last:
                    on_losses(losses)
                # DDP takes the mean over ranks; the parts differ in size, so the sum over samples is what is right.
                torch.autograd.backward(loss_sum * (self._group.size / len(batch)))
        return len(mine)

    def _loss_sum(self, rows: Indices) -> Tensor:
        # A part without samples is computed too: the other ranks wait for its gradient, which is 0.
        features, labels = self._task.rows.take(rows)
        with self._task.autocast(self._group.device):
            scores = self._forward(features)
        return self._task.recipe.loss_sum(scores, labels)
