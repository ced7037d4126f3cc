"""One pass over one job: observe, plan, write the status, act, tell. What harms nobody begins with the writing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from wattrain_api.names import API_VERSION
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster import reading
from wattrain_operator.cluster.apply import Applier
from wattrain_operator.cluster.fleets import Fleets
from wattrain_operator.cluster.kube.apierrors import ConflictError
from wattrain_operator.cluster.kube.cache import Cache, JobKey, uid_of
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.events import EventRecorder
from wattrain_operator.cluster.kube.resources import TRAINING_JOBS, Json
from wattrain_operator.cluster.notifier import Notifier
from wattrain_operator.cluster.objects import gone_child_of, shares_storage
from wattrain_operator.cluster.pod_events import Explanations, PodEvents
from wattrain_operator.cluster.progress_poller import ProgressPoller
from wattrain_operator.cluster.source import Source
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.observed import Observed, Plan, Refusal
from wattrain_operator.core.plan import plan
from wattrain_operator.core.unreadable import plan_unreadable

AT_ONCE = 0.0
JOBS_AT_FULL_PACE = 300
"""So many running jobs have their figures written once an interval; with more of them each waits longer, so that the
API server gets no more writes than that."""
logger = logging.getLogger(__name__)


@dataclass
class _Memory:
    """What the operator knows about a job besides what the cluster says. Losing it costs a few requests."""

    uid: str
    distrusts_cache: bool = False
    """The last write was refused as outdated: look at the source first."""
    refusal: Refusal | None = None
    """How the last creation of children ended."""
    limit_refusal: Refusal | None = None
    """How the last change of CPU limits ended."""
    explanations: Explanations = field(default_factory=Explanations)
    """Why its pods wait, by their events."""
    unreadable_since: datetime | None = None
    """When it was first found to be none that this version understands; None: it is one."""


class Reconciler:
    """Brings jobs, one at a time each, closer to what they ask for."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        applier: Applier,
        progress: ProgressPoller,
        events: EventRecorder,
        fleets: Fleets,
        status_interval_seconds: float,
        clock: Callable[[], float],
        notifier: Notifier | None = None,
        written: Callable[[TrainingJob, TrainingJobStatus, TrainingJobStatus], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`clock` is monotonic, in seconds; `notifier` None: nobody is notified; `written` is told of each status
        that is written, with the one before; `now` is the time of day."""
        self._client, self._cache, self._applier, self._progress = client, cache, applier, progress
        self._events, self._fleets, self._source = events, fleets, Source(client, cache)
        self._pod_events = PodEvents(client, clock)
        self._status_interval_seconds, self._clock, self._now = status_interval_seconds, clock, now
        self._notifier, self._written = notifier, written
        self._memories: dict[JobKey, _Memory] = {}

    async def reconcile(self, key: JobKey) -> float | None:
        """One pass over the job `key`. Returns after how many seconds the next is due; None: when there is news.

        ApiError, NotYetError: try again after a pause.
        """
        body = self._cache.job(key)
        if body is None:
            self._forget(key)
            return None
        memory = self._memory(key, uid_of(body))
        if body["metadata"].get("deletionTimestamp"):
            return None  # what it owns goes with it
        fresh = memory.distrusts_cache
        if fresh:
            body = await self._look_at_the_source(key)
            memory.distrusts_cache = False
        try:
            while body is not None:
                job = reading.read_job(body)
                memory.unreadable_since = None
                # A job that has never had an attempt cannot have children, and the status write that gives it one is
                # refused if that is no longer so: the cache is as good as the source.
                never_began = job.status.attempt == 0 and not is_finished(job.status)
                seen = self._observe(key, job, memory, fresh=fresh or never_began)
                decided = self._plan(seen)
                if not decided.needs_fresh_view or seen.fresh:
                    return await self._carry_out(key, body, seen, decided, memory)
                body, fresh = await self._look_at_the_source(key), True
        except ValidationError as error:
            return await self._refuse_unreadable(body or {}, error)
        return None

    # --- Observing ---------------------------------------------------------------------------------------------
    def _observe(self, key: JobKey, job: TrainingJob, memory: _Memory, *, fresh: bool) -> Observed:
        now, pods = self._now(), self._cache.pods(key.namespace, job.metadata.uid)
        children = tuple(map(memory.explanations.added_to, reading.children_of(job, pods, now)))
        found = reading.find_speaker(pods, children, job.status.attempt)
        if found is not None and not is_finished(job.status):
            speaker, pod = found
            self._progress.listen(key, speaker)
            left = reading.termination_in(pod)
            if left is not None:
                self._progress.close_with(key, speaker.uid, left)
        elif found is None:
            self._progress.forget(key)
        domain, notifier = self._fleets.domain(job.spec.energy.power_domain), self._notifier
        return Observed(
            now=now,
            job=job,
            status=job.status,
            children=children,
            gone=tuple(map(gone_child_of, self._cache.gone_pods(key.namespace, job.metadata.uid))),
            report=self._progress.report(key),
            refusal=memory.refusal,
            domain=domain.spec or PowerDomainSpec(),
            carbon=self._fleets.carbon(domain),
            grant=self._fleets.grant(domain, job),
            limits_cpus=True,
            limit_refusal=memory.limit_refusal,
            cpus_of_worker=self._fleets.cpus_of_worker,
            fresh=fresh,
            shared_storage=shares_storage(job),
            status_interval_seconds=self._status_interval_seconds * max(1.0, len(self._progress) / JOBS_AT_FULL_PACE),
            receiver=None if notifier is None else notifier.receiver,
            delivery=None if notifier is None else notifier.delivery(job.metadata.uid),
        )

    async def _look_at_the_source(self, key: JobKey) -> Json | None:
        """The job as the API server has it now, then its pods, in this order; None: it is gone."""
        body = await self._source.job(key)
        if body is None:
            return None
        await self._source.pods(key, uid_of(body))
        return None if body["metadata"].get("deletionTimestamp") else body

    # --- Deciding ----------------------------------------------------------------------------------------------
    def _plan(self, seen: Observed) -> Plan:
        """The core's decision. A report that leads to a status that could not be stored is left out: whatever listens
        on a worker's port may say anything, and must not hold up the job's own life."""
        try:
            decided = plan(seen)
            if decided.status != seen.status:
                TrainingJobStatus.from_json_object(decided.status.to_json_object())
            return decided
        except (ValueError, TypeError, ArithmeticError) as error:
            if seen.report is None:
                raise
            logger.warning("job %s: its workers report nonsense: %s", seen.job.metadata.name, error)
            return plan(replace(seen, report=None))

    # --- Acting ------------------------------------------------------------------------------------------------
    async def _carry_out(self, key: JobKey, body: Json, seen: Observed, decided: Plan, memory: _Memory) -> float | None:
        wrote = decided.status != seen.status
        # The one thing that need not wait for the status: whoever decides anew wants the same, and without pods it
        # does nothing. A namesake's goes with its job, and until then this one's waits, as for its pods.
        with _begun(self._applier.create_supports(seen.job, decided.supports)) as supports:
            if wrote and not await self._write_status(body, decided.status, memory):
                return AT_ONCE
            if wrote and self._written is not None:
                self._written(seen.job, seen.status, decided.status)
            try:
                await self._act(key, seen.job, decided, memory, supports)
            finally:  # what was written is true, even where acting on it has to be tried again
                self._events.add(body, decided.events)
        if decided.notify is not None and self._notifier is not None:
            self._notifier.begin(key, seen.job, decided.status, decided.notify)
        if decided.delete_job:
            await self._applier.delete_job(seen.job)
        if wrote or decided.creates or decided.limits:
            return AT_ONCE
        if decided.look_into and await self._pod_events.look_into(
            key.namespace, decided.look_into, memory.explanations
        ):
            return AT_ONCE
        return decided.wake_after_seconds

    async def _act(
        self, key: JobKey, job: TrainingJob, decided: Plan, memory: _Memory, supports: Awaitable[None]
    ) -> None:
        if decided.creates:
            memory.refusal = await self._applier.create(job, decided.creates, supports)
        if decided.directs:
            await self._applier.direct(job, decided.directs)
        if decided.limits:
            memory.limit_refusal = await self._applier.limit(job, decided.limits)
        if decided.deletes:
            await self._applier.delete(key, decided.deletes)

    async def _write_status(self, body: Json, status: TrainingJobStatus, memory: _Memory) -> bool:
        """Write the status if the job still is what it was when this was decided. False: it is not, and nothing that
        was decided holds. NotFoundError: it has gone, and the watch will tell."""
        metadata = {name: body["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
        # The API server takes no spec from here, but webhooks that are shown all writes may expect one.
        wanted = {"apiVersion": API_VERSION, "kind": "TrainingJob", "metadata": metadata, "spec": body.get("spec", {})}
        try:
            written = await self._client.update(TRAINING_JOBS, {**wanted, "status": status.to_json_object()}, "status")
        except ConflictError:
            memory.distrusts_cache = True
            return False
        self._cache.apply("TrainingJob", written)
        self._fleets.mark_job(written)
        return True

    async def _refuse_unreadable(self, body: Json, error: ValidationError) -> float | None:
        memory, now = (
            self._memory(JobKey(body["metadata"]["namespace"], body["metadata"]["name"]), uid_of(body)),
            self._now(),
        )
        memory.unreadable_since = memory.unreadable_since or now
        decided = plan_unreadable(reading.read_unreadable(body, error, now, memory.unreadable_since))
        if decided.events and await self._write_status(body, decided.status, memory):
            self._events.add(body, decided.events)
        return decided.wake_after_seconds

    def _memory(self, key: JobKey, uid: str) -> _Memory:
        memory = self._memories.get(key)
        if memory is None or memory.uid != uid:
            self._forget(key)
            memory = self._memories[key] = _Memory(uid)
        return memory

    def _forget(self, key: JobKey) -> None:
        memory = self._memories.pop(key, None)
        if memory is not None and self._notifier is not None:
            self._notifier.forget(memory.uid)
        self._progress.forget(key)


@contextmanager
def _begun(work: Coroutine[Any, Any, None]) -> Iterator[Awaitable[None]]:
    """`work` goes on inside; who leaves without having waited for it gives it up."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # or else it complains if nobody asks
    try:
        yield task
    finally:
        task.cancel()
