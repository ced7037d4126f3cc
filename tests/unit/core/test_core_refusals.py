"""What happens to a group that the cluster does not let the operator create."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wattrain_api import reasons
from wattrain_operator.core import refusals
from wattrain_operator.core.observed import DeleteChild, Refusal, TerminationMessage
from wattrain_operator.simulated.objects import moment

Scene = Any


def refusal(seconds: float, reason: str = reasons.QUOTA_EXCEEDED, *, lasts: bool = False) -> Refusal:
    return Refusal(reason, f"pod x: refused at {seconds}; raise the quota", moment(seconds), lasts=lasts)


def refused(scene: Callable[..., Any]) -> Scene:
    """A job of two workers, one of which was created before the quota refused the other."""
    job = scene(shared=False)
    job.plan()
    job.plan()
    job.add(0, phase="Pending", ready=False)
    job.refusal = refusal(job.seconds)
    return job


def test_a_refused_group_is_ended_whole_and_says_why(scene: Callable[..., Any]) -> None:
    job = refused(scene)
    decided = job.plan()
    assert decided.deletes == (DeleteChild("job-1-0", "uid of job-1-0"),)
    assert decided.creates == ()
    assert [(e.type, e.reason) for e in decided.events] == [("Warning", "QuotaExceeded")]
    assert (job.status.state, job.status.reason) == ("Starting", "QuotaExceeded")
    assert "raise the quota" in job.status.message
    assert job.status.attempt == 1


def test_what_ends_of_a_refused_group_is_no_lost_worker(scene: Callable[..., Any]) -> None:
    job = refused(scene)
    job.plan()
    job.add(0, phase="Running", ready=False, terminating_seconds=3.0)
    job.seconds += 60
    decided = job.plan()
    assert (decided.creates, job.status.attempt, job.status.restart_count) == ((), 1, 0)


def test_it_is_created_again_after_a_pause_that_doubles(scene: Callable[..., Any]) -> None:
    job = refused(scene)
    job.plan()
    waits = []
    for _ in range(8):
        job.children.clear()
        waits.append((job.status.internal.not_before - moment(job.seconds)).total_seconds())
        assert job.plan().creates == ()
        job.seconds += waits[-1]
        decided = job.plan()
        assert len(decided.creates) == 2
        assert decided.events == ()  # the same obstacle is reported once
        assert job.status.reason == "QuotaExceeded"
        job.refusal = refusal(job.seconds)
        job.plan()
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


def test_once_it_is_whole_the_refusal_is_forgotten(scene: Callable[..., Any]) -> None:
    job = refused(scene)
    job.plan()
    job.children.clear()
    job.seconds += refusals.FIRST_RETRY_SECONDS
    assert len(job.plan().creates) == 2
    job.refusal = None
    for worker in (0, 1):
        job.add(worker, phase="Pending", ready=False)
    job.plan()
    assert (job.status.reason, job.status.internal.refusals) == ("WorkersStarting", 0)


def test_a_refusal_that_has_been_answered_is_not_answered_again(scene: Callable[..., Any]) -> None:
    job = refused(scene)
    job.plan()
    job.children.clear()
    assert job.plan().status == job.status
    assert job.status.internal.refusals == 1


def test_another_operator_keeps_to_the_pause(scene: Callable[..., Any]) -> None:
    job = refused(scene)
    job.plan()
    job.children.clear()
    job.refusal = None
    decided = job.plan()
    assert (decided.creates, decided.wake_after_seconds) == ((), refusals.FIRST_RETRY_SECONDS)


def test_a_refused_worker_on_a_lost_node_is_ended_by_force_at_last(scene: Callable[..., Any]) -> None:
    job = refused(scene)
    job.plan()
    job.add(0, phase="Running", ready=False, terminating_seconds=91.0)
    assert job.plan().deletes == (DeleteChild("job-1-0", "uid of job-1-0", force=True),)


def test_time_that_is_waited_for_a_quota_is_not_time_to_start(scene: Callable[..., Any]) -> None:
    job = refused(scene)
    job.plan()
    job.children.clear()
    job.seconds += 100_000
    job.plan()
    assert job.status.state == "Starting"
    assert job.status.internal.not_before == moment(job.seconds)


def refused_for(scene: Callable[..., Any], seconds: float, *, lasts: bool) -> Scene:
    """A job that the cluster refuses again and again, until `seconds` after its admission."""
    job = scene(startDeadlineSeconds=60)
    while job.seconds < seconds:
        decided = job.plan()
        if decided.creates:
            job.refusal = refusal(job.seconds, reasons.CREATION_REFUSED, lasts=lasts)
            continue
        job.seconds += decided.wake_after_seconds
    job.plan()
    return job


def test_a_job_that_is_refused_for_what_it_asks_for_fails_at_the_start_deadline(scene: Callable[..., Any]) -> None:
    job = refused_for(scene, 60, lasts=True)
    assert job.seconds == 60
    assert job.answer("Failed") == ("True", "CreationRefused")
    assert "raise the quota" in job.status.message
    assert "policy.startDeadlineSeconds (60)" in job.status.message


def test_a_job_that_is_refused_for_what_others_use_waits_without_end(scene: Callable[..., Any]) -> None:
    job = refused_for(scene, 100_000, lasts=False)
    assert (job.status.state, job.answer("Failed")[0]) == ("Starting", "False")


def test_a_job_whose_status_cannot_be_kept_fails_with_the_directory_and_the_remedy(scene: Scene) -> None:
    job = scene(shared=True).run()
    job.storage_failure = "/run: cannot be written (No space left on device); make room there"
    job.settle()
    assert job.answer(reasons.FAILED) == ("True", reasons.STORAGE_UNAVAILABLE)
    assert job.status.message == job.storage_failure
    assert not job.children, "its workers are ended"


def test_a_job_that_is_complete_stays_so_where_that_cannot_be_kept(scene: Scene) -> None:
    job = scene(shared=True).run()
    for worker in range(2):
        job.add(worker, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    job.settle()
    job.storage_failure = "/run: cannot be written (No space left on device); make room there"
    job.settle()
    assert job.answer(reasons.COMPLETE)[0] == "True"
