"""BatchNorm over the samples of all ranks, so that the number of ranks changes nothing but rounding.

torch's SyncBatchNorm does this on GPUs alone, and cannot take a rank without samples. Mean and variance are summed over
the ranks, forwards and backwards (S. Ioffe, C. Szegedy, Batch Normalization, 2015, algorithm 1, for the global batch).
All ranks keep the same running statistics.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def share_batch_norms(model: nn.Module) -> None:
    """Have every BatchNorm in `model` take its statistics of all ranks; parameters, buffers and their names stay."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = _SharedBatchNorm


def batch_norm_of(model: nn.Module) -> str | None:
    """The class of the first BatchNorm in `model`; None: there is none."""
    return next((type(module).__name__ for module in model.modules() if isinstance(module, _BatchNorm)), None)


class _SharedBatchNorm(_BatchNorm):
    """[samples, channels, ...], any number of samples on a rank; with at least 2 values a channel on all together."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 (torch's name)
        pass

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return super().forward(features)
        values = features.transpose(0, 1).flatten(1).float()  # [channels, values]
        count = _sum_over_ranks(torch.tensor([float(values.shape[1])], device=values.device))
        mean = _sum_over_ranks(values.sum(dim=1)) / count
        shape = (1, -1, *(1 for _ in features.shape[2:]))
        centred = features.float() - mean.view(shape)
        squares = centred.square().transpose(0, 1).flatten(1).sum(dim=1)
        variance = _sum_over_ranks(squares) / count
        self._remember(mean.detach(), (variance * count / (count - 1)).detach())
        normal = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(features.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _SumOverRanks(torch.autograd.Function):
    """The loss of each rank depends on the values of all, so gradients are summed over the ranks too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _SumOverRanks.forward(ctx, gradients[0])


def _sum_over_ranks(values: Tensor) -> Tensor:
    total: Tensor = _SumOverRanks.apply(values)
    return total
