"""A child of a job as a pod. Typed fields only, so that what a job may ask for is known and safe."""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

from wattrain_api import names
from wattrain_api.base import Model
from wattrain_api.trainingjob import TrainingJob
from wattrain_api.workers import Workers
from wattrain_operator.cluster.objects.containers import SUPERVISOR_CONTAINER
from wattrain_operator.cluster.objects.credentials import Credentials, check_credentials
from wattrain_operator.cluster.objects.identity import (
    Json,
    UnbuildableError,
    group_selector,
    pod_metadata,
    service_name,
)
from wattrain_operator.cluster.objects.pod_environment import (
    TERMINATION_GRACE_SECONDS,
    container_environment,
    sources_of_variables,
)
from wattrain_operator.cluster.objects.security import container_security, pod_security
from wattrain_operator.cluster.objects.storage import SUPERVISOR_DIRECTORY, Mounts, shares_storage
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.core.roles import Role

SUPERVISOR_ARCHIVE: Final = "wattrain-worker.pyz"
IMAGE_ARCHIVE: Final = f"/opt/wattrain/{SUPERVISOR_ARCHIVE}"
"""Where the supervisor's image has the archive."""
PORT_NAME: Final = "metrics"
NODE_LOST_SECONDS: Final = 30
"""How long a pod stays on a node that does not answer; the cluster's own default is five minutes."""
_LOST_NODE_TAINTS: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_COMMON_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
_READINESS_PERIOD_SECONDS: Final = 2


class PodSettings(Protocol):
    """What the operator's settings say about pods."""

    @property
    def worker_image(self) -> str:
        """Image of jobs that name none; has Wattrain's worker, torch and the recipes."""

    @property
    def supervisor_image(self) -> str:
        """Image that carries the supervisor's archive and `cp`."""

    @property
    def image_pull_policy(self) -> str:
        """Always, IfNotPresent or Never."""

    @property
    def worker_cpu_request(self) -> str:
        """CPUs that a worker requests whose job names none; empty: none."""

    @property
    def worker_memory_request(self) -> str:
        """The same for memory."""

    @property
    def credentials(self) -> Credentials:
        """Whether jobs may name Secrets and service accounts."""


def pod_of(job: TrainingJob, child: CreateChild, settings: PodSettings) -> Json:
    """The pod of `child`, as it is POSTed. It passes Pod Security `restricted`.

    UnbuildableError, with a sentence for the user, where the job asks for what no pod can do.
    """
    image = _image(job, child, settings)
    foreign = _is_foreign(job, image, settings)
    if foreign and job.spec.data is not None and not shares_storage(job):
        raise UnbuildableError(
            f"spec.storage: without a claim every worker prepares the data itself, which the image {image!r} cannot; "
            "give storage.claim, so that the data is prepared once in the worker image, or remove spec.data"
        )
    if job.spec.tracking.tensor_board is not None and not shares_storage(job):
        raise UnbuildableError(
            "spec.tracking.tensorBoard: without a claim its event files go with their pods; give storage.claim, or "
            "remove it"
        )
    check_credentials(job.spec.workers, settings.credentials)
    mounts = Mounts(job, brings_supervisor=foreign)
    spec = {
        **pod_security(job.spec.workers),
        **_placement(job, child),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": TERMINATION_GRACE_SECONDS,
        "hostname": child.name,
        "subdomain": service_name(job),
        "containers": [_container(job, child, image, settings, mounts, _command(job) if foreign else _IN_PLACE)],
        "volumes": mounts.volumes,
    }
    if foreign:
        spec["initContainers"] = [_supervisor_container(job, settings)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": pod_metadata(job, child), "spec": spec}


_IN_PLACE: Final = ("wattrain-worker",)


def _image(job: TrainingJob, child: CreateChild, settings: PodSettings) -> str:
    """Data is prepared in the worker image where the job's own is only known to run its script."""
    if child.role == Role.PREPARE and job.spec.script is not None:
        return settings.worker_image
    return job.spec.image or settings.worker_image


def _is_foreign(job: TrainingJob, image: str, settings: PodSettings) -> bool:
    """Whether the image need not have anything of ours. One that runs a recipe has: recipes are in our worker."""
    return job.spec.script is not None and image != settings.worker_image


def _command(job: TrainingJob) -> tuple[str, ...]:
    """The supervisor from its archive, in the Python that the script itself names, or the one that images have."""
    program = "" if job.spec.script is None else job.spec.script.command[0]
    python = program if re.fullmatch(r"(.*/)?python[0-9.]*", program) else "python3"
    return (python, f"{SUPERVISOR_DIRECTORY}/{SUPERVISOR_ARCHIVE}")


def _container(
    job: TrainingJob, child: CreateChild, image: str, settings: PodSettings, mounts: Mounts, command: tuple[str, ...]
) -> Json:
    return {
        "name": child.role,
        "image": image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": list(command),
        "env": container_environment(job, child),
        **sources_of_variables(job.spec.workers),
        "ports": [{"name": PORT_NAME, "containerPort": names.DEFAULT_WORKER_PORT, "protocol": "TCP"}],
        "readinessProbe": {
            "httpGet": {"path": names.PATH_HEALTH, "port": names.DEFAULT_WORKER_PORT},
            "periodSeconds": _READINESS_PERIOD_SECONDS,
            "timeoutSeconds": 5,
        },
        "resources": _resources(job.spec.workers, settings, all_kinds=child.role == Role.WORKER),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",  # a supervisor that was killed leaves its last lines
        "volumeMounts": mounts.mounts,
    }


def _supervisor_container(job: TrainingJob, settings: PodSettings) -> Json:
    return {
        "name": SUPERVISOR_CONTAINER,
        "image": settings.supervisor_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["cp", IMAGE_ARCHIVE, f"{SUPERVISOR_DIRECTORY}/{SUPERVISOR_ARCHIVE}"],
        # The worker's own amounts, which cost nothing more: quotas refuse a pod with a container that names none.
        "resources": _resources(job.spec.workers, settings, all_kinds=False),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "supervisor", "mountPath": SUPERVISOR_DIRECTORY}],
    }


def _resources(workers: Workers, settings: PodSettings, *, all_kinds: bool) -> Json:
    """What the job asks for, and the operator's requests for what it says nothing about: pods without any are the first
    that a node under pressure ends. `all_kinds` False: without devices, which only the ranks use."""
    wanted: Json = workers.resources.to_json_object()
    usual = {"cpu": settings.worker_cpu_request, "memory": settings.worker_memory_request}
    for name, amount in usual.items():
        if amount and name not in wanted["limits"]:  # a limit is a request, too, where there is none
            wanted["requests"].setdefault(name, amount)
    return {
        kind: {name: amount for name, amount in amounts.items() if all_kinds or name in _COMMON_RESOURCES}
        for kind, amounts in wanted.items()
    }


def _placement(job: TrainingJob, child: CreateChild) -> Json:
    workers = job.spec.workers
    wanted: Json = {
        "tolerations": [*map(_without_empty, workers.tolerations), *_lost_node_tolerations(workers)],
        "nodeSelector": dict(workers.node_selector),
        "affinity": {} if workers.affinity is None else _filled(workers.affinity.to_json_object()),
        "priorityClassName": workers.priority_class_name,
        "schedulerName": workers.scheduler_name,
        "imagePullSecrets": [{"name": name} for name in workers.image_pull_secrets],
        "topologySpreadConstraints": [
            {**spread.to_json_object(), "labelSelector": {"matchLabels": group_selector(job, child)}}
            for spread in workers.topology_spread
        ],
    }
    return {field: value for field, value in wanted.items() if value}


def _lost_node_tolerations(workers: Workers) -> list[Json]:
    """For taints that the user says nothing about: another pod is sooner there than a dead node is back."""
    theirs = {t.key for t in workers.tolerations if t.effect in ("", "NoExecute")}
    return [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": NODE_LOST_SECONDS}
        for key in _LOST_NODE_TAINTS
        if key not in theirs and "" not in theirs
    ]


def _filled(value: Any) -> Any:
    """`value` without empty lists and objects in it, but for selectors, of which an empty one means all."""
    if not isinstance(value, dict):
        return [_filled(item) for item in value] if isinstance(value, list) else value
    filled = {name: _filled(item) for name, item in value.items()}
    return {name: item for name, item in filled.items() if name == "labelSelector" or item not in ({}, [])}


def _without_empty(model: Model) -> dict[str, Any]:
    return {field: value for field, value in model.to_json_object().items() if value != ""}
