"""What a job shows at its end and after a restart: the last figures, and none that no longer holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from wattrain_api.contract.failures import Failure
from wattrain_api.status import Metrics
from wattrain_operator.core.observed import InPlaceRestart, Report, TerminationMessage
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import EPOCH

Scene = Callable[..., Any]


def _speed(job: Any) -> tuple[float | None, float | None]:
    return job.status.progress.samples_per_second, job.status.progress.eta_seconds


def _train(job: Any, **fields: Any) -> None:
    job.report = replace(
        Report(Role.WORKER, job.status.attempt, 0.0, phase="training", step=30, total_steps=60, step_seconds=1.0,
               loss=0.5, epoch=2, samples_per_second=100.0, validation=Metrics(step=25, loss=0.6)),
        **fields,
    )  # fmt: skip
    job.plan()


def _succeed(job: Any) -> None:
    for worker in (0, 1):
        job.add(worker, phase="Succeeded", ready=False, termination=TerminationMessage(0, step=60))


def test_a_job_that_ended_while_no_operator_looked_shows_its_last_step_loss_and_validation(scene: Scene) -> None:
    job = scene().run()
    _train(job)
    _succeed(job)
    last = Metrics(step=60, loss=0.2, accuracy=0.9)
    job.report = Report(
        Role.WORKER, 1, 0.0, phase="done", step=60, total_steps=60, epoch=4, loss=0.1, validation=last
    )  # as it is made of the termination message
    job.plan()
    progress = job.status.progress
    assert (job.status.state, progress.step, progress.loss, progress.validation) == ("Complete", 60, 0.1, last)
    assert (progress.total_steps, progress.epoch, progress.percent) == (60, 4, 100.0)


@pytest.mark.parametrize("end", ["complete", "failed", "restarting", "suspended"])
def test_where_nothing_trains_there_is_no_speed_and_no_time_left(scene: Scene, end: str) -> None:
    job = scene(shared=True).run()
    _train(job)
    assert _speed(job) == (100.0, 30.0)
    if end == "complete":
        _succeed(job)
    elif end == "suspended":
        job.spec = job.spec.model_copy(update={"suspend": True})
        job.settle()
    else:
        job.fail(0, -9 if end == "restarting" else 65)
    job.plan()
    assert job.status.state.lower() == end
    assert _speed(job) == (None, None)


def test_figures_go_back_at_once_where_the_checkpoints_have_gone_with_the_workers(scene: Scene) -> None:
    job = scene(shared=False).run()
    _train(job, checkpoint_step=20)
    job.fail(0, -9, step=30)
    job.plan()
    progress = job.status.progress
    assert (progress.step, progress.loss, progress.epoch, progress.validation) == (0, None, 0, None)
    assert progress.total_steps == 60


def _in_place(generation: int, **fields: Any) -> InPlaceRestart:
    failure = Failure("Killed", -9, worker=1, step=generation)
    return InPlaceRestart(EPOCH + timedelta(seconds=generation), generation, failure, **fields)


def _recoveries(job: Any) -> list[int | None]:
    return [restart.recovery_seconds for restart in job.status.restarts]


def test_of_restarts_in_place_that_were_heard_of_together_each_has_its_recovery(scene: Scene) -> None:
    job = scene(maxRestarts=9).run()
    _train(job, restarts=(_in_place(0, recovery_seconds=2.0), _in_place(1, recovery_seconds=3.0), _in_place(2)))
    assert _recoveries(job) == [2, 3, None]


def test_a_recovery_that_is_told_after_the_next_restart_is_entered_where_it_belongs(scene: Scene) -> None:
    job = scene(maxRestarts=9).run()
    _train(job, restarts=(_in_place(0),))
    _train(job, restarts=(_in_place(0, recovery_seconds=2.0), _in_place(1)))
    assert _recoveries(job) == [2, None]


def _start_next(job: Any, **fields: Any) -> None:
    """The next attempt's workers are there, and report `fields`."""
    job.children.clear()
    job.settle()
    for worker in (0, 1):
        job.add(worker)
    _train(job, **fields)


def test_new_workers_that_restart_in_place_before_they_train_end_both_restarts(scene: Scene) -> None:
    job = scene(maxRestarts=9, shared=True).run()
    job.fail(0, -9)
    job.plan()
    job.seconds += 20
    _start_next(job, phase="starting", step=0, restarts=(_in_place(0),))
    assert _recoveries(job) == [None, None]
    job.seconds += 5
    _train(job, restarts=(_in_place(0, recovery_seconds=4.0),))
    assert _recoveries(job) == [25, 4]


def test_an_attempt_that_failed_before_it_trained_leaves_no_restart_without_its_recovery(scene: Scene) -> None:
    job = scene(maxRestarts=9, shared=True).run()
    for _ in range(2):
        job.fail(0, -9)
        job.plan()
        job.seconds += 20
        _start_next(job, phase="starting", step=0)
    assert _recoveries(job) == [None, None]
    job.seconds += 5
    _train(job)
    assert _recoveries(job) == [45, 25]


def test_a_new_job_that_finds_an_older_ones_checkpoint_says_so_once(scene: Scene) -> None:
    job = scene(shared=True).run()
    for _ in range(2):
        _train(job, resumed_step=40, step=41)
    found = [e for e in job.events if e.reason == "CheckpointFound"]
    assert len(found) == 1
    assert "a checkpoint of step 40" in found[0].message
    assert "training goes on from there" in found[0].message
    assert job.status.checkpoint.step == 40


def test_a_new_job_that_finds_a_finished_model_says_that_nothing_is_left_to_train(scene: Scene) -> None:
    job = scene(shared=True).run()
    _succeed(job)
    _train(job, phase="done", resumed_step=60, step=60)
    assert job.status.state == "Complete"
    assert "nothing is left to train" in next(e.message for e in job.events if e.reason == "CheckpointFound")


def test_a_job_that_goes_on_from_its_own_checkpoint_has_found_nothing(scene: Scene) -> None:
    job = scene(shared=True).run()
    _train(job, checkpoint_step=20)
    job.fail(0, -9)
    job.plan()
    job.seconds += 20
    _start_next(job, resumed_step=20, step=20)
    assert "CheckpointFound" not in [e.reason for e in job.events]


def _state(job: Any, **fields: Any) -> str:
    _train(job, **fields)
    return str(job.status.state)


def test_the_state_is_running_only_where_something_trains(scene: Scene) -> None:
    job = scene().run()
    assert _state(job, phase="preparing", step=0) == "Preparing"
    assert _state(job, phase="starting", step=0) == "Starting"
    assert _state(job, phase="compiling", step=0) == "Starting"
    assert _state(job, phase="training", step=1) == "Running"
    assert _state(job, phase="evaluating", step=1) == "Running"


def test_of_a_script_that_tells_no_step_nobody_knows_so_it_runs(scene: Scene) -> None:
    script = {"script": {"command": ["train"]}, "recipe": None, "data": None, "training": None}
    assert _state(scene(spec=script).run(), phase="starting", step=0) == "Running"


def test_a_job_that_is_born_suspended_starts_nothing_says_so_and_starts_when_it_may(scene: Scene) -> None:
    job = scene(shared=True, spec={"suspend": True})
    decided = job.settle()
    assert (job.status.state, job.status.attempt, decided.creates) == ("Suspended", 0, ())
    assert job.status.message == "suspended before it started; it starts once spec.suspend is false"
    assert (job.answer("Running"), job.status.start_time) == (("False", "JobSuspended"), None)
    job.spec = job.spec.model_copy(update={"suspend": False})
    job.run()
    assert (job.status.state, job.status.attempt, job.status.restart_count) == ("Running", 1, 0)
    assert [e.message for e in job.events if e.reason == "JobResumed"] == ["the job may start, being suspended no more"]


def test_the_share_of_the_processors_that_is_used_is_known_where_both_sides_are(scene: Scene) -> None:
    job = scene().run()
    _train(job, flops_per_sample=3.0, peak_flops_per_second=1200.0, peak_source="measured")
    found = job.status.progress
    assert (found.flops_per_second, found.flops_utilization, found.peak_source) == (300.0, 0.25, "measured")
    _train(job, step=31, flops_per_sample=3.0)
    assert (job.status.progress.flops_per_second, job.status.progress.flops_utilization) == (300.0, None)
