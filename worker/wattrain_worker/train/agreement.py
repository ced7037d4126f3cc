"""How the ranks decide together: one small sum over the ranks carries every rank's wishes, and the losses since the
last one.

All ranks read the same numbers and so take the same turn at the same step. The sum starts before the gradients are
sent and is read after them. Even so it costs a tenth of a step of 4 ms, and a device is waited for until it has
computed the losses: so the ranks agree a few times a second, and not at each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor

from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.profiling import NO_PROFILE, ProfileRequest

_INTERVAL_SECONDS: Final = 0.2
"""A wish, such as to stop, is heard, and a loss is known, about so long after it came up."""


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
    duty_ratio: float = 0.0
    """Share of the time in which the ranks are to compute, of rank 0; 0 on the others."""
    threads: int = 0
    """With how many threads each rank is to compute, of rank 0; 0: with all of its own, and on the others."""
    profile: ProfileRequest = NO_PROFILE
    """What is to be profiled from the next step on, of rank 0; nothing on the others."""


@dataclass(frozen=True)
class Agreed:
    """What all ranks know after the sum."""

    losses: tuple[float, ...]
    """Of each step asked about, the mean over the samples of its global batch; may be no finite number."""
    stop: bool
    evaluate: bool
    save: bool
    stop_at_step: int
    """0: at none."""
    step_seconds: float
    duty_ratio: float
    threads: int
    """0: as many as each rank has started with."""
    profile: ProfileRequest


@dataclass(frozen=True)
class UnreadLoss:
    """The loss of a step, which is still where it was computed."""

    step: int
    epoch: int
    learning_rate: float
    batch_size: int
    """Samples of the global batch."""
    sums: Tensor
    """This rank's sums of losses, [] or [parts], of one shape in all steps; those of other ranks' parts are 0."""


class Agreement:
    """One sum over the ranks, under way."""

    def __init__(self, group: ProcessGroup, unread: Sequence[UnreadLoss], wishes: Wishes) -> None:
        """`unread`: of the same steps on all ranks, at least one."""
        asked = (wishes.stop, wishes.evaluate, wishes.save, wishes.stop_at_step)
        wished = (*asked, wishes.step_seconds, wishes.duty_ratio, wishes.threads, *wishes.profile)
        self._unread, device = unread, unread[0].sums.device
        # One conversion for all of them: in each step it would cost ten times as much.
        sums = torch.stack([loss.sums for loss in unread]).to(torch.float64).flatten()
        self._values = torch.cat([sums, torch.tensor(wished, dtype=torch.float64, device=device)])
        self._work: dist.Work | None = group.start_sum(self._values)

    def result(self) -> Agreed:
        """Wait for the sum."""
        if self._work is not None:
            self._work.wait()
        values = iter(self._values.tolist())
        # From left to right: the order of additions is part of the result.
        losses = tuple(sum(islice(values, loss.sums.numel())) / loss.batch_size for loss in self._unread)
        stop, evaluate, save, stop_at_step, step_seconds, duty_ratio, threads, *asked = values
        profile = ProfileRequest(*map(int, asked))
        turns = (stop > 0, evaluate > 0, save > 0)
        return Agreed(losses, *turns, int(stop_at_step), step_seconds, duty_ratio, int(threads), profile)


def next_agreement(step: int, step_seconds: float) -> int:
    """The step at which the ranks agree again after `step`: about a fifth of a second away, and at least the next."""
    if step_seconds <= 0 or not math.isfinite(step_seconds):
        return step + 1
    return step + max(1, int(_INTERVAL_SECONDS / step_seconds))
