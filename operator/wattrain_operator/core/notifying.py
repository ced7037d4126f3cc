"""Who is told of a job's end, when, and how often it is tried.

That somebody is to be told is stored in the very write that ends the job: no operator forgets it, and a receiver that
is configured later is told nothing of what ended long ago. A try is made on a fresh view alone: by an old one, a
receiver would be told again of what is recorded already. A try whose end was not recorded, because the operator ended
before it was, is made again: the receiver is told at least once, and knows a repeat by its id.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from wattrain_api import reasons
from wattrain_api.status import NotificationStatus, TrainingJobStatus
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Notify, Receiver

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 600.0


def is_awaited(status: TrainingJobStatus) -> bool:
    """Whether the receiver is to be told of the job's end yet."""
    told = status.internal.notification
    return told is not None and told.outcome is None


def note_end(draft: Draft) -> None:
    """Where this pass has ended the job: note whether the receiver wants to be told."""
    receiver = draft.seen.receiver
    if receiver is None or is_finished(draft.seen.status):
        return
    condition = next((each for each in receiver.conditions if is_true(draft.status, each)), None)
    if condition is not None:
        draft.internal = replace(draft.internal, notification=NotificationStatus(condition))


def notify(draft: Draft) -> None:
    """Of a job that has ended, enter how the last try has ended, or have the next one made when it is due."""
    told, receiver = draft.seen.status.internal.notification, draft.seen.receiver
    if told is None or told.outcome is not None or receiver is None:
        return
    wanted, delivery, due = Notify(told.condition, told.failures + 1), draft.seen.delivery, due_time(told)
    if delivery is not None and delivery.notify == wanted:
        _enter(draft, told, receiver, delivery.failure)
        return
    if due is not None and draft.seen.now < due:
        draft.wake_at(due)
    elif not draft.seen.fresh:
        draft.needs_fresh_view = True
    else:
        draft.notify = wanted


def due_time(told: NotificationStatus) -> datetime | None:
    """When the next try is due, after 1, 2, 4, ... seconds; None: at once."""
    if told.last_time is None:
        return None
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(told.failures - 1, 20))
    return told.last_time + timedelta(seconds=pause)


def _enter(draft: Draft, told: NotificationStatus, receiver: Receiver, failure: str) -> None:
    if not failure:
        draft.internal = replace(draft.internal, notification=replace(told, outcome="Delivered"))
        return
    failures = told.failures + 1
    told = replace(told, failures=failures, last_time=draft.now)
    if failures >= receiver.tries_at_most:
        told = replace(told, outcome="GivenUp")
        tries = "1 try" if failures == 1 else f"{failures} tries, the last"
        message = f"{receiver.host} did not take the notification that the job is {told.condition} ({tries}: {failure})"
        draft.add_event(reasons.NOT_NOTIFIED, f"{message}; it is not sent again: {receiver.remedy}", warning=True)
    draft.internal = replace(draft.internal, notification=told)
