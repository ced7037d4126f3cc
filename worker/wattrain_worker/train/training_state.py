"""The state of a training as one flat table of tensors, under names that do not depend on how the ranks share work."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

_MODEL: Final = "model/"
_OPTIMIZER: Final = "optimizer/"
BEST: Final = "best/"
AVERAGE: Final = "ema/"
State = dict[str, Tensor]
"""`model/<parameter>` and `optimizer/<parameter>/<key>`; where the spec asks for them also `best/<parameter>`, of the
best model so far, and `ema/<parameter>`, of the average of the weights. References, not copies."""


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """What has to be saved. The optimizer keeps something only after its first step."""
    state = {f"{_MODEL}{name}": tensor for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state[parameter].items():
            if isinstance(value, Tensor):
                state[f"{_OPTIMIZER}{name}/{key}"] = value
    return state


def load_state(state: State, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Bring model and optimizer to `state`, on whichever device they are."""
    model.load_state_dict({n.removeprefix(_MODEL): t for n, t in state.items() if n.startswith(_MODEL)})
    by_index: dict[int, dict[str, Any]] = {}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    order = [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    indices = {name: index for index, name in enumerate(order)}
    for name, tensor in state.items():
        if name.startswith(_OPTIMIZER):
            parameter, key = name.removeprefix(_OPTIMIZER).rsplit("/", 1)
            by_index.setdefault(indices[parameter], {})[key] = tensor
    optimizer.load_state_dict({"state": by_index, "param_groups": optimizer.state_dict()["param_groups"]})


def with_part(state: State, prefix: str, part: State) -> State:
    """`state` and `part` beside it; an empty `part` adds nothing."""
    return state | {f"{prefix}{name}": tensor for name, tensor in part.items()}


def part_of(state: State, prefix: str) -> State:
    """What `with_part` has added."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def is_finite(state: State) -> bool:
    """Whether all values are numbers."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in state.values())
