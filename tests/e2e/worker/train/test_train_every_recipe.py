"""Every recipe that is registered, deterministic: one to four ranks have the same bits, and a training of which a rank
is killed at random has the curve of one that nobody touched. A new recipe is found by its registration."""

from __future__ import annotations

import json
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wattrain_api.recipe_parameters import SampleKind, TaskKind
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare
from wattrain_worker.predict.__main__ import main as predict

PATIENCE_SECONDS = 240.0
STEPS = 2
SIZE = {"layers": 1, "width": 16, "heads": 2, "dropout": 0.1}
SMALL: dict[str, dict[str, Any]] = {
    "bert": SIZE,
    "bert-classifier": SIZE,
    "gpt": SIZE,
    "mlp": {"hidden": [8], "dropout": 0.3},
    "recommender": {"dimensions": 8, "negatives": 4},
    "resnet": {"norm": "group", "stem": "standard", "augment": "flip-crop"},
}
"""Parameters; a recipe that is not here has its defaults."""
KILLED_EARLY = {"resnet": 1, "recommender": 10, "linear-regression": 20, "logistic-regression": 20}
"""Steps from one checkpoint to the next, where these are not five."""
TASKS = [(name, task) for name, parameters in RECIPE_PARAMETERS.items() for task in parameters.TASKS]
SAMPLES: dict[SampleKind, Callable[[Path], dict[str, Any]]]
LABELS: dict[tuple[SampleKind, TaskKind], str] = {
    ("table", "classification"): "kind", ("table", "regression"): "price", ("text", "classification"): "kind",
}  # fmt: skip
FILES: dict[SampleKind, str] = {
    "table": "table.csv", "text": "texts.jsonl", "image": "pictures", "interactions": "pairs.csv"
}  # fmt: skip
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


SAMPLES = {"table": table, "text": texts, "image": pictures, "interactions": interactions}


def prepared_training(name: str, task: TaskKind, steps: int, folder: Path) -> dict[str, Any]:
    """Recipe, training and prepared data of a small job, for `make_job`."""
    samples = RECIPE_PARAMETERS[name].SAMPLES
    recipe, data = {"name": name, "params": SMALL.get(name, {})}, SAMPLES[samples](folder)
    if label := LABELS.get((samples, task)):
        data["label"] = label
    training = {"epochs": None, "maxSteps": steps, "batchSize": 7, "deterministic": True, "logicalShards": 4}
    training["optimizer"] = {"name": "sgd", "lr": 0.01, "momentum": 0.9}  # a checkpoint of resnet is half as large
    spec = {"recipe": recipe, "training": training, "data": data}
    prepare(TrainingJobSpec.model_validate(spec), folder / "data")
    return {"recipe": recipe, "training": training, "data": folder / "data"}


def predicted(model: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `wattrain predict` says of `file`, as JSON."""
    task = json.loads((model if model.is_dir() else model.parent).joinpath("model.json").read_text())["task"]
    wanted = ["--probabilities"] if task == "classification" else []
    code = predict([str(model), "--file", str(file), "--output", "json", *wanted])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def are_close(found: Any, expected: Any) -> bool:
    """Within what an export allows a graph to differ from its model, and six places of what is written."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(are_close(found[name], expected[name]) for name in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(are_close, found, expected))
    return bool(
        found == pytest.approx(expected, rel=1e-3, abs=1e-4) if isinstance(expected, float) else found == expected
    )


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_each_recipe_has_identical_bits_on_one_to_four_ranks_and_predicts_the_same_as_onnx(
    make_job: Any, tmp_path: Path, name: str, task: TaskKind, capsys: pytest.CaptureFixture[str]
) -> None:
    given = prepared_training(name, task, STEPS, tmp_path)
    jobs = [make_job(**given | {"training": given["training"] | {"onnx": world == 1}}) for world in range(1, 5)]
    runs = [job.start(world).succeeds(PATIENCE_SECONDS) for world, job in enumerate(jobs, start=1)]
    curves = [run.reports.curve() for run in runs]
    assert list(curves[0]) == list(range(1, STEPS + 1))
    assert curves[1:] == curves[:1] * 3
    for said in ("validation", "test"):
        scores = [run.reports.of(said) for run in runs]
        assert scores[1:] == scores[:1] * 3
    assert scores[0][0]["loss"] > 0
    assert len({(job.model / "model.safetensors").read_bytes() for job in jobs}) == 1
    file, model = tmp_path / FILES[RECIPE_PARAMETERS[name].SAMPLES], jobs[0].model
    expected = predicted(model, file, capsys)
    assert expected["predictions"]
    (model / "model.safetensors").unlink()
    assert are_close(predicted(model / "model.onnx", file, capsys), expected)


@pytest.mark.parametrize("name", [name for name in RECIPE_PARAMETERS if name != "mlp"])
def test_a_recipe_of_which_a_rank_is_killed_at_random_has_the_curve_of_one_never_touched(
    make_job: Any, tmp_path: Path, name: str
) -> None:
    """Of mlp test_train_recovery.py shows it."""
    seed = random.SystemRandom().randrange(2**32)
    sys.stderr.write(f"{name}: random seed {seed}\n")  # pytest shows it where the test fails
    drawn, every = random.Random(seed), KILLED_EARLY.get(name, 5)
    steps = 5 if every == 1 else 8 * every
    given = prepared_training(name, RECIPE_PARAMETERS[name].TASKS[0], steps, tmp_path)
    given["checkpoint"] = {"every": {"steps": every}}
    undisturbed = make_job(**given).start(1).succeeds(PATIENCE_SECONDS).reports.curve()
    assert len(undisturbed) == steps

    job = make_job(**given)
    first, victim, step = job.start(2), drawn.randrange(2), drawn.randrange(1, steps // 2)
    first.reports.wait_for(lambda report: report.get("checkpoint", {}).get("step", 0) >= step)
    first.kill(victim)
    assert first.codes(PATIENCE_SECONDS)[victim] == -signal.SIGKILL
    rest = job.start(1).succeeds(PATIENCE_SECONDS)
    assert rest.reports.of("resumed")[0]["step"] >= step
    assert first.reports.curve() | rest.reports.curve() == undisturbed
