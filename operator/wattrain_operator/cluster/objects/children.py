"""A pod as the core sees it: a child of its job."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from wattrain_api import names
from wattrain_operator.cluster.objects.endings import last_word_of, phase_of
from wattrain_operator.cluster.objects.identity import Json
from wattrain_operator.core.observed import Child, Role
from wattrain_operator.sound import one_line
from wattrain_operator.wire import LINE_CHARACTERS

_WORKER: Final = re.compile(r".*-([0-9]{1,9})-([0-9]{1,9})")
_PREPARE: Final = re.compile(rf".*-{names.ROLE_PREPARE}-([0-9]{{1,9}})")
_ORDINARY_WAITS: Final = ("ContainerCreating", "PodInitializing")
_SAME_OBSTACLE: Final = {"ErrImagePull": "ImagePullBackOff"}
"""A container without its image says one and the other in turn, while it is tried again and between two attempts."""


def child_of(pod: Json, now: datetime) -> Child:
    """The child that `pod`, as the API server sent it, is at the moment `now` (aware).

    Role, attempt and rank come from its name, which unlike labels nobody can change. A pod that claims to be the job's
    under a name that the operator never gives counts as a worker of attempt 0, and so is removed as out of date.
    """
    metadata, status = pod["metadata"], pod.get("status") or {}
    role, attempt, rank = _place(metadata["name"])
    phase = phase_of(status)
    ended = phase in ("Succeeded", "Failed")
    obstacle, why_not_ready = ("", "") if ended else _wait_of(status)
    return Child(
        name=metadata["name"],
        uid=metadata["uid"],
        role=role,
        attempt=attempt,
        rank=rank,
        phase=phase,
        ready=not ended and _condition(status, "Ready").get("status") == "True",
        terminating_seconds=_terminating_seconds(metadata, now),
        node=str((pod.get("spec") or {}).get("nodeName") or "")[:253],
        message=one_line(why_not_ready, LINE_CHARACTERS),
        blocked_by=obstacle[:63],
        last_word=last_word_of(pod, rank) if ended else None,
    )


def _place(name: str) -> tuple[Role, int, int]:
    if found := _WORKER.fullmatch(name):
        return "worker", int(found[1]), int(found[2])
    if found := _PREPARE.fullmatch(name):
        return "prepare", int(found[1]), 0
    return "worker", 0, 0


def _terminating_seconds(metadata: Json, now: datetime) -> float | None:
    """Since when it has been asked to end. The API server notes when it must be over, which is a grace later."""
    deadline = metadata.get("deletionTimestamp")
    if not deadline:
        return None
    seconds_left = (datetime.fromisoformat(deadline) - now).total_seconds()
    return max(0.0, (metadata.get("deletionGracePeriodSeconds") or 0) - seconds_left)


def _wait_of(status: Json) -> tuple[str, str]:
    """What a pod waits for (a node, an image, its supervisor's answer; empty: nothing), after the obstacle that it is,
    if it is none that time removes."""
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason") or ""), _join(scheduled.get("reason"), scheduled.get("message"))
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    waits = [wait for c in containers if (wait := (c.get("state") or {}).get("waiting"))]
    if not waits:
        running = _condition(status, "Ready").get("status") == "True"
        return "", "" if running or not containers else "its supervisor does not answer yet"
    # An ordinary wait of one container says nothing while another waits for what may never come.
    wait = min(waits, key=lambda w: w.get("reason") in _ORDINARY_WAITS)
    reason = str(wait.get("reason") or "")
    obstacle = "" if reason in _ORDINARY_WAITS else _SAME_OBSTACLE.get(reason, reason)
    return obstacle, _join(reason, wait.get("message"))


def _condition(status: Json, kind: str) -> Json:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def _join(reason: str | None, message: str | None) -> str:
    return ": ".join(part for part in (reason, message) if part)
