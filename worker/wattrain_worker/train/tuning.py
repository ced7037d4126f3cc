"""How a step is computed, where that is a matter of speed alone: what `training.auto` has chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tuning:
    """One choice, the same on all ranks; part of every checkpoint, so that a restart neither measures nor chooses."""

    compile: bool = False
    """The model is compiled by torch.compile."""
    fused: bool = True
    """The optimizer changes all parameters in one kernel, where it has such a form."""
    channels_last: bool = False
    """Weights of convolutions have the channels as their last dimension in memory."""
    told: str = ""
    """What was chosen and why, in a sentence; empty: nothing was to be chosen."""


def tuning_from(found: Any) -> Tuning:
    """What a manifest says, None being of a worker that had no tuning yet. KeyError, TypeError where it cannot be
    understood."""
    if found is None:
        return Tuning()
    flags = {name: bool(found[name]) for name in ("compile", "fused", "channels_last")}
    return Tuning(**flags, told=str(found["told"]))
