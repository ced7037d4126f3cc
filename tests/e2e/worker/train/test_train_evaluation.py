"""When a training evaluates its model, and when it stops because of that."""

from __future__ import annotations

from typing import Any

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
