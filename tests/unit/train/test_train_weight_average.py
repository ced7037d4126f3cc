"""The moving average of a model's weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from wattrain_worker.train.weight_average import WeightAverage


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def change(trained: nn.Module) -> None:
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(torch.randn(parameter.shape))


def weights(of: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in of.parameters()]


def same(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def test_the_average_is_that_of_torch_bit_for_bit_also_when_it_is_loaded_in_between() -> None:
    trained = model()
    average, theirs = WeightAverage(trained, 0.9), AveragedModel(trained, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for step in range(5):
        change(trained)
        average.update()
        theirs.update_parameters(trained)
        if step == 2:
            saved, average = average.state, WeightAverage(trained, 0.9)
            average.load_state(saved)
    with average.in_the_model():
        assert same(weights(trained), weights(theirs.module))


def test_the_trained_weights_come_back_whatever_happens_meanwhile() -> None:
    trained = model()
    average = WeightAverage(trained, 0.5)
    for _ in range(2):
        change(trained)
        average.update()
    before = weights(trained)
    kept = [tensor.clone() for tensor in average.state.values()]
    inside = []

    def evaluate() -> None:
        with average.in_the_model():
            inside.append(weights(trained))
            raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        evaluate()
    assert not same(inside[0], before)
    assert same(weights(trained), before)
    assert same(list(average.state.values()), kept)


def test_without_a_decay_and_before_the_first_step_the_model_is_left_alone() -> None:
    trained = model()
    without, unborn = WeightAverage(trained, None), WeightAverage(trained, 0.9)
    without.update()
    before = weights(trained)
    for average in (without, unborn):
        assert average.state == {}
        with average.in_the_model():
            assert same(weights(trained), before)
