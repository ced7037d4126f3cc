"""From a global batch to its gradients, the same bits on any number of ranks and after any restart.

The batch is cut into `logicalShards` contiguous parts whose samples depend on the batch alone. Each shard's forward and
backward run alone, with a generator seeded by (seed, step, shard), on one thread. What is left is the order of the
additions: gradients are added shard after shard in a chain over the ranks, each rank going on from the sum that the one
before it sends; the last rank's sum is broadcast. The idea, elastic training with the accuracy of a fixed number of
workers, is that of EasyScale (Li et al., SC'23).

The memory for gradients is that of a rank's shards, because they are computed while the chain is still elsewhere.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.modules.batchnorm import _NormBase

from wattrain_worker.errors import BadSpec
from wattrain_worker.train.elastic_sampler import Indices, part
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.seeds import seed_torch
from wattrain_worker.train.strategies.changing_buffers import BufferWatch
from wattrain_worker.train.strategies.protocol import OnLosses
from wattrain_worker.train.strategies.replicated import Replicated
from wattrain_worker.train.task import Task, autocast

_BUCKET_ELEMENTS: Final = 1 << 20
"""Gradients sent at once (4 MiB): the chain works on one bucket while the next rank works on the one before."""


class Deterministic(Replicated):
    """Shard after shard. `gradientAccumulation` is not used: a shard is a micro-batch already."""

    def __init__(self, group: ProcessGroup, task: Task) -> None:
        super().__init__(group, task)
        self._all_shards = task.training.logical_shards
        self._buffer_watch = BufferWatch(task.model)
        _refuse(group, task)
        self._shards = range(self._all_shards)[part(self._all_shards, group.size, group.rank)]
        self._trained = [p for p in self.parameters if p.requires_grad]
        self._sum = torch.zeros(sum(p.numel() for p in self._trained), device=group.device)
        edges = [*range(0, len(self._sum), _BUCKET_ELEMENTS), len(self._sum)]
        self._buckets = [slice(start, end) for start, end in pairwise(edges)]
        for parameter, gradient in zip(
            self._trained, torch.split(self._sum, [p.numel() for p in self._trained]), strict=True
        ):
            parameter.grad = gradient.view_as(parameter)

    def gradients(self, batch: Indices, step: int, on_losses: OnLosses) -> int:
        """See Strategy. The losses are in the order of the shards; those of other ranks' shards are 0 here."""
        losses = torch.zeros(self._all_shards, dtype=torch.float64, device=self._group.device)
        gradients, samples = [], 0
        for shard in self._shards:
            rows = batch[part(len(batch), self._all_shards, shard)]
            if len(rows):
                losses[shard], gradient = self._shard(rows, len(batch), step, shard)
                gradients.append(gradient)
                samples += len(rows)
        on_losses(losses)
        self._add_in_order(gradients)
        return samples

    def _shard(self, rows: Indices, batch_size: int, step: int, shard: int) -> tuple[Tensor, Tensor]:
        """The shard's sum of losses, and its part of the mean loss' gradient, flat."""
        seed_torch(self._group.device, self._task.training.seed, step, shard)
        features, labels = self._task.rows.take(rows, step)
        with autocast(self._task.training, self._group.device):
            outputs, changed = self._buffer_watch.of_first(lambda: self._task.model(features))
        if changed:
            raise BadSpec(
                f"spec.training.deterministic: the model's buffer {changed[0]} changes with the samples that its rank "
                "has seen, which depend on the number of ranks; write false"
            )
        loss_sum = self._loss_sum_of(outputs, labels)
        # A factor is a power of two, so that dividing by it changes no bit.
        gradients = torch.autograd.grad(loss_sum / (batch_size / self._task.loss_scaling.factor), self._trained)
        return loss_sum.detach(), torch.cat([gradient.reshape(-1) for gradient in gradients])

    def _add_in_order(self, gradients: list[Tensor]) -> None:
        """The chain. It starts from zeros, so that the first addition is the same as all others."""
        first, last = self._group.rank == 0, self._group.rank == self._group.size - 1
        sent = []
        for where in self._buckets:
            bucket = self._sum[where]
            if first:
                bucket.zero_()
            else:
                dist.recv(bucket, src=self._group.rank - 1)
            for gradient in gradients:
                bucket += gradient[where]
            if not last:
                sent.append(dist.isend(bucket, dst=self._group.rank + 1))
        for work in sent:
            if work is not None:
                work.wait()
        if self._group.size > 1:
            for where in self._buckets:
                dist.broadcast(self._sum[where], src=self._group.size - 1)


def _refuse(group: ProcessGroup, task: Task) -> None:
    """BadSpec where the result would depend on the number of ranks after all."""
    if group.size > task.training.logical_shards:
        raise BadSpec(
            f"spec.training.logicalShards: {task.training.logical_shards} is less than the {group.size} ranks; raise "
            "it, or start fewer ranks"
        )
    for name, module in task.model.named_modules():
        if isinstance(module, _NormBase) and module.track_running_stats:
            raise BadSpec(
                f"spec.training.deterministic: the model's {name}, a {type(module).__name__}, keeps running statistics "
                "of the samples that its rank has seen, which depend on the number of ranks; write norm: group where "
                "the recipe has it, or false"
            )
