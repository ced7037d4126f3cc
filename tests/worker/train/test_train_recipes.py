from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from wattrain_api.training import RecipeParams
from wattrain_worker.train.recipes import RECIPES, count_correct, find_recipe
from wattrain_worker.train.recipes.logistic_regression import loss_and_gradients

Sample = tuple[Tensor, Tensor]


@pytest.fixture
def sample() -> Sample:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(11, 6, generator=generator), torch.randint(0, 4, (11,), generator=generator)


def logistic_regression(scale: float) -> nn.Module:
    model = find_recipe("logistic-regression").build_model(6, 4, RecipeParams())
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
    model = find_recipe("mlp").build_model(6, 4, RecipeParams(hidden=(5, 3), dropout=0.25))
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert shapes == [(5, 6), (5,), (3, 5), (3,), (4, 3), (4,)]
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.25, 0.25]


@pytest.mark.parametrize("name", list(RECIPES))
def test_losses_are_sums_so_that_parts_add_up_and_no_samples_add_nothing(name: str, sample: Sample) -> None:
    recipe, (features, labels) = find_recipe(name), sample
    torch.manual_seed(0)
    model = recipe.build_model(6, 4, RecipeParams())
    whole = recipe.loss_sum(model(features), labels)
    parts = [recipe.loss_sum(model(features[rows]), labels[rows]) for rows in (slice(0, 4), slice(4, 11))]
    torch.testing.assert_close(sum(parts), whole)
    empty = recipe.loss_sum(model(features[:0]), labels[:0])
    empty.backward()
    assert float(empty.detach()) == 0
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


def test_correct_samples_are_counted() -> None:
    scores = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert int(count_correct(scores, torch.tensor([1, 1, 1]))) == 2
