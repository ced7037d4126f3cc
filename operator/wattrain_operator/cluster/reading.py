"""From raw objects to what the core looks at, and back. Tolerant of newer fields, never of nonsense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from wattrain_api import reasons
from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.termination import TerminationMessage
from wattrain_api.powerdomain import PowerDomainSpec, PowerDomainStatus
from wattrain_api.problem import field_path, plain_details
from wattrain_api.status import TrainingJobStatus
from wattrain_api.support import unsupported_in_cluster
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.kube.cache import uid_of
from wattrain_operator.cluster.kube.resources import Json
from wattrain_operator.cluster.objects import address_of, child_of
from wattrain_operator.cluster.objects.containers import own_container, phase_in, state_of
from wattrain_operator.cluster.progress_poller import Speaker
from wattrain_operator.core.domains import Domain
from wattrain_operator.core.observed import Child
from wattrain_operator.core.unreadable import Unreadable
from wattrain_operator.workers.speaker import speaker_of

PROBLEMS_SHOWN = 5


def read_job(body: Json) -> TrainingJob:
    """The job in `body`, with its status. ValidationError where it is none that this version understands."""
    return TrainingJob.model_validate(body, extra="ignore")


def read_domain(name: str, body: Json) -> Domain:
    """The power domain in `body`. One that cannot be read, or asks for what this version does not do, has a problem."""
    stored = Domain(name, None, generation=int(body["metadata"].get("generation") or 0))
    try:
        status = PowerDomainStatus.from_json_object(body.get("status") or {})
        stored = replace(
            stored, reservations=status.reservations, power=status.power, shedding=status.shedding,
            conditions=status.conditions,
        )  # fmt: skip
        spec = PowerDomainSpec.model_validate(body.get("spec") or {}, extra="ignore")
    except ValidationError as error:
        return replace(stored, problem=explain(error))
    gaps = "; ".join(f"{path}: {sentence}" for path, sentence in unsupported_in_cluster(spec))
    return replace(stored, problem=gaps, reason=reasons.NOT_SUPPORTED) if gaps else replace(stored, spec=spec)


def children_of(job: TrainingJob, pods: Sequence[Json], now: datetime) -> tuple[Child, ...]:
    """The children that the `pods` of `job` are, in the order of their names."""
    seen = sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
    return tuple(_with_address(job, child_of(pod, now)) for pod in seen)


def _with_address(job: TrainingJob, child: Child) -> Child:
    """`child`, whose model is where a person finds it, and not where its pod had it."""
    left = child.termination
    if left is None or not left.model_uri:
        return child
    return replace(child, termination=replace(left, model_uri=address_of(job, left.model_uri)))


def has_ended(pod: Json) -> bool:
    """Whether no process of `pod` runs any more, of ours or of others'."""
    return phase_in(pod) in ("Succeeded", "Failed")


def find_speaker(pods: Sequence[Json], children: Sequence[Child], attempt: int) -> tuple[Speaker, Json] | None:
    """Who speaks for the group of `attempt`, and its pod."""
    child = speaker_of(c for c in children if c.attempt == attempt)
    pod = next((p for p in pods if child is not None and uid_of(p) == child.uid), None)
    if child is None or pod is None:
        return None
    address = str((pod.get("status") or {}).get("podIP") or "") if child.phase == "Running" else ""
    namespace = str(pod["metadata"].get("namespace", ""))
    return Speaker(child.uid, namespace, child.name, address, child.role, child.attempt), pod


def termination_in(pod: Json) -> TerminationMessage | None:
    """What the supervisor of an ended pod left; None: it runs, or left nothing readable."""
    message = (state_of(own_container(pod), "terminated") or {}).get("message")
    return decode_json(TerminationMessage, message) if message else None  # most pods run


def read_unreadable(body: Json, error: ValidationError, now: datetime, since: datetime) -> Unreadable:
    """What is seen `now` of the job in `body`, which read_job() has refused with `error` `since` then."""
    try:
        status = TrainingJobStatus.from_json_object(body.get("status") or {})
    except ValidationError:
        status = TrainingJobStatus()
    return Unreadable(now, int(body["metadata"].get("generation") or 0), status, explain(error), since)


def explain(error: ValidationError) -> str:
    """What is wrong with an object, in a line: field, value, why."""
    told = []
    for problem in map(plain_details, error.errors(include_url=False)[:PROBLEMS_SHOWN]):
        field = field_path(problem["loc"]) or "the object"
        told.append(f"{field}={str(problem.get('input'))[:80]!r}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(told)[:2048]
