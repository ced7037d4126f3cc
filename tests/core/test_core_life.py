"""Suspension, deadlines, what stays afterwards, and the one word for the eye: a table of sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_api.trainingjob import ObjectMeta, TrainingJob
from wattrain_operator.core.observed import LastWord, Observed
from wattrain_operator.core.plan import plan
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]


def _suspend(job: Any, suspend: bool) -> None:
    job.spec = job.spec.model_copy(update={"suspend": suspend})


def _finish(job: Any, exit_code: int) -> None:
    if exit_code:
        job.fail(0, exit_code)
    else:
        for rank in (0, 1):
            job.add(rank, phase="Succeeded", ready=False, last_word=LastWord(0))
    job.settle()


def test_suspension_stops_the_workers_and_is_said_only_when_they_are_gone(scene: Scene) -> None:
    job = scene().run()
    _suspend(job, True)
    decided = job.plan()
    assert [d.name for d in decided.deletes] == ["job-1-0", "job-1-1"]
    assert (job.status.state, job.answer("Suspended")) == ("Suspending", ("False", "WorkersStopping"))
    job.children.clear()
    assert job.plan(fresh=False).needs_fresh_view
    job.plan()
    assert (job.status.state, job.status.attempt, job.status.restart_count) == ("Suspended", 2, 0)
    assert job.answer("Admitted") == ("False", "JobSuspended")


def test_a_worker_that_is_taken_away_is_told_with_its_machine(scene: Scene) -> None:
    job = scene().run()
    job.add(1, terminating_seconds=0.0, node="node-7")
    job.plan()
    restart = job.status.restarts[-1]
    assert (restart.reason, restart.rank, restart.node, restart.counted) == ("WorkerLost", 1, "node-7", False)


def test_a_resumed_job_starts_other_workers(scene: Scene) -> None:
    job = scene().run()
    _suspend(job, True)
    job.settle()
    _suspend(job, False)
    assert [c.name for c in job.plan().creates] == ["job-2-0", "job-2-1"]
    assert job.answer("Suspended") == ("False", "JobResumed")
    assert [e.reason for e in job.events][-3:] == [
        reasons.JOB_RESUMED, reasons.JOB_ADMITTED, reasons.EPHEMERAL_STORAGE
    ]  # fmt: skip


def test_a_suspension_that_is_taken_back_at_once_is_no_failure_of_the_program(scene: Scene) -> None:
    job = scene(maxRestarts=0).run()
    _suspend(job, True)
    job.plan()
    _suspend(job, False)
    job.add(0, terminating_seconds=1.0)
    job.add(1, terminating_seconds=1.0)
    job.plan()
    assert (job.status.attempt, job.status.failures_since_checkpoint) == (2, 0)
    assert job.answer("Suspended") == ("False", "NotSuspended")


def test_a_suspended_job_stays_suspended_when_an_old_view_shows_children(scene: Scene) -> None:
    job = scene().run()
    _suspend(job, True)
    job.settle()
    before = job.status
    job.add(0, attempt=1)
    decided = job.plan(fresh=False)
    assert decided.status == before
    assert [d.name for d in decided.deletes] == ["job-1-0"]


def test_a_job_that_is_done_is_complete_even_if_it_was_to_be_suspended(scene: Scene) -> None:
    job = scene().run()
    _suspend(job, True)
    _finish(job, 0)
    assert job.status.state == "Complete"


def test_the_active_deadline_leaves_suspended_time_out(scene: Scene) -> None:
    job = scene(activeDeadlineSeconds=100).run()
    job.seconds = 60
    _suspend(job, True)
    job.settle()
    assert (job.status.active_seconds, job.plan().wake_after_seconds) == (60, None)
    job.seconds = 1000
    _suspend(job, False)
    job.settle()
    assert job.plan().wake_after_seconds == 40
    job.run()
    job.seconds = 1040
    job.plan()
    assert (job.status.state, job.status.reason) == ("Failed", "ActiveDeadlineExceeded")


def test_a_start_deadline_names_who_is_waited_for_and_why(scene: Scene) -> None:
    job = scene(startDeadlineSeconds=60)
    job.settle()
    job.add(0)
    job.add(1, phase="Pending", ready=False, message="0/3 nodes are available")
    assert job.settle().wake_after_seconds == 60
    job.seconds = 60
    assert job.plan(fresh=False).needs_fresh_view
    assert job.status.state == "Starting"
    job.plan()
    assert job.status.reason == "StartDeadlineExceeded"
    assert "waiting for job-1-1 (0/3 nodes are available)" in job.status.message


def test_an_obstacle_is_told_once_it_lasts_and_only_once_and_taken_back_when_it_is_gone(scene: Scene) -> None:
    job = scene()
    job.settle()
    job.add(0)
    pull = {"phase": "Pending", "ready": False, "blocked_by": "ImagePullBackOff"}
    job.add(1, **pull, message='ErrImagePull: "nope:1" not found')
    assert job.settle().wake_after_seconds == 10
    assert job.status.message == "the workers start"
    job.seconds = 10
    job.settle()
    told = 'job-1-1 cannot start (ImagePullBackOff): ErrImagePull: "nope:1" not found'
    assert (job.status.state, job.status.message) == ("Starting", told)
    job.add(1, **pull, message="ImagePullBackOff: Back-off pulling image")
    job.settle()
    assert job.status.message == told
    assert [e.message for e in job.events if e.reason == "WorkerCannotStart"] == [told]
    job.add(1, phase="Pending", ready=False, message="ContainerCreating")
    job.settle()
    assert job.status.message == "what was in the way is gone"


def test_the_start_deadline_begins_when_the_old_workers_are_gone(scene: Scene) -> None:
    job = scene(startDeadlineSeconds=60).run()
    job.fail(0, -9)
    job.plan()
    job.seconds = 100  # a dead node took so long
    job.children.clear()
    job.report = None
    job.settle()
    assert (job.status.state, job.plan().wake_after_seconds) == ("Restarting", 60)


def test_an_operator_that_starts_anew_does_not_fail_a_group_that_has_trained_for_hours(scene: Scene) -> None:
    job = scene(startDeadlineSeconds=60).run()
    job.seconds, job.report = 7200, None
    before = job.status
    assert job.plan().status == before
    job.add(1, ready=False)  # nor does a worker that is slow to answer
    job.settle()
    assert (job.status.state, job.status.attempt) == ("Starting", 1)


def test_a_group_that_trained_and_is_not_heard_of_any_more_is_restarted(scene: Scene) -> None:
    job = scene(startDeadlineSeconds=60).run()
    job.seconds, job.report = 7200, None
    job.add(1, ready=False)
    assert job.plan().wake_after_seconds == 60
    job.seconds += 60
    job.plan()
    assert (job.status.attempt, job.status.restarts[-1].reason) == (2, "NoProgress")


def test_a_restart_in_place_after_hours_is_not_held_to_the_start_deadline_of_the_attempt(scene: Scene) -> None:
    job = scene(startDeadlineSeconds=60).run()
    job.seconds = 7200
    job.report = replace(job.report, generation=1, phase="starting", unchanged_seconds=5.0)
    job.report = replace(job.report, restarts=())
    job.status = job.status.model_copy(update={"in_place_seen": 1})
    job.settle()
    assert job.status.state == "Running"


@pytest.mark.parametrize(
    ("phase", "step_seconds", "limit"),
    [("training", 0.1, 100), ("training", 30.0, 300), ("evaluating", 0.1, 500), ("checkpointing", 30.0, 1500)],
)
def test_a_group_hangs_when_nothing_moves_for_ten_steps_or_the_deadline_and_patient_phases_take_longer(
    scene: Scene, phase: str, step_seconds: float, limit: float
) -> None:
    job = scene(progressDeadlineSeconds=100).run()
    job.report = replace(job.report, phase=phase, step_seconds=step_seconds, unchanged_seconds=limit - 1)
    assert job.settle().wake_after_seconds == 1
    job.report = replace(job.report, unchanged_seconds=limit)
    job.plan()
    assert (job.status.attempt, job.status.restarts[-1].reason, job.status.restarts[-1].counted) == (
        2,
        "NoProgress",
        True,
    )


@pytest.mark.parametrize(
    ("keep", "exit_code", "kept"),
    [
        ("None", 0, []), ("Failed", 0, []), ("All", 0, ["job-1-0", "job-1-1"]),
        ("None", 65, []), ("Failed", 65, ["job-1-0"]), ("All", 65, ["job-1-0"]),
    ],
)  # fmt: skip
def test_which_pods_stay_after_the_end(scene: Scene, keep: str, exit_code: int, kept: list[str]) -> None:
    job = scene(keepPods=keep).run()
    _finish(job, exit_code)
    assert sorted(job.children) == kept


def test_a_finished_job_is_deleted_when_its_time_to_live_is_over(scene: Scene) -> None:
    job = scene(ttlSecondsAfterFinished=60).run()
    _finish(job, 0)
    job.seconds = 20
    decided = job.plan()
    assert (decided.delete_job, decided.wake_after_seconds) == (False, 40)
    job.seconds = 60
    assert job.plan().delete_job


def test_a_job_that_is_being_deleted_is_left_alone(scene: Scene) -> None:
    job = scene().run()
    metadata = ObjectMeta(name="job", uid="uid", deletion_timestamp=moment(5))
    seen = Observed(moment(6), TrainingJob(metadata=metadata, spec=job.spec), job.status)
    decided = plan(seen)
    assert (decided.status, decided.creates, decided.deletes, decided.events) == (job.status, (), (), ())


def _state_of(job: Any) -> str:
    job.settle()
    return str(job.status.state)


def test_every_state_has_its_word(scene: Scene) -> None:
    words = []
    job = scene(shared=True)
    job.ahead = 1
    words.append(_state_of(job))
    job.ahead = 0
    words.append(_state_of(job))
    job.add(0, role="prepare", phase="Succeeded", ready=False, last_word=LastWord(0))
    words.append(_state_of(job))
    job.run()
    words.append(_state_of(job))
    job.fail(0, -9)
    words.append(_state_of(job))
    _suspend(job, True)
    job.plan()
    words.append(_state_of(job))
    assert words == ["Queued", "Preparing", "Starting", "Running", "Restarting", "Suspended"]


def test_what_is_told_is_told_once_and_warnings_are_warnings(scene: Scene) -> None:
    job = scene(shared=True).run()
    job.fail(0, -9)
    job.plan()
    job.children.clear()
    job.seconds = 5
    job.run()
    _finish(job, 0)
    assert [(e.type, e.reason) for e in job.events] == [
        ("Normal", "JobAdmitted"), ("Normal", "DataPrepared"), ("Normal", "WorkersRunning"),
        ("Warning", "WorkersRestarted"), ("Normal", "WorkersRunning"), ("Normal", "TrainingComplete"),
    ]  # fmt: skip
    assert (
        job.events[3].message
        == "rank 0 failed at step 0 (Killed, exit code -9); attempt 2 goes on from step 0 or later"
    )


def test_a_job_on_ephemeral_storage_says_at_its_start_and_at_its_end_what_does_not_last(scene: Scene) -> None:
    job = scene().run()
    told = next(e for e in job.events if e.reason == "EphemeralStorage")
    assert (told.type, "spec.storage.claim" in told.message) == ("Warning", True)
    admitted = next(c for c in job.status.conditions if c.type == "Admitted")
    assert told.message in admitted.message
    job.add(0, phase="Succeeded", ready=False, last_word=LastWord(0, model_uri="file:m"))
    job.add(1, phase="Succeeded", ready=False, last_word=LastWord(0))
    job.settle()
    assert (job.status.state, job.status.model.uri) == ("Complete", "")
    assert "goes with their pods" in job.status.message


def test_a_suspension_on_ephemeral_storage_says_that_the_job_will_begin_anew(scene: Scene) -> None:
    job = scene().run()
    job.report = replace(job.report, checkpoint_step=1)
    job.settle()
    _suspend(job, True)
    job.settle()
    assert (job.status.state, job.status.checkpoint) == ("Suspended", None)
    assert "begin anew" in job.status.message


def test_the_transition_time_of_a_condition_moves_only_with_its_answer(scene: Scene) -> None:
    job = scene().run()
    times = {c.type: c.last_transition_time for c in job.status.conditions}
    job.seconds = 50
    job.fail(0, -9)
    job.plan()
    moved = {c.type for c in job.status.conditions if c.last_transition_time != times[c.type]}
    assert moved == {"Running"}
    assert job.status.not_before == moment(50) + timedelta(seconds=1)
