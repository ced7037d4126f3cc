"""What cannot go well ends with its own exit code and one line that says what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wattrain_api import reasons


def refusal(run: Any, code: int) -> str:
    assert run.codes() == [code], run.log()
    assert run.log().count("\n") == 1, run.log()
    return str(run.log())


@pytest.mark.parametrize("recipe", ["unet", "recommenders"])
def test_a_recipe_that_there_is_none_of_is_refused_with_those_that_there_are(make_job: Any, recipe: str) -> None:
    told = refusal(make_job(recipe={"name": recipe}).start(), 64)
    assert told.startswith("spec.recipe.name: must be one of ")
    assert "'mlp'" in told
    assert f"(it is {recipe!r})" in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parallelism": {"strategy": "FSDP"}}, "spec.parallelism.strategy: FSDP is not in this version; write"),
        ({"parallelism": {"tensor": 2}}, "spec.parallelism.tensor: 2 is not supported yet"),
        ({"training": {"compile": True, "deterministic": True}}, "deterministic and compile exclude each other"),
        ({"training": {"batchSize": 0}}, "spec.training.batchSize"),
        (
            {"training": {"export": "best", "bestMetric": "mae"}},
            "spec.training.bestMetric: mae is no metric of the recipe mlp; write one of loss, accuracy",
        ),
        ({"recipe": {"params": {"classes": 3}}}, "spec.recipe.params.classes: 3, but the data has 4"),
    ],
)
def test_a_spec_that_cannot_be_trained_is_refused(make_job: Any, changes: dict[str, Any], words: str) -> None:
    assert words in refusal(make_job(**changes).start(), reasons.EXIT_BAD_SPEC)


def test_more_ranks_than_logical_shards_are_refused(make_job: Any) -> None:
    run = make_job(training={"deterministic": True, "logicalShards": 1}).start(2)
    assert run.codes() == [reasons.EXIT_BAD_SPEC] * 2
    assert "spec.training.logicalShards" in run.log()


def test_missing_data_is_told(make_job: Any, tmp_path: Path) -> None:
    assert "prepare.json" in refusal(make_job(data=tmp_path).start(), reasons.EXIT_INPUT_MISSING)


def test_damaged_data_is_told(make_job: Any, data_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(data_dir, tmp_path / "data")
    with (tmp_path / "data" / "train.safetensors").open("r+b") as file:
        file.seek(200)
        file.write(b"\xff")
    assert "damaged" in refusal(make_job(data=tmp_path / "data").start(), reasons.EXIT_BAD_DATA)


def test_a_loss_that_is_no_number_ends_all_ranks_and_names_step_and_rate(make_job: Any) -> None:
    sgd = {"optimizer": {"name": "sgd", "lr": 1000}, "maxSteps": 200, "epochs": None}
    run = make_job(training=sgd).start(2)
    assert run.codes() == [reasons.EXIT_NON_FINITE] * 2
    assert "learning rate 1000" in run.log()
    assert f"loss of step {max(run.reports.curve()) + 1} is" in run.log(1)


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_checkpoint_that_cannot_be_written_ends_the_rank(make_job: Any, asynchronous: bool) -> None:
    job = make_job(checkpoint={"every": {"steps": 1}, "async": asynchronous})
    job.checkpoints.parent.joinpath("file").touch()
    job.checkpoints = job.checkpoints.parent / "file" / "checkpoints"
    assert "cannot be written: Not a directory" in refusal(job.start(), reasons.EXIT_STORAGE_UNAVAILABLE)


def test_a_model_that_cannot_be_written_ends_the_rank(make_job: Any) -> None:
    job = make_job()
    job.model.touch()
    assert "the model cannot be written" in refusal(job.start(), reasons.EXIT_STORAGE_UNAVAILABLE)


def test_the_module_trains_when_it_is_run_by_hand(make_job: Any) -> None:
    job = make_job()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WATTRAIN_")}
    environ |= job.environs(1, Path("/nonexistent"))[0]
    done = subprocess.run([sys.executable, "-m", "wattrain_worker.train"], env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(line.startswith("step ") for line in done.stdout.splitlines()), "a line every ten seconds, and no other"
    model = json.loads((job.model / "model.json").read_bytes())
    assert (model["recipe"], model["step"], len(model["columns"])) == ("mlp", 10, 8)
    assert 0 < model["test"]["accuracy"] <= 1


def test_a_missing_variable_is_named(make_job: Any) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WATTRAIN_")}
    done = subprocess.run([sys.executable, "-m", "wattrain_worker.train"], env=environ, capture_output=True, text=True)
    assert done.returncode == reasons.EXIT_BAD_SPEC
    assert done.stderr.startswith("WATTRAIN_SPEC is not set")
