"""Optimizer and learning rate, from the spec."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import torch
from torch import nn

from wattrain_api.training import Optimizer, Schedule
from wattrain_worker.errors import BadSpec

_MUON_MOMENTUM: Final = 0.95
_ONE_CYCLE_RISING: Final = 0.3
_ONE_CYCLE_START: Final = 1 / 25
_ONE_CYCLE_END: Final = 1e-4
"""Of torch's OneCycleLR: `pct_start`, 1 / `div_factor`, and 1 / `final_div_factor`, which is of the first rate."""


def make_optimizer(
    model: nn.Module, parameters: Iterable[nn.Parameter], settings: Optimizer, *, fused: bool = True
) -> torch.optim.Optimizer:
    """The optimizer of `parameters`, which are those of `model`, in torch's fused form where there is one and
    `fused` says so: on a CPU too it is several times faster. BadSpec where it cannot train this model."""
    lr, decay = settings.lr, settings.weight_decay
    if settings.name == "sgd":
        momentum = settings.momentum or 0.0
        return torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=decay, fused=fused)
    if settings.name == "adafactor":
        return torch.optim.Adafactor(parameters, lr=lr, weight_decay=decay)
    if settings.name == "muon":
        return MuonWithAdamW(hidden_weights(model), parameters, settings, fused=fused)
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(parameters, lr=lr, betas=(settings.beta1, settings.beta2), weight_decay=decay, fused=fused)


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon for the hidden weight matrices, AdamW for all else.

    Muon's step is scaled so that its root mean square is that of AdamW's (J. Liu et al., Muon is Scalable for LLM
    Training, 2025, section 2.2): one learning rate and one weight decay do for both.
    """

    def __init__(
        self, hidden: list[nn.Parameter], parameters: Iterable[nn.Parameter], settings: Optimizer, *, fused: bool = True
    ) -> None:
        """`hidden`: those of `parameters` that are Muon's. BadSpec where there are none."""
        if not hidden:
            raise BadSpec(
                "spec.training.optimizer.name: muon is for hidden weight matrices, and this model has none; write adamw"
            )
        momentum = _MUON_MOMENTUM if settings.momentum is None else settings.momentum
        own = {id(parameter) for parameter in hidden}
        others = [parameter for parameter in parameters if id(parameter) not in own]
        lr, decay = settings.lr, settings.weight_decay
        betas = (settings.beta1, settings.beta2)
        self._parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(hidden, lr=lr, weight_decay=decay, momentum=momentum, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=lr, betas=betas, weight_decay=decay, fused=fused),
        )
        super().__init__([dict(part.param_groups[0]) for part in self._parts], {})
        self._share()

    def step(self, closure: Any = None) -> Any:
        """One step of each; `closure` is not called."""
        for part in self._parts:
            part.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As every optimizer's: Muon's parameters come first."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Both work on what this optimizer says is its state, and with the rates that are set here."""
        for part, group in zip(self._parts, self.param_groups, strict=True):
            part.state, part.param_groups = self.state, [group]


def hidden_weights(model: nn.Module) -> list[nn.Parameter]:
    """The matrices between a model's layers, in order: parameters of two dimensions, without those of embeddings and
    without the output layer's, which is the model's last Linear (K. Jordan et al., Muon: An optimizer for hidden layers
    in neural networks, 2024)."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1:]
    excepted = [*last, *(m for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag))]
    left_out = {id(parameter) for module in excepted for parameter in module.parameters(recurse=False)}
    return [p for p in model.parameters() if p.ndim == 2 and id(p) not in left_out]


def learning_rate(peak: float, schedule: Schedule, step: int, total_steps: int) -> float:
    """Learning rate of `step` (0-based) of `total_steps`.

    It rises linearly and reaches `peak` with the last warm-up step; from there `linear` and `cosine` fall, so that
    they would be 0 at the step after the last. `one-cycle` is torch's OneCycleLR with its defaults, but for the
    momentum, which stays (L. Smith, N. Topin, Super-Convergence, 2018).
    """
    if schedule.name == "one-cycle":
        return _one_cycle(peak, schedule.warmup_steps, step, total_steps)
    warmup = schedule.warmup_steps or 0
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, total_steps - warmup)
    if schedule.name == "linear":
        return peak * (1 - done)
    if schedule.name == "cosine":
        return _along_cosine(peak, 0.0, done)
    return peak


def _one_cycle(peak: float, warmup_steps: int | None, step: int, total_steps: int) -> float:
    top = (_ONE_CYCLE_RISING * total_steps if warmup_steps is None else warmup_steps) - 1
    first = peak * _ONE_CYCLE_START
    if step < top:
        return _along_cosine(first, peak, step / top)
    falling = total_steps - 1 - top
    return _along_cosine(peak, first * _ONE_CYCLE_END, (step - top) / falling if falling > 0 else 0.0)


def _along_cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done))


def unmarked_step(optimizer: torch.optim.Optimizer) -> Callable[[], object]:
    """The step of `optimizer` without the mark for profilers that torch puts around it, and without its hooks, which
    nothing here has: on a CPU the mark takes 0.16 ms of a step of an MLP that takes 2.2."""
    marked = type(optimizer).step
    unmarked = getattr(marked, "__wrapped__", None) if getattr(marked, "hooked", False) else None
    return optimizer.step if unmarked is None else partial(unmarked, optimizer)


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
