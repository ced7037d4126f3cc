from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from torch import nn

from wattrain_api.training import EarlyStopping, Optimizer, Schedule, Training
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.agreement import next_agreement
from wattrain_worker.train.evaluation import Best, Patience, Score
from wattrain_worker.train.optimizers import (
    clip_gradients,
    hidden_weights,
    learning_rate,
    make_optimizer,
    set_learning_rate,
)


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


@pytest.mark.parametrize(("warmup_steps", "share"), [(None, 0.3), (4, 0.2), (20, 1.0)])
def test_a_one_cycle_rate_is_that_of_torch(warmup_steps: int | None, share: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2.0, total_steps=20, pct_start=share, cycle_momentum=False)
    expected = [theirs.get_last_lr()[0]]
    for _ in range(19):
        optimizer.step()
        theirs.step()
        expected.append(theirs.get_last_lr()[0])
    assert rates(Schedule(name="one-cycle", warmup_steps=warmup_steps), 20) == pytest.approx(expected)


@pytest.mark.parametrize(("warmup_steps", "total"), [(0, 5), (1, 5), (1, 1), (None, 1), (9, 5)])
def test_a_one_cycle_rate_is_never_above_its_peak_however_short_the_training(warmup_steps: Any, total: int) -> None:
    found = rates(Schedule(name="one-cycle", warmup_steps=warmup_steps), total)
    assert all(0 < rate <= 2 for rate in found)


def hidden_and_others() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Embedding(7, 6), nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 4), nn.Linear(4, 3))
    return nn.Sequential(*layers)


def train(model: nn.Module, optimizers: list[torch.optim.Optimizer], steps: int) -> float:
    """The loss of the last step."""
    random, loss = torch.Generator().manual_seed(1), torch.zeros(())
    for _ in range(steps):
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randint(7, (8,), generator=random)), torch.arange(8) % 3)
        torch.autograd.backward(loss)
        for optimizer in optimizers:
            optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize("name", get_args(Optimizer.model_fields["name"].annotation))
def test_every_optimizer_goes_down_a_slope(name: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    momentum = 0.5 if name in ("sgd", "muon") else None
    optimizer = make_optimizer(model, model.parameters(), Optimizer(name=name, lr=0.05, momentum=momentum))
    features, losses = torch.eye(3), []
    for _ in range(150):
        optimizer.zero_grad()
        losses.append(nn.functional.mse_loss(model(features)[:, 0], torch.tensor([1.0, -1.0, 0.5])))
        torch.autograd.backward(losses[-1])
        optimizer.step()
    assert losses[-1] < 0.05 * losses[0]


def test_adafactor_is_that_of_torch() -> None:
    ours, theirs = hidden_and_others(), hidden_and_others()
    settings = Optimizer(name="adafactor", lr=0.02, weight_decay=0.1)
    train(ours, [make_optimizer(ours, ours.parameters(), settings)], 5)
    train(theirs, [torch.optim.Adafactor(theirs.parameters(), lr=0.02, weight_decay=0.1)], 5)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_muon_has_the_hidden_matrices_and_adamw_all_else_at_the_rates_that_are_set() -> None:
    ours, theirs = hidden_and_others(), hidden_and_others()
    assert [name for name, p in ours.named_parameters() if any(p is h for h in hidden_weights(ours))] == [
        "1.weight", "3.weight",
    ]  # fmt: skip
    optimizer = make_optimizer(ours, ours.parameters(), Optimizer(name="muon", lr=1.0, weight_decay=0.1, beta1=0.8))
    set_learning_rate(optimizer, 0.02)
    train(ours, [optimizer], 5)
    hidden = hidden_weights(theirs)
    others = [p for p in theirs.parameters() if not any(p is h for h in hidden)]
    muon = torch.optim.Muon(hidden, lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    train(theirs, [muon, torch.optim.AdamW(others, lr=0.02, betas=(0.8, 0.999), weight_decay=0.1, fused=True)], 5)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_muon_refuses_a_model_without_a_hidden_matrix() -> None:
    model = nn.Linear(4, 3)
    with pytest.raises(BadSpec, match=r"^spec.training.optimizer.name: muon is for hidden .* has none; write adamw$"):
        make_optimizer(model, model.parameters(), Optimizer(name="muon"))


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
