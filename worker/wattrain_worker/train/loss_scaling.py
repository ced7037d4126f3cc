"""`precision: fp16`: a loss is scaled up before gradients are computed, and these down again before they are used.

Numbers of 16 bits end at 65,504 and below 6e-8: without a factor small gradients would become 0 (P. Micikevicius et
al., Mixed Precision Training, 2018). torch.amp.GradScaler finds the largest factor at which they do not overflow: an
overflow leaves the step out and halves it, and 2,000 steps without one double it.

The gradient is a sum over the ranks, so an overflow on one of them is seen by all, at the same step: the factor is the
same on all ranks without a message. The factor is a power of two, so that scaling up and down changes no bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

_FIRST_FACTOR: Final = 65536.0
"""GradScaler's `init_scale`."""
_LEAST_FACTOR: Final = 1.0
"""Below it nothing is scaled up any more: a gradient that is not finite is not so because of the factor."""


@dataclass(frozen=True)
class LossScale:
    """Where the scaling stands between two steps; part of every checkpoint."""

    factor: float = _FIRST_FACTOR
    good_steps: int = 0
    """Steps in a row without an overflow, since the factor has changed."""
    overflows: int = 0
    """Steps since the training began that were left out because the gradient overflowed."""


_UNUSED: Final = LossScale()


class LossScaling:
    """The scaling of a rank's losses."""

    def __init__(self, device: torch.device | None = None) -> None:
        """`device` is that of the losses; None: nothing is scaled."""
        self._scaler = None
        if device is not None:
            self._scaler = torch.amp.GradScaler(device.type, init_scale=_FIRST_FACTOR)
            self._scaler.scale(torch.zeros((), device=device))  # it makes its tensors at the first use
        self._good_steps = self._overflows = 0
        self.factor = 1.0 if self._scaler is None else _FIRST_FACTOR
        """What a loss is multiplied by before its gradient is computed; 1 with other precisions than fp16."""

    @property
    def is_used(self) -> bool:
        """Whether gradients are scaled."""
        return self._scaler is not None

    @property
    def state(self) -> LossScale:
        """For a checkpoint."""
        return _UNUSED if self._scaler is None else LossScale(self.factor, self._good_steps, self._overflows)

    def load_state(self, state: LossScale) -> None:
        """Go on from `state`."""
        if self._scaler is not None:
            ours = {"scale": state.factor, "_growth_tracker": state.good_steps}
            self._scaler.load_state_dict(self._scaler.state_dict() | ours)
            self.factor, self._good_steps, self._overflows = state.factor, state.good_steps, state.overflows

    def unscale(self, optimizer: torch.optim.Optimizer) -> bool:
        """Scale the gradients of `optimizer` down, and choose the factor of the next step. False: they are no finite
        numbers. Waits for the device."""
        assert self._scaler is not None
        self._scaler.unscale_(optimizer)
        self._scaler.update()
        before, self.factor = self.factor, float(self._scaler.get_scale())
        self._good_steps = self._good_steps + 1 if self.factor == before else 0
        return self.factor >= before

    def overflowed(self) -> bool:
        """After `unscale` has found numbers that are not finite, though losses are: count an overflow. False where the
        factor cannot be lowered any more, so that it is not the scaling."""
        assert self._scaler is not None
        if self.factor < _LEAST_FACTOR:
            self._scaler.update(_LEAST_FACTOR)
            self.factor = _LEAST_FACTOR
            return False
        self._overflows += 1
        return True
