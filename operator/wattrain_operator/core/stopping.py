"""How a group is asked to save and stop before its children are ended.

A directive lets the ranks save for as long as that takes. A child that is ended outright has only the grace period of
its backend, and a rank that is not ready for the signal ends without a checkpoint.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from wattrain_api import reasons
from wattrain_api.contract.directive import Directive
from wattrain_operator.core import restarts
from wattrain_operator.core.directing import settings_of, take_next_version
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child, Report

TAKEN_WITHIN_SECONDS = 30.0
"""A group that has not taken the directive by then is ended without it."""
NEXT_POSSIBLE_STEP = 0


def wait_for_group_to_stop(draft: Draft) -> bool:
    """Ask the current group to save and stop. True: give it time; False: it has ended, cannot be asked, or has had its
    time."""
    workers = [c for c in draft.seen.children if is_asked(draft, c)]
    first = next((c for c in workers if c.worker == 0), None)
    if first is None or all(_leaves(c) for c in workers):
        return False
    report = draft.report
    if draft.internal.stop_time is None:
        if report is None or not _listen(draft, workers):
            return False
        draft.internal = replace(draft.internal, stop_time=draft.now)
        take_next_version(draft, first)
    elif _has_another_directive(draft, first):
        take_next_version(draft, first)
    over = _over(draft, report)
    if draft.seen.now >= over:
        return False
    if not first.ended:
        version, settings = draft.internal.directive_version, settings_of(draft.status)
        draft.direct(first, Directive(version, stop_at_step=NEXT_POSSIBLE_STEP, **settings._asdict()))
    draft.wake_at(over)
    return True


def was_directed(draft: Draft) -> bool:
    """Whether the current group was directed to stop: it may have ended because of it."""
    return any(is_asked(draft, child) and child.directed_to_stop for child in draft.seen.children)


def note_failed_save(draft: Draft) -> None:
    """Tell once of a worker that was asked to save and stop, and failed at it."""
    for child in draft.seen.children:
        left = child.termination
        if draft.internal.save_failure or not is_asked(draft, child) or left is None or left.failure is None:
            continue
        if left.exit_code != reasons.EXIT_PREEMPTED and left.failure.reason != reasons.WORKER_LOST:
            sentence = restarts.describe(left.failure)
            draft.internal = replace(draft.internal, save_failure=sentence)
            draft.add_event(reasons.SAVE_FAILED, f"{sentence}; it was asked to save and stop", warning=True)


def is_asked(draft: Draft, child: Child) -> bool:
    """Whether `child` is one of the group that is asked to stop."""
    return child.role.traits.in_group and child.attempt == draft.status.attempt


def _listen(draft: Draft, workers: list[Child]) -> bool:
    """Whether all workers are there and answer, and none is about to end."""
    whole = len(workers) == draft.spec.workers.replicas
    return whole and all(c.ready and not _leaves(c) for c in workers)


def _has_another_directive(draft: Draft, first: Child) -> bool:
    """Whether somebody else has directed the group since this version was meant for it, which so cannot reach it."""
    given = first.directive
    if given is None or given.version < draft.internal.directive_version:
        return False
    return given.stop_at_step != NEXT_POSSIBLE_STEP


def _leaves(child: Child) -> bool:
    """Whether it has ended, or is about to without having been asked: its machine may be lost."""
    return child.ended or child.terminating_seconds is not None


def _over(draft: Draft, report: Report | None) -> datetime:
    """When the group has had its time: that of a group that hangs, once it has taken the directive."""
    taken = report is not None and report.directive_version >= draft.internal.directive_version
    limit = float(draft.spec.policy.progress_deadline_seconds) if taken else TAKEN_WITHIN_SECONDS
    return (draft.internal.stop_time or draft.now) + timedelta(seconds=max(limit, TAKEN_WITHIN_SECONDS))
