"""One operator works, the others stand by: a Lease, judged on the own monotonic clock.

The Lease is no fence. What keeps two operators from doing harm together is that every status write carries the version
that it was decided from and goes before all pods, that children have fixed names, and that deletes name the uid they
mean.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from wattrain_operator.cluster.kube.apierrors import AlreadyExistsError, ApiError, ConflictError, NotFoundError
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.resources import LEASES, Json

LEASE_SECONDS = 15.0
"""An operator that has not renewed for so long is taken for dead."""
RENEW_DEADLINE_SECONDS = 10.0
"""An operator that could not renew for so long ends itself, before another may begin."""
RETRY_SECONDS = 2.0
logger = logging.getLogger(__name__)


class LeadershipLostError(Exception):
    """Another may be leading by now: write nothing more, and end."""


class Leader:
    """This process's part in the election."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`identity` names this process; `clock` is monotonic, in seconds."""
        self._client, self._namespace, self._name, self.identity = client, namespace, name, identity
        self._clock, self._sleep = clock, sleep
        self._renewed_at: float | None = None
        self._seen_version, self._seen_at = "", 0.0
        self._lease: Json | None = None

    @property
    def leads(self) -> bool:
        """Whether no other can be leading now."""
        return self._renewed_at is not None and self._clock() - self._renewed_at < RENEW_DEADLINE_SECONDS

    async def acquire(self) -> None:
        """Wait until this process leads."""
        logged = ""
        while True:
            try:
                if await self._try_to_acquire():
                    logger.info("leading as %s", self.identity)
                    return
                problem = f"standing by, {self._holder()} leads"
            except ApiError as error:
                problem = f"cannot take the Lease {self._namespace}/{self._name}: {error}"
            if problem != logged:
                logged = problem
                logger.info("%s", problem)
            await self._sleep(RETRY_SECONDS * random.uniform(0.8, 1.2))

    async def keep(self) -> None:
        """Renew for ever. LeadershipLostError where that was not possible for too long."""
        while True:
            await self._sleep(RETRY_SECONDS)
            if not self.leads:
                raise LeadershipLostError(f"the Lease was not renewed for {RENEW_DEADLINE_SECONDS:.0f} s")
            try:
                async with asyncio.timeout(RENEW_DEADLINE_SECONDS):
                    await self._renew()
            except ConflictError:
                self._lease = None  # somebody wrote it: look who
            except (ApiError, TimeoutError) as error:
                logger.warning("the Lease was not renewed: %s", error)

    async def release(self) -> None:
        """Let another lead at once, as far as the API server can be reached."""
        if self._lease is None or not self.leads:
            return
        self._renewed_at = None
        spec = {**self._lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await self._client.update(LEASES, {**self._lease, "spec": spec})
        except (ApiError, TimeoutError) as error:
            logger.warning("the Lease was not released: %s", error)

    async def _try_to_acquire(self) -> bool:
        began = self._clock()
        try:
            lease = await self._client.get(LEASES, self._namespace, self._name)
        except NotFoundError:
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            metadata = {"name": self._name, "namespace": self._namespace}
            try:
                lease = await self._client.create(
                    LEASES, self._namespace, {**body, "metadata": metadata, "spec": self._spec(0)}
                )
            except AlreadyExistsError:
                return False
            self._lease, self._renewed_at = lease, began
            return True
        self._lease = lease
        if not self._is_free(lease):
            return False
        transitions = int(lease.get("spec", {}).get("leaseTransitions") or 0) + 1
        try:
            self._lease = await self._client.update(LEASES, {**lease, "spec": self._spec(transitions)})
        except ConflictError:
            return False
        self._renewed_at = began
        return True

    def _is_free(self, lease: Json) -> bool:
        """Released, or not renewed for as long as it lasts since this process saw it first: clocks of different
        machines are never compared."""
        holder = lease.get("spec", {}).get("holderIdentity")
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen_version:
            self._seen_version, self._seen_at = version, self._clock()
        lasts = max(LEASE_SECONDS, float(lease.get("spec", {}).get("leaseDurationSeconds") or 0))
        return not holder or holder == self.identity or self._clock() - self._seen_at > lasts

    async def _renew(self) -> None:
        began = self._clock()
        lease = self._lease or await self._client.get(LEASES, self._namespace, self._name)
        if lease.get("spec", {}).get("holderIdentity") != self.identity:
            self._renewed_at = None
            raise LeadershipLostError(f"{lease.get('spec', {}).get('holderIdentity') or 'nobody'} holds the Lease now")
        spec = {**lease["spec"], "renewTime": _now()}
        self._lease = await self._client.update(LEASES, {**lease, "spec": spec})
        self._renewed_at = began

    def _spec(self, transitions: int) -> Json:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(LEASE_SECONDS),
            "acquireTime": _now(),
            "renewTime": _now(),
            "leaseTransitions": transitions,
        }

    def _holder(self) -> str:
        return str((self._lease or {}).get("spec", {}).get("holderIdentity") or "nobody")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
