"""Class weights: each class weighs the same in the training split, and the loss counts by them."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from wattrain_api.training import Training
from wattrain_worker.data.prepared_data import Prepared, Shard
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.class_weights import class_weights
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.mlp.parameters import MlpParameters
from wattrain_worker.train.task import Rows, Task

BALANCED = Training(epochs=1, class_weights="balanced")


def _shard(labels: list[int]) -> Shard:
    return Shard.of_table(np.zeros((len(labels), 2), np.float32), np.array(labels, np.int64))


def _prepared(training: list[int], other: list[int], classes: int, **document: Any) -> Prepared:
    shards = (_shard(training), _shard(other), _shard(other))
    return Prepared(*shards, {"columns": ["a", "b"], "classes": list(range(classes)), **document})


def test_each_class_weighs_the_same_in_the_training_split_whatever_the_others_hold() -> None:
    training = [0] * 60 + [1] * 30 + [3] * 10
    weights = class_weights(BALANCED, _prepared(training, [2] * 50, 4))
    assert weights == pytest.approx((100 / 180, 100 / 90, 1.0, 100 / 30))
    assert weights == class_weights(BALANCED, _prepared(training, [0] * 500, 4))
    assert np.mean([weights[label] for label in training]) == pytest.approx(1)
    assert class_weights(Training(epochs=1), _prepared(training, [], 4)) is None


def test_the_loss_of_a_sample_counts_by_the_weight_of_its_class() -> None:
    recipe = find_recipe("mlp", "classification")
    weights = (0.5, 3.0, 7.0)
    rows = Rows(
        _shard([0]), torch.device("cpu"), functools.partial(recipe.make_batch, parameters=MlpParameters()), seed=0
    )
    plain = Task(nn.Linear(2, 3), recipe, BALANCED, rows, outputs=3)
    outputs = torch.randn(9, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    labels = torch.tensor([0, 0, 1, 0, 1, 0, 0, 1, 0])  # none of the last class
    found = replace(plain, class_weights=weights).loss_sum(outputs, labels)
    expected = F.cross_entropy(outputs, labels, torch.tensor(weights), reduction="sum")
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(each, outputs, retain_graph=True) for each in (found, expected)))
    assert torch.equal(plain.loss_sum(outputs, labels), recipe.loss_sum(outputs, labels))


@pytest.mark.parametrize(
    ("classes", "document", "expected"),
    [
        (101, {}, "there are 101 classes, and at most 100"),
        (0, {"task": "regression"}, "the label is a number"),
        (0, {"task": "language-modeling"}, "no class is predicted; set it to none"),
    ],
)
def test_weights_that_make_no_sense_are_refused(classes: int, document: dict[str, Any], expected: str) -> None:
    with pytest.raises(BadSpec, match=expected):
        class_weights(BALANCED, _prepared([0, 0], [], classes, **document))
