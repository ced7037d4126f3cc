"""A rank of each recipe is killed at random: the curve is that of a training that nobody touched, bit for bit. For mlp
test_train_recovery.py shows it."""

from __future__ import annotations

import json
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare
from wattrain_worker.train.recipes import recipe_folders

PATIENCE_SECONDS = 240.0
SIZE = {"layers": 1, "width": 16, "heads": 2, "dropout": 0.1}
ENOUGH: dict[str, Any] = {"method": "hash", "train": 0.8, "validation": 0, "test": 0.2}


def table(folder: Path) -> dict[str, Any]:
    """200 rows of three numbers, a class and a number."""
    rows = np.random.default_rng(0).normal(size=(200, 3))
    lines = [f"{a},{b},{c},{'up' if a + b > 0 else 'down'},{a - c}" for a, b, c in rows.tolist()]
    (folder / "table.csv").write_text("\n".join(["a,b,c,kind,price", *lines]))
    return {"source": {"uri": str(folder / "table.csv")}, "features": ["a", "b", "c"], "split": ENOUGH}


def texts(folder: Path) -> dict[str, Any]:
    """80 texts, each of one of two kinds."""
    rows = [{"text": f"This is the text {n}. " * 4 + f"It is {n * n} long. It ends.", "kind": n % 2} for n in range(80)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = {"vocabularySize": 300, "sequenceLength": 16}
    return {"source": {"uri": str(folder / "texts.jsonl")}, "text": text, "split": {**ENOUGH}}


def pictures(folder: Path) -> dict[str, Any]:
    """40 pictures of noise in two folders."""
    pixels = np.random.default_rng(1).integers(0, 255, (40, 32, 32, 3), np.uint8)
    for number, picture in enumerate(pixels):
        path = folder / "pictures" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return {"source": {"uri": str(folder / "pictures")}, "image": {"size": 32}, "split": ENOUGH}


def interactions(folder: Path) -> dict[str, Any]:
    """30 users, each with six of 20 items."""
    drawn = np.random.default_rng(2)
    pairs = [f"u{user},i{item}" for user in range(30) for item in drawn.permutation(20)[:6].tolist()]
    (folder / "pairs.csv").write_text("\n".join(["user,item", *pairs]))
    return {"source": {"uri": str(folder / "pairs.csv")}}


class Case(NamedTuple):
    """A small training."""

    params: dict[str, Any]
    make_data: Callable[[Path], dict[str, Any]]
    data: dict[str, Any]
    steps: int
    every: int
    """Steps from one checkpoint to the next."""


CASES = {
    "bert": Case(SIZE, texts, {}, 40, 5),
    "bert-classifier": Case(SIZE, texts, {"label": "kind"}, 40, 5),
    "gpt": Case(SIZE, texts, {}, 40, 5),
    "linear-regression": Case({}, table, {"label": "price"}, 150, 20),
    "logistic-regression": Case({}, table, {"label": "kind"}, 150, 20),
    "recommender": Case({"dimensions": 8, "negatives": 4}, interactions, {}, 80, 10),
    "resnet": Case({"norm": "group", "stem": "standard", "augment": "flip-crop"}, pictures, {}, 5, 1),
}


def test_each_recipe_is_killed() -> None:
    assert {*CASES, "mlp"} == set(recipe_folders())


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_of_which_a_rank_is_killed_at_random_has_the_curve_of_one_never_touched(
    make_job: Any, tmp_path: Path, name: str
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    sys.stderr.write(f"{name}: random seed {seed}\n")  # pytest shows it where the test fails
    drawn, case = random.Random(seed), CASES[name]
    recipe = {"name": name, "params": case.params}
    training = {"epochs": None, "maxSteps": case.steps, "batchSize": 8, "deterministic": True, "logicalShards": 2}
    training["optimizer"] = {"name": "sgd", "lr": 0.01, "momentum": 0.9}  # a checkpoint of resnet is half as large
    spec = {"recipe": recipe, "training": training, "data": case.make_data(tmp_path) | case.data}
    prepare(TrainingJobSpec.model_validate(spec), tmp_path / "data")
    given = {"recipe": recipe, "training": training, "checkpoint": {"every": {"steps": case.every}}}
    undisturbed = make_job(data=tmp_path / "data", **given).start(1).succeeds(PATIENCE_SECONDS).reports.curve()
    assert len(undisturbed) == case.steps

    job = make_job(data=tmp_path / "data", **given)
    first, victim, step = job.start(2), drawn.randrange(2), drawn.randrange(1, case.steps // 2)
    first.reports.wait_for(lambda report: report.get("checkpoint", {}).get("step", 0) >= step)
    first.kill(victim)
    assert first.codes(PATIENCE_SECONDS)[victim] == -signal.SIGKILL
    rest = job.start(1).succeeds(PATIENCE_SECONDS)
    assert rest.reports.of("resumed")[0]["step"] >= step
    assert first.reports.curve() | rest.reports.curve() == undisturbed
