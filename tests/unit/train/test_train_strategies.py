"""What each strategy takes and refuses, on one rank; several ranks are in tests/e2e/worker/train."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_api.recipe_parameters import RecipeParameters
from wattrain_api.training import Training
from wattrain_worker.data.prepared_data import Shard
from wattrain_worker.errors import BadSpec
from wattrain_worker.train import strategies
from wattrain_worker.train.recipes.table_samples import TableSamples
from wattrain_worker.train.strategies import find_strategy
from wattrain_worker.train.strategies.data_parallel import DataParallel, _refuse_own_buffers
from wattrain_worker.train.strategies.deterministic import Deterministic
from wattrain_worker.train.task import Rows, Task

ROWS = 43
CPU = torch.device("cpu")


class Classify(TableSamples):
    def loss_sum(self, scores: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels, reduction="sum")


class DropsByFunction(nn.Module):
    """Draws, and has no module that says so."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, features: Tensor) -> Tensor:
        return self.layer(F.dropout(features, 0.5))


def task(model: nn.Module, **training: Any) -> Task:
    random = np.random.default_rng(0)
    shard = Shard.of_table(random.normal(size=(ROWS, 6)).astype(np.float32), random.integers(0, 3, ROWS))
    recipe, settings = Classify(), Training(**{"epochs": 1, "batch_size": 10, **training})
    make_batch = functools.partial(recipe.make_batch, parameters=RecipeParameters())
    return Task(model, recipe, settings, Rows(shard, CPU, make_batch, settings.seed), outputs=2)


def alone() -> Any:
    return SimpleNamespace(rank=0, size=1, device=CPU)


def one_of(size: int) -> Any:
    return SimpleNamespace(rank=0, size=size, device=CPU)


def normed(norm: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), norm, nn.Linear(5, 3))


def gradients_of_step(strategy: Any, step: int) -> Tensor:
    strategy.gradients(np.arange(10), step, lambda losses: None)
    return torch.cat([parameter.grad.reshape(-1).clone() for parameter in strategy.parameters])


@pytest.mark.parametrize("kind", [DataParallel, Deterministic])
def test_what_a_step_draws_depends_on_the_step_alone_however_the_model_draws(kind: Any) -> None:
    strategy = kind(alone(), task(DropsByFunction()))
    third = gradients_of_step(strategy, 3)
    assert not torch.equal(gradients_of_step(strategy, 4), third)
    assert torch.equal(gradients_of_step(strategy, 3), third)


class LossOverflows(Classify):
    """A loss that is infinite with a gradient that is not."""

    def loss_sum(self, scores: Tensor, labels: Tensor) -> Tensor:
        return super().loss_sum(scores, labels) + torch.inf


@pytest.mark.parametrize("kind", [DataParallel, Deterministic])
@pytest.mark.parametrize("accumulation", [1, 3])
def test_a_loss_that_is_no_number_makes_the_gradient_none_where_steps_are_left_out(
    kind: Any, accumulation: int
) -> None:
    def step(recipe: Any, non_finite: str) -> tuple[Tensor, bool]:
        torch.manual_seed(0)
        made = task(nn.Linear(6, 3), non_finite=non_finite, gradient_accumulation=accumulation, logical_shards=4)
        strategy = kind(alone(), replace(made, recipe=recipe))
        return gradients_of_step(strategy, 0), strategy.gradient_is_finite()

    expected, finite = step(Classify(), "fail")
    assert finite
    gradient, finite = step(Classify(), "skip")
    assert finite
    assert torch.equal(gradient, expected)
    assert step(LossOverflows(), "fail")[1], "the gradient alone does not tell"
    assert not step(LossOverflows(), "skip")[1]
    assert not step(LossOverflows(), "rollback")[1]


@pytest.mark.parametrize(("value", "finite"), [(math.nan, False), (math.inf, False), (-math.inf, False), (1e38, True)])
def test_a_gradient_is_finite_where_all_its_numbers_are_however_large(value: float, finite: bool) -> None:
    strategy = DataParallel(alone(), task(nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 3))))
    for parameter in strategy.parameters:
        parameter.grad = torch.zeros_like(parameter)
    strategy.parameters[1].grad[2] = strategy.parameters[0].grad[:] = value
    assert strategy.gradient_is_finite() == finite


@pytest.mark.parametrize("kind", [DataParallel, Deterministic])
def test_a_part_without_samples_adds_nothing(kind: Any) -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    whole = gradients_of_step(kind(alone(), task(model)), 0)
    cut = gradients_of_step(kind(alone(), task(model, logical_shards=16, gradient_accumulation=10)), 0)
    torch.testing.assert_close(cut, whole)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm1d(5), nn.SyncBatchNorm(5), nn.InstanceNorm1d(5, track_running_stats=True)]
)
def test_deterministic_training_refuses_statistics_that_each_rank_keeps_for_itself(norm: nn.Module) -> None:
    remedy = "write norm: group where the recipe has it, or false"
    with pytest.raises(BadSpec, match=rf"^spec.training.deterministic: the model's 1, a \w+Norm.*; {remedy}$"):
        Deterministic(alone(), task(normed(norm)))


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(5, track_running_stats=False), nn.LayerNorm(5), nn.GroupNorm(1, 5)])
def test_deterministic_training_takes_norms_without_such_statistics(norm: nn.Module) -> None:
    assert gradients_of_step(Deterministic(alone(), task(normed(norm), logical_shards=2)), 0).isfinite().all()


@pytest.mark.parametrize(
    ("ranks", "batch_size", "accumulation", "last"),
    [(1, 21, 1, 1), (2, 21, 1, 1), (1, 10, 2, 3), (4, 14, 1, 1)],
)
def test_a_batch_norm_that_would_get_a_single_sample_is_refused(
    ranks: int, batch_size: int, accumulation: int, last: int
) -> None:
    bad = task(normed(nn.BatchNorm1d(5)), batch_size=batch_size, gradient_accumulation=accumulation)
    with pytest.raises(BadSpec, match=f"^spec.training.batchSize: the last batch of each pass has {last} samples"):
        DataParallel(one_of(ranks), bad)
    fine = task(normed(nn.LayerNorm(5)), batch_size=batch_size, gradient_accumulation=accumulation)
    assert ranks > 1 or DataParallel(alone(), fine)


@pytest.mark.parametrize("batch_size", [41, 43, 100])
def test_a_batch_norm_with_two_samples_at_least_trains(batch_size: int) -> None:
    strategy = DataParallel(alone(), task(normed(nn.BatchNorm1d(5)), batch_size=batch_size))
    assert gradients_of_step(strategy, 0).isfinite().all()


def test_a_batch_norm_of_several_ranks_with_micro_batches_is_refused() -> None:
    bad = task(normed(nn.BatchNorm1d(5)), batch_size=43, gradient_accumulation=4)
    with pytest.raises(BadSpec, match=r"^spec.training.gradientAccumulation: the model's BatchNorm1d .*; write 1$"):
        DataParallel(one_of(2), bad)


def test_a_batch_norm_of_several_ranks_that_is_to_be_compiled_is_refused() -> None:
    with pytest.raises(BadSpec, match=r"^spec.training.compile: true .* BatchNorm1d on 2 ranks.*; write false$"):
        DataParallel(one_of(2), task(normed(nn.BatchNorm1d(5)), compile=True))


class Counts(nn.Module):
    """Keeps what it has seen in a buffer, and is no norm."""

    def __init__(self, *, saved: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.register_buffer("seen", torch.zeros(()), persistent=saved)

    def forward(self, features: Tensor) -> Tensor:
        self.seen = self.seen + features.sum().detach()
        return self.layer(features)


def test_deterministic_training_refuses_any_buffer_that_training_changes() -> None:
    with pytest.raises(
        BadSpec, match=r"^spec.training.deterministic: the model's buffer seen changes .*; write false$"
    ):
        gradients_of_step(Deterministic(alone(), task(Counts(saved=True))), 0)


def test_a_buffer_that_training_changes_and_no_checkpoint_holds_is_refused() -> None:
    with pytest.raises(BadSpec, match=r"^spec.recipe.name: the model's buffer seen .* is in no checkpoint"):
        gradients_of_step(DataParallel(alone(), task(Counts(saved=False))), 0)


def test_a_buffer_that_each_rank_would_change_for_itself_is_refused_on_several_ranks_alone() -> None:
    assert gradients_of_step(DataParallel(alone(), task(Counts(saved=True))), 0).isfinite().all()
    model = nn.Sequential(Counts(saved=True), nn.BatchNorm1d(3))
    _refuse_own_buffers(one_of(2), model, ["1.running_mean", "1.running_var", "1.num_batches_tracked"])
    with pytest.raises(BadSpec, match=r"^spec.workers.replicas: the model's buffer 0.seen .* each of the 2 ranks"):
        _refuse_own_buffers(one_of(2), model, ["0.seen"])


def test_more_ranks_than_logical_shards_are_refused_with_both_numbers() -> None:
    with pytest.raises(BadSpec, match=r"^spec.training.logicalShards: 3 is less than the 4 ranks; raise it"):
        Deterministic(one_of(4), task(nn.Linear(6, 3), logical_shards=3))


def test_a_strategy_is_found_by_what_the_spec_says() -> None:
    assert find_strategy("DDP", deterministic=False) is DataParallel
    assert find_strategy("DDP", deterministic=True) is Deterministic


def test_a_strategy_that_is_not_registered_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSpec, match=r"^spec.parallelism.strategy: FSDP is not in this version; write one of DDP$"):
        find_strategy("FSDP", deterministic=False)
    monkeypatch.setattr(strategies, "STRATEGIES", strategies.STRATEGIES[:1])
    with pytest.raises(BadSpec, match=r"^spec.training.deterministic: true does not go with .* DDP; write false$"):
        find_strategy("DDP", deterministic=True)
