"""What a pod tells its supervisor: the environment of its container."""

from __future__ import annotations

from typing import Final

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.objects.identity import Json, coordinator_address, group_token
from wattrain_operator.cluster.objects.storage import (
    SCRATCH_DIRECTORY,
    SPEC_FILE,
    shares_storage,
    storage_directory,
)
from wattrain_operator.core.observed import CreateChild

TERMINATION_GRACE_SECONDS: Final = 60
"""From SIGTERM to SIGKILL of the pod."""
_FAREWELL_SECONDS: Final = 10
"""What is left of it for the supervisor when its ranks have had their time."""

_DEFAULTS: Final = {
    # The user has no entry in /etc/passwd and no home, and the root cannot be written to.
    "HOME": SCRATCH_DIRECTORY,
    "USER": "wattrain",
    "TORCHINDUCTOR_CACHE_DIR": f"{SCRATCH_DIRECTORY}/torchinductor",
    "TRITON_CACHE_DIR": f"{SCRATCH_DIRECTORY}/triton",
    # Pods share their node's cores: threads that spin while they wait take them from those that work.
    "OMP_WAIT_POLICY": "PASSIVE",
}
_FIELDS: Final = {names.ENV_HOST_ADDRESS: "status.podIP", names.ENV_NODE: "spec.nodeName"}


def environment_of(job: TrainingJob, child: CreateChild) -> list[Json]:
    """`env` of the container: defaults, the user's variables, and on top of them what Wattrain must say itself."""
    values = {
        **_DEFAULTS,
        **{variable.name: variable.value for variable in job.spec.workers.env},
        **_identity(job, child),
        **_resources(job),
        **_files(job, child),
    }
    fields = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _FIELDS.items()]
    return [
        *({"name": name, "value": _literal(value)} for name, value in values.items() if name not in _FIELDS),
        *fields,
    ]


def _literal(value: str) -> str:
    """A kubelet replaces `$(NAME)` and reads `$$` as `$`; a variable must say the same here as on one machine."""
    return value.replace("$", "$$")


def _identity(job: TrainingJob, child: CreateChild) -> dict[str, str]:
    return {
        names.ENV_JOB: job.metadata.name,
        names.ENV_NAMESPACE: job.metadata.namespace,
        names.ENV_JOB_UID: job.metadata.uid,
        names.ENV_ROLE: child.role,
        names.ENV_ATTEMPT: str(child.attempt),
        names.ENV_WORKER_INDEX: str(child.rank),
        names.ENV_WORKERS: str(child.workers),
        names.ENV_COORDINATOR: coordinator_address(job, child.attempt),
        names.ENV_GROUP_TOKEN: group_token(job, child.attempt),
        names.ENV_PORT: str(names.DEFAULT_WORKER_PORT),
        names.ENV_RESTARTS_LEFT: str(child.restarts_left),
        names.ENV_JOULES_BEFORE: str(child.joules_before),
        names.ENV_GRACE_SECONDS: str(TERMINATION_GRACE_SECONDS - _FAREWELL_SECONDS),
        names.ENV_TERMINATION_FILE: "/dev/termination-log",
    }


def _resources(job: TrainingJob) -> dict[str, str]:
    resources = job.spec.workers.resources
    cpus, memory = resources.cpus(), resources.memory_bytes()
    variables = {names.ENV_CPU_SCOPE: "cgroup"}
    if cpus:
        variables[names.ENV_CPU_LIMIT] = f"{cpus:.3f}"
    if memory:
        variables[names.ENV_MEMORY_REQUEST] = str(int(memory))
    return variables


def _files(job: TrainingJob, child: CreateChild) -> dict[str, str]:
    directory = storage_directory(job)
    files = {
        names.ENV_SPEC: SPEC_FILE,
        names.ENV_DATA_DIR: f"{directory}/data",
        names.ENV_CHECKPOINT_DIR: f"{directory}/checkpoints",
        names.ENV_MODEL_DIR: f"{directory}/model",
    }
    if child.role == names.ROLE_WORKER and child.rank == 0:
        files[names.ENV_METRICS_FILE] = f"{directory}/metrics.jsonl"
    if child.role == names.ROLE_WORKER and job.spec.data is not None and not shares_storage(job):
        files[names.ENV_PREPARE] = names.PREPARE_OWN
    return files
