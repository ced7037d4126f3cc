"""What the core decides, as a table of sentences. Each sets what is the case and looks at one plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.status import Metrics, Progress
from wattrain_operator.core.observed import (
    GRANTED,
    ChildEnergy,
    Grant,
    InPlaceRestart,
    Plan,
    Report,
    TerminationMessage,
)
from wattrain_operator.core.restarts import DISRUPTIONS_IN_A_ROW, LONG_ATTEMPT_SECONDS
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import meters, moment

Scene = Callable[..., Any]


def test_at_first_sight_all_five_conditions_are_answered(scene: Scene) -> None:
    job = scene()
    job.grant = Grant(False, reasons.QUEUED, position=1)
    job.plan()
    assert [c.type for c in job.status.conditions] == list(reasons.CONDITION_TYPES)


def test_a_job_waits_for_those_ahead_and_says_for_what(scene: Scene) -> None:
    job = scene()
    job.grant = Grant(False, reasons.QUEUED, "waits for a place", position=2, held_by="job/first")
    job.settle()
    assert (job.status.state, job.status.queue.position, job.status.queue.held_by) == ("Queued", 2, "job/first")
    assert job.answer("Admitted") == ("False", "Queued")
    assert [(e.type, e.reason) for e in job.events] == [("Normal", "Queued")]
    job.grant = GRANTED
    job.settle()
    assert job.answer("Admitted") == ("True", "JobAdmitted")
    assert job.status.queue.position == 0


def test_data_is_prepared_before_any_worker_is_created(scene: Scene) -> None:
    job = scene(shared=True)
    created = job.plan().creates
    assert [(c.name, c.role) for c in created] == [("job-prepare-1", "prepare")]
    assert job.status.state == "Preparing"
    job.add(0, role=Role.PREPARE, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    job.plan()
    assert job.status.internal.data_prepared
    assert [c.name for c in job.plan().creates] == ["job-1-0", "job-1-1"]


def test_where_storage_is_not_shared_every_worker_prepares_for_itself(scene: Scene) -> None:
    assert {c.role for c in scene(shared=False).plan().creates} == {"worker"}


def test_all_workers_are_created_in_one_plan(scene: Scene) -> None:
    assert [(c.name, c.worker, c.workers) for c in scene(workers=3).plan().creates] == [
        ("job-1-0", 0, 3), ("job-1-1", 1, 3), ("job-1-2", 2, 3),
    ]  # fmt: skip


def test_nothing_is_created_from_a_cache(scene: Scene) -> None:
    decided = scene().plan(fresh=False)
    assert decided.needs_fresh_view
    assert not decided.creates


def test_a_job_runs_when_all_workers_answer(scene: Scene) -> None:
    job = scene()
    job.settle()
    job.add(0)
    job.settle()
    assert job.status.state == "Starting"
    job.add(1)
    job.settle()
    assert (job.answer("Running")[0], job.status.state, job.status.workers.ready) == ("True", "Starting", 2)
    assert [e.reason for e in job.events][-1] == reasons.WORKERS_RUNNING


def test_a_job_is_complete_when_all_workers_are_done_and_keeps_the_test_result(scene: Scene) -> None:
    job = scene(shared=True).run()
    test = Metrics(step=10, loss=0.1, accuracy=0.97)
    job.add(0, phase="Succeeded", ready=False, termination=TerminationMessage(0, test=test, model_uri="file:m"))
    job.settle()
    assert job.status.state == "Running"
    job.add(1, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    job.settle()
    assert (job.status.state, job.status.model.uri, job.status.model.metrics) == ("Complete", "file:m", test)


def test_a_complete_job_stays_complete_when_its_workers_vanish(scene: Scene) -> None:
    job = scene().run()
    for rank in (0, 1):
        job.add(rank, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    job.settle()
    before = job.status
    job.children.clear()
    decided = job.plan()
    assert (decided.status, decided.creates) == (before, ())


@pytest.mark.parametrize(
    ("exit_code", "state", "reason", "counted"),
    [
        (64, "Failed", "BadSpec", 0),
        (65, "Failed", "BadData", 0),
        (66, "Failed", "InputMissing", 0),
        (67, "Failed", "ProgramFailsTheSameWay", 0),
        (70, "Failed", "NonFiniteLoss", 0),
        (75, "Restarting", "WorkersRestarting", 1),
        (76, "Restarting", "WorkersRestarting", 1),
        (77, "Restarting", "WorkersRestarting", 1),
        (80, "Restarting", "WorkersRestarting", 1),
        (143, "Restarting", "WorkersRestarting", 1),
        (1, "Restarting", "WorkersRestarting", 1),
        (-9, "Restarting", "WorkersRestarting", 1),
        (137, "Restarting", "WorkersRestarting", 1),
        (-11, "Restarting", "WorkersRestarting", 1),
    ],
)
def test_an_exit_code_decides_between_another_attempt_and_the_end(
    scene: Scene, exit_code: int, state: str, reason: str, counted: int
) -> None:
    job = scene().run()
    job.fail(1, exit_code)
    job.plan()
    assert (job.status.state, job.status.reason, job.status.internal.failures_since_checkpoint) == (
        state,
        reason,
        counted,
    )
    assert job.status.attempt == (1 if state == "Failed" else 2)


def test_a_worker_without_a_last_word_counts_as_killed(scene: Scene) -> None:
    job = scene().run()
    job.add(0, phase="Failed", ready=False)
    job.plan()
    assert (job.status.restarts[-1].reason, job.status.restarts[-1].counted) == ("Killed", True)


def test_the_cause_is_named_and_not_the_survivors_loss_of_a_peer(scene: Scene) -> None:
    job = scene().run()
    job.fail(0, 75)
    job.fail(1, 1, node="n1", last_line="ValueError: x", step=7)
    job.plan()
    assert job.status.message == (
        "worker 1 on n1 failed at step 7 (ProgramFailed, exit code 1): ValueError: x; attempt 2 begins anew, "
        "for storage is ephemeral: checkpoints go with their pods"
    )


def test_a_survivor_that_names_bad_data_ends_the_job(scene: Scene) -> None:
    job = scene().run()
    cause = Failure("BadData", 65, worker=1)
    job.add(0, phase="Failed", ready=False, termination=TerminationMessage(75, cause))
    job.plan()
    assert (job.status.state, job.status.reason) == ("Failed", "BadData")


def test_a_lost_peer_is_looked_for_at_the_source_before_it_is_counted(scene: Scene) -> None:
    job = scene().run()
    job.fail(0, 75)
    assert job.plan(fresh=False).needs_fresh_view
    assert job.status.attempt == 1
    job.add(1, terminating_seconds=1.0)
    job.plan(fresh=True)
    assert (job.status.attempt, job.status.internal.failures_since_checkpoint) == (2, 0)


def test_an_evicted_worker_is_a_disruption_and_costs_no_restart(scene: Scene) -> None:
    job = scene(maxRestarts=0).run()
    job.add(1, phase="Failed", ready=False, termination=TerminationMessage(137, disruption=True))
    job.fail(0, 75)
    job.plan()
    assert (job.status.attempt, job.status.internal.failures_since_checkpoint, job.status.state) == (2, 0, "Restarting")


def test_a_worker_that_is_missing_from_a_complete_group_is_lost_only_if_the_source_lacks_it_too(scene: Scene) -> None:
    job = scene().run()
    del job.children["job-1-1"]
    decided = job.plan(fresh=False)
    assert (decided.needs_fresh_view, job.status.attempt) == (True, 1)
    job.plan(fresh=True)
    assert (job.status.attempt, job.status.restarts[-1].reason) == (2, "WorkerLost")


def test_a_worker_that_is_missing_from_a_group_that_never_met_is_created(scene: Scene) -> None:
    job = scene()
    job.plan()
    job.add(0)
    assert [c.name for c in job.plan().creates] == ["job-1-1"]


def test_the_old_workers_are_removed_before_new_ones_are_created(scene: Scene) -> None:
    job = scene().run()
    job.fail(0, -9)
    assert job.plan().deletes == ()
    decided = job.plan()
    assert [d.name for d in decided.deletes] == ["job-1-0", "job-1-1"]
    assert not decided.creates
    job.children = {"job-1-1": replace(job.children["job-1-1"], terminating_seconds=5.0)}
    job.seconds = 60
    assert not job.plan().creates
    job.children.clear()
    assert [c.name for c in job.plan().creates] == ["job-2-0", "job-2-1"]


def test_a_worker_on_a_dead_node_is_removed_by_force_after_a_while(scene: Scene) -> None:
    job = scene().run()
    job.add(1, terminating_seconds=10.0)
    job.plan()
    waiting = job.plan()
    assert (waiting.deletes[0].name, waiting.wake_after_seconds) == ("job-1-0", 81.0)
    job.add(1, attempt=1, terminating_seconds=91.0)
    assert [(d.name, d.force) for d in job.plan().deletes] == [("job-1-0", False), ("job-1-1", True)]


def test_children_of_an_attempt_that_the_status_does_not_know_are_not_touched_from_a_cache(scene: Scene) -> None:
    job = scene().run()
    job.add(0, attempt=2)
    decided = job.plan(fresh=False)
    assert (decided.needs_fresh_view, decided.deletes) == (True, ())


def _end(job: Any, exit_code: int | None) -> Plan:
    """Worker 0 fails with that exit code; None: it is taken away."""
    if exit_code is None:
        job.take_away(0)
    else:
        job.fail(0, exit_code)
    return job.plan()


def _go_on(job: Any, seconds: float) -> None:
    """Have the next attempt train, so long after the one before has ended."""
    job.seconds += seconds
    job.children.clear()
    job.run()


def test_the_wait_doubles_with_every_failure_and_with_every_disruption_each_for_itself(scene: Scene) -> None:
    job = scene(maxRestarts=10).run()
    waits = []
    for exit_code in (-9, -9, None, -9, 143, None, None, -9):
        decided = _end(job, exit_code)
        waits.append((decided.status.internal.not_before - moment(job.seconds)).total_seconds())
        _go_on(job, 400)
    assert waits == [1, 2, 1, 4, 8, 2, 4, 16]


def test_an_exit_as_after_sigterm_that_nobody_sent_uses_up_the_restart_budget(scene: Scene) -> None:
    job = scene(maxRestarts=3).run()
    for _ in range(3):
        for worker in (0, 1):
            job.add(worker, phase="Failed", ready=False, termination=TerminationMessage(143, step=10))
        job.plan()
        assert (job.status.restarts[-1].counted, job.status.restarts[-1].step) == (True, 10)
        _go_on(job, 400)
    _end(job, 143)
    assert (job.status.state, job.status.reason) == ("Failed", "RestartBudgetExhausted")
    assert "neither the operator nor the cluster had sent one" in job.status.message


def test_who_stops_with_a_worker_that_is_taken_away_is_not_charged(scene: Scene) -> None:
    job = scene(maxRestarts=0).run()
    job.add(0, phase="Failed", ready=False, termination=TerminationMessage(143))
    assert job.plan(fresh=False).needs_fresh_view  # the deletion may not be in the cache yet
    job.add(1, terminating_seconds=1.0)
    job.plan()
    last = job.status.restarts[-1]
    assert (last.reason, last.worker, last.counted) == ("WorkerLost", 1, False)


@pytest.mark.parametrize(("own", "counted"), [(True, True), (False, False)])
def test_who_stops_before_all_were_seen_is_charged_unless_its_group_had_to_stop(
    scene: Scene, own: bool, counted: bool
) -> None:
    job = scene(maxRestarts=3)
    job.plan()  # the job is admitted, and its workers are to be created: the other one may never have been
    failure = Failure("Preempted", 143, worker=0) if own else None
    job.add(0, phase="Failed", ready=False, termination=TerminationMessage(143, failure))
    job.plan()
    assert job.status.restarts[-1].counted == counted


def test_who_stops_as_directed_is_not_charged(scene: Scene) -> None:
    job = scene(maxRestarts=0).run()
    for worker, told in ((0, Directive(1, stop_at_step=0)), (1, None)):  # worker 0 alone is told
        left = TerminationMessage(143)
        job.add(worker, phase="Failed", ready=False, termination=left, directive=told)
    job.plan()
    assert (job.status.restarts[-1].reason, job.status.restarts[-1].counted) == ("Preempted", False)


def test_disruptions_without_end_end_the_job_unless_it_gets_on(scene: Scene) -> None:
    job = scene(shared=True, maxRestarts=0).run()
    waits = []
    for _ in range(DISRUPTIONS_IN_A_ROW):
        decided = _end(job, None)
        waits.append((decided.status.internal.not_before - moment(job.seconds)).total_seconds())
        _go_on(job, 400)
    assert waits[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert "after a pause of 300 s" in next(e.message for e in reversed(job.events) if e.reason == "WorkersRestarted")
    before = job.status
    _end(job, None)
    assert (job.status.state, job.status.reason) == ("Failed", "DisruptedTooOften")
    assert "last of 101 disruptions" in job.status.message

    job.status = before
    job.seconds += LONG_ATTEMPT_SECONDS
    _end(job, None)
    assert (job.status.state, job.status.internal.disruptions_in_a_row) == ("Restarting", 1)

    job.status = before
    job.children.clear()
    job.run()
    job.report = replace(job.report, checkpoint_step=5)
    job.plan()
    _end(job, None)
    assert (job.status.state, job.status.internal.disruptions_in_a_row) == ("Restarting", 1)


def test_a_job_fails_when_its_restarts_are_used_up_and_a_checkpoint_gives_them_back(scene: Scene) -> None:
    job = scene(maxRestarts=1).run()
    for checkpoint in (None, 5):
        job.report = replace(job.report, checkpoint_step=checkpoint)
        job.plan()
        job.fail(0, -9)
        job.plan()
        assert job.status.attempt == (2 if checkpoint is None else 3)
        job.seconds += 10
        job.children.clear()
        job.run()
    job.fail(0, -9)
    job.plan()
    assert (job.status.state, job.status.reason) == ("Failed", "RestartBudgetExhausted")


def test_failures_from_before_the_window_do_not_count(scene: Scene) -> None:
    job = scene(maxRestarts=1, restartWindowSeconds=100).run()
    for _ in range(3):
        job.fail(0, -9)
        job.plan()
        assert job.status.internal.failures_since_checkpoint == 1
        job.seconds += 101
        job.children.clear()
        job.run()


def test_a_disruption_does_not_keep_an_old_failure_in_the_window(scene: Scene) -> None:
    job = scene(maxRestarts=1, restartWindowSeconds=100).run()
    for exit_code, seconds in ((-9, 60), (None, 60), (-9, 0)):
        _end(job, exit_code)
        _go_on(job, seconds)
    assert job.status.state == "Running"


def test_a_program_that_fails_the_same_way_at_the_same_step_is_not_restarted_again(scene: Scene) -> None:
    job = scene(maxRestarts=9).run()
    job.fail(0, 1, last_line="x" * 2000, step=3)
    job.plan()
    job.children.clear()
    job.seconds = 10
    job.run()
    job.fail(1, 1, last_line="x" * 2000, step=3)
    job.plan()
    assert (job.status.state, job.status.reason) == ("Failed", "ProgramFailsTheSameWay")


def test_a_program_that_fails_at_another_step_is_restarted(scene: Scene) -> None:
    job = scene(maxRestarts=9).run()
    for step in (3, 4):
        job.fail(0, 1, last_line="x", step=step)
        job.plan()
        job.children.clear()
        job.seconds += 10
        job.run()
    assert job.status.state == "Running"


def test_workers_may_restart_in_place_all_but_the_last_time(scene: Scene) -> None:
    job = scene(maxRestarts=3)
    assert {c.restarts_left for c in job.plan().creates} == {2}


def _restart(generation: int, resumed: int, exit_code: int = -9) -> InPlaceRestart:
    return InPlaceRestart(moment(generation), generation, Failure("Killed", exit_code, rank=1, step=9), resumed, 1.0)


def test_a_restart_in_place_is_entered_once_however_often_it_is_told(scene: Scene) -> None:
    job = scene().run()
    job.report = replace(job.report, generation=1, restarts=(_restart(0, 0),))
    job.settle()
    job.settle()
    assert (job.status.restart_count, job.status.internal.failures_since_checkpoint, job.status.attempt) == (1, 1, 1)
    assert [e.reason for e in job.events].count(reasons.RESTARTED_IN_PLACE) == 1


def test_a_restart_in_place_from_before_the_checkpoint_does_not_count(scene: Scene) -> None:
    job = scene().run()
    restarts = (_restart(0, 0), _restart(1, 5))
    job.report = replace(job.report, generation=2, restarts=restarts, checkpoint_step=5)
    job.settle()
    assert (job.status.restart_count, job.status.internal.failures_since_checkpoint) == (2, 1)


def test_a_script_without_data_needs_no_preparation(scene: Scene) -> None:
    spec = {"recipe": None, "data": None, "training": None, "script": {"command": ["python", "train.py"]}}
    assert {c.role for c in scene(spec, shared=True).plan().creates} == {"worker"}


def test_what_this_version_cannot_do_fails_the_job_and_names_the_field(scene: Scene) -> None:
    job = scene({"parallelism": {"strategy": "FSDP"}})
    assert not job.plan().creates
    assert (job.status.state, job.status.reason) == ("Failed", "NotSupported")
    assert "parallelism.strategy" in job.status.message


def test_a_report_of_another_attempt_is_not_entered(scene: Scene) -> None:
    job = scene().run()
    job.report = Report(Role.WORKER, 7, 0.0, phase="training", step=9, total_steps=10, checkpoint_step=9)
    before = job.status
    assert job.plan().status.progress == before.progress
    assert job.status.checkpoint is None


def test_figures_are_held_back_and_changes_of_state_are_not(scene: Scene) -> None:
    job = scene().run()
    job.interval_seconds = 15.0
    job.seconds = 5
    before = job.status
    job.report = replace(job.report, step=2, energy=(ChildEnergy("uid of job-1-0", 0, meters(10.0)),))
    decided = job.plan()
    assert (decided.status, decided.wake_after_seconds) == (before, 10.0)
    job.seconds = 15
    assert job.plan().status.progress.step == 2
    job.seconds, job.report = 16, replace(job.report, energy=(ChildEnergy("uid of job-1-0", 0, meters(11.0)),))
    assert job.plan().wake_after_seconds == 14.0  # joules alone are held back as well
    job.fail(0, -9)
    assert job.plan().status.attempt == 2


def test_workers_that_become_ready_one_after_the_other_are_told_together(scene: Scene) -> None:
    job = scene(workers=3)
    job.interval_seconds = 15.0
    job.settle()
    job.plan()
    for rank in (0, 1):
        job.add(rank)
        decided = job.plan()
        assert (decided.status.workers.ready, decided.wake_after_seconds) == (0, 15.0)
    job.add(2)
    assert (job.plan().status.workers.ready, job.answer("Running")[0]) == (3, "True")


def test_a_worker_that_keeps_the_others_waiting_is_seen_after_a_while(scene: Scene) -> None:
    job = scene(workers=2)
    job.interval_seconds = 15.0
    job.settle()
    job.add(0)
    job.seconds = 15.0
    job.plan()
    assert (job.status.workers.ready, job.status.state) == (1, "Starting")


def test_the_first_figures_of_a_training_are_not_held_back(scene: Scene) -> None:
    job = scene(workers=1)
    job.interval_seconds = 15.0
    job.settle()
    job.add(0)
    job.report = Report(Role.WORKER, 1, 0.0, phase="starting")
    job.plan()
    job.seconds = 2
    job.report = Report(Role.WORKER, 1, 0.0, phase="training", step=1, total_steps=9, loss=0.5)
    assert job.plan().status.progress.loss == 0.5


def test_what_progress_has_under_the_name_of_a_field_of_the_report_is_what_was_reported(
    scene: Scene, filled: Callable[..., Any]
) -> None:
    job, said = scene().run(), filled(Report)
    names = {field.name for field in fields(Report)} & {field.name for field in fields(Progress)}
    job.report = replace(job.report, **{name: getattr(said, name) for name in names})
    progress = job.plan().status.progress
    for name in names:
        assert getattr(progress, name) == getattr(said, name), f"{name}: core/report_intake.py must enter it"
