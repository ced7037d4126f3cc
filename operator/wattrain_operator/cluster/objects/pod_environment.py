"""What a pod tells its supervisor: the environment of its container."""

from __future__ import annotations

from typing import Final

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_api.workers import Workers
from wattrain_operator.cluster.objects.identity import Json, coordinator_address, group_token
from wattrain_operator.cluster.objects.storage import (
    DIRECTIVE_FILE,
    SCRATCH_DIRECTORY,
    SPEC_FILE,
    records_directory,
    shares_storage,
    storage_directory,
)
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.core.roles import Role
from wattrain_operator.workers.environment import Provision, cluster_variables, environment_of

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
}
_FIELDS: Final = {
    names.ENV_HOST_ADDRESS: "status.podIP",
    names.ENV_NODE: "spec.nodeName",
    names.ENV_CHILD_UID: "metadata.uid",
}
_RESOURCES: Final = {
    # What the kubelet knows counts: a LimitRange may have added requests that the job does not name.
    names.ENV_CPU_REQUEST_MILLICPUS: ("requests.cpu", "1m"),
    names.ENV_MEMORY_REQUEST: ("requests.memory", "1"),
}
_NO_GPU: Final = {"NVIDIA_VISIBLE_DEVICES": "void"}
"""Images made for CUDA say `all`, by which NVIDIA's runtime hands every GPU of a node to pods that asked for none."""


def container_environment(job: TrainingJob, child: CreateChild) -> list[Json]:
    """`env` of the container."""
    provision = Provision(
        coordinator=coordinator_address(job, child.attempt),
        group_token=group_token(job, child.attempt),
        port=names.DEFAULT_WORKER_PORT,
        grace_seconds=TERMINATION_GRACE_SECONDS - _FAREWELL_SECONDS,
        cpu_scope="cgroup",
        cpus=None,
        spec_file=SPEC_FILE,
        directory=storage_directory(job),
        records=records_directory(job),
        keeps_logs=shares_storage(job),
        termination_file="/dev/termination-log",
        directive_file=DIRECTIVE_FILE,
        shared_storage=shares_storage(job),
    )
    usual = _DEFAULTS if child.role == Role.WORKER and asks_for_nvidia(job.spec.workers) else {**_DEFAULTS, **_NO_GPU}
    sources = cluster_variables(job.spec.workers)
    values = environment_of(job, child, provision, {n: value for n, value in usual.items() if n not in sources})
    fields = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _FIELDS.items()]
    fields += [
        {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}}}
        for name, (resource, divisor) in _RESOURCES.items()
    ]
    known = {field["name"] for field in fields}
    return [
        *({"name": name, "value": _literal(value)} for name, value in values.items() if name not in known),
        *(
            {"name": name, "valueFrom": source.to_json_object()}
            for name, source in sources.items()
            if name not in values and name not in known
        ),
        *fields,
    ]


def asks_for_nvidia(workers: Workers) -> bool:
    """Whether a worker asks for a GPU of NVIDIA's, or for a part of one (nvidia.com/gpu, nvidia.com/mig-1g.10gb)."""
    resources = workers.resources
    return any(name.startswith("nvidia.com/") for name in (*resources.requests, *resources.limits))


def sources_of_variables(workers: Workers) -> Json:
    """`envFrom` of the container; empty where the job names none. `env` wins over it, ours as the user's."""
    wanted = [source.to_json_object() for source in workers.env_from]
    return {"envFrom": wanted} if wanted else {}


def _literal(value: str) -> str:
    """A kubelet replaces `$(NAME)` and reads `$$` as `$`; a variable must say the same here as on one machine."""
    return value.replace("$", "$$")
