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

from wattrain_worker.train.group import Group
from wattrain_worker.train.sampler import Indices, part
from wattrain_worker.train.seeds import seed_torch
from wattrain_worker.train.stepping import OnLosses, Task

_BUCKET_ELEMENTS: Final = 1 << 20
"""Gradients sent at once (4 MiB): the chain works on one bucket while the next rank works on the one before."""


def be_deterministic() -> None:
    """Make torch refuse what is not reproducible, and use one thread: how many would change the order of additions."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)


class Deterministic:
    """Shard after shard. `gradientAccumulation` is not used: a shard is a micro-batch already."""

    def __init__(self, group: Group, task: Task) -> None:
        self._all_shards = task.training.logical_shards
        self._group, self._task = group, task
        self._shards = range(self._all_shards)[part(self._all_shards, group.size, group.rank)]
        self._parameters = [p for p in task.model.parameters() if p.requires_grad]
        self._sum = torch.zeros(sum(p.numel() for p in self._parameters), device=group.device)
        edges = [*range(0, len(self._sum), _BUCKET_ELEMENTS), len(self._sum)]
        self._buckets = [slice(start, end) for start, end in pairwise(edges)]
        for parameter, gradient in zip(
            self._parameters, torch.split(self._sum, [p.numel() for p in self._parameters]), strict=True
        ):
            parameter.grad = gradient.view_as(parameter)

    def gradients(self, batch: Indices, step: int, on_losses: OnLosses) -> int:
        """See Stepper. The losses are in the order of the shards; those of other ranks' shards are 0 here."""
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
        features, labels = self._task.rows.take(rows)
        with self._task.autocast(self._group.device):
            scores = self._task.model(features)
        loss_sum = self._task.recipe.loss_sum(scores, labels)
        gradients = torch.autograd.grad(loss_sum / batch_size, self._parameters)
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
