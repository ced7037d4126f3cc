"""`DDP`, the fast way: a rank computes its part of the batch, DistributedDataParallel averages the gradients."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from wattrain_worker.errors import BadSpec
from wattrain_worker.train.elastic_sampler import Indices, part
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.seeds import seed_torch
from wattrain_worker.train.strategies.changing_buffers import BufferWatch
from wattrain_worker.train.strategies.peer_wait import PeerWait
from wattrain_worker.train.strategies.protocol import OnLosses
from wattrain_worker.train.strategies.replicated import Replicated
from wattrain_worker.train.strategies.shared_batch_norm import batch_norm_of, share_batch_norms
from wattrain_worker.train.task import Task, autocast


class DataParallel(Replicated):
    """Gradients are averaged while they are computed."""

    def __init__(self, group: ProcessGroup, task: Task) -> None:
        super().__init__(group, task)
        _refuse_batch_norm(group, task)
        self._buffer_watch = BufferWatch(task.model)
        self._micro_batches = task.training.gradient_accumulation
        self._begun_with: tuple[float, Tensor] | None = None
        self._ddp: DistributedDataParallel | None = None
        forward: nn.Module = task.model
        if group.size > 1:
            share_batch_norms(task.model)
            # static_graph together with no_sync() ends in an assertion of DDP's.
            static = self._micro_batches == 1 and not task.training.compile
            forward = self._ddp = DistributedDataParallel(task.model, gradient_as_bucket_view=True, static_graph=static)
        is_measured = group.size > 1 and group.device.type == "cpu"
        self.peer_wait = PeerWait() if is_measured else None
        self._forward = torch.compile(forward) if task.training.compile else forward

    def gradients(self, batch: Indices, step: int, on_losses: OnLosses) -> int:
        """See Strategy. What is drawn is seeded by (seed, step, rank): exact after a restart on as many ranks."""
        seed_torch(self._group.device, self._task.training.seed, step, self._group.rank)
        for parameter in self.parameters:
            parameter.grad = None
        mine = batch[part(len(batch), self._group.size, self._group.rank)]
        # DDP takes the mean over ranks; the parts differ in size, so the sum over samples is what is right.
        scale = self._task.loss_scaling.factor * self._group.size / len(batch)
        losses: list[Tensor] = []
        for index in range(self._micro_batches):
            last = index == self._micro_batches - 1
            with contextlib.nullcontext() if last or self._ddp is None else self._ddp.no_sync():
                loss_sum = self._loss_sum(mine[part(len(mine), self._micro_batches, index)], step)
                losses.append(loss_sum.detach())
                if last:
                    on_losses(losses[0] if index == 0 else torch.stack(losses).double().sum())
                if last and self.peer_wait is not None:
                    self.peer_wait.backward(loss_sum, self._first_gradient(loss_sum, scale))
                else:
                    torch.autograd.backward(loss_sum, self._first_gradient(loss_sum, scale))
        return len(mine)

    def _first_gradient(self, loss_sum: Tensor, scale: float) -> Tensor:
        """What the backward pass begins with. It costs less than a loss that is multiplied, 20 us of a step of 700; and
        batches of one size have the same one."""
        if self._begun_with is None or self._begun_with[0] != scale:
            self._begun_with = scale, torch.full_like(loss_sum.detach(), scale)
        return self._begun_with[1]

    def _loss_sum(self, rows: Indices, step: int) -> Tensor:
        # A part without samples is computed too: the other ranks wait for its gradient, which is 0.
        features, labels = self._task.rows.take(rows, step)
        with autocast(self._task.training, self._group.device):
            outputs, changed = self._buffer_watch.of_first(lambda: self._forward(features))
        if changed:
            _refuse_own_buffers(self._group, self._task.model, changed)
        return self._loss_sum_of(outputs, labels)


def _refuse_own_buffers(group: ProcessGroup, model: nn.Module, changed: list[str]) -> None:
    """BadSpec where a buffer that training changes would differ from rank to rank, or be lost in a restart."""
    saved = model.state_dict().keys()
    shared = {
        f"{name}.{buffer}" if name else buffer
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm)
        for buffer, _ in module.named_buffers(recurse=False)
    }
    for name in changed:
        if name not in saved:
            raise BadSpec(
                f"spec.recipe.name: the model's buffer {name} changes in training and is in no checkpoint, because it "
                "is not persistent; choose another recipe"
            )
        if group.size > 1 and name not in shared:
            raise BadSpec(
                f"spec.workers.replicas: the model's buffer {name} changes in training, and each of the {group.size} "
                "ranks would have its own; write 1, with one process a worker"
            )


def _refuse_batch_norm(group: ProcessGroup, task: Task) -> None:
    """A BatchNorm takes mean and variance of the samples that it is given: of one sample there is no variance. And with
    micro-batches it would be given other samples on another number of ranks."""
    norm = batch_norm_of(task.model)
    batch_size = min(task.training.batch_size, len(task.rows))
    last = len(task.rows) % batch_size or batch_size
    fewest = last // task.training.gradient_accumulation
    if norm is not None and fewest < 2:
        raise BadSpec(
            f"spec.training.batchSize: the last batch of each pass has {last} samples in "
            f"{task.training.gradient_accumulation} micro-batches, and the model's {norm} needs at least 2 in each; "
            f"choose a batch size that leaves more of the {len(task.rows)} rows for the last batch, or lower "
            "gradientAccumulation"
        )
    if norm is not None and group.size > 1 and task.training.gradient_accumulation > 1:
        raise BadSpec(
            f"spec.training.gradientAccumulation: the model's {norm} would be given other samples on another number of "
            f"ranks than {group.size}; write 1"
        )
    if norm is not None and group.size > 1 and task.training.compile:
        raise BadSpec(
            f"spec.training.compile: true does not go with the model's {norm} on {group.size} ranks, which add up the "
            "statistics of their samples; write false"
        )
