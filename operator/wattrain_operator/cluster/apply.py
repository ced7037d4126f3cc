"""Does what the core decided: creates and deletes pods, so that doing it twice, or half, does no harm."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from wattrain_api import names, reasons
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.cache import Cache, JobKey, Json, owner_uid, uid_of
from wattrain_operator.cluster.client import (
    NETWORK_POLICIES,
    PODS,
    SERVICES,
    TRAINING_JOBS,
    AlreadyExistsError,
    ApiError,
    Client,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    Resource,
)
from wattrain_operator.cluster.objects import PodSettings, UnbuildableError, network_policy_of, pod_of, service_of
from wattrain_operator.cluster.refusals import NotYetError, Refusal, explain, name_taken
from wattrain_operator.core.observed import CreateChild, DeleteChild

GROWTH = 4
"""How many times more pods are asked for at once after those before were granted."""


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(frozen=True)
class Refused:
    """A group that could not be created whole, and of which nothing is left but what is still ending."""

    refusal: Refusal
    rolled_back: frozenset[str]
    """Uids of the pods that were created and are being removed."""


class Applier:
    """Writes children. Every answer goes into the cache, so that the next look sees what was done."""

    def __init__(self, client: Client, cache: Cache, pod_settings: PodSettings, *, network_policy: bool) -> None:
        self._client, self._cache = client, cache
        self._pod_settings, self._network_policy = pod_settings, network_policy

    async def surround(self, job: TrainingJob, creates: Sequence[CreateChild]) -> None:
        """Create what a job's children need to find each other; without children it does nothing and harms nobody."""
        await _all(self._surroundings(job, creates))

    async def create(
        self, job: TrainingJob, creates: Sequence[CreateChild], surroundings: Awaitable[None]
    ) -> Refused | None:
        """Create a job's children once `surroundings` (of `surround`) are there.

        Pods come last, so that a group that is whole has all it needs, whenever this process ends. Four are asked for
        at once; then the number grows fourfold with every success, and the first refusal ends it, so that a quota is
        not hammered with a thousand requests. A refused group is taken back whole. NotYetError, ApiError: nothing was
        decided, try again.
        """
        try:
            await surroundings
            await self._create_pods(job, creates)
        except _RefusedError as refused:
            partial = self._group(job, creates[0].attempt)
            await self.delete(
                JobKey(job.metadata.namespace, job.metadata.name),
                [DeleteChild(pod["metadata"]["name"], uid_of(pod)) for pod in partial],
            )
            return Refused(refused.refusal, frozenset(uid_of(pod) for pod in partial))
        return None

    async def delete(self, key: JobKey, deletes: Sequence[DeleteChild]) -> None:
        """End children, if they still are those that were seen."""
        await _all([self._delete_pod(key.namespace, d.name, d.uid, force=d.force) for d in deletes])

    async def delete_job(self, job: TrainingJob) -> None:
        """Delete the job itself; the garbage collector follows with all that it owns."""
        metadata = job.metadata
        with contextlib.suppress(NotFoundError, ConflictError):  # gone already, or another of that name
            await self._client.delete(TRAINING_JOBS, metadata.namespace, metadata.name, metadata.uid)

    def _surroundings(self, job: TrainingJob, creates: Sequence[CreateChild]) -> list[Coroutine[Any, Any, Any]]:
        """The headless Service that gives workers their names, and the policy that keeps others out."""
        if all(child.role != "worker" for child in creates):
            return []
        wanted = [(SERVICES, service_of(job))]
        if self._network_policy:
            wanted.append((NETWORK_POLICIES, network_policy_of(job)))
        return [self._create_once(job, resource, body) for resource, body in wanted]

    async def _create_pods(self, job: TrainingJob, creates: Sequence[CreateChild]) -> None:
        waiting, at_once = list(creates), GROWTH
        while waiting:
            batch, waiting = waiting[:at_once], waiting[at_once:]
            await _all([self._create_pod(job, child) for child in batch])
            at_once *= GROWTH

    async def _create_pod(self, job: TrainingJob, child: CreateChild) -> None:
        try:
            body = pod_of(job, child, self._pod_settings)
        except UnbuildableError as error:
            raise _RefusedError(Refusal(reasons.CREATION_REFUSED, str(error))) from None
        self._cache.apply("Pod", await self._create_once(job, PODS, body))

    def _group(self, job: TrainingJob, attempt: int) -> list[Json]:
        """The pods of an attempt. None of them had begun to train: a group that was whole once is never added to."""
        pods = self._cache.pods(job.metadata.namespace, job.metadata.uid)
        return [pod for pod in pods if (pod["metadata"].get("labels") or {}).get(names.LABEL_ATTEMPT) == str(attempt)]

    async def _create_once(self, job: TrainingJob, resource: Resource, body: Json) -> Json:
        """Create it, or find that it has been created before."""
        namespace, name = job.metadata.namespace, body["metadata"]["name"]
        what = f"{body['kind']} {name}"
        try:
            return await self._client.create(resource, namespace, body)
        except AlreadyExistsError:
            return await self._taken(job, resource, name, what)
        except (ForbiddenError, InvalidError) as error:
            raise _RefusedError(explain(error, what)) from None

    async def _taken(self, job: TrainingJob, resource: Resource, name: str, what: str) -> Json:
        """The object that bears the name, where it is this job's own. One of a deleted namesake's goes by itself."""
        try:
            there = await self._client.get(resource, job.metadata.namespace, name)
        except NotFoundError:
            raise NotYetError(f"{what} has just gone") from None
        if there["metadata"].get("deletionTimestamp"):
            raise NotYetError(f"{what} is still being deleted")
        if owner_uid(there) == job.metadata.uid:
            return there
        if _belongs_to_a_namesake(there, job.metadata.name):
            raise NotYetError(f"{what} belongs to a deleted job of the same name")
        raise _RefusedError(name_taken(what))

    async def _delete_pod(self, namespace: str, name: str, uid: str, *, force: bool) -> None:
        try:
            answer = await self._client.delete(PODS, namespace, name, uid, force=force)
        except (NotFoundError, ConflictError):
            return  # gone already, or another of that name
        if answer.get("kind") == "Pod" and answer["metadata"].get("deletionTimestamp"):
            self._cache.apply("Pod", answer)


def _belongs_to_a_namesake(body: Json, job: str) -> bool:
    owners = body["metadata"].get("ownerReferences") or ()
    return any(o.get("kind") == "TrainingJob" and o.get("name") == job for o in owners)


async def _all(requests: Sequence[Coroutine[Any, Any, Any]]) -> None:
    """Wait for all of them; then raise what went wrong: a refusal before an error that may pass."""
    results = await asyncio.gather(*requests, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise min(errors, key=lambda e: (not isinstance(e, _RefusedError), isinstance(e, (NotYetError, ApiError))))
