"""Optimizer and learning rate, from the spec."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from wattrain_api.training import Optimizer, Schedule


def make_optimizer(parameters: Iterable[nn.Parameter], settings: Optimizer) -> torch.optim.Optimizer:
    """The optimizer that `settings` names, in torch's fused form: on a CPU too it is several times faster."""
    lr, decay = settings.lr, settings.weight_decay
    if settings.name == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=settings.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(parameters, lr=lr, betas=(settings.beta1, settings.beta2), weight_decay=decay, fused=True)


def learning_rate(peak: float, schedule: Schedule, step: int, total_steps: int) -> float:
    """Learning rate of `step` (0-based) of `total_steps`.

    It rises linearly and reaches `peak` with the last warm-up step; from there `linear` and `cosine` fall, so that
    they would be 0 at the step after the last.
    """
    warmup = schedule.warmup_steps
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, total_steps - warmup)
    if schedule.name == "linear":
        return peak * (1 - done)
    if schedule.name == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    return peak


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Use `value` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = value


def clip_gradients(parameters: list[nn.Parameter], largest_norm: float | None) -> torch.Tensor:
    """The L2 norm of all gradients together, before they are scaled down to `largest_norm` where they exceed it."""
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if largest_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, largest_norm, norm)
    return norm
