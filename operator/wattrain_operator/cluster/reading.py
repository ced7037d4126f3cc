"""From raw objects to what the core looks at, and back. Tolerant of newer fields, never of nonsense."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from wattrain_api import reasons
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import Condition, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.cache import Json, uid_of
from wattrain_operator.cluster.objects import address_of, child_of
from wattrain_operator.cluster.progress import Speaker
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.observed import Child

PROBLEMS_SHOWN = 5
_AT_FIRST = {
    reasons.RUNNING: reasons.PENDING,
    reasons.SUSPENDED: reasons.NOT_SUSPENDED,
    reasons.COMPLETE: reasons.NOT_FINISHED,
    reasons.FAILED: reasons.NOT_FINISHED,
}


def read_job(body: Json) -> TrainingJob:
    """The job in `body`, with its status. ValidationError where it is none that this version understands."""
    return TrainingJob.model_validate(body, extra="ignore")


def read_domain(body: Json | None) -> PowerDomainSpec:
    """The power domain in `body`; the defaults where there is none, or none that this version understands."""
    try:
        return PowerDomainSpec.model_validate((body or {}).get("spec") or {}, extra="ignore")
    except ValidationError:
        return PowerDomainSpec()


def children_of(job: TrainingJob, pods: Sequence[Json], hidden: frozenset[str], now: datetime) -> tuple[Child, ...]:
    """The children that the `pods` of `job` are, in the order of their names; those in `hidden` (uids) do not count."""
    seen = sorted((pod for pod in pods if uid_of(pod) not in hidden), key=lambda pod: str(pod["metadata"]["name"]))
    return tuple(_with_address(job, child_of(pod, now)) for pod in seen)


def _with_address(job: TrainingJob, child: Child) -> Child:
    """`child`, whose model is where a person finds it, and not where its pod had it."""
    word = child.last_word
    if word is None or not word.model_uri:
        return child
    return replace(child, last_word=replace(word, model_uri=address_of(job, word.model_uri)))


def find_speaker(pods: Sequence[Json], children: Sequence[Child], attempt: int) -> tuple[Speaker, Json] | None:
    """Who speaks for the group of `attempt`, and its pod: worker 0, and before there is one the preparation."""
    own = [c for c in children if c.attempt == attempt and (c.role == "prepare" or c.rank == 0)]
    child = next((c for c in sorted(own, key=lambda c: c.role, reverse=True)), None)  # "worker" goes first
    pod = next((p for p in pods if child is not None and uid_of(p) == child.uid), None)
    if child is None or pod is None:
        return None
    address = str((pod.get("status") or {}).get("podIP") or "") if child.phase == "Running" else ""
    namespace = str(pod["metadata"].get("namespace", ""))
    return Speaker(child.uid, namespace, child.name, address, child.role, child.attempt), pod


def last_word_in(pod: Json) -> Json | None:
    """What the supervisor of an ended pod left; None: it runs, or left nothing readable."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        message = ((container.get("state") or {}).get("terminated") or {}).get("message")
        try:
            word = json.loads(message or "")
        except (ValueError, RecursionError):
            continue
        if isinstance(word, dict):
            return word
    return None


def status_of_unreadable(body: Json, error: ValidationError, now: datetime) -> TrainingJobStatus | None:
    """The status of a job that this version cannot read: what it was, and a condition that says so. None where it is
    over anyway."""
    try:
        status = TrainingJobStatus.model_validate(body.get("status") or {}, extra="ignore")
    except ValidationError:
        status = TrainingJobStatus()
    if is_finished(status):
        return None
    message = f"{explain(error)}; correct it, or delete the job and apply it again"
    told = {c.type: c for c in status.conditions}
    now, generation = now.replace(microsecond=0), int(body["metadata"].get("generation") or 0)
    before = told.get(reasons.ADMITTED)
    told[reasons.ADMITTED] = Condition(
        type=reasons.ADMITTED, status="False", reason=reasons.INVALID_SPEC, message=message,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and before.status == "False" else now,
    )  # fmt: skip
    for kind, reason in _AT_FIRST.items():  # the core counts on all of them, once there is one
        first = Condition(
            type=kind, status="False", reason=reason, observed_generation=generation, last_transition_time=now
        )
        told.setdefault(kind, first)
    conditions = tuple(told[kind] for kind in reasons.CONDITION_TYPES)
    return status.model_copy(update={"conditions": conditions, "reason": reasons.INVALID_SPEC, "message": message})


def explain(error: ValidationError) -> str:
    """What is wrong with an object, in a line: field, value, why."""
    told = []
    for problem in error.errors(include_url=False)[:PROBLEMS_SHOWN]:
        field = ".".join(str(part) for part in problem["loc"]) or "the object"
        told.append(f"{field}={str(problem.get('input'))[:80]!r}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(told)[:2048]
