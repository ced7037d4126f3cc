"""The recommender: what it is trained to tell apart, and how its ranking is judged."""

from __future__ import annotations

import math

import pytest
import torch

from wattrain_worker.train.recipes.recipe_protocol import Draw, InteractionsShape
from wattrain_worker.train.recipes.recommender.parameters import RecommenderParameters
from wattrain_worker.train.recipes.recommender.recipe import RECIPE

SHAPE = InteractionsShape(users=5, items=8)
LEFT_OUT = {
    "users": torch.tensor([0, 4]),
    "items": torch.tensor([3, 0]),
    "seen": torch.tensor([[1, 2, 0], [7, 0, 0]], dtype=torch.int32),
}


@pytest.mark.parametrize("model", ["two-tower", "neumf"])
def test_an_evaluation_scores_every_item_but_those_that_were_seen(model: str) -> None:
    parameters = RecommenderParameters(model=model, dimensions=4)
    network = RECIPE.build_model(SHAPE, parameters).eval()
    features, labels = RECIPE.make_batch(LEFT_OUT, torch.arange(2), None, parameters)
    scores = network(features)
    assert scores.shape == (2, 8)
    assert torch.isinf(scores).nonzero().tolist() == [[0, 1], [0, 2], [1, 7]]
    assert labels.tolist() == [3, 0]


def test_an_item_among_the_first_ten_counts_by_its_rank_and_the_unknown_one_never() -> None:
    scores = torch.arange(20.0).repeat(4, 1)
    sums = RECIPE.metric_sums(scores, torch.tensor([19, 10, 9, 0]))
    found = RECIPE.metrics_of(sums.tolist(), 4, 1.0)
    assert found == pytest.approx({"recallAt10": 2 / 4, "ndcgAt10": (1 + 1 / math.log2(11)) / 4})


def test_a_model_that_says_the_same_of_all_items_finds_nothing() -> None:
    assert RECIPE.metric_sums(torch.zeros(3, 30), torch.tensor([1, 2, 29])).tolist() == [0, 0]


@pytest.mark.parametrize("model", ["two-tower", "neumf"])
def test_an_item_is_told_from_others_that_are_drawn_for_its_sample_alone(model: str) -> None:
    parameters = RecommenderParameters(model=model, dimensions=4, negatives=50, dropout=0)
    network = RECIPE.build_model(SHAPE, parameters).train()
    raw = {"users": torch.tensor([0, 1, 2]), "items": torch.tensor([1, 5, 7])}
    features, labels = RECIPE.make_batch(raw, torch.tensor([10, 11, 12]), Draw(3, 4), parameters)
    scores = network(features)
    assert (scores.shape, labels.tolist()) == ((3, 51), [0, 0, 0])
    hidden = torch.isinf(scores)
    assert hidden.any(), "of 50 drawn among 7 some are the item itself"
    assert not hidden[:, 0].any()
    one = {name: values[1:2] for name, values in raw.items()}
    alone, _ = RECIPE.make_batch(one, torch.tensor([11]), Draw(3, 4), parameters)
    assert torch.equal(alone, features[1:2])
    later, _ = RECIPE.make_batch(one, torch.tensor([11]), Draw(3, 5), parameters)
    assert not torch.equal(later, alone)


def test_items_that_are_drawn_are_known_ones_and_each_may_be() -> None:
    parameters = RecommenderParameters(negatives=500)
    raw = {"users": torch.tensor([0]), "items": torch.tensor([1])}
    features, _ = RECIPE.make_batch(raw, torch.tensor([0]), Draw(0, 0), parameters)
    candidates = RECIPE.build_model(SHAPE, parameters)._candidates(features[:, 1:])
    assert set(candidates[0].tolist()) == set(range(1, 8))
