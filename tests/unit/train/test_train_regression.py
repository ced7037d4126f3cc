"""Recipes that predict a number: their loss, their metrics, and their answers in the label's own unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wattrain_api.training import EarlyStopping
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.evaluation import Patience, Score
from wattrain_worker.train.recipes import find_recipe, recipe_folders
from wattrain_worker.train.recipes.recipe_protocol import TableShape
from wattrain_worker.train.recipes.regressor import Regressor

TASKS = ("classification", "regression")


@pytest.mark.parametrize("name", list(recipe_folders()))
def test_a_recipe_does_the_tasks_that_its_parameters_name(name: str) -> None:
    tasks = find_recipe(name).parameters.TASKS
    assert tasks
    for task in TASKS:
        if task in tasks:
            assert find_recipe(name, task).task == task
        else:
            with pytest.raises(BadSpec, match=f"{name} does no {task}"):
                find_recipe(name, task)


def test_metrics_are_those_of_their_formulas_in_the_unit_of_the_label() -> None:
    random = np.random.default_rng(2)
    labels, outputs = random.normal(1, 2, 500).astype(np.float32), random.normal(1, 2, (500, 1)).astype(np.float32)
    scale = 250.0
    parts = [
        Regressor().metric_sums(torch.from_numpy(outputs[rows]), torch.from_numpy(labels[rows]))
        for rows in (slice(0, 100), slice(100, 500))
    ]
    sums = (parts[0] + parts[1]).tolist()
    found = Regressor().metrics_of(sums, 500, scale)
    truth, guess = labels.astype(float) * scale, outputs[:, 0].astype(float) * scale
    assert found["mse"] == pytest.approx(((truth - guess) ** 2).mean())
    assert found["mae"] == pytest.approx(np.abs(truth - guess).mean())
    assert found["r2"] == pytest.approx(1 - ((truth - guess) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def test_labels_that_are_all_the_same_have_no_r2() -> None:
    sums = Regressor().metric_sums(torch.zeros(7, 1), torch.full((7,), 0.3))
    found = Regressor().metrics_of(sums.tolist(), 7, 1.0)
    assert set(found) == {"mse", "mae"}
    rule = EarlyStopping(metric="r2", patience=1)
    with pytest.raises(BadSpec, match="the metric r2 is watched, and the validation split does not determine it"):
        Patience(-0.5).after(Score(1, 0.1, found), rule)


@pytest.mark.parametrize(("metric", "better", "worse"), [("mae", 1.0, 2.0), ("mse", 1.0, 2.0), ("r2", 0.9, 0.1)])
def test_stopping_early_knows_which_way_is_better(metric: Any, better: float, worse: float) -> None:
    rule = EarlyStopping(metric=metric, patience=1)
    memory = Patience().after(Score(1, 0.0, {metric: worse}), rule).after(Score(2, 0.0, {metric: better}), rule)
    assert not memory.is_over(rule)
    assert memory.after(Score(3, 0.0, {metric: worse}), rule).is_over(rule)


def test_linear_regression_finds_the_least_squares() -> None:
    recipe = find_recipe("linear-regression")
    random = np.random.default_rng(4)
    features = random.normal(size=(80, 3))
    labels = features @ [2.0, -1.0, 0.5] + 3 + random.normal(0, 0.3, 80)
    model = recipe.build_model(TableShape(columns=3, classes=1), recipe.parameters())
    inputs, targets = (torch.from_numpy(array.astype(np.float32)) for array in (features, labels))
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        total = recipe.loss_sum(model(inputs), targets) / 80
        total.backward()
        return total

    optimizer.step(loss)
    exact = np.linalg.lstsq(np.hstack([features, np.ones((80, 1))]), labels, rcond=None)[0]
    found = torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).numpy()
    np.testing.assert_allclose(found, exact, atol=1e-3)
