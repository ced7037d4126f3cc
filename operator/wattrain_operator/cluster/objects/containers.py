"""Which of a pod's containers is ours. Admission may have added others, of a service mesh or a log shipper: what they
do says nothing about the worker, and the pod's own phase and readiness are about all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wattrain_api.base import quantity_value
from wattrain_api.contract.kinds import LINE_CHARACTERS, one_line
from wattrain_operator.cluster.objects.identity import Json, child_identity
from wattrain_operator.core.observed import ChildCpus
from wattrain_operator.core.roles import Role

SUPERVISOR_CONTAINER: Final = "supervisor"
"""The init container that brings the supervisor into an image without it."""
_ANSWERS_ALONE: Final = ("ContainersNotReady", "ReadinessGatesNotReady")
"""Reasons for which a kubelet calls a pod not ready, though one container of it may be. A lost node has none."""


def own_container(pod: Json) -> Json:
    """Status of the container in which our supervisor runs; empty: there is none yet."""
    role, _, _ = child_identity(pod["metadata"]["name"])
    return next((c for c in _statuses(pod, "containerStatuses") if c.get("name") == role), {})


def other_containers(pod: Json) -> Iterator[Json]:
    """Status of each other container: those that run before ours first."""
    own = own_container(pod)
    yield from _statuses(pod, "initContainerStatuses")
    yield from (c for c in _statuses(pod, "containerStatuses") if c is not own)


def is_ours(container: Json) -> bool:
    """Whether the operator has put it into its pod."""
    return container.get("name") in (*Role, SUPERVISOR_CONTAINER)


def state_of(container: Json, kind: str) -> Json | None:
    """What is said of `container` where it is in that state: running, waiting or terminated; None: it is not."""
    found: Json | None = (container.get("state") or {}).get(kind)
    return found


def is_ready(pod: Json) -> bool:
    """Whether our supervisor answers, whatever other containers and readiness gates say."""
    ready = condition_of(pod, "Ready")
    if ready.get("status") == "True":
        return True
    return bool(own_container(pod).get("ready")) and ready.get("reason") in _ANSWERS_ALONE


def others_run(pod: Json) -> bool:
    """Whether our container has ended and another, for which a kubelet waits without end, has not. It ends by itself
    init containers that go on beside ours (native sidecars)."""
    if state_of(own_container(pod), "terminated") is None or phase_in(pod) in ("Succeeded", "Failed"):
        return False
    return any(state_of(c, "terminated") is None for c in _statuses(pod, "containerStatuses"))


def has_started(pod: Json) -> bool:
    """Whether its node has begun with it: until then nothing is said of its containers."""
    return bool(_statuses(pod, "initContainerStatuses") or _statuses(pod, "containerStatuses"))


def phase_in(pod: Json) -> str:
    """The phase of the pod as a whole."""
    return str((pod.get("status") or {}).get("phase") or "")


def condition_of(pod: Json, kind: str) -> Json:
    """The pod's condition of that type; empty: it has none."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == kind), {})


def cpus_of(pod: Json) -> ChildCpus | None:
    """The CPU limit of our container; None: it has none."""
    role, _, _ = child_identity(pod["metadata"]["name"])
    containers = (pod.get("spec") or {}).get("containers") or ()
    limit = _limit_of(next((c for c in containers if c.get("name") == role), {}))
    return None if limit is None else ChildCpus(limit, _limit_of(own_container(pod)), _why_not_resized(pod))


def _limit_of(container: Json) -> float | None:
    limit = ((container.get("resources") or {}).get("limits") or {}).get("cpu")
    return quantity_value(str(limit)) if limit else None


def _why_not_resized(pod: Json) -> str:
    """Why its kubelet does not give the pod the resources that were asked for; empty: it does, or is about to."""
    pending, begun = condition_of(pod, "PodResizePending"), condition_of(pod, "PodResizeInProgress")
    why = pending if pending.get("status") == "True" else begun if begun.get("reason") == "Error" else {}
    return one_line(": ".join(str(why[part]) for part in ("reason", "message") if why.get(part)), LINE_CHARACTERS)


def _statuses(pod: Json, field: str) -> list[Json]:
    return (pod.get("status") or {}).get(field) or []
