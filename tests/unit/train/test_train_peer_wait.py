"""How long a rank waits for the gradients of the others."""

from __future__ import annotations

import time

import pytest
import torch
from torch.autograd import Variable

from wattrain_worker.train.strategies.peer_wait import PeerWait


def test_what_is_waited_for_at_the_end_of_a_backward_pass_is_counted_and_what_is_computed_is_not() -> None:
    """As DistributedDataParallel does: from within the pass it queues a callback, which waits."""
    weight = torch.ones(3, requires_grad=True)
    wait = PeerWait()

    def computes_and_sends(_: torch.Tensor) -> None:
        time.sleep(0.2)
        Variable._execution_engine.queue_callback(lambda: time.sleep(0.05))

    weight.register_hook(computes_and_sends)
    for passes in (1, 2):
        wait.backward((weight * 2).sum(), torch.tensor(1.0))
        assert 0.05 * passes <= wait.seconds < 0.15 * passes
    assert weight.grad is not None
    assert weight.grad.tolist() == [4.0, 4.0, 4.0]


def test_a_pass_that_nobody_waits_in_costs_next_to_nothing() -> None:
    weight = torch.ones(3, requires_grad=True)
    wait = PeerWait()
    wait.backward((weight * 2).sum(), torch.tensor(1.0))
    assert wait.seconds == pytest.approx(0.0, abs=0.02)
