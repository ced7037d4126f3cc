"""Ranks that are asked to save or to stop at a step: all do it at the same one."""

from __future__ import annotations

import json
from typing import Any

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
