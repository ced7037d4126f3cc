"""What to tell a person when the cluster does not let the operator create what a job needs.

The core decides what should be there; only the shell learns that it may not be. So the shell lays its word over the
core's `Running` condition as long as the refusal lasts, and takes it away afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.cluster.client import ApiError, ForbiddenError
from wattrain_operator.core.observed import Event, Plan

REFUSED: frozenset[str] = frozenset({reasons.QUOTA_EXCEEDED, reasons.CREATION_REFUSED, reasons.NAME_TAKEN})
MESSAGE_LENGTH = 1024


@dataclass(frozen=True)
class Refusal:
    """Why something could not be created, and what to do about it."""

    reason: str
    """One of REFUSED."""
    message: str


class NotYetError(Exception):
    """Something is in the way that goes by itself: a deleted namesake's pods, a namespace that is being deleted."""

    def __init__(self, message: str, longest_pause_seconds: float = 2.0) -> None:
        super().__init__(message)
        self.longest_pause_seconds = longest_pause_seconds
        """Between two looks: nothing tells when it has gone."""


def explain(error: ApiError, what: str) -> Refusal:
    """The refusal behind `error`, which came from creating `what`. NotYetError where waiting is all there is to do."""
    text = error.message[:MESSAGE_LENGTH]
    if isinstance(error, ForbiddenError) and "exceeded quota" in text:
        remedy = "raise the quota of the namespace, or lower workers.replicas or workers.resources"
        return Refusal(reasons.QUOTA_EXCEEDED, f"{what}: {text}; {remedy}")
    if isinstance(error, ForbiddenError) and "being terminated" in text:
        raise NotYetError(text, longest_pause_seconds=60.0)
    if isinstance(error, ForbiddenError) and "violates PodSecurity" in text:
        remedy = "choose an image and fields that the namespace's Pod Security level allows"
    elif isinstance(error, ForbiddenError):
        remedy = "ask who runs the cluster: an admission check, or the operator's rights, forbid it"
    else:
        remedy = "change the field it names; where the spec cannot be changed, delete the job and apply it again"
    return Refusal(reasons.CREATION_REFUSED, f"{what}: {text}; {remedy}")


def name_taken(what: str) -> Refusal:
    """Something that is not ours bears the name."""
    return Refusal(
        reasons.NAME_TAKEN, f"{what} is there already and does not belong to this job; delete it, or rename the job"
    )


def lay_over(decided: Plan, refusal: Refusal, stored: TrainingJobStatus, now: datetime) -> Plan:
    """`decided`, whose children may not be created, with the refusal told, once, instead of "the workers start"."""
    status = _with_running(decided.status, refusal.reason, refusal.message, stored, now)
    told = any(c.type == reasons.RUNNING and c.reason == refusal.reason for c in stored.conditions)
    events = decided.events if told else (*decided.events, Event("Warning", refusal.reason, refusal.message))
    return replace(decided, status=status, events=events)


def hold_back(decided: Plan, stored: TrainingJobStatus) -> Plan:
    """`decided` without its creations, and without the start of their deadline, which counts from the creation."""
    return replace(decided, creates=(), status=decided.status.model_copy(update={"not_before": stored.not_before}))


def take_away(decided: Plan, stored: TrainingJobStatus, now: datetime) -> Plan:
    """`decided`, with a refusal that is over no longer told."""
    running = next((c for c in decided.status.conditions if c.type == reasons.RUNNING), None)
    if running is None or running.reason not in REFUSED:
        return decided
    status = _with_running(decided.status, reasons.STARTING, "the workers start", stored, now)
    return replace(decided, status=status)


def _with_running(
    status: TrainingJobStatus, reason: str, message: str, stored: TrainingJobStatus, now: datetime
) -> TrainingJobStatus:
    old = next((c for c in stored.conditions if c.type == reasons.RUNNING and c.status == "False"), None)
    since = now.replace(microsecond=0) if old is None else old.last_transition_time
    conditions = tuple(
        c.model_copy(update={"status": "False", "reason": reason, "message": message, "last_transition_time": since})
        if c.type == reasons.RUNNING
        else c
        for c in status.conditions
    )
    shown = {"reason": reason, "message": message} if status.state in ("Starting", "Preparing", "Restarting") else {}
    return status.model_copy(update={"conditions": conditions, **shown})
