from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch import nn

from wattrain_api.training import EarlyStopping, Optimizer, Schedule, Training
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.agreement import next_agreement
from wattrain_worker.train.evaluation import Best, Patience, Score
from wattrain_worker.train.optimizers import clip_gradients, learning_rate, make_optimizer


def rates(schedule: Schedule, total: int = 10) -> list[float]:
    return [learning_rate(2.0, schedule, step, total) for step in range(total)]


def test_a_constant_rate_stays_after_warm_up() -> None:
    assert rates(Schedule(warmup_steps=4)) == [0.5, 1.0, 1.5, *[2.0] * 7]


def test_a_linear_rate_falls_evenly_and_would_be_zero_after_the_last_step() -> None:
    assert rates(Schedule(name="linear", warmup_steps=2), 6) == pytest.approx([1, 2, 2, 1.5, 1, 0.5])
    assert learning_rate(2.0, Schedule(name="linear"), 6, 6) == 0


def test_a_cosine_rate_is_half_way_down_in_the_middle() -> None:
    found = rates(Schedule(name="cosine"))
    assert found[0] == 2
    assert found[5] == pytest.approx(1)
    assert found[1] == pytest.approx(1 + math.cos(math.pi / 10))
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_every_optimizer_goes_down_a_slope(name: Literal["sgd", "adam", "adamw"]) -> None:
    parameter = nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = make_optimizer([parameter], Optimizer(name=name, lr=0.1, momentum=0.5))
    for _ in range(100):
        optimizer.zero_grad()
        torch.autograd.backward(parameter.square().sum())
        optimizer.step()
    assert parameter.abs().max() < 0.5


def test_gradients_are_scaled_to_the_largest_norm_and_the_norm_before_is_told() -> None:
    parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0]), torch.tensor([0.0, 4.0])
    assert float(clip_gradients(parameters, None)) == 5
    assert float(clip_gradients(parameters, 1.0)) == 5
    assert float(clip_gradients(parameters, None)) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(
    ("step", "seconds", "expected"), [(0, 0.5, 1), (7, 0.001, 207), (10, 0.01, 30), (3, 30.0, 4), (3, 0, 4)]
)
def test_ranks_agree_about_five_times_a_second_and_at_most_at_each_step(
    step: int, seconds: float, expected: int
) -> None:
    assert next_agreement(step, seconds) == expected


def patience_after(rule: EarlyStopping, values: list[float]) -> Patience:
    patience = Patience()
    for value in values:
        patience = patience.after(Score(step=1, loss=value, metrics={"accuracy": value}), rule)
    return patience


def test_patience_ends_after_so_many_evaluations_without_improvement() -> None:
    rule = EarlyStopping(patience=2, min_delta=0.1)
    assert not patience_after(rule, [1.0, 0.95, 0.8, 0.75]).is_over(rule)
    assert patience_after(rule, [1.0, 0.8, 0.75, 0.71]).is_over(rule)
    assert not patience_after(rule, [1.0, 2.0, 2.0]).is_over(None)


def test_a_metric_that_the_validation_split_does_not_determine_is_refused_where_it_is_watched() -> None:
    score = Score(step=1, loss=0.5, metrics={"mse": 0.5})
    with pytest.raises(
        BadSpec, match=r"^spec.training: the metric r2 is watched, .* does not determine it; watch loss"
    ):
        Patience().after(score, EarlyStopping(metric="r2"))
    with pytest.raises(BadSpec, match="the metric r2 is watched"):
        Best.after(None, score, "r2")


def test_of_equally_good_models_the_earlier_is_the_best() -> None:
    def best_step(metric: Any, values: list[float]) -> int:
        best = None
        for step, value in enumerate(values, start=1):
            best = Best.after(best, Score(step, value, {"accuracy": value, "mae": value}), metric)
        return 0 if best is None else best.step

    assert best_step("loss", [0.5, 0.3, 0.4, 0.3]) == best_step("mae", [0.5, 0.3, 0.4, 0.3]) == 2
    assert best_step("accuracy", [0.5, 0.9, 0.4, 0.9]) == 2


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"early_stopping": EarlyStopping(metric="f1")}, "f1"),
        ({"early_stopping": EarlyStopping(metric="f1"), "export": "last"}, None),
        ({"early_stopping": EarlyStopping(metric="f1"), "best_metric": "accuracy"}, "accuracy"),
        ({"export": "best"}, "loss"),
        ({"export": "best", "best_metric": "mae"}, "mae"),
    ],
)
def test_the_best_model_is_exported_with_early_stopping_or_where_it_is_asked_for(
    settings: dict[str, Any], expected: str | None
) -> None:
    assert Training(epochs=1, **settings).export_metric == expected


def test_accuracy_improves_upwards() -> None:
    rule = EarlyStopping(metric="accuracy", patience=2)
    assert patience_after(rule, [0.5, 0.6, 0.7]) == Patience(-0.7, 0)
    assert patience_after(rule, [0.7, 0.6, 0.7]).is_over(rule)
