"""What a person does to jobs: create, suspend, let go on, delete."""

from __future__ import annotations

import contextlib

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.kube.apierrors import (
    AlreadyExistsError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from wattrain_operator.cluster.kube.resources import PODS, TRAINING_JOBS, Json
from wattrain_operator.local.refused import EXIT_BAD_INPUT, Refused
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.seen_job import SeenJob, seen_job
from wattrain_operator.remote.sentences import is_missing


async def get_job(connection: Connection, name: str) -> SeenJob:
    """The job `name`. Refused where there is none."""
    try:
        return seen_job(await connection.client.get(TRAINING_JOBS, connection.namespace, name))
    except NotFoundError as error:
        if not is_missing(error):
            raise
        raise no_such_job(connection.namespace, name) from None


def no_such_job(namespace: str, name: str) -> Refused:
    """The refusal of a name that no job has."""
    return Refused(
        f"there is no TrainingJob {name} in namespace {namespace}; wattrain top --once --all-namespaces lists those of "
        "all namespaces"
    )


async def create_job(connection: Connection, job: TrainingJob) -> SeenJob:
    """Create `job` with what its file says, so that the API server fills in the rest. Refused where its name is taken,
    or the API server has something against it."""
    namespace = job.metadata.namespace or connection.namespace
    try:
        return seen_job(await connection.client.create(TRAINING_JOBS, namespace, _document(job, namespace)))
    except AlreadyExistsError:
        name = job.metadata.name
        raise Refused(
            f"metadata.name: a TrainingJob {name} is in namespace {namespace} already; choose another name, or remove "
            f"that one with wattrain delete {name} --namespace {namespace}"
        ) from None
    except InvalidError as error:
        raise Refused(f"{job.metadata.name}: {error.message}", exit_code=EXIT_BAD_INPUT) from None
    except NotFoundError as error:
        if not is_missing(error):
            raise
        raise Refused(f"metadata.namespace: there is no namespace {namespace}; create it, or name another") from None


async def set_suspended(connection: Connection, name: str, suspend: bool) -> tuple[SeenJob, bool]:
    """Have the job `name` stop after a checkpoint, or go on. The job, and whether that was news. Refused for one that
    is over."""
    job = await get_job(connection, name)
    if job.is_over:
        verb = "suspended" if suspend else "resumed"
        raise Refused(f"{name} is {job.status.state} and cannot be {verb}; it has no workers any more")
    if bool((job.body.get("spec") or {}).get("suspend")) == suspend:
        return job, False
    changed = await connection.client.merge(TRAINING_JOBS, connection.namespace, name, {"spec": {"suspend": suspend}})
    return seen_job(changed), True


async def delete_job(connection: Connection, name: str) -> tuple[SeenJob, int | None]:
    """Delete the job `name`, if it still is the one that is seen now. The job, and how many pods go with it (None: who
    asks may not see pods)."""
    job = await get_job(connection, name)
    pods: int | None = None
    with contextlib.suppress(ForbiddenError):
        pods = len((await connection.client.list_all(PODS, connection.namespace, f"{names.LABEL_JOB}={name}"))[0])
    await connection.client.delete(TRAINING_JOBS, connection.namespace, name, job.uid)
    return job, pods


def _document(job: TrainingJob, namespace: str) -> Json:
    body = job.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    metadata = job.metadata
    kept: Json = {"name": metadata.name, "namespace": namespace}
    kept |= {"labels": metadata.labels} if metadata.labels else {}
    kept |= {"annotations": metadata.annotations} if metadata.annotations else {}
    return {"apiVersion": job.api_version, "kind": job.kind, "metadata": kept, "spec": body["spec"]}
