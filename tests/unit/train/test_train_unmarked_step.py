"""The step of an optimizer without torch's mark for profilers."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from wattrain_api.training import Optimizer
from wattrain_worker.train.optimizers import make_optimizer, unmarked_step

OPTIMIZERS = ("sgd", "adam", "adamw", "adafactor", "muon")


def trained(name: str, *, marked: bool) -> list[torch.Tensor]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = make_optimizer(
        model, model.parameters(), Optimizer(name=name, lr=0.01), fused=name in ("adam", "adamw")
    )
    step = optimizer.step if marked else unmarked_step(optimizer)
    inputs = torch.randn(16, 4)
    for _ in range(5):
        optimizer.zero_grad()
        model(inputs).square().sum().backward()
        step()
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_unmarked_step_leaves_the_same_weights_bit_for_bit(name: str) -> None:
    pairs = zip(trained(name, marked=True), trained(name, marked=False), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_profiler_sees_nothing_of_torchs_mark_in_an_unmarked_step() -> None:
    model = nn.Linear(2, 2)
    optimizer = make_optimizer(model, model.parameters(), Optimizer(name="adamw"))
    model(torch.ones(1, 2)).sum().backward()

    def marks(step: object) -> list[str]:
        assert callable(step)
        with profile(activities=[ProfilerActivity.CPU], acc_events=True) as seen:
            step()
        return [event.key for event in seen.key_averages() if event.key.startswith("Optimizer.step")]

    assert marks(optimizer.step) == ["Optimizer.step#AdamW.step"]
    assert marks(unmarked_step(optimizer)) == []
