"""A classifier of texts that begins with a model of bert, on ranks over gloo."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from wattrain_api.data import Source
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare
from wattrain_worker.predict.predictions import predict_split
from wattrain_worker.predict.text_class_predictions import predict_text_classes
from wattrain_worker.train.exported import load_exported

SIZE = {"layers": 2, "width": 32, "heads": 4, "dropout": 0.1}
BERT: dict[str, Any] = {"name": "bert", "params": SIZE}
CLASSIFIER: dict[str, Any] = {"name": "bert-classifier", "params": SIZE}
STEPS = 40
PATIENCE_SECONDS = 240.0
"""An export as ONNX takes seconds of two quiet cores, and a minute where others use them as well."""


def sums(n: int) -> list[str]:
    return [f"{n} and {m} are {n + m}." for m in range(1, 9)]


def products(n: int) -> list[str]:
    return [f"{n} times {m} is {n * m}." for m in range(1, 9)]


@pytest.fixture
def pretrained(make_job: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a short training of bert."""
    folder = tmp_path_factory.mktemp("pretrained")
    texts = [" ".join(kind(n)) for n in range(2, 40) for kind in (sums, products)]
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    text = {"vocabularySize": 300, "sequenceLength": 32}
    spec = {"recipe": BERT, "training": {"epochs": 1}, "data": {"source": {"uri": str(path)}, "text": text}}
    prepare(TrainingJobSpec.model_validate(spec), folder / "data")
    job = make_job(data=folder / "data", recipe=BERT, training={"epochs": None, "maxSteps": 5})
    job.start(1).succeeds()
    return Path(job.model)


def training(pretrained: Path, **further: Any) -> dict[str, Any]:
    given = {"epochs": None, "maxSteps": STEPS, "batchSize": 16, "initialModel": {"path": str(pretrained)}}
    return {**given, "optimizer": {"name": "adamw", "lr": 0.003}, **further}


@pytest.fixture
def labelled(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared sentences, each a sum or a product."""
    folder = tmp_path_factory.mktemp("labelled")
    rows = [
        {"text": text, "kind": kind.__name__} for n in range(2, 40) for kind in (sums, products) for text in kind(n)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"source": {"uri": str(path)}, "label": "kind", "text": {"sequenceLength": 16}}
    spec = {"recipe": CLASSIFIER, "training": training(pretrained), "data": data}
    prepare(TrainingJobSpec.model_validate(spec), folder / "data")
    return folder / "data"


def test_two_ranks_learn_to_tell_classes_and_the_model_says_of_other_texts_what_they_are(
    make_job: Any, pretrained: Path, labelled: Path
) -> None:
    job = make_job(data=labelled, recipe=CLASSIFIER, training=training(pretrained, deterministic=True, onnx=True))
    (score,) = job.start(2).succeeds(PATIENCE_SECONDS).reports.of("test")
    assert score["accuracy"] > 0.9
    assert set(score) == {"step", "loss", "accuracy", "balancedAccuracy", "f1", "rocAuc"}
    assert (job.model / "model.onnx").exists()
    assert not (job.model / "initial.safetensors").exists()

    shutil.copytree(labelled, job.directory / "data")
    model = load_exported(job.model)
    assert predict_split(model, job.model, "test").metrics["accuracy"] == pytest.approx(score["accuracy"], rel=1e-4)
    path = job.directory / "asked.jsonl"
    asked = [{"text": sums(41)[0], "kind": "sums"}, {"text": products(41)[3]}, {"text": products(41)[2], "kind": "?"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*asked, {"text": ""}]))
    found = predict_text_classes(model, job.model, Source(uri=str(path)))
    assert found.predicted == ("sums", "products", "products")
    assert found.labels == ("sums", None, "?")
    assert found.metrics["accuracy"] == 0.5
    assert found.notes[1:] == ("1 lines have an empty text, and no prediction",)


def test_it_begins_with_the_weights_of_the_model_that_is_named(make_job: Any, pretrained: Path, labelled: Path) -> None:
    first = training(pretrained, maxSteps=1, optimizer={"lr": 1e-9})
    job = make_job(data=labelled, recipe=CLASSIFIER, training=first)
    job.start(1).succeeds()
    begun, given = load_file(job.model / "model.safetensors"), load_file(pretrained / "model.safetensors")
    for name in ("embedding.weight", "blocks.1.linear.0.weight", "pooled.weight"):
        torch.testing.assert_close(begun[name], given[name], atol=1e-7, rtol=0)
    assert len(begun["positions.weight"]) == 16
    deeper = make_job(
        data=labelled, recipe={**CLASSIFIER, "params": {**SIZE, "layers": 3}}, training=training(pretrained)
    )
    refused = deeper.start(1)
    assert refused.codes() == [64]
    assert "spec.training.initialModel: blocks.2" in refused.log()
