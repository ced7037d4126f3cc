"""The fleets of all power domains: a serial pass over each stores who may run; a job asks what it is granted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pydantic import ValidationError

from wattrain_api import reasons
from wattrain_api.powerdomain import PowerDomainSpec, PowerDomainStatus, Reservation, SheddingStatus
from wattrain_api.status import Condition
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster import reading
from wattrain_operator.cluster.kube.apierrors import ApiError, ConflictError
from wattrain_operator.cluster.kube.cache import Cache, JobKey, domain_of, uid_of, version_of
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.resources import POWER_DOMAINS, Json
from wattrain_operator.cluster.objects.storage import shares_storage
from wattrain_operator.cluster.series_reader import SeriesReader
from wattrain_operator.cluster.source import Source
from wattrain_operator.cluster.workqueue import WorkQueue
from wattrain_operator.core.clean_hours import series_condition
from wattrain_operator.core.domains import Domain, conditions_of, grant_of, is_limited
from wattrain_operator.core.fleet import FleetObserved, FleetPlan, plan_fleet
from wattrain_operator.core.fleet_job import FleetJob, fleet_job
from wattrain_operator.core.fleet_queue import Waiting
from wattrain_operator.core.observed import NO_SERIES, CarbonView, Grant

GATHER_SECONDS = 0.02
"""Between two passes: jobs that come together are decided about together."""
COUNTS_INTERVAL_SECONDS = 3.0
"""Shortest time between two counts of jobs, and writes of counts alone; who may run is written at once."""
LOOK_AGAIN_SECONDS = 5.0
"""A reservation whose job is gone, or over, may still have living pods: when they are looked for again."""
logger = logging.getLogger(__name__)


@dataclass
class _Memory:
    """What is remembered of a domain besides what the cluster says. Losing it costs a pass."""

    version: int = -1
    domain: Domain | None = None
    """As it was read from that version."""
    waiting: dict[str, Waiting] = field(default_factory=dict)
    """By uid of the job: what the last plan says."""
    jobs: dict[str, tuple[int, bool, FleetJob]] = field(default_factory=dict)
    """By uid: the job as it was read from that version, with or without living pods."""
    counted_at: float = float("-inf")
    """When jobs were counted last, and the counts written where they had changed."""


class Fleets:
    """Decides for the jobs of each power domain. `cache` is only read, but for what is written and looked up here."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        namespaces: Sequence[str],
        wake: Callable[[JobKey], None],
        clock: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        cpus: float = 1.0,
    ) -> None:
        """`namespaces` that are watched (empty: all). `wake` has a job looked at again; `clock` is monotonic, in
        seconds; `now` is the time of day. `cpus`: what a worker is counted with that names none."""
        self._client, self._cache, self._source = client, cache, Source(client, cache)
        self._namespaces = frozenset(namespaces)
        self._wake, self._clock, self._now = wake, clock, now
        self.cpus_of_worker = cpus
        """CPUs that a worker is counted with that names none."""
        self._queue = WorkQueue(clock)
        self._memories: dict[str, _Memory] = {}
        self._carbon = SeriesReader(client, self.mark, clock)

    # --- What a job's pass asks --------------------------------------------------------------------------------
    def domain(self, name: str) -> Domain:
        """The power domain of that name as the operator knows it."""
        body = self._cache.domain(name)
        if body is None:
            return Domain(name, None)
        memory = self._memories.setdefault(name, _Memory())
        if memory.domain is None or memory.version != version_of(body):
            memory.version, memory.domain = version_of(body), reading.read_domain(name, body)
        return memory.domain

    def grant(self, domain: Domain, job: TrainingJob) -> Grant:
        """What `domain` allows `job`."""
        waiting = self._memories[domain.name].waiting if domain.name in self._memories else {}
        return grant_of(domain, job.metadata.uid, job.status.internal.turn, waiting.get(job.metadata.uid))

    def carbon(self, domain: Domain) -> CarbonView:
        """What is known of the carbon intensity of `domain` over time."""
        return self._carbon.view(domain)

    # --- News --------------------------------------------------------------------------------------------------
    def mark(self, name: str) -> None:
        """Something has changed in the domain of that name, or in a job of it."""
        if self._cache.domain(name) is not None:
            self._queue.add(JobKey("", name))

    def mark_job(self, body: Json) -> None:
        """Something has changed in that job, or in its pods."""
        self.mark(domain_of(body))

    def mark_all(self) -> None:
        """Anything may have changed."""
        for name in self._cache.domain_names():
            self.mark(name)

    # --- The passes --------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Decide, one domain at a time, and read series of carbon intensity, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._carbon.run())
            tasks.create_task(self._decide_for_ever())

    async def _decide_for_ever(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                again = await self._pass_over(key.name)
            except ApiError as error:
                pause = self._queue.retry(key, error.retry_after_seconds or 0.0)
                logger.info("power domain %s: %s; again in %.1f s", key.name, error, pause)
            except Exception:
                pause = self._queue.retry(key)
                logger.exception("power domain %s: a defect; again in %.1f s", key.name, pause)
            else:
                self._queue.done(key, again)
            await asyncio.sleep(GATHER_SECONDS)

    async def _pass_over(self, name: str) -> float | None:
        """One pass. Returns after how many seconds the next is due; None: when there is news."""
        body, domain = self._cache.domain(name), self.domain(name)
        if body is None:
            self._memories.pop(name, None)
            return None
        conditions = self._conditions(domain)
        if domain.spec is None:
            self._memories.pop(name)
            stored = conditions == domain.conditions or await self._store_conditions(body, conditions)
            return None if stored else 0.0
        memory = self._memories[name]
        counts_wait = memory.counted_at + COUNTS_INTERVAL_SECONDS - self._clock()
        is_told = conditions == domain.conditions
        if not is_limited(domain.spec) and not domain.reservations and is_told and counts_wait > 0:
            return counts_wait  # only counts are kept of it
        decided = await self._decide(domain, memory)
        written = await self._write(body, domain, self._status_of(decided, conditions), counts_wait)
        if written is None:
            return 0.0
        if written or counts_wait <= 0:
            memory.counted_at = self._clock()
        self._wake_for(domain, memory, decided)
        again = [decided.wake_after_seconds, LOOK_AGAIN_SECONDS if decided.look_at else None]
        again.append(None if written or counts_wait <= 0 else counts_wait)
        return min((seconds for seconds in again if seconds is not None), default=None)

    def _conditions(self, domain: Domain) -> tuple[Condition, ...]:
        """What is to be stored about `domain`: whether the operator acts by it, and what it knows of its series."""
        conditions, view, now = conditions_of(domain, self._now()), self.carbon(domain), self._now()
        others = tuple(c for c in conditions if c.type != reasons.SERIES)
        told = None if view == NO_SERIES else series_condition(view, conditions, now, domain.generation)
        return others if told is None else (*others, told)

    async def _decide(self, domain: Domain, memory: _Memory) -> FleetPlan:
        """The plan for `domain`. What seems to be over is looked at at the source first."""
        bodies = self._cache.jobs_of(domain.name)
        jobs = {job.uid: job for body in bodies if (job := self._read(body, memory)) is not None}
        memory.jobs = {uid: known for uid, known in memory.jobs.items() if uid in jobs}
        gone: set[str] = set()
        decided = self._plan(domain, jobs, gone)
        if not decided.look_at:
            return decided
        for reservation in decided.look_at:
            found = await self._look_at_the_source(reservation, memory)
            if found is not None:
                jobs[reservation.uid] = found
            elif not self._has_living_pods(reservation.namespace, reservation.uid):
                jobs.pop(reservation.uid, None)
                gone.add(reservation.uid)
        return self._plan(domain, jobs, gone)

    def _plan(self, domain: Domain, jobs: dict[str, FleetJob], gone: set[str]) -> FleetPlan:
        spec = domain.spec or PowerDomainSpec()
        return plan_fleet(
            FleetObserved(
                now=self._now(),
                domain=domain.name,
                spec=spec,
                reservations=domain.reservations,
                shedding=domain.shedding,
                jobs=tuple(jobs.values()),
                gone=frozenset(gone),
                namespaces=self._namespaces,
            )
        )

    def _read(self, body: Json, memory: _Memory) -> FleetJob | None:
        """A job as the fleet sees it; None: it cannot be read, and so neither runs nor waits."""
        uid, version = uid_of(body), version_of(body)
        living = self._has_living_pods(body["metadata"]["namespace"], uid)
        known = memory.jobs.get(uid)
        if known is None or known[:2] != (version, living):
            try:
                job = reading.read_job(body)
            except ValidationError:
                return None
            seen = fleet_job(
                job, job.status, living_children=living, fresh=False, cpus=self.cpus_of_worker,
                shared_storage=shares_storage(job),
            )  # fmt: skip
            known = memory.jobs[uid] = (version, living, seen)
        return known[2]

    def _has_living_pods(self, namespace: str, uid: str) -> bool:
        return any(not reading.has_ended(pod) for pod in self._cache.pods(namespace, uid))

    async def _look_at_the_source(self, reservation: Reservation, memory: _Memory) -> FleetJob | None:
        """The job of `reservation` as the API server has it, and then its pods; None: it is gone."""
        key = JobKey(reservation.namespace, reservation.name)
        body = await self._source.job(key)
        await self._source.pods(key, reservation.uid)
        if body is None or uid_of(body) != reservation.uid:
            return None
        found = self._read(body, memory)
        return None if found is None else replace(found, fresh=True)

    async def _write(self, body: Json, domain: Domain, status: PowerDomainStatus, counts_wait: float) -> bool | None:
        """Store what was decided where it is news, and the domain still is what it was; None: it is not."""
        document = status.to_json_object()
        is_told = (status.reservations, status.conditions) == (domain.reservations, domain.conditions)
        is_told = is_told and _told_of(status.shedding) == _told_of(domain.shedding)
        if document == body.get("status") or (is_told and counts_wait > 0):
            return False
        return True if await self._store(body, {"power": None, "shedding": None, **document}) else None

    async def _store_conditions(self, body: Json, conditions: tuple[Condition, ...]) -> bool:
        """Store `conditions` and nothing else: what more there is may be what cannot be read."""
        document = PowerDomainStatus(conditions=conditions).to_json_object()["conditions"]
        return await self._store(body, {"conditions": document})

    async def _store(self, body: Json, status: Json) -> bool:
        """Have `status` replace what it names of the domain's, and remove what is None; False: the domain has changed
        meanwhile."""
        name, merged = body["metadata"]["name"], {**(body.get("status") or {}), **status}
        kept = {part: value for part, value in merged.items() if value is not None}
        try:
            written = await self._client.update(POWER_DOMAINS, {**body, "status": kept}, "status")
        except ConflictError:
            await self._source.domain(name)
            return False
        self._cache.apply("PowerDomain", written)
        return True

    def _status_of(self, decided: FleetPlan, conditions: tuple[Condition, ...]) -> PowerDomainStatus:
        """What to store. An operator that sees some namespaces alone counts what is reserved, and nothing else."""
        reservations = decided.reservations
        if self._namespaces:
            running, waiting = len(reservations), 0
        else:
            running, waiting = decided.running, len(decided.waiting)
        return PowerDomainStatus(running, waiting, decided.power, reservations, decided.shedding, conditions)

    def _wake_for(self, domain: Domain, memory: _Memory, decided: FleetPlan) -> None:
        """Have each job looked at for which something has changed."""
        before, memory.waiting = memory.waiting, {waiting.uid: waiting for waiting in decided.waiting}
        changed = {uid for uid, waiting in memory.waiting.items() if waiting != before.get(uid)}
        held = {(r.uid, r.turn, r.preempted_by) for r in domain.reservations}
        changed |= {r.uid for r in decided.reservations if (r.uid, r.turn, r.preempted_by) not in held}
        old, new = _told_of(domain.shedding), _told_of(decided.shedding)
        if old != new:
            changed |= {order.uid for each in (old, new) if each is not None for order in each.orders}
        for body in self._cache.jobs_of(domain.name) if changed else ():
            if uid_of(body) in changed:
                self._wake(JobKey(body["metadata"]["namespace"], body["metadata"]["name"]))


def _told_of(shedding: SheddingStatus | None) -> SheddingStatus | None:
    """`shedding` without the figure that differs at every look."""
    return None if shedding is None else replace(shedding, drawn_watts=0.0)
