"""Suspension, deadlines, what stays afterwards, and the one word for the eye: a table of sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_api.contract.failures import Failure
from wattrain_api.trainingjob import ObjectMeta, TrainingJob
from wattrain_operator.core.observed import GRANTED, GoneChild, Grant, Observed, TerminationMessage
from wattrain_operator.core.plan import plan
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]


def _suspend(job: Any, suspend: bool) -> None:
    job.spec = job.spec.model_copy(update={"suspend": suspend})


def _finish(job: Any, exit_code: int) -> None:
    if exit_code:
        job.fail(0, exit_code)
    else:
        for rank in (0, 1):
            job.add(rank, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    job.settle()


def test_suspension_stops_the_workers_and_is_said_only_when_they_are_gone(scene: Scene) -> None:
    job = scene().run()
    _suspend(job, True)
    decided = job.plan()
    assert (decided.deletes, job.status.state) == ((), "Suspending")
    assert job.answer("Suspended") == ("False", "WorkersStopping")
    job.obey(decided.directs[0])
    decided = job.plan()
    assert [d.name for d in decided.deletes] == ["job-1-0", "job-1-1"]
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
    assert (restart.reason, restart.worker, restart.node, restart.counted) == ("WorkerLost", 1, "node-7", False)


def test_of_a_lost_worker_is_told_who_took_it_away_and_not_only_that_it_is_gone(scene: Scene) -> None:
    job = scene().run()
    job.add(1, terminating_seconds=0.0, node="node-7", taken_away="it was evicted (EvictionByEvictionAPI)")
    job.plan()
    restart = job.status.restarts[-1]
    assert restart.last_line == "job-1-1 is gone: it was evicted (EvictionByEvictionAPI)"
    assert "job-1-1 is gone: it was evicted" in job.events[-1].message

    job = scene().run()
    del job.children["job-1-1"]  # seen only as gone
    job.gone = (GoneChild("job-1-0", "x", "another"), GoneChild("job-1-1", "node-7", "its node is gone"))
    job.plan()
    restart = job.status.restarts[-1]
    assert (restart.last_line, restart.node) == ("job-1-1 is gone: its node is gone", "node-7")

    job = scene().run()
    job.take_away(1)
    job.plan()
    assert "worker 1: the pod was deleted (WorkerLost)" in job.status.message


def test_a_preparation_that_is_deleted_at_once_is_a_disruption_with_its_pause(scene: Scene) -> None:
    job = scene(shared=True)
    job.settle()
    [name] = job.children
    del job.children[name]
    job.gone = (GoneChild(name, "node-7", "it was deleted"),)
    decided = job.plan()
    assert not decided.creates
    restart = job.status.restarts[-1]
    assert (restart.last_line, restart.counted) == (f"{name} is gone: it was deleted", False)
    assert (job.status.attempt, job.status.internal.disruptions_in_a_row) == (2, 1)


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
    assert (job.status.attempt, job.status.internal.failures_since_checkpoint) == (2, 0)
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
    assert (job.status.internal.active_seconds, job.plan().wake_after_seconds) == (60, None)
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


def test_workers_that_nobody_has_looked_at_are_given_longer_for_a_burst_may_be_ahead_of_them(scene: Scene) -> None:
    job = scene()
    job.settle()
    unseen = {"phase": "Pending", "ready": False, "blocked_by": "NotScheduled", "message": "no scheduler"}
    job.add(0, **unseen, overlooked=True)
    job.add(1)
    assert job.settle().wake_after_seconds == 30
    job.seconds = 29
    assert job.settle().wake_after_seconds == 1
    assert job.status.message == "the workers start"
    job.seconds = 30
    job.settle()
    assert job.status.message == "job-1-0 cannot start (NotScheduled): no scheduler"


def test_one_that_nobody_has_looked_at_does_not_hide_one_that_lacks_its_image(scene: Scene) -> None:
    job = scene()
    job.settle()
    job.add(0, phase="Pending", ready=False, blocked_by="NotScheduled", message="no scheduler", overlooked=True)
    job.add(1, phase="Pending", ready=False, blocked_by="ImagePullBackOff", message="not found")
    job.settle()
    job.seconds = 10
    job.settle()
    assert job.status.message == "job-1-1 cannot start (ImagePullBackOff): not found"


def test_workers_that_are_blocked_and_start_one_after_the_other_are_not_each_told_of(scene: Scene) -> None:
    job = scene()
    job.settle()
    slow = {"phase": "Pending", "ready": False, "blocked_by": "NotTakenByNode", "message": "the node has not begun"}
    job.add(0, **slow)
    job.add(1, **slow)
    job.settle()
    job.seconds = 10
    job.settle()
    first = "job-1-0 cannot start (NotTakenByNode): the node has not begun"
    assert job.status.message == first
    job.add(0)
    job.seconds = 14
    assert job.settle().wake_after_seconds == 10
    assert job.status.message == first
    job.seconds = 24
    job.settle()
    assert job.status.message == "job-1-1 cannot start (NotTakenByNode): the node has not begun"
    assert len([e for e in job.events if e.reason == "WorkerCannotStart"]) == 2


def test_a_worker_that_does_not_say_what_it_waits_for_is_looked_into_after_ten_seconds_and_then_told(
    scene: Scene,
) -> None:
    job = scene()
    job.settle()
    job.add(0)
    silent = {"phase": "Pending", "ready": False, "unexplained": True}
    waits = job.add(1, **silent, message="ContainerCreating")
    decided = job.settle()
    assert (decided.look_into, decided.wake_after_seconds) == ((), 10)
    job.seconds = 10
    decided = job.settle()
    assert (decided.look_into, decided.wake_after_seconds) == ((waits.uid,), 30)
    job.add(1, **silent, blocked_by="FailedMount", message='FailedMount: configmap "own" not found')
    decided = job.settle()
    assert job.status.message == 'job-1-1 cannot start (FailedMount): FailedMount: configmap "own" not found'
    assert decided.look_into == (waits.uid,), "it may have been mended meanwhile"
    job.add(1, **silent, message="Pulling: Pulling image")
    job.settle()
    assert job.status.message == "what was in the way is gone"


def kept(job: Any, seconds: float) -> None:
    left = TerminationMessage(1, Failure(reasons.PROGRAM_FAILED, 1, worker=0))
    job.children = {
        name: replace(child, phase="Failed", ready=False, termination=left, terminating_seconds=seconds,
                      kept_by="example.com/audit")
        for name, child in job.children.items()
        if child.worker == 0
    }  # fmt: skip


def test_a_worker_that_has_ended_and_is_kept_by_a_foreign_finalizer_is_told_once_after_ten_seconds(
    scene: Scene,
) -> None:
    job = scene().run()
    job.fail(0, 1)
    job.plan()
    kept(job, 4.0)
    assert job.settle().wake_after_seconds == 6
    kept(job, 11.0)
    job.settle()
    told = "job-1-0 has ended and cannot go (example.com/audit): whoever has set it must remove it"
    assert (job.status.state, job.status.message) == ("Restarting", told)
    kept(job, 30.0)
    job.settle()
    assert [e.message for e in job.events if e.reason == "WorkerCannotStart"] == [told]
    job.children.clear()
    job.seconds += 60
    job.settle()
    assert job.status.message == "what was in the way is gone"
    assert sorted(job.children) == ["job-2-0", "job-2-1"]


def test_a_suspension_that_waits_for_a_foreign_finalizer_says_so(scene: Scene) -> None:
    job = scene().run()
    job.spec = job.spec.model_copy(update={"suspend": True})
    job.plan()
    kept(job, 11.0)
    job.settle()
    assert "example.com/audit" in next(c.message for c in job.status.conditions if c.type == "Running")


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


def test_a_group_that_fell_silent_is_restarted_as_long_after_its_last_answer_and_not_as_one_that_hangs(
    scene: Scene,
) -> None:
    job = scene(startDeadlineSeconds=600, progressDeadlineSeconds=100).run()
    job.seconds, job.report = 300, replace(job.report, age_seconds=200.0)
    job.add(0, ready=False)
    assert job.settle().wake_after_seconds == 600
    job.seconds, job.report = 899, replace(job.report, age_seconds=799.0)
    assert job.settle().wake_after_seconds == 1
    assert job.status.attempt == 1
    job.seconds, job.report = 900, replace(job.report, age_seconds=800.0)
    job.plan()
    last = job.status.restarts[-1]
    assert (job.status.attempt, last.reason, "no answer for 600 s" in last.last_line) == (2, "NoProgress", True)


def test_a_group_whose_answers_come_in_goes_on_though_a_worker_is_not_ready(scene: Scene) -> None:
    job = scene(startDeadlineSeconds=60).run()
    job.add(1, ready=False)
    job.settle()
    job.seconds, job.report = 7200, replace(job.report, step=2, age_seconds=3.0)
    assert job.settle().wake_after_seconds == 57
    assert job.status.attempt == 1


def test_a_silent_group_wakes_nobody_for_an_answer_that_does_not_come(scene: Scene) -> None:
    job = scene(progressDeadlineSeconds=100).run()
    job.report = replace(job.report, unchanged_seconds=90.0, age_seconds=4.0)
    assert job.settle().wake_after_seconds == 6
    job.report = replace(job.report, unchanged_seconds=90.0, age_seconds=10.0)
    assert job.settle().wake_after_seconds is None


def test_a_restart_in_place_after_hours_is_not_held_to_the_start_deadline_of_the_attempt(scene: Scene) -> None:
    job = scene(startDeadlineSeconds=60).run()
    job.seconds = 7200
    job.report = replace(job.report, generation=1, phase="starting", unchanged_seconds=5.0)
    job.report = replace(job.report, restarts=())
    job.status = replace(job.status, internal=replace(job.status.internal, in_place_seen=1))
    job.settle()
    assert job.status.state == "Starting"


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


@pytest.mark.parametrize("keep", ["None", "Failed", "All"])
def test_a_pod_in_which_others_go_on_does_not_stay_after_the_end(scene: Scene, keep: str) -> None:
    job = scene(keepPods=keep).run()
    for worker in range(2):
        job.add(worker, phase="Succeeded", ready=False, termination=TerminationMessage(0), others_run=True)
    job.settle()
    assert (job.status.state, job.children) == ("Complete", {})


def test_a_preparation_beside_which_others_go_on_is_ended_when_the_data_is_there(scene: Scene) -> None:
    job = scene(shared=True)
    job.settle()
    done = {"phase": "Succeeded", "ready": False, "termination": TerminationMessage(0), "others_run": True}
    job.add(0, role=Role.PREPARE, **done)
    job.settle()
    assert sorted(job.children) == ["job-1-0", "job-1-1"]


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
    job.grant = Grant(False, reasons.QUEUED, position=1)
    words.append(_state_of(job))
    job.grant = GRANTED
    words.append(_state_of(job))
    job.add(0, role=Role.PREPARE, phase="Succeeded", ready=False, termination=TerminationMessage(0))
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
        == "worker 0 failed at step 0 (Killed, exit code -9); attempt 2 goes on from step 0 or later"
    )


def test_what_the_preparation_warns_of_is_told_once_and_what_it_could_not_read_stays_counted(scene: Scene) -> None:
    job = scene(shared=True)
    job.plan()
    doubts = ("60 rows repeat", "the class x")
    left = TerminationMessage(0, warnings=doubts, unreadable_samples=3)
    job.add(0, role=Role.PREPARE, phase="Succeeded", ready=False, termination=left)
    job.plan()
    job.run()
    told = [e for e in job.events if e.reason == "DataDoubtful"]
    assert [(e.type, e.message) for e in told] == [("Warning", doubt) for doubt in doubts]
    assert job.status.unreadable_samples == 3


def test_a_job_on_ephemeral_storage_says_at_its_start_and_at_its_end_what_does_not_last(scene: Scene) -> None:
    job = scene().run()
    told = next(e for e in job.events if e.reason == "EphemeralStorage")
    assert (told.type, "spec.storage.claim" in told.message) == ("Warning", True)
    admitted = next(c for c in job.status.conditions if c.type == "Admitted")
    assert told.message in admitted.message
    job.add(0, phase="Succeeded", ready=False, termination=TerminationMessage(0, model_uri="file:m"))
    job.add(1, phase="Succeeded", ready=False, termination=TerminationMessage(0))
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
    assert job.status.internal.not_before == moment(50) + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("codes", "reason"),
    [((1, -9), "Killed"), ((75, 1), "ProgramFailed"), ((1, -9, 65), "BadData")],
)
def test_of_workers_that_failed_the_one_that_brought_down_the_others_is_named_as_a_supervisor_would(
    scene: Scene, codes: tuple[int, ...], reason: str
) -> None:
    job = scene(workers=len(codes)).run()
    for worker, code in enumerate(codes):
        job.fail(worker, code)
    job.plan()
    named = job.status.restarts[-1].reason if job.status.restarts else job.status.reason
    assert named == reason


def test_what_is_not_supported_fails_a_new_or_edited_job_and_none_that_runs_already(scene):
    idle = {"energy": {"powerCap": {"jobWatts": 100.0, "mode": "Hard"}}}
    new = scene(spec=idle)
    new.plan()
    assert (new.status.state, new.status.reason) == ("Failed", "NotSupported")
    job = scene().run()
    job.spec = new.spec  # as another version of the operator had admitted it
    job.plan()
    assert job.status.state == "Running"
    job.generation += 1
    job.plan()
    assert (job.status.state, job.status.reason) == ("Failed", "NotSupported")
