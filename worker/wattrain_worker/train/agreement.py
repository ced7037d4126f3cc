"""How the ranks decide together: one small sum over the ranks carries the loss and every rank's wishes.

All ranks read the same numbers and so take the same turn at the same step. The sum starts before the gradients are
sent and is read after them, so that it seldom costs time of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor

from wattrain_worker.train.process_group import ProcessGroup

_LONGEST_SILENCE_SECONDS: Final = 1.0
"""A wish, such as to stop, is heard after so long at the latest, where recorded steps are further apart."""


@dataclass(frozen=True)
class Wishes:
    """What a rank wants done at this step. Time passes differently on each rank, so rank 0 alone watches the clock."""

    stop: bool = False
    evaluate: bool = False
    save: bool = False
    stop_at_step: int = 0
    """Step at which the training is to stop, of rank 0; 0: at none, and on the others."""
    step_seconds: float = 0.0
    """Mean time of a step, of rank 0; 0 on the others."""


@dataclass(frozen=True)
class Agreed:
    """What all ranks know after the sum."""

    loss: float
    """Mean loss over the samples of the global batch; may be no finite number."""
    stop: bool
    evaluate: bool
    save: bool
    stop_at_step: int
    """0: at none."""
    step_seconds: float


class Agreement:
    """One sum over the ranks, under way."""

    def __init__(self, group: ProcessGroup, losses: Tensor, wishes: Wishes) -> None:
        """`losses`: this rank's sums of losses, [parts] float64; those of other ranks' parts are 0."""
        wished = (wishes.stop, wishes.evaluate, wishes.save, wishes.stop_at_step, wishes.step_seconds)
        self._values = torch.cat([losses, torch.tensor(wished, dtype=torch.float64, device=losses.device)])
        self._work: dist.Work | None = group.start_sum(self._values)

    def result(self, batch_size: int) -> Agreed:
        """Wait for the sum. `batch_size`: samples of the global batch."""
        if self._work is not None:
            self._work.wait()
        *losses, stop, evaluate, save, stop_at_step, step_seconds = self._values.tolist()
        # From left to right: the order of additions is part of the result.
        loss = sum(losses) / batch_size
        return Agreed(loss, stop > 0, evaluate > 0, save > 0, int(stop_at_step), step_seconds)


def next_agreement(step: int, record_every: int, step_seconds: float) -> int:
    """The step at which the ranks agree again after `step`: the next recorded one, or about a second away."""
    recorded = (step // record_every + 1) * record_every
    if step_seconds <= 0 or not math.isfinite(step_seconds):
        return min(recorded, step + 1)
    return min(recorded, step + max(1, int(_LONGEST_SILENCE_SECONDS / step_seconds)))
