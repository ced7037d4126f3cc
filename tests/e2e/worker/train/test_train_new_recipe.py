"""A recipe of ten lines in a copy of the product: its folder and `make generate` are all that it takes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from wattrain_api.registered import RECIPE_PARAMETERS

ROOT = Path(__file__).parents[4]
PARAMETERS = '''
"""What a job says of its normed net."""

from typing import Annotated

from pydantic import Field

from wattrain_api.recipe_parameters import ClassifierParameters


class NormedNetParameters(ClassifierParameters):
    """A hidden layer with BatchNorm and dropout."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Share of hidden units that are dropped in training."""
'''
RECIPE = """
import torch.nn.functional as F
from torch import nn

from wattrain_worker.train.recipes.classifier import Classifier
from wattrain_worker.train.recipes.normed_net.parameters import NormedNetParameters


class NormedNet(Classifier):
    parameters = NormedNetParameters

    def build_model(self, shape, parameters):
        layers = nn.Linear(shape.columns, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(parameters.dropout)
        return nn.Sequential(*layers, nn.Linear(16, shape.classes))

    def loss_sum(self, outputs, labels):
        return F.cross_entropy(outputs.float(), labels, reduction="sum")


RECIPE = NormedNet()
"""
STATISTICS = ("1.running_mean", "1.running_var", "1.num_batches_tracked")
WITH_DROPOUT = sorted(
    ["normed-net", *(name for name, parameters in RECIPE_PARAMETERS.items() if "dropout" in parameters.model_fields)]
)
NET = {"name": "normed-net", "params": {}}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of api/ and worker/ with one more recipe."""
    copy = tmp_path_factory.mktemp("product")
    for folder in ("api", "worker"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    recipe = copy / "worker/wattrain_worker/train/recipes/normed_net"
    recipe.mkdir()
    for name, text in (("__init__.py", ""), ("parameters.py", PARAMETERS), ("recipe.py", RECIPE)):
        (recipe / name).write_text(text.lstrip())
    for module in ("wattrain_worker.train.registries", "wattrain_api.crd"):
        done = python(copy, "-m", module)
        assert done.returncode == 0, done.stderr
    return copy


def path_of(product: Path) -> str:
    return os.pathsep.join(str(product / folder) for folder in ("api", "worker"))


def python(product: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": path_of(product)}
    return subprocess.run([sys.executable, *arguments], cwd=product, env=environ, capture_output=True, text=True)


@pytest.fixture(scope="module")
def with_recipe(product: Path, zygote_of: Any) -> Any:
    return zygote_of(path_of(product))


def trained(make_job: Any, with_recipe: Any, world: int) -> tuple[list[float], Any]:
    """Losses of all steps, and the job."""
    job = make_job(zygote=with_recipe, recipe=NET)
    return list(job.start(world).succeeds().reports.curve().values()), job


def statistics(job: Any) -> dict[str, Any]:
    weights = load_file(job.model / "model.safetensors")
    return {name: weights[name] for name in STATISTICS}


def test_api_and_definition_take_the_new_recipe_and_check_its_parameters(product: Path) -> None:
    definition = (product / "manifests/crd/trainingjobs.wattrain.dev.yaml").read_text()
    assert "- normed-net\n" in definition
    [others] = re.findall(r"!has\(self\.params\.dropout\) \|\| self\.name in \[([^\]]+)\]", definition)
    assert json.loads(f"[{others}]") == WITH_DROPOUT
    code = """
from wattrain_api.trainingjob import TrainingJobSpec
spec = {"data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}
net = {"name": "normed-net", "params": {"dropout": 0.5}}
print(TrainingJobSpec.model_validate(spec | {"recipe": net}).recipe.params.dropout)
net["params"]["hidden"] = [3]
TrainingJobSpec.model_validate(spec | {"recipe": net})
"""
    done = python(product, "-c", code)
    assert done.stdout == "0.5\n", done.stderr
    assert "recipe.normed-net.params.hidden\n  Extra inputs are not permitted" in done.stderr


def test_one_name_for_two_kinds_of_parameters_is_refused_in_a_line(product: Path, tmp_path: Path) -> None:
    copy = tmp_path / "product"
    shutil.copytree(product, copy)
    parameters = copy / "worker/wattrain_worker/train/recipes/normed_net/parameters.py"
    parameters.write_text(parameters.read_text().replace("ge=0", "gt=0"))
    assert python(copy, "-m", "wattrain_worker.train.registries").returncode == 0
    done = python(copy, "-m", "wattrain_api.crd")
    assert done.returncode == 1
    assert done.stderr.startswith(f"params.dropout is not the same in the recipes {', '.join(WITH_DROPOUT)}")
    assert done.stderr.count("\n") == 1


def test_batch_norm_has_the_same_curve_and_statistics_on_one_to_four_ranks(make_job: Any, with_recipe: Any) -> None:
    net = NET | {"params": {"dropout": 0}}
    sgd = {"optimizer": {"name": "sgd", "lr": 0.1}}  # Adam makes steps of the rounding of gradients of 0
    jobs = [make_job(zygote=with_recipe, recipe=net, training=sgd) for _ in range(4)]
    runs = [job.start(world).succeeds() for world, job in enumerate(jobs, start=1)]
    curves = [list(run.reports.curve().values()) for run in runs]
    assert not any("Warning" in run.log(rank) for run in runs for rank in range(len(run.pids)))
    # The last batch of a pass has 3 samples: fewer than ranks.
    np.testing.assert_allclose(curves[1:], curves[:1] * 3, rtol=1e-4)
    assert np.mean(curves[0][5:]) < 0.97 * np.mean(curves[0][:5])
    scores = [[score["loss"] for score in run.reports.of("validation")] for run in runs]
    np.testing.assert_allclose(scores[1:], scores[:1] * 3, rtol=1e-4)
    for job in jobs[1:]:
        for name, expected in statistics(jobs[0]).items():
            np.testing.assert_allclose(statistics(job)[name], expected, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("world", [1, 2])
def test_batch_norm_and_dropout_go_on_after_a_restart_as_if_nothing_had_happened(
    make_job: Any, with_recipe: Any, world: int
) -> None:
    whole, uninterrupted = trained(make_job, with_recipe, world)
    job = make_job(zygote=with_recipe, recipe=NET, checkpoint={"every": {"steps": 3}, "async": False})
    first = job.start(world)
    first.reports.wait_for(lambda report: report.get("checkpoint", {}).get("step") == 6)
    for rank in range(world):
        first.kill(rank, signal.SIGKILL)
    first.codes()
    second = job.start(world).succeeds()
    resumed = second.reports.of("resumed")[0]["step"]
    assert resumed >= 6
    assert list(second.reports.curve().values()) == whole[resumed:]
    for name, expected in statistics(uninterrupted).items():
        np.testing.assert_array_equal(statistics(job)[name], expected, err_msg=name)


@pytest.mark.parametrize("world", [1, 2])
def test_a_step_that_is_left_out_leaves_no_trace_in_the_statistics(
    make_job: Any, with_recipe: Any, broken: Any, world: int
) -> None:
    training = {"epochs": 3, "nonFinite": "skip"}
    job = make_job(zygote=with_recipe, recipe=NET, data=broken(slice(7, 8)), training=training)
    job.start(world).succeeds()
    found = statistics(job)
    assert all(np.isfinite(values).all() for values in found.values())
    assert found["1.num_batches_tracked"] == 15 - 3, "the row is in one batch of each pass"


def test_predictions_with_its_model_are_as_good_as_the_test_at_the_end_of_the_training(
    make_job: Any, with_recipe: Any, product: Path, data_dir: Path, tmp_path: Path
) -> None:
    _, job = trained(make_job, with_recipe, 1)
    test, model = load_file(data_dir / "test.safetensors"), json.loads((job.model / "model.json").read_text())
    labels = [model["classes"][label] for label in test["labels"]]
    rows = [[*map(str, row), label] for row, label in zip(test["features"].tolist(), labels, strict=True)]
    table = tmp_path / "test.csv"
    table.write_text("\n".join(map(",".join, [[*model["columns"], "kind"], *rows])))
    done = python(product, "-m", "wattrain_worker.predict", str(job.model), "--file", str(table))
    lines = done.stdout.splitlines()
    accuracy = lines[len(rows)]
    assert len(lines) == len(rows) + 4, done.stderr
    assert accuracy == f"accuracy {model['test']['accuracy']:.4f}"


def test_deterministic_training_refuses_the_batch_norm_of_the_new_recipe(make_job: Any, with_recipe: Any) -> None:
    run = make_job(zygote=with_recipe, recipe=NET, training={"deterministic": True}).start(1)
    assert run.codes() == [64]
    assert "spec.training.deterministic: the model's 1, a BatchNorm1d, keeps running statistics" in run.log()
