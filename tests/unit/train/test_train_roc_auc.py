"""The area under the ROC curve: how often a sample of a class is above one of another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from wattrain_worker.train import roc_auc
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.classifier import Classifier
from wattrain_worker.train.roc_auc import roc_auc_of


def pair_by_pair(scores: Tensor, labels: Tensor, code: int) -> float:
    """The definition: 1 for each pair in the right order, 1/2 for each that is equal."""
    pairs = [
        1.0 if one > other else 0.5 if one == other else 0.0
        for one in scores[labels == code, code].tolist()
        for other in scores[labels != code, code].tolist()
    ]
    return sum(pairs) / len(pairs)


def test_of_two_classes_it_is_the_share_of_pairs_in_the_right_order_and_equal_scores_count_half() -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 2, (90,), generator=generator)
    outputs = torch.randint(-2, 3, (90, 2), generator=generator).float() + labels[:, None] * torch.tensor([0.0, 1.0])
    scores = Classifier().class_scores(outputs)
    assert len(scores[:, 1].unique()) < 20, "many scores are equal"
    assert roc_auc_of(scores, labels) == pair_by_pair(scores, labels, 1) == pair_by_pair(scores, labels, 0)


def test_of_more_classes_it_is_the_mean_of_each_that_samples_have_against_the_others() -> None:
    generator = torch.Generator().manual_seed(2)
    labels = torch.tensor([0] * 30 + [1] * 9 + [3] * 21)
    scores = Classifier().class_scores(torch.randn(60, 4, generator=generator))
    expected = np.mean([pair_by_pair(scores, labels, code) for code in (0, 1, 3)])
    assert roc_auc_of(scores, labels) == pytest.approx(expected, abs=1e-15)


def test_a_sure_model_of_two_classes_is_not_rounded_to_one_that_cannot_tell_them_apart() -> None:
    outputs = torch.tensor([[0.0, 200.0], [0.0, 300.0], [0.0, 400.0]])
    assert roc_auc_of(Classifier().class_scores(outputs), torch.tensor([0, 1, 1])) == 1.0


def test_sigmoids_of_many_classes_are_compared_each_on_its_own() -> None:
    outputs = torch.tensor([[2.0, 9.0, 0.0], [1.0, -9.0, 0.0]])
    recipe = find_recipe("logistic-regression")
    assert recipe.class_scores(outputs)[:, 0].tolist() == [2.0, 1.0]


def test_it_is_not_known_of_one_class_alone_of_scores_that_are_no_numbers_and_of_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores, labels = torch.tensor([[0.1, 0.9], [0.7, 0.3]]), torch.tensor([1, 0])
    assert roc_auc_of(scores, torch.tensor([1, 1])) is None
    assert roc_auc_of(scores * torch.nan, labels) is None
    assert roc_auc_of(scores, labels) == 1.0
    monkeypatch.setattr(roc_auc, "MOST_SCORES", 3)
    assert roc_auc_of(scores, labels) is None
