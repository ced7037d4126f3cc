"""The decision about a job whose spec this version cannot read: say what is wrong, and touch nothing of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from wattrain_api import reasons
from wattrain_api.status import Condition, TrainingJobStatus
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.observed import Event, Plan

PATIENCE_SECONDS = 1800.0
"""How long a job that cannot be read, and of which nothing was ever started, waits to be corrected, or for an operator
of another version: as long as policy.startDeadlineSeconds is by default."""
_AT_FIRST = {
    reasons.RUNNING: reasons.PENDING,
    reasons.SUSPENDED: reasons.NOT_SUSPENDED,
    reasons.COMPLETE: reasons.NOT_FINISHED,
    reasons.FAILED: reasons.NOT_FINISHED,
}


@dataclass(frozen=True)
class Unreadable:
    """What is seen of such a job."""

    now: datetime
    """Aware, UTC."""
    generation: int
    status: TrainingJobStatus
    """As it is stored, or an empty one where that cannot be read either."""
    problem: str
    """What is wrong, in a line: field, value, why."""
    since: datetime
    """Since when this operator has known it so."""


def plan_unreadable(seen: Unreadable) -> Plan:
    """What to store and to report; the status as it is where the job is over anyway.

    One that has workers is left to an operator that can read it; one that never had any fails in the end.
    """
    if is_finished(seen.status):
        return Plan(seen.status)
    never_started, over = seen.status.attempt == 0, seen.since + timedelta(seconds=PATIENCE_SECONDS)
    message = f"{seen.problem}; correct it, or delete the job and apply it again"
    now = seen.now.replace(microsecond=0)
    told = {c.type: c for c in seen.status.conditions}
    before = told.get(reasons.ADMITTED)
    since = before.last_transition_time if before is not None and before.status == "False" else now
    told[reasons.ADMITTED] = Condition(
        reasons.ADMITTED, "False", reasons.INVALID_SPEC, since, message, observed_generation=seen.generation
    )
    for kind, reason in _AT_FIRST.items():  # the job's own plan counts on all of them, once there is one
        told.setdefault(kind, Condition(kind, "False", reason, now, observed_generation=seen.generation))
    status = replace(seen.status, reason=reasons.INVALID_SPEC, message=message)
    if never_started and seen.now >= over:
        told[reasons.FAILED] = Condition(
            reasons.FAILED, "True", reasons.INVALID_SPEC, now, message, observed_generation=seen.generation
        )
        status = replace(status, state="Failed", completion_time=now)
    status = replace(status, conditions=tuple(told[kind] for kind in reasons.CONDITION_TYPES))
    events = () if status == seen.status else (Event("Warning", reasons.INVALID_SPEC, message),)
    wake = (over - seen.now).total_seconds() if never_started and seen.now < over else None
    return Plan(status, events=events, wake_after_seconds=wake)
