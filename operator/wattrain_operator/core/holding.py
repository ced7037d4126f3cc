"""Why a job is to save and stop although it is not over: its user has suspended it, or a policy holds it.

A policy puts its hold into the status and lifts it when the cause is gone; it finds its own by the reason. What follows
is the same for all: `lifecycle.suspend` stops the workers and suspends the job, the fleet gives its place away, and the
job goes on from its checkpoint once nothing holds it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from wattrain_api import reasons
from wattrain_api.status import Hold, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.draft import Draft

BY_ITS_USER: Final = Hold(reasons.JOB_SUSPENDED, "suspended", "spec.suspend is false", by_itself=False)


def hold_of(spec: TrainingJobSpec, status: TrainingJobStatus) -> Hold | None:
    """What keeps the job from running, its user's own wish first; None: nothing does."""
    if spec.suspend:
        return BY_ITS_USER
    return next(iter(status.internal.holds), None)


def put(draft: Draft, hold: Hold) -> None:
    """Hold the job, in place of an older hold for the same reason. The first time is told in an event."""
    others = tuple(each for each in draft.internal.holds if each.reason != hold.reason)
    if others == draft.internal.holds:
        told = f"{hold.why}; the job saves and stops, and goes on once {hold.until}"
        draft.add_event(hold.reason, told, warning=not hold.by_itself)
        draft.internal = replace(draft.internal, holds=(*others, hold))
    elif hold not in draft.internal.holds:
        holds = tuple(hold if each.reason == hold.reason else each for each in draft.internal.holds)
        draft.internal = replace(draft.internal, holds=holds)


def lift(draft: Draft, reason: str) -> None:
    """Take back what was put for `reason`, if anything was."""
    holds = tuple(each for each in draft.internal.holds if each.reason != reason)
    if holds != draft.internal.holds:
        draft.internal = replace(draft.internal, holds=holds)
