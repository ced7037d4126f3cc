"""What becomes of a step whose loss or gradient is no finite number: `spec.training.nonFinite`.

Where such steps are to be left out, each rank looks at the gradient before every step of the optimizer. The gradient is
the sum over the ranks, so all of them see the same and no message more is needed; a loss that is no finite number makes
all of the gradient of its rank NaN. That look waits for the device, which otherwise happens a few times a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import Tensor

REMEDY: Final = "lower spec.training.optimizer.lr, or set clipGradientNorm"
MOST_IN_A_ROW: Final = 10
"""So many steps in a row are left out at most: it is the training that is broken then, not a batch."""
MOST_ROLLBACKS: Final = 3
"""To the same checkpoint."""


@dataclass(frozen=True)
class NonFiniteSteps:
    """Steps that left no trace because loss or gradient was no finite number; part of every checkpoint."""

    total: int = 0
    """Of those that led back to a checkpoint each is counted."""
    in_a_row: int = 0
    """Left out since the last step that was made."""

    def after(self, *, made: bool) -> NonFiniteSteps:
        """The count after one more step."""
        if made:
            return NonFiniteSteps(self.total) if self.in_a_row else self
        return NonFiniteSteps(self.total + 1, self.in_a_row + 1)


class Rollbacks:
    """How often the training has gone back to the same checkpoint."""

    def __init__(self) -> None:
        self._step, self._times = -1, 0

    def may_go_to(self, step: int) -> bool:
        """Count one more; False: it is one too many."""
        self._step, self._times = step, self._times + 1 if step == self._step else 1
        return self._times <= MOST_ROLLBACKS


def with_loud_gradient(loss: Tensor) -> Tensor:
    """`loss`, bit for bit, whose gradient is the same too; but all NaN where `loss` is no finite number, for which a
    gradient may be finite."""
    return loss * (1 + 0 * loss.detach())
