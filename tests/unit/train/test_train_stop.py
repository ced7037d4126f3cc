"""What a rank that stops without the others relies on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wattrain_worker.train.stop import patience_seconds
from wattrain_worker.train.strategies.changing_buffers import KeptBuffers
from wattrain_worker.train.training_state import is_finite, state_of


@pytest.mark.parametrize(("grace", "seconds"), [("30", 3.0), ("10", 3.0), ("3", 1.0), ("", 3.0), ("soon", 3.0)])
def test_patience_leaves_most_of_the_grace_for_the_checkpoint(grace: str, seconds: float) -> None:
    assert patience_seconds({"WATTRAIN_GRACE_SECONDS": grace}) == seconds


def test_statistics_that_a_forward_pass_has_changed_are_put_back_where_the_step_was_not_made() -> None:
    model = nn.BatchNorm1d(2)
    model(torch.tensor([[1.0, 2.0], [3.0, 5.0]]))
    kept = KeptBuffers(model)
    kept.keep()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model(torch.tensor([[7.0, 9.0], [30.0, 50.0]]))
    kept.put_back()
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_state_with_a_value_that_is_no_number_is_noticed() -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters())
    assert is_finite(state_of(model, optimizer))
    with torch.no_grad():
        model.bias[0] = float("nan")
    assert not is_finite(state_of(model, optimizer))
