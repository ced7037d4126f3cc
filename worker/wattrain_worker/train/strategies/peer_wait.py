"""How long this rank waits in a backward pass for the gradients of the others."""

from __future__ import annotations

import time

import torch
from torch import Tensor
from torch.autograd import Variable


class PeerWait:
    """DistributedDataParallel waits at the end of a backward pass, in a callback of autograd. One that is queued before
    it runs first: then all that this rank had to compute itself is done. On a CPU alone: a GPU computes later than it
    is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Since it was made, of the network and of slower ranks together."""
        self._done_at: float | None = None

    def backward(self, loss_sum: Tensor, gradient: Tensor) -> None:
        """The backward pass from `loss_sum`, whose own gradient is `gradient`."""
        if loss_sum.grad_fn is not None:
            loss_sum.grad_fn.register_prehook(self._begins)  # it goes with the graph of this pass
        torch.autograd.backward(loss_sum, gradient)
        if self._done_at is not None:
            self.seconds += time.perf_counter() - self._done_at
            self._done_at = None

    def _begins(self, _: tuple[Tensor, ...]) -> None:
        Variable._execution_engine.queue_callback(self._is_done)

    def _is_done(self) -> None:
        self._done_at = time.perf_counter()
