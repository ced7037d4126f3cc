"""A residual network on ranks over gloo: what it reaches, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare

RESNET: dict[str, Any] = {"name": "resnet", "params": {"stem": "standard", "augment": "flip-crop"}}
PATIENCE_SECONDS = 240.0
"""Eleven million weights: a few seconds on two cores, minutes where others use them as well."""


@pytest.fixture(scope="session")
def pictures_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pictures of noise, of which each class has more in one channel."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(1)
    for number in range(120):
        pixels = random.integers(0, 200, (32, 32, 3), np.uint8)
        pixels[..., number % 3] += 50
        path = folder / "source" / ("red", "green", "blue")[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    spec = {
        "recipe": RESNET, "training": {"epochs": 1},
        "data": {"source": {"uri": str(folder / "source")}, "image": {"size": 32}, "split": {"method": "stratified"}},
    }  # fmt: skip
    prepare(TrainingJobSpec.model_validate(spec), folder / "prepared")
    return folder / "prepared"


def test_two_ranks_reach_an_accuracy_of_nine_in_ten(make_job: Any, pictures_dir: Path) -> None:
    training = {"epochs": None, "maxSteps": 20, "batchSize": 24, "optimizer": {"name": "adamw", "lr": 0.001}}
    job = make_job(data=pictures_dir, recipe=RESNET, training=training)
    (score,) = job.start(2).succeeds(PATIENCE_SECONDS).reports.of("test")
    assert score["accuracy"] >= 0.9


def test_deterministic_training_with_batch_norm_is_refused_with_what_to_write(
    make_job: Any, pictures_dir: Path
) -> None:
    run = make_job(data=pictures_dir, recipe=RESNET, training={"deterministic": True}).start()
    assert run.codes(PATIENCE_SECONDS) == [64]
    assert "keeps running statistics" in run.log()
    assert "write norm: group where the recipe has it, or false" in run.log()
