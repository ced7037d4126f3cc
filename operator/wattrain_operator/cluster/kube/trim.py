"""What is kept of an object. A pod that the API server sends takes 67 kB in memory, and 2 of them are ever read."""

from __future__ import annotations

from sys import intern
from typing import Final

from wattrain_api import names
from wattrain_operator.cluster.kube.resources import Json

_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
)
_LABELS: Final = (names.LABEL_JOB, names.LABEL_ATTEMPT)
_ANNOTATIONS: Final = (names.ANNOTATION_DIRECTIVE,)
_OWNER: Final = ("kind", "name", "uid", "controller")
_STATUS: Final = ("phase", "reason", "message", "podIP")
_CONDITIONS: Final = ("PodScheduled", "Ready", "DisruptionTarget", "PodResizePending", "PodResizeInProgress")
_CONDITION: Final = ("type", "status", "reason", "message")

_CONTAINER: Final = ("name", "ready", "state")


def trim(kind: str, body: Json) -> Json:
    """A copy of `body` with what somebody reads. Doing it twice changes nothing."""
    if kind == "Pod":
        return _trim_pod(body)
    metadata = {name: value for name, value in body["metadata"].items() if name not in ("managedFields", "annotations")}
    return {**body, "metadata": metadata}


def _trim_pod(body: Json) -> Json:
    metadata = _only(body["metadata"], _METADATA)
    metadata["labels"] = _only(body["metadata"].get("labels") or {}, _LABELS)
    annotations = _only(body["metadata"].get("annotations") or {}, _ANNOTATIONS)
    if annotations:
        metadata["annotations"] = annotations
    metadata["ownerReferences"] = [_only(owner, _OWNER) for owner in body["metadata"].get("ownerReferences") or ()]
    whole = body.get("status") or {}
    status = _only(whole, _STATUS)
    conditions = [_only(c, _CONDITION) for c in whole.get("conditions") or () if _is_read(c)]
    if conditions:
        status["conditions"] = conditions
    for containers in ("initContainerStatuses", "containerStatuses"):
        if whole.get(containers):
            status[containers] = [_trim_container(container, _CONTAINER) for container in whole[containers]]
    spec = _only(body.get("spec") or {}, ("nodeName", "schedulerName"))
    limited = [_trim_container(container, ("name",)) for container in (body.get("spec") or {}).get("containers") or ()]
    if any("resources" in container for container in limited):
        spec["containers"] = [container for container in limited if "resources" in container]
    return {"metadata": metadata, "spec": spec, "status": status}


def _trim_container(container: Json, fields: tuple[str, ...]) -> Json:
    """A container with its CPU limit: as it is asked for in the spec, as it is in force in the status."""
    kept = _only(container, fields)
    limit = ((container.get("resources") or {}).get("limits") or {}).get("cpu")
    return {**kept, "resources": {"limits": {"cpu": intern(limit)}}} if limit else kept


def _is_read(condition: Json) -> bool:
    """Whether anybody looks at it: at the scheduler's only where it found no node."""
    kind = condition.get("type")
    return kind in _CONDITIONS and (kind != "PodScheduled" or condition.get("status") == "False")


def _only(whole: Json, fields: tuple[str, ...]) -> Json:
    """Those of `fields` that say something. Short texts are the same in thousands of pods, and are kept once."""
    return {field: intern(value) if type(value) is str else value for field in fields if (value := whole.get(field))}
