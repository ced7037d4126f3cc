"""A pod as the core sees it: a child of its job."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from wattrain_api import names
from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.kinds import LINE_CHARACTERS, one_line
from wattrain_operator.cluster.objects.containers import (
    condition_of,
    cpus_of,
    has_started,
    is_ours,
    is_ready,
    other_containers,
    others_run,
    own_container,
    phase_in,
    state_of,
)
from wattrain_operator.cluster.objects.endings import disruption_of, phase_of, termination_of
from wattrain_operator.cluster.objects.identity import Json, child_identity
from wattrain_operator.core.observed import Child, GoneChild

_UNSCHEDULED, _NOT_TAKEN = "NotScheduled", "NotTakenByNode"
_ORDINARY_WAITS: Final = ("ContainerCreating", "PodInitializing")
_SAME_OBSTACLE: Final = {"ErrImagePull": "ImagePullBackOff"}
"""A container without its image says one and the other in turn, while it is tried again and between two attempts."""


def child_of(pod: Json, now: datetime) -> Child:
    """The child that `pod`, as the API server sent it, is at the moment `now` (aware).

    Role, attempt and worker index come from its name, which unlike labels nobody can change. A pod that claims to be
    the job's under a name that the operator never gives counts as a worker of attempt 0, and so is removed as out of
    date.
    """
    metadata = pod["metadata"]
    role, attempt, worker = child_identity(metadata["name"])
    phase = phase_of(pod)
    ended = phase in ("Succeeded", "Failed")
    obstacle, why_not_ready = ("", "") if ended else _wait_of(pod)
    return Child(
        name=metadata["name"],
        uid=metadata["uid"],
        role=role,
        attempt=attempt,
        worker=worker,
        phase=phase,
        ready=not ended and is_ready(pod),
        terminating_seconds=_terminating_seconds(metadata, now),
        taken_away=one_line(disruption_of(pod), LINE_CHARACTERS) if metadata.get("deletionTimestamp") else "",
        node=str((pod.get("spec") or {}).get("nodeName") or "")[:253],
        message=one_line(why_not_ready, LINE_CHARACTERS),
        blocked_by=obstacle[:63],
        overlooked=obstacle in (_UNSCHEDULED, _NOT_TAKEN),
        termination=termination_of(pod, worker) if ended else None,
        others_run=others_run(pod),
        unexplained=phase == "Pending" and not obstacle and bool(why_not_ready),
        kept_by=", ".join(metadata.get("finalizers") or ())[:LINE_CHARACTERS] if ended else "",
        directive=directive_of(pod),
        cpus=None if ended else cpus_of(pod),
    )


def gone_child_of(pod: Json) -> GoneChild:
    """What is to be remembered of `pod`, which is not there any more, as it was seen last."""
    why = disruption_of(pod) or "its pod was removed at once, by force or with its node"
    node = str((pod.get("spec") or {}).get("nodeName") or "")[:253]
    return GoneChild(pod["metadata"]["name"], node, one_line(why, LINE_CHARACTERS))


def directive_of(pod: Json) -> Directive | None:
    """The newest directive that `pod` was given; None: none that can be read."""
    text = (pod["metadata"].get("annotations") or {}).get(names.ANNOTATION_DIRECTIVE)
    return decode_json(Directive, text) if text else None  # most pods have none, and there are thousands


def _terminating_seconds(metadata: Json, now: datetime) -> float | None:
    """Since when it has been asked to end. The API server notes when it must be over, which is a grace later."""
    deadline = metadata.get("deletionTimestamp")
    if not deadline:
        return None
    seconds_left = (datetime.fromisoformat(deadline) - now).total_seconds()
    return max(0.0, (metadata.get("deletionGracePeriodSeconds") or 0) - seconds_left)


def _wait_of(pod: Json) -> tuple[str, str]:
    """What a pod waits for (a node, an image, its supervisor's answer; empty: nothing), after the obstacle that it is,
    if it is none that time removes."""
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason") or ""), _join(scheduled.get("reason"), scheduled.get("message"))
    if phase_in(pod) == "Pending" and not has_started(pod):
        return _first_wait_of(pod.get("spec") or {})
    own = own_container(pod)
    if state_of(own, "running") is not None:
        return "", "" if is_ready(pod) else "its supervisor does not answer yet"
    containers = [*other_containers(pod), *([own] if own else [])]
    waits = [(c, wait) for c in containers if (wait := state_of(c, "waiting"))]
    if not waits:
        return "", ""
    # An ordinary wait of one container says nothing while another waits for what may never come.
    container, wait = min(waits, key=lambda of: of[1].get("reason") in _ORDINARY_WAITS)
    reason = str(wait.get("reason") or "")
    if reason in _ORDINARY_WAITS:
        before = [c["name"] for c in other_containers(pod) if state_of(c, "running") is not None and not c.get("ready")]
        return "", _join(reason, wait.get("message") or (f"container {before[0]} runs before it" if before else ""))
    message = _join(reason, wait.get("message"))
    return _SAME_OBSTACLE.get(reason, reason), message if is_ours(
        container
    ) else f"container {container['name']}: {message}"


def _first_wait_of(spec: Json) -> tuple[str, str]:
    """Who has not looked at a new pod yet, to whom that should take no time: a scheduler, or a kubelet."""
    if not spec.get("nodeName"):
        scheduler = spec.get("schedulerName") or "default-scheduler"
        return _UNSCHEDULED, f"the scheduler {scheduler} has not looked at it: is it running? See workers.schedulerName"
    return _NOT_TAKEN, f"the node {spec['nodeName']} has not begun with it: is its kubelet running?"


def _join(reason: str | None, message: str | None) -> str:
    return ": ".join(part for part in (reason, message) if part)
