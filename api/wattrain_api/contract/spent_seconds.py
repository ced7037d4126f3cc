"""Where the time of a group went, by what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from wattrain_api.contract.kinds import amount
from wattrain_api.contract.phases import Phase

CauseOfPhase = Literal["prepare", "start", "restore", "training", "evaluation", "checkpoint", "export"]
CAUSE_OF_PHASE: Final[Mapping[str, CauseOfPhase]] = {
    Phase.PREPARING: "prepare", Phase.STARTING: "start", Phase.COMPILING: "start", Phase.RESTORING: "restore",
    Phase.TRAINING: "training", Phase.EVALUATING: "evaluation", Phase.CHECKPOINTING: "checkpoint",
    Phase.STOPPING: "checkpoint", Phase.EXPORTING: "export", Phase.DONE: "export",
}  # fmt: skip
"""The field of SpentSeconds that the time in a phase goes to; of a training a part goes to others."""


@dataclass(frozen=True)
class SpentSeconds:
    """Seconds since the supervisor started, on its own clock, each once. None of them ever falls."""

    prepare: float = field(default=0.0, metadata=amount("s"))
    """Preparing the data."""
    start: float = field(default=0.0, metadata=amount("s"))
    """Waiting for the other workers, importing, joining the group, compiling."""
    restore: float = field(default=0.0, metadata=amount("s"))
    """Looking for a checkpoint and reading it."""
    training: float = field(default=0.0, metadata=amount("s"))
    """Making steps, but for the next three."""
    data_wait: float = field(default=0.0, metadata=amount("s"))
    """The training loop waited for data: mean over the ranks."""
    slowest_rank: float = field(default=0.0, metadata=amount("s"))
    """Ranks waited for the slowest one: mean over the ranks. 0 where that is not measured, as on GPUs."""
    paused: float = field(default=0.0, metadata=amount("s"))
    """The ranks paused between steps, to draw less power."""
    evaluation: float = field(default=0.0, metadata=amount("s"))
    checkpoint: float = field(default=0.0, metadata=amount("s"))
    """The training stood still for a checkpoint."""
    export: float = field(default=0.0, metadata=amount("s"))
    """Writing the model, and leaving."""
