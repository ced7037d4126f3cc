"""The environment of a supervisor: what a job's worker is told, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_api.variables import VariableSource
from wattrain_api.workers import Workers
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.core.roles import Role

_SHARED_CORES: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait for each other sleep. By default they spin, and where others want the same cores, as on any laptop
and in pods of one node, a small step then takes ten times as long, at full power."""


@dataclass(frozen=True)
class Provision:
    """What a backend provides a worker with."""

    coordinator: str
    """host:port of the supervisor of worker 0."""
    group_token: str
    port: int
    """On which the worker's own supervisor listens."""
    grace_seconds: int
    """What ranks get to save a checkpoint after SIGTERM."""
    cpu_scope: Literal["cgroup", "process"]
    """What the worker's CPU time is measured by."""
    cpus: float | None
    """CPUs that it may use where the job does not say; None: not known."""
    spec_file: str
    directory: str
    """Holds its data, checkpoints and model."""
    records: str
    """Directory of metrics.jsonl and of what is tracked."""
    keeps_logs: bool
    """Whether the output of the ranks is kept there as well: what they print goes when their pods go."""
    termination_file: str
    directive_file: str
    """In which the worker finds what its group is asked to do."""
    shared_storage: bool
    """Whether all workers see `directory`; else each prepares the data in its own."""


def environment_of(
    job: TrainingJob, child: CreateChild, provision: Provision, defaults: Mapping[str, str]
) -> dict[str, str]:
    """The variables of `child`: `defaults`, the user's, and on top of them what Wattrain must say itself. Those whose
    value comes from the cluster are left to the backend: see cluster_variables()."""
    users = {variable.name: variable for variable in job.spec.workers.env}
    return {
        **{name: value for name, value in _SHARED_CORES.items() if name not in users},
        **defaults,
        **{name: variable.value for name, variable in users.items() if variable.value_from is None},
        **_identity(job, child, provision),
        **_resources(job, provision),
        **_files(job, child, provision),
        **(_group(job, child, provision) if child.role == Role.WORKER and child.worker == 0 else {}),
    }


def cluster_variables(workers: Workers) -> dict[str, VariableSource]:
    """The user's variables whose value comes from the cluster, by name; where one is given twice, the last counts."""
    users = {variable.name: variable.value_from for variable in workers.env}
    return {name: source for name, source in users.items() if source is not None}


def _identity(job: TrainingJob, child: CreateChild, provision: Provision) -> dict[str, str]:
    return {
        names.ENV_JOB: job.metadata.name,
        names.ENV_NAMESPACE: job.metadata.namespace,
        names.ENV_ROLE: child.role,
        names.ENV_ATTEMPT: str(child.attempt),
        names.ENV_WORKER_INDEX: str(child.worker),
        names.ENV_WORKERS: str(child.workers),
        names.ENV_COORDINATOR: provision.coordinator,
        names.ENV_GROUP_TOKEN: provision.group_token,
        names.ENV_PORT: str(provision.port),
        names.ENV_RESTARTS_LEFT: str(child.restarts_left),
        names.ENV_GRACE_SECONDS: str(provision.grace_seconds),
    }


def _group(job: TrainingJob, child: CreateChild, provision: Provision) -> dict[str, str]:
    """What only worker 0 has to know, which records for its group and directs it. Every variable makes a pod larger,
    and with it all that the API server does for that pod."""
    return {
        names.ENV_JOB_UID: job.metadata.uid,
        names.ENV_JOULES_BEFORE: str(child.joules_before),
        names.ENV_JOULES_LOW_BEFORE: str(child.joules_low_before),
        names.ENV_JOULES_HIGH_BEFORE: str(child.joules_high_before),
        names.ENV_METRICS_FILE: f"{provision.records}/{names.FILE_METRICS}",
        names.ENV_DIRECTIVE_FILE: provision.directive_file,
    }


def _resources(job: TrainingJob, provision: Provision) -> dict[str, str]:
    resources = job.spec.workers.resources
    cpus, memory = resources.cpus() or provision.cpus, resources.memory_bytes()
    variables = {names.ENV_CPU_SCOPE: str(provision.cpu_scope)}
    if cpus:
        variables[names.ENV_CPU_LIMIT] = f"{cpus:.3f}"
    if memory:
        variables[names.ENV_MEMORY_REQUEST] = str(int(memory))
    return variables


def _files(job: TrainingJob, child: CreateChild, provision: Provision) -> dict[str, str]:
    directory = provision.directory
    files = {
        names.ENV_SPEC: provision.spec_file,
        names.ENV_DATA_DIR: f"{directory}/data",
        names.ENV_CHECKPOINT_DIR: f"{directory}/checkpoints",
        names.ENV_MODEL_DIR: f"{directory}/model",
        names.ENV_TERMINATION_FILE: provision.termination_file,
    }
    if provision.keeps_logs:
        source = f"{child.role}-{child.worker}" if child.role == Role.WORKER else str(child.role)
        files[names.ENV_KEPT_LOG_FILE] = f"{provision.records}/{source}.log"
    if child.role == Role.WORKER and job.spec.data is not None and not provision.shared_storage:
        files[names.ENV_PREPARE] = names.PREPARE_OWN
    return files
