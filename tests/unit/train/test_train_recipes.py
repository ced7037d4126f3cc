from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from pydantic.alias_generators import to_camel
from torch import Tensor, nn

from wattrain_api.contract.progress import Evaluation
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.recipes import find_recipe, recipe_folders
from wattrain_worker.train.recipes.classifier import Classifier
from wattrain_worker.train.recipes.logistic_regression.recipe import loss_and_gradients
from wattrain_worker.train.recipes.recipe_protocol import ImageShape, InteractionsShape, TableShape, TextShape

Sample = tuple[Tensor, Tensor]
CLASSES = 4
SHAPES: dict[str, Any] = {
    "table": TableShape(columns=6, classes=CLASSES),
    "image": ImageShape(size=32, classes=CLASSES, mean=(100.0, 120.0, 140.0), deviation=(50.0, 60.0, 70.0)),
    "text": TextShape(vocabulary=50, sequence_length=7, classes=CLASSES),
    "interactions": InteractionsShape(users=6, items=9),
}
"""By the kind of samples."""


def built(name: str, **params: Any) -> nn.Module:
    recipe = find_recipe(name)
    shape = SHAPES[recipe.parameters.SAMPLES]
    if recipe.task == "regression":
        shape = TableShape(columns=6, classes=1)
    return recipe.build_model(shape, recipe.parameters(**params))


@pytest.fixture
def sample() -> Sample:
    """Of a table."""
    return samples_for("mlp")


def samples_for(name: str) -> Sample:
    """Features and labels of 11 samples as the recipe's model and loss take them."""
    recipe, generator = find_recipe(name), torch.Generator().manual_seed(3)
    if recipe.task == "masked-language-modeling":
        pairs = {"tokens": torch.randint(5, 50, (11, 7), generator=generator), "follows": torch.arange(11) % 2}
        raw = {**pairs, "second": torch.arange(7).repeat(11, 1) // 4}
        return recipe.make_batch(raw, torch.arange(11), None, recipe.parameters())
    if recipe.parameters.SAMPLES == "text" and recipe.task == "classification":
        texts = {"tokens": torch.randint(5, 50, (11, 7), generator=generator), "labels": torch.arange(11) % CLASSES}
        return recipe.make_batch(texts, torch.arange(11), None, recipe.parameters())
    if recipe.parameters.SAMPLES == "text":
        raw = {"tokens": torch.randint(0, 50, (11, 8), generator=generator), "bytes": torch.arange(11) + 20}
        return recipe.make_batch(raw, torch.arange(11), None, recipe.parameters())
    if recipe.parameters.SAMPLES == "interactions":
        seen = torch.tensor([[1, 2], [3, 0]]).repeat(6, 1)[:11]
        raw = {"users": torch.arange(11) % 6, "items": 4 + torch.arange(11) % 5, "seen": seen}
        return recipe.make_batch(raw, torch.arange(11), None, recipe.parameters())
    if recipe.parameters.SAMPLES == "image":
        features = torch.randint(0, 256, (11, 3, 32, 32), generator=generator).to(torch.uint8)
    else:
        features = torch.randn(11, 6, generator=generator)
    labels = torch.randint(0, CLASSES, (11,), generator=generator)
    return features, labels if recipe.task == "classification" else labels.float()


def logistic_regression(scale: float) -> nn.Module:
    model = built("logistic-regression")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=scale)
    return model


@pytest.mark.parametrize("scale", [0.5, 300.0])
def test_the_formulas_of_logistic_regression_are_what_autograd_computes(sample: Sample, scale: float) -> None:
    torch.manual_seed(1)
    model, (features, labels) = logistic_regression(scale), sample
    (find_recipe("logistic-regression").loss_sum(model(features), labels) / len(labels)).backward()
    weight, bias = model.get_parameter("weight"), model.get_parameter("bias")
    with torch.no_grad():
        expected = loss_and_gradients(weight, bias, features, labels)
    assert weight.grad is not None
    assert bias.grad is not None
    torch.testing.assert_close(weight.grad, expected.weight)
    torch.testing.assert_close(bias.grad, expected.bias)


def test_the_formulas_of_logistic_regression_agree_with_differences(sample: Sample) -> None:
    features, labels = sample[0].double(), sample[1]
    weight, bias = torch.randn(4, 6).double(), torch.randn(4).double()
    found, h = loss_and_gradients(weight, bias, features, labels), 1e-6
    for index in range(4):
        step = torch.zeros(4).double()
        step[index] = h
        above = loss_and_gradients(weight, bias + step, features, labels).loss
        below = loss_and_gradients(weight, bias - step, features, labels).loss
        assert (above - below) / (2 * h) == pytest.approx(float(found.bias[index]), rel=1e-6, abs=1e-8)


def test_logistic_regression_is_a_sigmoid_of_wx_minus_b(sample: Sample) -> None:
    model, (features, labels) = logistic_regression(0.5), sample
    weight, bias = model.get_parameter("weight"), model.get_parameter("bias")
    p = torch.sigmoid(features @ weight.T - bias)
    chosen = torch.where(nn.functional.one_hot(labels, 4).bool(), p, 1 - p)
    found = find_recipe("logistic-regression").loss_sum(model(features), labels)
    torch.testing.assert_close(found, -chosen.log().sum())


def test_the_mlp_has_the_layers_of_its_parameters() -> None:
    model = built("mlp", hidden=(5, 3), dropout=0.25)
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert shapes == [(5, 6), (5,), (3, 5), (3,), (4, 3), (4,)]
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.25, 0.25]


@pytest.mark.parametrize("name", list(recipe_folders()))
def test_losses_are_sums_so_that_parts_add_up_and_no_samples_add_nothing(name: str) -> None:
    recipe, (features, labels) = find_recipe(name), samples_for(name)
    torch.manual_seed(0)
    model = built(name).eval()  # which loses nothing of what is tried, and normalises each sample alone
    whole = recipe.loss_sum(model(features), labels)
    parts = [recipe.loss_sum(model(features[rows]), labels[rows]) for rows in (slice(0, 4), slice(4, 11))]
    torch.testing.assert_close(sum(parts), whole)
    empty = recipe.loss_sum(model(features[:0]), labels[:0])
    empty.backward()
    assert float(empty.detach()) == 0
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


def test_correct_samples_are_counted() -> None:
    scores = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    right, there, chosen = Classifier().metric_sums(scores, torch.tensor([1, 1, 1])).view(3, 2).tolist()
    assert (right, there, chosen) == ([0, 2], [0, 3], [1, 2])


def test_metrics_of_classes_are_those_of_their_definitions_over_parts_too() -> None:
    generator = torch.Generator().manual_seed(5)
    labels = torch.tensor([0] * 60 + [1] * 25 + [3] * 15)
    scores = torch.randn(100, 5, generator=generator) + 1.5 * nn.functional.one_hot(labels, 5)
    scores[:, 2] = -9.0  # a class that no sample has and none is predicted as
    parts = [Classifier().metric_sums(scores[rows], labels[rows]) for rows in (slice(0, 70), slice(70, 100))]
    found = Classifier().metrics_of((parts[0] + parts[1]).tolist(), 100, 1.0)
    chosen = scores.argmax(1)
    assert 4 in chosen
    recalls = [float((chosen[labels == c] == c).float().mean()) for c in (0, 1, 3)]
    scores_of_classes = []
    for c in (0, 1, 3, 4):
        right = int(((chosen == c) & (labels == c)).sum())
        precision = right / max(int((chosen == c).sum()), 1)
        recall = right / max(int((labels == c).sum()), 1)
        scores_of_classes.append(2 * precision * recall / (precision + recall) if right else 0.0)
    assert found["accuracy"] == float((chosen == labels).double().mean())
    assert found["balancedAccuracy"] == pytest.approx(sum(recalls) / 3)
    assert found["f1"] == pytest.approx(sum(scores_of_classes) / 4)


def test_with_very_many_classes_or_labels_that_are_none_of_them_there_is_the_accuracy_alone() -> None:
    labels = torch.arange(7)
    many = Classifier().metric_sums(nn.functional.one_hot(labels, 1001).float(), labels)
    assert Classifier().metrics_of(many.tolist(), 7, 1.0) == {"accuracy": 1.0}
    few = Classifier().metric_sums(nn.functional.one_hot(labels, 7).float(), labels)
    assert Classifier().metrics_of(few.tolist(), 8, 1.0) == {"accuracy": 7 / 8}


@pytest.mark.parametrize("name", list(recipe_folders()))
def test_what_a_recipe_measures_is_what_an_evaluation_may_report(name: str) -> None:
    recipe, (features, labels) = find_recipe(name), samples_for(name)
    assert set(recipe.metrics) <= {to_camel(field.name) for field in dataclasses.fields(Evaluation)}
    sums = recipe.metric_sums(built(name).eval()(features), labels)
    outputs = 4 if recipe.task == "classification" else 1
    assert (sums.shape, sums.dtype) == ((recipe.sums(outputs),), torch.float64)
    of_sums = tuple(recipe.metrics_of(sums.tolist(), len(labels), 1.0))
    assert of_sums == tuple(name for name in recipe.metrics if name != "rocAuc"), "that is of no sums"


def test_a_recipe_that_is_not_registered_is_refused_with_those_that_are() -> None:
    words = f"^spec.recipe.name: unet is not in this version; write one of {', '.join(recipe_folders())}$"
    with pytest.raises(BadSpec, match=words):
        find_recipe("unet")
