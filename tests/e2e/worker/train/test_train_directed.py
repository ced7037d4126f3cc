"""Ranks that are asked to save or to stop at a step: all do it at the same one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.directive import Directive

ENDLESS: dict[str, Any] = {"training": {"maxSteps": 1_000_000, "epochs": None, "recordEverySteps": 25}}


def checkpoint_steps(job: Any) -> list[int]:
    return sorted(json.loads(path.read_bytes())["step"] for path in job.checkpoints.glob("step-*/manifest.json"))


def test_the_ranks_stop_at_the_very_step_that_is_asked_for(make_job: Any) -> None:
    job = make_job(**ENDLESS)
    job.directive.write_bytes(encode_json(Directive(1, stop_at_step=137)))
    run = job.start(3)
    assert run.codes() == [143, 143, 143]
    assert checkpoint_steps(job) == [137]
    assert max(run.reports.curve()) == 125  # the last recorded step before it


def test_a_step_that_is_past_is_the_next_possible_one_and_a_checkpoint_comes_between(make_job: Any) -> None:
    job = make_job(**ENDLESS)
    run = job.start(2)
    run.reports.wait_for(lambda report: report.get("step", 0) >= 50)
    job.directive.write_bytes(encode_json(Directive(1, checkpoint=True)))
    first = run.reports.wait_for(lambda report: "checkpoint" in report)["checkpoint"]["step"]
    run.reports.wait_for(lambda report: report.get("step", 0) >= first + 50)
    job.directive.write_bytes(encode_json(Directive(2, stop_at_step=1)))
    assert run.codes() == [143, 143]
    assert checkpoint_steps(job)[0] == first
    assert len(checkpoint_steps(job)) == 2


def test_a_profile_is_of_the_rank_and_the_steps_that_are_asked_for_and_changes_no_bit(make_job: Any) -> None:
    plain, profiled = (make_job(training={"epochs": 4, "deterministic": True, "logicalShards": 2}) for _ in range(2))
    profiled.directive.write_bytes(encode_json(Directive(1, profile_steps=2, profile_rank=1)))
    runs = [job.start(2).succeeds() for job in (plain, profiled)]
    assert runs[1].reports.curve() == runs[0].reports.curve()
    assert (profiled.model / "model.safetensors").read_bytes() == (plain.model / "model.safetensors").read_bytes()
    [trace, table] = sorted((profiled.directory / "profiles").iterdir(), key=lambda path: path.suffix)
    assert (trace.name, table.name) == ("steps-2-3.rank-1.trace.json", "steps-2-3.rank-1.txt")
    assert "aten::addmm" in table.read_text()
    assert "aten::addmm" in {event.get("name") for event in json.loads(trace.read_bytes())["traceEvents"]}
    [told] = [said for said in runs[1].reports.of("message") if "profile" in said]
    assert told == (f"the profile of rank 1 over steps 2 to 3 is in {trace}, with a table of its operators beside it")


def test_ranks_pause_alike_for_the_share_that_is_asked_for_and_no_loss_changes_a_bit(make_job: Any) -> None:
    plain, paused = (make_job(training={"maxSteps": 200, "epochs": None, "deterministic": True}) for _ in range(2))
    paused.directive.write_bytes(encode_json(Directive(1, duty_ratio=0.4)))
    runs = [job.start(2).succeeds() for job in (plain, paused)]
    assert runs[1].reports.curve() == runs[0].reports.curve()
    assert (paused.model / "model.safetensors").read_bytes() == (plain.model / "model.safetensors").read_bytes()
    assert not runs[0].reports.of("pausedSeconds")
    pauses = [
        sum(report.get("pausedSeconds", 0.0) for report in runs[1].reports.all if report["rank"] == rank)
        for rank in range(2)
    ]
    assert pauses[0] == pytest.approx(pauses[1], rel=0.2)
    assert min(pauses) > 0.01
