"""`wattrain recipes` as a user calls it; the worker's answer is made up, but for one call."""

import importlib.util
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_operator.cli.app import app


def call(*arguments):
    return CliRunner().invoke(app, ["recipes", *arguments])


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else object())


def test_recipes_lists_all_of_them_with_parameters_and_costs():
    command = [sys.executable, "-c", "from wattrain_operator.cli import main; main()", "recipes", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {each["name"]: each for each in json.loads(done.stdout)["recipes"]}
    assert list(found) == list(RECIPE_PARAMETERS)
    mlp = found["mlp"]
    assert (mlp["samples"], mlp["tasks"]) == ("table", ["classification", "regression"])
    assert mlp["cost"]["parameters"] == 5699
    assert mlp["parameters"][1] == {
        "name": "hidden", "type": "list of 1 to 16: whole number 1 to 65,536", "default": [64, 64], "required": False,
        "description": "Sizes of the hidden layers.",
    }  # fmt: skip


def test_without_torch_the_rest_is_listed_and_said_why(without_torch):
    done = call("mlp")
    assert done.exit_code == 0
    assert "mlp: classification or regression, on samples of the kind table" in done.stdout
    assert "dropout: number 0 to below 1; default 0.0. Share of hidden units" in done.stdout
    assert "cost: not known: the recipes need torch: pip install 'wattrain[local]'" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such recipe, and no such file; write one of "),
        ("apiVersion: v1\nkind: Pod\n", "job.yaml: there is no TrainingJob"),
        (
            "apiVersion: wattrain.dev/v1alpha1\nkind: TrainingJob\nmetadata: {name: a}\n"
            "spec: {script: {command: [python, a.py]}}\n",
            "spec.script: of a script nothing is known",
        ),
    ],
)
def test_what_is_neither_a_recipe_nor_a_job_of_one_is_refused(content, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "job.yaml").write_text(content)
    done = call("job.yaml")
    assert done.exit_code == 2
    assert said in done.stderr
