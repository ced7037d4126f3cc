"""Does what the core decided: creates and deletes pods, so that doing it twice, or half, does no harm."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from wattrain_api import names, reasons
from wattrain_api.contract.codec import encode_json
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.kube.apierrors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from wattrain_operator.cluster.kube.cache import Cache, JobKey, owner_uid
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.resources import NETWORK_POLICIES, PODS, SERVICES, TRAINING_JOBS, Json, Resource
from wattrain_operator.cluster.objects import (
    PodSettings,
    UnbuildableError,
    directive_of,
    network_policy_of,
    pod_of,
    service_of,
)
from wattrain_operator.cluster.objects.identity import child_identity
from wattrain_operator.cluster.refused_requests import NotYetError, explain, name_taken, not_limited
from wattrain_operator.core.observed import CreateChild, DeleteChild, DirectChild, LimitChild, Refusal
from wattrain_operator.core.roles import Support

GROWTH = 4
"""How many times more pods are asked for at once after those before were granted."""


_BUILDERS: dict[Support, Callable[[TrainingJob], tuple[Resource, Json]]] = {
    Support.SERVICE: lambda job: (SERVICES, service_of(job)),
    Support.NETWORK_POLICY: lambda job: (NETWORK_POLICIES, network_policy_of(job)),
}


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Applier:
    """Writes children. Every answer goes into the cache, so that the next look sees what was done."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        pod_settings: PodSettings,
        *,
        network_policy: bool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`network_policy` False: the cluster's own policies do what ours would."""
        self._client, self._cache, self._now = client, cache, now
        self._pod_settings, self._network_policy = pod_settings, network_policy

    async def create_supports(self, job: TrainingJob, supports: Sequence[Support]) -> None:
        """Create what the children of `job` need to find each other; without children it does nothing."""
        await _all([self._create_once(job, *_BUILDERS[s](job)) for s in supports if self._wants(s)])

    async def create(
        self, job: TrainingJob, creates: Sequence[CreateChild], supports: Awaitable[None]
    ) -> Refusal | None:
        """Create a job's children once `supports` (of `create_supports`) are there. Returns why they are not all there.

        Pods come last, so that a group that is whole has all it needs, whenever this process ends. Four are asked for
        at once; then the number grows fourfold with every success, and the first refusal ends it, so that a quota is
        not hammered with a thousand requests. NotYetError, ApiError: nothing was decided, try again.
        """
        try:
            await supports
            await self._create_pods(job, creates)
        except _RefusedError as refused:
            return refused.refusal
        return None

    async def delete(self, key: JobKey, deletes: Sequence[DeleteChild]) -> None:
        """End children, if they still are those that were seen."""
        await _all([self._delete_pod(key.namespace, d.name, d.uid, force=d.force) for d in deletes])

    async def direct(self, job: TrainingJob, directs: Sequence[DirectChild]) -> None:
        """Give workers their directives, if they still are those that were seen. NotYetError: one has changed since; it
        may have been given a directive of that version, which then is no new one for its supervisor."""
        pods = self._cache.pods(job.metadata.namespace, job.metadata.uid)
        seen = {pod["metadata"]["uid"]: pod for pod in pods}
        await _all([self._direct_pod(seen[d.uid], d) for d in directs if d.uid in seen])

    async def limit(self, job: TrainingJob, limits: Sequence[LimitChild]) -> Refusal | None:
        """Change the CPU limits of workers, if they still are those that were seen. Returns why that is refused."""
        try:
            await _all([self._limit_pod(job.metadata.namespace, limit) for limit in limits])
        except _RefusedError as refused:
            return refused.refusal
        return None

    async def delete_job(self, job: TrainingJob) -> None:
        """Delete the job itself; the garbage collector follows with all that it owns."""
        metadata = job.metadata
        with contextlib.suppress(NotFoundError, ConflictError):  # gone already, or another of that name
            await self._client.delete(TRAINING_JOBS, metadata.namespace, metadata.name, metadata.uid)

    def _wants(self, support: Support) -> bool:
        return support is not Support.NETWORK_POLICY or self._network_policy

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
            raise _RefusedError(Refusal(reasons.CREATION_REFUSED, str(error), self._now(), lasts=True)) from None
        self._cache.apply("Pod", await self._create_once(job, PODS, body, together=child.workers))

    async def _create_once(self, job: TrainingJob, resource: Resource, body: Json, together: int = 1) -> Json:
        """Create it, one of `together` alike, or find that it has been created before."""
        namespace, name = job.metadata.namespace, body["metadata"]["name"]
        what = f"{body['kind']} {name}"
        try:
            return await self._client.create(resource, namespace, body)
        except AlreadyExistsError:
            return await self._taken(job, resource, name, what)
        except (ForbiddenError, InvalidError) as error:
            raise _RefusedError(explain(error, what, self._now(), together)) from None

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
        raise _RefusedError(name_taken(what, self._now()))

    async def _direct_pod(self, pod: Json, direct: DirectChild) -> None:
        namespace, given = pod["metadata"]["namespace"], directive_of(pod)
        if given is not None and given.version >= direct.directive.version:
            raise NotYetError(f"Pod {direct.name} has just been directed by somebody else")
        same = {"uid": direct.uid, "resourceVersion": pod["metadata"]["resourceVersion"]}
        annotations = {names.ANNOTATION_DIRECTIVE: encode_json(direct.directive).decode()}
        with contextlib.suppress(NotFoundError):  # gone already
            try:
                patch = {"metadata": {**same, "annotations": annotations}}
                self._cache.apply("Pod", await self._client.merge(PODS, namespace, direct.name, patch))
            except ConflictError:
                self._cache.apply("Pod", await self._client.get(PODS, namespace, direct.name))
                raise NotYetError(f"Pod {direct.name} has just changed") from None

    async def _limit_pod(self, namespace: str, limit: LimitChild) -> None:
        role, _, _ = child_identity(limit.name)
        resources = {"limits": {"cpu": f"{limit.cpus:g}"}, "requests": {"cpu": f"{limit.requested_cpus:g}"}}
        containers = [{"name": str(role), "resources": resources}]
        patch = {"metadata": {"uid": limit.uid}, "spec": {"containers": containers}}
        try:
            self._cache.apply("Pod", await self._client.resize(namespace, limit.name, patch))
        except ConflictError:
            return  # another of that name
        except NotFoundError as error:
            with contextlib.suppress(NotFoundError):  # gone already
                await self._client.get(PODS, namespace, limit.name)
                raise _RefusedError(not_limited(error, limit.name, self._now())) from None
        except (ForbiddenError, InvalidError) as error:
            raise _RefusedError(not_limited(error, limit.name, self._now())) from None

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
