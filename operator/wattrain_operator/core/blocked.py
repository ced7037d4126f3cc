"""What keeps a worker from starting, or from going, where waiting alone may not help: said while it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from wattrain_api import reasons
from wattrain_operator.core.conditions import condition_of, set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child

PATIENCE_SECONDS = 10.0
"""An obstacle that lasts so long is told: a node or an image may need a moment."""
OVERLOOKED_PATIENCE_SECONDS = 30.0
"""The same where nobody has looked at a child yet. Most often a burst of pods is ahead of it, which takes longer with
each write of a job that says so."""
LOOK_AGAIN_SECONDS = 30.0
"""When what a child waits for is found out anew, where it does not say so itself."""
_CANNOT_START = " cannot start "
_CANNOT_GO = " has ended and cannot go "
_GONE = "what was in the way is gone"


def report_what_blocks(draft: Draft, children: Sequence[Child], since: datetime) -> None:
    """Say in the condition Running, and once in an event, which of `children`, awaited `since`, is blocked and by what.

    What is told stays until its obstacle is gone: its words may change with every look of the scheduler.
    """
    running = condition_of(draft.status, reasons.RUNNING)
    blocked = sorted((c for c in children if c.blocked_by), key=lambda c: c.worker)
    if running.status == "True":
        return
    due = _due(draft, blocked, since)
    _look_into(draft, [c for c in children if c.unexplained], since)
    if any(running.message.startswith(_subject(c)) for c in blocked):
        return
    if not blocked:
        if _CANNOT_START in running.message:
            set_condition(draft, reasons.RUNNING, "False", running.reason, _GONE)
        return
    if due and not _others_may_follow(draft):
        _report(draft, f"{_subject(due[0])}: {due[0].message}")


def report_what_stays(draft: Draft) -> None:
    """Say the same of a child that has ended, was asked to go, and is kept by something that is not ours: until it has
    gone no new group starts, and no suspension is complete."""
    running = condition_of(draft.status, reasons.RUNNING)
    leaving = [c for c in draft.seen.children if c.ended and c.kept_by and c.terminating_seconds is not None]
    if not leaving:
        if _CANNOT_GO in running.message:
            set_condition(draft, reasons.RUNNING, running.status, running.reason, _GONE)
        return
    child = max(leaving, key=lambda c: c.terminating_seconds or 0.0)
    left = PATIENCE_SECONDS - (child.terminating_seconds or 0.0)
    if left > 0:
        draft.wake_after(left)
        return
    message = f"{child.name}{_CANNOT_GO}({child.kept_by}): whoever has set it must remove it"
    told = condition_of(draft.seen.status, reasons.RUNNING).message == message
    set_condition(draft, reasons.RUNNING, running.status, running.reason, message)
    if not told:
        draft.add_event(reasons.WORKER_BLOCKED, message, warning=True)


def _others_may_follow(draft: Draft) -> bool:
    """Whether one that was told of has become ready just now. On a slow cluster the others follow one by one, and to
    name each would cost a write and an event."""
    moved = draft.internal.workers_time
    if _CANNOT_START not in condition_of(draft.status, reasons.RUNNING).message or moved is None:
        return False
    due = moved + timedelta(seconds=PATIENCE_SECONDS)
    if draft.seen.now >= due:
        return False
    draft.wake_at(due)
    return True


def _due(draft: Draft, blocked: Sequence[Child], since: datetime) -> list[Child]:
    """Those of `blocked` that have waited, since then, for long enough to be told of."""
    due = []
    for child in blocked:
        patience = OVERLOOKED_PATIENCE_SECONDS if child.overlooked else PATIENCE_SECONDS
        if _has_come(draft, since + timedelta(seconds=patience)):
            due.append(child)
    return due


def _look_into(draft: Draft, unexplained: Sequence[Child], since: datetime) -> None:
    """Find out what those wait for that do not say so, once they have waited, since then, for some time."""
    if unexplained and _has_come(draft, since + timedelta(seconds=PATIENCE_SECONDS)):
        for child in unexplained:
            draft.look_into(child)
        draft.wake_after(LOOK_AGAIN_SECONDS)


def _has_come(draft: Draft, moment: datetime) -> bool:
    """Whether it is `moment`; if not, there will be another look then."""
    if draft.seen.now < moment:
        draft.wake_at(moment)
    return draft.seen.now >= moment


def _report(draft: Draft, message: str) -> None:
    running = condition_of(draft.status, reasons.RUNNING)
    set_condition(draft, reasons.RUNNING, "False", running.reason, message)
    draft.add_event(reasons.WORKER_BLOCKED, message, warning=True)


def _subject(child: Child) -> str:
    return f"{child.name}{_CANNOT_START}({child.blocked_by})"
