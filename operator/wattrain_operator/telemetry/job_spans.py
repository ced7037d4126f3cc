"""From two statuses of a job, one written after the other, to the spans that ended between them. Pure.

All times are those that the status has: of decisions, in whole seconds. Ids follow from the job's uid and from what a
span is of, so that whoever finds the same end again makes the same span.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from wattrain_api.status import OpenPhase, Restart, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_finished

Value = str | int | float | bool
OUTSIDE_ATTEMPTS = ("Pending", "Queued", "Suspended")
"""In these states a job has no group: they belong to the job alone."""


@dataclass(frozen=True)
class SpanEvent:
    """Something that happened within a span."""

    name: str
    time: datetime
    attributes: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class JobSpan:
    """A span that has ended, free of any library. Ids are those of OpenTelemetry, as whole numbers."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    """None: the root."""
    start: datetime
    end: datetime
    attributes: dict[str, Value]
    events: tuple[SpanEvent, ...] = ()
    link_id: int | None = None
    """Span of the same trace that this one goes on after."""
    failure: str = ""
    """Why what the span is of failed; empty: it did not."""


def ended_spans(job: TrainingJob, before: TrainingJobStatus, after: TrainingJobStatus) -> list[JobSpan]:
    """What ended when `after` was written in the place of `before`: a state, an attempt, the job; children first."""
    found = [*_state(job, before, after), *_attempt(job, before, after)]
    if is_finished(after) and not is_finished(before):
        found.append(_whole_job(job, after))
    return found


def trace_id(uid: str) -> int:
    """The trace of a job: its uid without the hyphens, as it is."""
    try:
        return uuid.UUID(uid).int
    except ValueError:
        return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:16])


def _span_id(uid: str, *of: object) -> int:
    return int.from_bytes(hashlib.sha256("/".join(map(str, (uid, *of))).encode()).digest()[:8])


def _state(job: TrainingJob, before: TrainingJobStatus, after: TrainingJobStatus) -> list[JobSpan]:
    old, new, uid = before.internal.open_phase, after.internal.open_phase, job.metadata.uid
    if old is None or new is None or (old.phase, old.since) == (new.phase, new.since):
        return []
    attributes: dict[str, Value] = {"wattrain.state": old.phase, "wattrain.reason": before.reason}
    parent = _span_id(uid, "job")
    if before.attempt and old.phase not in OUTSIDE_ATTEMPTS:
        parent = _span_id(uid, "attempt", before.attempt)
        attributes["wattrain.attempt"] = before.attempt
    joules = _joules_of(old, after)
    if joules is not None:
        attributes["wattrain.energy.joules"] = joules
    span_id = _span_id(uid, "state", old.phase, old.since.isoformat())
    return [JobSpan(old.phase, trace_id(uid), span_id, parent, old.since, new.since, attributes)]


def _joules_of(old: OpenPhase, after: TrainingJobStatus) -> float | None:
    """Joules used while the job was in the state `old`; None: an older version did not note what it began with."""
    if old.joules_before is None:
        return None
    total = next((totals.joules for totals in after.phases if totals.phase == old.phase), 0.0)
    return round(total - old.joules_before, 6)


def _attempt(job: TrainingJob, before: TrainingJobStatus, after: TrainingJobStatus) -> list[JobSpan]:
    number, start, uid = before.attempt, before.internal.attempt_time, job.metadata.uid
    end = after.internal.attempt_time if after.attempt > number else after.completion_time
    over = after.attempt > number or (is_finished(after) and not is_finished(before))
    if not number or start is None or end is None or not over:
        return []
    failed = next((r for r in after.restarts if r.attempt == number and not r.in_place), None)
    failure = failed.reason if failed is not None else _failure_of(after)
    events = tuple(e for e in _events(after) if start <= e.time <= end)
    return [
        JobSpan(
            name=f"attempt {number}",
            trace_id=trace_id(uid),
            span_id=_span_id(uid, "attempt", number),
            parent_id=_span_id(uid, "job"),
            start=start,
            end=end,
            attributes={"wattrain.attempt": number, **({} if failed is None else _why(failed))},
            events=events,
            link_id=_span_id(uid, "attempt", number - 1) if number > 1 else None,
            failure=failure,
        )
    ]


def _whole_job(job: TrainingJob, status: TrainingJobStatus) -> JobSpan:
    uid, end = job.metadata.uid, status.completion_time
    assert end is not None
    start = job.metadata.creation_timestamp or status.start_time or end
    energy = status.energy
    known: dict[str, Value | None] = {
        "wattrain.outcome": status.state,
        "wattrain.reason": status.reason,
        "wattrain.attempts": status.attempt,
        "wattrain.restarts": status.restart_count,
        "wattrain.step": None if status.progress is None else status.progress.step,
        "wattrain.loss": None if status.progress is None else status.progress.loss,
        "wattrain.energy.joules": energy.joules,
        "wattrain.energy.low_joules": energy.low,
        "wattrain.energy.high_joules": energy.high,
        "wattrain.energy.measured_ratio": energy.measured_ratio,
        "wattrain.energy.wasted_joules": energy.wasted_joules,
        "wattrain.carbon.grams": energy.carbon_grams,
        **{f"wattrain.cost.{cost.currency}": cost.cost for cost in energy.costs},
        **{f"wattrain.seconds.{totals.phase}": totals.seconds for totals in status.phases},
        **{f"wattrain.joules.{totals.phase}": totals.joules for totals in status.phases},
    }
    attributes = {name: value for name, value in known.items() if value is not None}
    return JobSpan(
        name=f"TrainingJob {job.metadata.name}",
        trace_id=trace_id(uid),
        span_id=_span_id(uid, "job"),
        parent_id=None,
        start=start,
        end=end,
        attributes=attributes,
        events=tuple(_events(status)),
        failure=_failure_of(status),
    )


def _failure_of(status: TrainingJobStatus) -> str:
    return f"{status.reason}: {status.message}" if status.state == "Failed" else ""


def _events(status: TrainingJobStatus) -> list[SpanEvent]:
    """What the status has a time of: the last restarts, the newest checkpoint, the last damaged ones."""
    found = [SpanEvent("restart in place" if r.in_place else "restart", r.time, _why(r)) for r in status.restarts]
    checkpoint = status.checkpoint
    if checkpoint is not None and checkpoint.time is not None:
        found.append(SpanEvent("newest checkpoint", checkpoint.time, {"wattrain.step": checkpoint.step}))
    for damaged in status.damaged_checkpoints:
        if damaged.time is not None:
            attributes: dict[str, Value] = {"wattrain.step": damaged.step, "wattrain.damage": damaged.damage}
            found.append(SpanEvent("damaged checkpoint", damaged.time, attributes))
    return sorted(found, key=lambda event: event.time)


def _why(restart: Restart) -> dict[str, Value]:
    known: dict[str, Value | None] = {
        "wattrain.reason": restart.reason,
        "wattrain.worker": restart.worker,
        "wattrain.rank": restart.rank,
        "k8s.node.name": restart.node or None,
        "process.exit.code": restart.exit_code,
        "wattrain.step": restart.step,
        "wattrain.resumed_from_step": restart.resumed_from_step,
        "wattrain.energy.lost_joules": restart.joules_lost,
        "wattrain.recovery.seconds": restart.recovery_seconds,
    }
    return {name: value for name, value in known.items() if value is not None}
