"""When a receiver is notified of a job's end, how often it is tried, and what is said where it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from wattrain_operator.core.observed import Delivery, Notify, Plan, Receiver, TerminationMessage

RECEIVER = Receiver("hooks.example", ("Complete", "Failed"), tries_at_most=12, remedy="mend the receiver")


def end(job: Any, receiver: Receiver | None = RECEIVER) -> Any:
    """The job has run, and its workers end well."""
    job.receiver = receiver
    job.run()
    for worker in range(2):
        job.add(worker, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    return job


def fail(job: Any, times: int) -> Plan:
    """So many tries are made when they are due, and fail."""
    for number in range(1, times + 1):
        decided = job.plan()
        while decided.notify is None:
            job.seconds += decided.wake_after_seconds
            decided = job.plan()
        assert decided.notify == Notify("Complete", number)
        job.delivery = Delivery(decided.notify, "HTTP 500")
        decided = job.plan()
    return decided


def test_it_is_notified_in_the_pass_after_the_end_was_written(scene: Any) -> None:
    job = end(scene())
    assert job.plan().notify is None
    assert job.plan().notify == Notify("Complete", 1)


def test_without_a_receiver_nothing_is_sent_and_nothing_is_written(scene: Any) -> None:
    job = end(scene(), receiver=None)
    job.settle()
    assert job.status.internal.notification is None
    assert job.plan().notify is None


def test_a_receiver_that_is_configured_later_is_told_nothing_of_what_has_ended(scene: Any) -> None:
    job = end(scene(), receiver=None)
    job.settle()
    job.receiver = RECEIVER
    before = job.status
    assert (job.plan().notify, job.status) == (None, before)


def test_only_the_ends_are_told_that_the_receiver_wants(scene: Any) -> None:
    job = end(scene(), receiver=Receiver("hooks.example", ("Failed",), 12, ""))
    job.settle()
    assert job.plan().notify is None
    other = scene()
    other.receiver = Receiver("hooks.example", ("Failed",), 12, "")
    other.run().fail(0, 65)
    other.settle()
    assert other.plan().notify == Notify("Failed", 1)


def test_an_old_view_is_not_enough(scene: Any) -> None:
    job = end(scene())
    job.plan()
    decided = job.plan(fresh=False)
    assert (decided.notify, decided.needs_fresh_view) == (None, True)


def test_what_was_taken_is_recorded_and_never_sent_again(scene: Any) -> None:
    job = end(scene())
    job.plan()
    job.delivery = Delivery(job.plan().notify)
    job.plan()
    assert job.status.internal.notification.outcome == "Delivered"
    job.delivery = None  # another operator
    assert job.settle().notify is None


def test_pauses_grow_and_are_bounded(scene: Any) -> None:
    job = end(scene())
    job.plan()
    pauses = [fail(job, 1).wake_after_seconds or job.plan().wake_after_seconds]
    for number in range(2, 12):
        job.seconds += pauses[-1]
        job.delivery = Delivery(job.plan().notify, "HTTP 500")
        assert job.delivery.notify.number == number
        job.plan()
        pauses.append(job.plan().wake_after_seconds)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600]


def test_it_is_given_up_with_one_event_that_names_the_host_and_what_to_do(scene: Any) -> None:
    job = end(scene())
    job.plan()
    fail(job, 12)
    job.delivery = None
    assert job.settle().notify is None
    assert job.status.internal.notification.outcome == "GivenUp"
    [event] = [event for event in job.events if event.reason == "NotificationFailed"]
    assert event.message == (
        "hooks.example did not take the notification that the job is Complete (12 tries, the last: HTTP 500); "
        "it is not sent again: mend the receiver"
    )
    assert job.status.state == "Complete"


def test_what_was_heard_of_an_earlier_try_says_nothing_of_this_one(scene: Any) -> None:
    job = end(scene())
    job.plan()
    fail(job, 1)
    decided = job.plan()
    assert job.status.internal.notification.failures == 1
    assert decided.wake_after_seconds == 1


@pytest.mark.parametrize("failure", ["", "HTTP 500"])
def test_a_job_whose_time_to_live_is_over_stays_until_its_receiver_is_told_or_given_up(
    scene: Any, failure: str
) -> None:
    job = end(scene(ttlSecondsAfterFinished=0), Receiver("hooks.example", ("Complete",), 1, ""))
    job.plan()
    decided = job.plan()
    assert (decided.delete_job, decided.notify) == (False, Notify("Complete", 1))
    job.delivery = Delivery(decided.notify, failure)
    assert not job.plan().delete_job
    assert job.plan().delete_job


def test_a_receiver_that_is_not_configured_any_more_keeps_no_job(scene: Any) -> None:
    job = end(scene(ttlSecondsAfterFinished=0))
    job.plan()
    job.receiver = None
    assert job.plan().delete_job
