"""What `wattrain recipes` says a training costs, against formulas and against the memory of a real training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.training import Optimizer
from wattrain_worker.train.recipe_costs import cost_of, default_cost, main
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.recipe_protocol import TableShape

TRAINED = """
import json, sys, torch
from pathlib import Path
from wattrain_api.training import Optimizer
from wattrain_worker.train.optimizers import make_optimizer
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.recipe_protocol import TableShape

recipe = find_recipe("mlp")

def highest():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

def train(shape, hidden, batch):
    model = recipe.build_model(shape, recipe.parameters(hidden=hidden))
    optimizer = make_optimizer(model, model.parameters(), Optimizer())
    for _ in range(2):
        step(model, optimizer, shape, batch)

def step(model, optimizer, shape, batch):
    features, labels = recipe.example_batch(shape, batch)
    recipe.loss_sum(model(features.normal_()), labels).backward()
    optimizer.step()
    optimizer.zero_grad()

train(TableShape(8, 3), (8,), 64)  # what torch loads once is not the model's
before = highest()
train(TableShape(32, 3), (1024, 1024), 8192)
print(highest() - before)
"""


def test_the_operations_and_weights_are_those_of_the_layers() -> None:
    cost = default_cost("mlp")
    layers = [(20, 64), (64, 64), (64, 3)]
    products = sum(inputs * outputs for inputs, outputs in layers)
    # A product and an addition for each weight: forward, for the weights, and, but for the first layer, for the inputs.
    assert cost.flops_per_sample == 2 * (3 * products - 20 * 64)
    assert cost.parameters == products + 64 + 64 + 3
    assert cost.parameter_bytes == cost.gradient_bytes == 4 * cost.parameters
    assert cost.optimizer_bytes == pytest.approx(8 * cost.parameters, rel=0.01)
    assert cost.batch_size * 4 * (20 + 64 + 64) <= cost.activation_bytes < cost.peak_bytes


def test_sgd_without_momentum_keeps_nothing_and_a_larger_batch_more() -> None:
    recipe, shape = find_recipe("mlp"), TableShape(20, 3)
    small, large = (
        cost_of("mlp", recipe, shape, recipe.parameters(), size, Optimizer(name="sgd")) for size in (64, 640)
    )
    assert small.optimizer_bytes == 0
    assert large.activation_bytes == pytest.approx(10 * small.activation_bytes, rel=0.01)
    assert large.flops_per_sample == small.flops_per_sample


@pytest.mark.parametrize("name", RECIPE_PARAMETERS)
def test_every_recipe_for_tables_has_a_cost(name: str) -> None:
    if RECIPE_PARAMETERS[name].SAMPLES == "table":
        assert default_cost(name).flops_per_sample > 0


def test_the_memory_is_what_a_training_takes() -> None:
    recipe = find_recipe("mlp")
    cost = cost_of("mlp", recipe, TableShape(32, 3), recipe.parameters(hidden=(1024, 1024)), 8192, Optimizer())
    done = subprocess.run([sys.executable, "-c", TRAINED], capture_output=True, text=True, check=True)
    assert cost.peak_bytes == pytest.approx(int(done.stdout), rel=0.25)


def test_the_cost_of_a_job_is_that_of_its_own_data_parameters_and_share_of_a_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {
        "recipe": {"name": "mlp", "params": {"hidden": [7]}}, "data": {"source": {"builtin": "digits"}},
        "training": {"epochs": 1, "batchSize": 48, "gradientAccumulation": 2}, "workers": {"replicas": 3},
    }  # fmt: skip
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    assert main(["--spec", str(tmp_path / "spec.json")]) == 0
    (cost,) = json.loads(capsys.readouterr().out)["costs"]
    assert (cost["shape"], cost["batchSize"], cost["parameters"]) == ("64 columns, 10 classes", 8, 65 * 7 + 8 * 10)
