"""A group that the cluster does not let the operator create: taken back whole, explained, and tried again later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from wattrain_api import reasons
from wattrain_operator.core import restarts
from wattrain_operator.core.conditions import condition_of, set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.lifecycle import end_child
from wattrain_operator.core.observed import Child, Refusal

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 300.0
"""Pause before a refused group is created again; it doubles with every refusal in a row."""
_LARGEST_EXPONENT = 10


def wait_while_refused(draft: Draft) -> bool:
    """Answer a refusal of the backend. True: nothing else can be done for now.

    No part of a refused group may hold what another job could use, so what was created of it is ended. It is created
    again when all of it is gone and the pause is over; what ends meanwhile is no lost worker.
    """
    refusal = draft.seen.refusal
    if refusal is not None and _is_news(draft, refusal):
        _enter(draft, refusal)
    if not draft.internal.refusals:
        return False
    if refusal is not None and refusal.lasts and _give_up(draft, refusal):
        return True
    children = [c for c in draft.seen.children if c.attempt == draft.status.attempt]
    not_before = draft.internal.not_before
    if not_before is not None and draft.seen.now < not_before:
        for child in children:
            end_child(draft, child)
        draft.wake_at(not_before)
        return True
    leaving = [c for c in children if c.terminating_seconds is not None]
    if leaving:
        for child in leaving:
            end_child(draft, child)
        return True
    if _is_whole(draft, children):
        _forget(draft)
    return False


def _give_up(draft: Draft, refusal: Refusal) -> bool:
    """Fail a job whose spec is refused for as long as workers may take to start: whoever waits for its end must see
    one. Until then it is tried again, for a quota or a LimitRange may be changed."""
    since, limit = draft.internal.attempt_time, draft.spec.policy.start_deadline_seconds
    if since is None:
        return False
    over = since + timedelta(seconds=limit)
    if draft.seen.now < over:
        draft.wake_at(over)
        return False
    message = f"{refusal.message}; refused for as long as policy.startDeadlineSeconds ({limit}) allows"
    restarts.fail(draft, refusal.reason, message)
    return True


def is_told(draft: Draft) -> bool:
    """Whether the condition Running explains a refusal: what is tried meanwhile does not replace it."""
    return condition_of(draft.status, reasons.RUNNING).reason in reasons.REFUSALS


def _is_news(draft: Draft, refusal: Refusal) -> bool:
    known = draft.internal.refused_time
    return not draft.internal.group_complete and (known is None or refusal.time.replace(microsecond=0) > known)


def _enter(draft: Draft, refusal: Refusal) -> None:
    refusals = draft.internal.refusals + 1
    pause = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(refusals - 1, _LARGEST_EXPONENT))
    draft.internal = replace(
        draft.internal,
        refusals=refusals,
        refused_time=refusal.time.replace(microsecond=0),
        not_before=draft.now + timedelta(seconds=pause),
    )
    if condition_of(draft.status, reasons.RUNNING).reason != refusal.reason:
        draft.add_event(refusal.reason, refusal.message, warning=True)
    set_condition(draft, reasons.RUNNING, "False", refusal.reason, refusal.message)


def _is_whole(draft: Draft, children: list[Child]) -> bool:
    """Whether all that is created together is there now."""
    if not children:
        return False
    in_group = [c for c in children if c.role.traits.in_group]
    return len(in_group) == (draft.spec.workers.replicas if in_group else 0)


def _forget(draft: Draft) -> None:
    draft.internal = replace(draft.internal, refusals=0)
    if is_told(draft):
        set_condition(draft, reasons.RUNNING, "False", reasons.STARTING, "the workers start")
