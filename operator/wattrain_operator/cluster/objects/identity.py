"""Names, labels and addresses by which the objects of one job find each other, and people find them."""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import Any, Final

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.core.roles import Role

Json = dict[str, Any]
_LONGEST_ANNOTATIONS_BYTES: Final = 256 * 1024
"""What the API server allows all annotations of an object together."""
_OPERATORS_PARTS: Final = ("suspend", "policy", "energy", "queue", "inference")
"""Parts of the spec that no worker reads."""
_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
"""Whose log `kubectl logs` shows, where an admission webhook has put another container before ours."""
_SCRAPE: Final = {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": str(names.DEFAULT_WORKER_PORT),
    "prometheus.io/path": names.PATH_METRICS,
}
"""Where a Prometheus that goes by annotations finds a worker's metrics."""
_WORKER: Final = re.compile(r".*-([0-9]{1,9})-([0-9]{1,9})")
_PREPARE: Final = re.compile(rf".*-{names.ROLE_PREPARE}-([0-9]{{1,9}})")


class UnbuildableError(ValueError):
    """A job that no pod can be made of. The message names the field, its value and the remedy."""


def job_metadata(job: TrainingJob, name: str) -> Json:
    """`metadata` of an object that belongs to `job` and is collected with it."""
    return {
        "name": name,
        "namespace": job.metadata.namespace,
        "labels": {
            "app.kubernetes.io/name": "wattrain",
            "app.kubernetes.io/instance": job.metadata.name,
            "app.kubernetes.io/managed-by": "wattrain",
            names.LABEL_JOB: job.metadata.name,
        },
        "ownerReferences": [
            {
                "apiVersion": names.API_VERSION,
                "kind": job.kind,
                "name": job.metadata.name,
                "uid": job.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": False,  # true would need the right to update the job's finalizers
            }
        ],
    }


def pod_metadata(job: TrainingJob, child: CreateChild) -> Json:
    """`metadata` of the pod `child`. UnbuildableError where the spec is longer than annotations may be."""
    metadata = job_metadata(job, child.name)
    metadata["labels"] = dict(job.spec.workers.labels) | metadata["labels"]
    metadata["labels"] |= {
        "app.kubernetes.io/component": child.role,
        names.LABEL_ROLE: child.role,
        names.LABEL_ATTEMPT: str(child.attempt),
        names.LABEL_WORKER: str(child.worker),
    }
    others = {_DEFAULT_CONTAINER: str(child.role), **_SCRAPE, **job.spec.workers.annotations}
    metadata["annotations"] = {**others, names.ANNOTATION_SPEC: _spec_text(job, others)}
    return metadata


@lru_cache(maxsize=8192)  # each pass looks at each pod of its job
def child_identity(pod_name: str) -> tuple[Role, int, int]:
    """Role, attempt and worker index that a pod's name says."""
    if found := _WORKER.fullmatch(pod_name):
        return Role.WORKER, int(found[1]), int(found[2])
    if found := _PREPARE.fullmatch(pod_name):
        return Role.PREPARE, int(found[1]), 0
    return Role.WORKER, 0, 0


def group_selector(job: TrainingJob, child: CreateChild) -> Json:
    """Labels of the pods that make up `child`'s group, and of no others."""
    return {
        names.LABEL_JOB: job.metadata.name,
        names.LABEL_ROLE: child.role,
        names.LABEL_ATTEMPT: str(child.attempt),
    }


def service_name(job: TrainingJob) -> str:
    """Name of the job's Service: the job's own, unless that begins with a digit, as a Service's must not."""
    name = job.metadata.name
    return name if name[0].isalpha() else f"job-{name}"


def coordinator_address(job: TrainingJob, attempt: int) -> str:
    """`host:port` of worker 0's supervisor, by DNS."""
    worker_0 = names.child_name(job.metadata.name, names.ROLE_WORKER, attempt)
    return f"{worker_0}.{service_name(job)}.{job.metadata.namespace}.svc:{names.DEFAULT_WORKER_PORT}"


def group_token(job: TrainingJob, attempt: int) -> str:
    """What the members of one attempt know, and neither another attempt nor another job of the same name. It keeps
    stray messages out; against an attacker inside the namespace, who can read pods, stands the NetworkPolicy."""
    return hashlib.sha256(f"{job.metadata.uid}/{attempt}".encode()).hexdigest()


def _spec_text(job: TrainingJob, others: dict[str, str]) -> str:
    """The spec without what only the pod itself needs (env, volumes, placement), and without what only the operator
    acts by: it must fit beside the annotations `others`, and the API server carries it with every event of the pod."""
    spec = {part: value for part, value in job.spec.to_json_object().items() if part not in _OPERATORS_PARTS}
    kept = ("replicas", "processesPerWorker", "launcher")
    spec["workers"] = {key: spec["workers"][key] for key in kept}
    text = _dump(spec)
    size_bytes = len(text.encode()) + len(names.ANNOTATION_SPEC)
    size_bytes += sum(len(key) + len(value.encode()) for key, value in others.items())
    if size_bytes > _LONGEST_ANNOTATIONS_BYTES:
        longest = max(spec, key=lambda field: len(_dump(spec[field])))
        raise UnbuildableError(
            f"spec.{longest}: the spec has {size_bytes} bytes, and a pod can be told {_LONGEST_ANNOTATIONS_BYTES}; "
            f"shorten spec.{longest}, its longest part, or move it into a file on a claim or a ConfigMap"
        )
    return text


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
