"""Looking at the source itself, the API server, where a cache is not good enough. What is found goes into the cache."""

from __future__ import annotations

from functools import partial

from wattrain_api import names
from wattrain_operator.cluster.kube.apierrors import NotFoundError
from wattrain_operator.cluster.kube.cache import Cache, JobKey
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.resources import PODS, POWER_DOMAINS, TRAINING_JOBS, Json
from wattrain_operator.cluster.kube.trim import trim


class Source:
    """Reads what one decision needs. A job is read before its pods: an old status with new pods would have an old
    attempt's workers created."""

    def __init__(self, client: Client, cache: Cache) -> None:
        self._client, self._cache = client, cache

    async def job(self, key: JobKey) -> Json | None:
        """The job as it is now; None: there is none of that name."""
        try:
            body = await self._client.get(TRAINING_JOBS, key.namespace, key.name)
        except NotFoundError:
            return None  # the watch or the next LIST will say so
        self._cache.apply("TrainingJob", body)
        return body

    async def pods(self, key: JobKey, uid: str) -> None:
        """Bring the cache's pods of the job with that name and uid up to now."""
        selector = f"{names.LABEL_JOB}={key.name}"
        pods, version = await self._client.list_all(PODS, key.namespace, selector, partial(trim, "Pod"))
        self._cache.replace_pods(key.namespace, uid, pods, version)

    async def domain(self, name: str) -> None:
        """Bring the cache's PowerDomain of that name up to now; one that is gone is left to the watch."""
        try:
            self._cache.apply("PowerDomain", await self._client.get(POWER_DOMAINS, "", name))
        except NotFoundError:
            return
