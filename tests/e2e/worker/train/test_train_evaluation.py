"""When a training evaluates its model, and when it stops because of that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from wattrain_api import reasons
from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.directive import Directive


def test_a_training_stops_early_and_stays_stopped(make_job: Any) -> None:
    rule = {"metric": "loss", "patience": 2, "minDelta": 1e6}
    job = make_job(training={"epochs": 50, "earlyStopping": rule})
    run = job.start(2).succeeds()
    assert max(run.reports.curve()) == 15, "the first pass sets the best, two more do not improve on it"
    assert run.reports.of("test")
    assert not job.start(1).succeeds().reports.curve()


def test_the_validation_split_is_evaluated_as_often_as_the_spec_says(make_job: Any) -> None:
    def steps_of(**training: Any) -> list[int]:
        reports = make_job(training=training).start(1).succeeds().reports
        return [validation["step"] for validation in reports.of("validation")]

    assert steps_of() == [5, 10]
    assert steps_of(evaluateEvery={"steps": 4}) == [4, 8, 10]


def test_an_evaluation_that_a_stop_has_come_before_is_made_when_the_training_goes_on(make_job: Any) -> None:
    job = make_job(training={"epochs": 4, "earlyStopping": {"metric": "loss", "patience": 2, "minDelta": 1e6}})
    job.directive.write_bytes(encode_json(Directive(1, stop_at_step=5)))  # the end of the first pass
    stopped = job.start(2)
    assert stopped.codes() == [reasons.EXIT_PREEMPTED] * 2
    assert not stopped.reports.of("validation")
    job.directive.unlink()
    run = job.start(2).succeeds()
    assert [validation["step"] for validation in run.reports.of("validation")] == [5, 10, 15]
    assert max(run.reports.curve()) == 15, "it stops early where it would have without the stop"


def overfits(make_job: Any, **training: Any) -> Any:
    """A training whose validation loss is best long before its end, with checkpoints that are pruned meanwhile."""
    optimizer = {"name": "adamw", "lr": 0.3}
    settings = {"epochs": 12, "deterministic": True, "optimizer": optimizer, **training}
    return make_job(
        training=settings, checkpoint={"every": {"steps": 5}, "keep": 2}, recipe={"params": {"hidden": [64]}}
    )


def model_of(job: Any) -> tuple[dict[str, Any], bytes]:
    return json.loads((job.model / "model.json").read_bytes()), (job.model / "model.safetensors").read_bytes()


def test_the_best_model_is_exported_and_tested_on_any_number_of_ranks_and_after_a_restart(make_job: Any) -> None:
    jobs = [overfits(make_job, export="best") for _ in range(3)]
    runs = [jobs[0].start(1).succeeds(), jobs[1].start(3).succeeds()]
    jobs[2].directive.write_bytes(encode_json(Directive(1, stop_at_step=45)))
    stopped = jobs[2].start(2)
    assert stopped.codes() == [reasons.EXIT_PREEMPTED] * 2
    jobs[2].directive.unlink()
    runs.append(jobs[2].start(1).succeeds())
    validations = runs[0].reports.of("validation")
    best = min(validations, key=lambda score: score["loss"])
    assert 5 < best["step"] < 35, "at 45 no checkpoint of that time is left, and the end is worse"
    document, _ = model_of(jobs[0])
    assert (document["step"], document["best"]) == (best["step"], {"metric": "loss", "value": best["loss"]})
    [test] = runs[0].reports.of("test")
    assert document["test"] == test
    assert test["step"] == best["step"]
    assert [run.reports.of("test") for run in runs] == [[test]] * 3
    assert [model_of(job) for job in jobs] == [model_of(jobs[0])] * 3
    [told] = runs[0].reports.of("model")
    assert (told["step"], told["choice"]) == (best["step"], f"best loss on the validation split: {best['loss']:.5g}")

    alone = overfits(make_job, maxSteps=best["step"], epochs=None)
    alone.start(1).succeeds()
    assert model_of(alone)[1] == model_of(jobs[0])[1], "it is the model that a training until that step ends with"


def test_the_last_model_is_exported_where_that_is_asked_for(make_job: Any) -> None:
    job = overfits(make_job, export="last", earlyStopping={"patience": 100})
    run = job.start(1).succeeds()
    document, _ = model_of(job)
    assert (document["step"], document["best"], run.reports.of("test")[0]["step"]) == (60, None, 60)
    assert run.reports.of("model")[0]["choice"] == "the last step"


def test_averaged_weights_are_evaluated_and_exported_on_any_number_of_ranks_and_after_a_restart(make_job: Any) -> None:
    jobs = [overfits(make_job, ema=0.8) for _ in range(2)]
    runs = [jobs[0].start(1).succeeds()]
    jobs[1].directive.write_bytes(encode_json(Directive(1, stop_at_step=33)))
    assert jobs[1].start(2).codes() == [reasons.EXIT_PREEMPTED] * 2
    jobs[1].directive.unlink()
    runs.append(jobs[1].start(3).succeeds())
    assert [run.reports.of("test") for run in runs] == [runs[0].reports.of("test")] * 2
    assert model_of(jobs[1]) == model_of(jobs[0])
    assert runs[0].reports.of("model")[0]["choice"] == "the last step, weights averaged (ema 0.8)"

    plain = overfits(make_job)
    without = plain.start(1).succeeds()
    assert without.reports.curve() == runs[0].reports.curve(), "the training itself does not know of the average"
    scores = [[v["loss"] for v in run.reports.of("validation")] for run in (runs[0], without)]
    assert scores[0] != scores[1]
    assert max(scores[0][2:]) < max(scores[1][2:]), "the average is less rough"
    assert model_of(plain)[1] != model_of(jobs[0])[1]


def test_the_exported_model_is_there_as_onnx_where_the_job_asks_for_it(make_job: Any, data_dir: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="runs ONNX: pip install --editable '.[dev]'")
    job = make_job(training={"onnx": True, "export": "best"})
    job.start(2).succeeds()
    document, _ = model_of(job)
    assert 0 < document["onnx"]["samples"] <= 64
    assert document["onnx"]["largestDifference"] < 1e-4
    test = load_file(data_dir / "test.safetensors")
    session = onnxruntime.InferenceSession((job.model / "model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    [scores] = session.run(None, {"features": test["features"]})
    assert (scores.argmax(1) == test["labels"]).mean() == pytest.approx(document["test"]["accuracy"])
    plain = make_job(training={"export": "best"})
    plain.start(2).succeeds()
    assert model_of(plain)[0]["onnx"] is None
    assert not (plain.model / "model.onnx").exists()
