"""Models of language on ranks over gloo: what they reach, how they go on, and what they say of texts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.directive import Directive
from wattrain_api.data import Source
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare
from wattrain_worker.predict.text_predictions import predict_texts, predict_windows
from wattrain_worker.train.exported import load_exported

GPT: dict[str, Any] = {"name": "gpt", "params": {"layers": 2, "width": 32, "heads": 4, "dropout": 0.1}}
CERTAIN = {**GPT, "params": {**GPT["params"], "dropout": 0.0}}
TEXT = {"vocabularySize": 300, "sequenceLength": 32}
BERT: dict[str, Any] = {"name": "bert", "params": {"layers": 2, "width": 32, "heads": 4, "dropout": 0.1}}
FAST = {"optimizer": {"name": "adamw", "lr": 0.01}}
STEPS = 6


@pytest.fixture(scope="session")
def tables_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Multiplication tables, 40 kB of sentences."""
    path = tmp_path_factory.mktemp("text") / "tables.jsonl"
    texts = ("".join(f"{n} times {m} is {n * m}.\n" for m in range(1, 21)) for n in range(2, 110))
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


@pytest.fixture(scope="session")
def windows_dir(tables_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("windows")
    spec = {"recipe": GPT, "training": {"epochs": 1}, "data": {"source": {"uri": str(tables_file)}, "text": TEXT}}
    prepare(TrainingJobSpec.model_validate(spec), directory)
    return directory


@pytest.fixture(scope="session")
def pairs_dir(tables_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pairs")
    spec = {"recipe": BERT, "training": {"epochs": 1}, "data": {"source": {"uri": str(tables_file)}, "text": TEXT}}
    prepare(TrainingJobSpec.model_validate(spec), directory)
    return directory


def changes(recipe: dict[str, Any], **training: Any) -> dict[str, Any]:
    """Of the spec, all of whose `recipe` and `training` that says how long."""
    return {"recipe": recipe, "training": {"epochs": None, "maxSteps": STEPS, "batchSize": 7} | training}


def test_gpt_on_two_ranks_reaches_the_bits_per_byte_that_a_small_model_can(make_job: Any, windows_dir: Path) -> None:
    job = make_job(data=windows_dir, **changes(CERTAIN, maxSteps=60, batchSize=16, **FAST))
    (score,) = job.start(2).succeeds().reports.of("test")
    assert 0.3 < score["bitsPerByte"] < 2.2  # how often each token comes is enough for 2.29
    assert score["perplexity"] == pytest.approx(np.exp(score["loss"]), rel=0.1)
    shutil.copytree(windows_dir, job.directory / "data")
    model = load_exported(job.model)
    windows = predict_windows(model, job.model, "test")
    assert windows.metrics["bitsPerByte"] == pytest.approx(score["bitsPerByte"], rel=1e-4)
    texts = ["120 times 3 is 360.\n120 times 4 is 480.\n", "Vexed zyzzyva, quoth he.\n"]
    path = job.directory / "asked.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, ""]))
    found = predict_texts(model, job.model, Source(uri=str(path)))
    assert found.places == ("asked.jsonl, line 1", "asked.jsonl, line 2")
    bits = [each for each in found.predicted if isinstance(each, float)]
    assert bits[0] < bits[1] / 2
    shares = np.array([len(text) for text in texts]) / sum(map(len, texts))
    assert found.metrics["bitsPerByte"] == pytest.approx(float(shares @ bits), rel=1e-4)
    assert found.notes == ("1 lines have an empty text, and no prediction",)


def test_gpt_has_identical_bits_in_bf16_and_brings_its_tokenizer(make_job: Any, windows_dir: Path) -> None:
    jobs = [make_job(data=windows_dir, **changes(GPT, deterministic=True, precision="bf16")) for _ in range(2)]
    runs = [job.start(world).succeeds() for world, job in zip((1, 3), jobs, strict=True)]
    curves = [run.reports.curve() for run in runs]
    assert curves[0] == curves[1]
    assert len(curves[0]) == STEPS
    assert runs[0].reports.of("test") == runs[1].reports.of("test")
    assert len({(job.model / "model.safetensors").read_bytes() for job in jobs}) == 1
    assert (jobs[0].model / "tokenizer.json").read_bytes() == (windows_dir / "tokenizer.json").read_bytes()


def test_gpt_goes_on_from_a_checkpoint_as_if_nothing_had_happened(make_job: Any, windows_dir: Path) -> None:
    training = changes(GPT, deterministic=True)
    whole = make_job(data=windows_dir, **training).start(1).succeeds().reports
    job = make_job(data=windows_dir, **training)
    job.directive.write_bytes(encode_json(Directive(1, stop_at_step=3)))
    job.start(2).codes()
    job.directive.unlink()
    rest = job.start(1).succeeds().reports
    assert rest.curve() == {step: loss for step, loss in whole.curve().items() if step > 3}
    assert rest.of("test") == whole.of("test")


def test_bert_on_two_ranks_finds_hidden_words_and_says_of_other_texts_how_many(make_job: Any, pairs_dir: Path) -> None:
    certain = {**BERT, "params": {**BERT["params"], "dropout": 0.0}}
    job = make_job(data=pairs_dir, **changes(certain, maxSteps=200, batchSize=16, **FAST))
    (score,) = job.start(2).succeeds().reports.of("test")
    assert score["maskedAccuracy"] > 0.3, "the most frequent token alone would be found in fewer than 0.2"
    shutil.copytree(pairs_dir, job.directory / "data")
    model = load_exported(job.model)
    pairs = predict_windows(model, job.model, "test")
    assert pairs.metrics["maskedAccuracy"] == pytest.approx(score["maskedAccuracy"], rel=1e-4)
    assert pairs.metrics["nextSentenceAccuracy"] == pytest.approx(score["nextSentenceAccuracy"], rel=1e-4)
    path = job.directory / "asked.jsonl"
    texts = ["".join(f"7 times {n} is {7 * n}.\n" for n in range(2, 20)), "Alone."]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    found = predict_texts(model, job.model, Source(uri=str(path)))
    assert isinstance(found.predicted[0], float)
    assert found.predicted[1] is None, "one sentence is no pair"
    assert found.metrics == {"maskedAccuracy": found.predicted[0]}
