"""Whether the optimizer may take a step's gradient, and what is told where it may not."""

from __future__ import annotations

import torch
from torch import Tensor

from wattrain_api import reasons
from wattrain_worker.errors import NonFiniteLoss
from wattrain_worker.report import report
from wattrain_worker.train.non_finite import MOST_IN_A_ROW, REMEDY, NonFiniteSteps
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.reporting import warn
from wattrain_worker.train.strategies.changing_buffers import KeptBuffers
from wattrain_worker.train.strategies.protocol import Strategy
from wattrain_worker.train.task import Task


class GradientCheck:
    """One rank's; all ranks come to the same answer at the same step."""

    def __init__(
        self,
        group: ProcessGroup,
        task: Task,
        strategy: Strategy,
        optimizer: torch.optim.Optimizer,
        kept_buffers: KeptBuffers,
    ) -> None:
        """`kept_buffers` are put back where a step is left out."""
        self._group, self._strategy, self._optimizer = group, strategy, optimizer
        self._scaling, self._policy, self._kept_buffers = task.loss_scaling, task.training.non_finite, kept_buffers

    def look(self, step: int, rate: float, count: NonFiniteSteps, sums: Tensor) -> tuple[bool, NonFiniteSteps]:
        """Whether `step` is to be made, and the count after it. `sums` is this rank's sums of losses.

        NonFiniteLoss where it cannot be made, and may not be left out.
        """
        if not self._scaling.is_used:
            made = self._policy == "fail" or self._strategy.gradient_is_finite()
        else:
            made = self._scaling.unscale(self._optimizer)
            if not made and self._only_overflowed(sums):
                return False, count
        return made, count.after(made=True) if made else self._leave_out(step, rate, count)

    def _only_overflowed(self, sums: Tensor) -> bool:
        """Whether fp16 overflowed and nothing else is wrong, which a lower factor answers."""
        broken = self._group.sum((~torch.isfinite(sums)).any().double())  # all ranks come here at the same step
        if bool(broken) or not self._scaling.overflowed():
            return False
        self._kept_buffers.put_back()
        self._on_rank_0(overflow_steps=self._scaling.state.overflows)
        return True

    def _leave_out(self, step: int, rate: float, before: NonFiniteSteps) -> NonFiniteSteps:
        what = f"the loss or the gradient of step {step} is no finite number at learning rate {rate:g}"
        count = before.after(made=False)
        if self._policy != "skip":
            raise NonFiniteLoss(f"{what}: {REMEDY}")
        if count.in_a_row >= MOST_IN_A_ROW:
            raise NonFiniteLoss(f"{what}, as in the {MOST_IN_A_ROW - 1} steps before, which were left out: {REMEDY}")
        self._kept_buffers.put_back()
        self._on_rank_0(non_finite_steps=count.total)
        if count.total == 1:
            sentence = f"{what}: it is left out, and so are others like it, which status.progress.nonFiniteSteps counts"
            warn(self._group.rank, reasons.NON_FINITE, sentence)
        return count

    def _on_rank_0(self, **fields: object) -> None:
        if self._group.rank == 0:
            report(**fields)
