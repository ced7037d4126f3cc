"""One pass over one job: observe, plan, write the status, act, tell. What harms nobody begins with the writing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import ValidationError

from wattrain_api import names, reasons
from wattrain_api.names import API_VERSION
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster import reading, refusals
from wattrain_operator.cluster.apply import Applier
from wattrain_operator.cluster.cache import Cache, JobKey, Json, uid_of
from wattrain_operator.cluster.client import PODS, TRAINING_JOBS, Client, ConflictError, NotFoundError
from wattrain_operator.cluster.events import EventRecorder
from wattrain_operator.cluster.objects import shares_storage
from wattrain_operator.cluster.progress import ProgressPoller
from wattrain_operator.cluster.refusals import Refusal
from wattrain_operator.cluster.slim import slim
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.observed import Event, Observed, Plan
from wattrain_operator.core.plan import plan

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 300.0
"""Pause between two attempts to create a group that was refused."""
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
    refusals: int = 0
    retry_at: float = 0.0
    rolled_back: frozenset[str] = field(default_factory=frozenset)
    """Uids of pods of a group that was refused, which are going: the core is not to take them for lost workers."""


class Reconciler:
    """Brings jobs, one at a time each, closer to what they ask for."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        applier: Applier,
        progress: ProgressPoller,
        events: EventRecorder,
        status_interval_seconds: float,
        clock: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`clock` is monotonic, in seconds; `now` is the time of day."""
        self._client, self._cache, self._applier, self._progress, self._events = (
            client,
            cache,
            applier,
            progress,
            events,
        )
        self._status_interval_seconds, self._clock, self._now = status_interval_seconds, clock, now
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
                # A job that has never had an attempt cannot have children, and the status write that gives it one is
                # refused if that is no longer so: the cache is as good as the source.
                seen = self._observe(key, job, memory, fresh=fresh or job.status.attempt == 0)
                decided = self._decide(memory, seen)
                if not decided.needs_fresh_view or seen.fresh:
                    return await self._carry_out(key, body, seen, decided, memory)
                body, fresh = await self._look_at_the_source(key), True
        except ValidationError as error:
            await self._refuse_unreadable(body or {}, error)
        return None

    # --- Observing ---------------------------------------------------------------------------------------------
    def _observe(self, key: JobKey, job: TrainingJob, memory: _Memory, *, fresh: bool) -> Observed:
        now, pods = self._now(), self._cache.pods(key.namespace, job.metadata.uid)
        children = reading.children_of(job, pods, memory.rolled_back, now)
        found = reading.find_speaker(pods, children, job.status.attempt)
        if found is not None and not is_finished(job.status):
            speaker, pod = found
            self._progress.listen(key, speaker)
            word = reading.last_word_in(pod)
            if word is not None:
                self._progress.close_with(key, speaker.uid, word)
        elif found is None:
            self._progress.forget(key)
        return Observed(
            now=now,
            job=job,
            status=job.status,
            children=children,
            report=self._progress.report(key),
            domain=reading.read_domain(self._cache.domain(job.spec.energy.power_domain)),
            fresh=fresh,
            shared_storage=shares_storage(job),
            status_interval_seconds=self._status_interval_seconds * max(1.0, len(self._progress) / JOBS_AT_FULL_PACE),
        )

    async def _look_at_the_source(self, key: JobKey) -> Json | None:
        """The job as the API server has it now, then its pods, in this order; None: it is gone."""
        try:
            body = await self._client.get(TRAINING_JOBS, key.namespace, key.name)
        except NotFoundError:
            return None  # the watch or the next LIST will tell
        self._cache.apply("TrainingJob", body)
        selector = f"{names.LABEL_JOB}={key.name}"
        pods, version = await self._client.list_all(PODS, key.namespace, selector, partial(slim, "Pod"))
        self._cache.replace_pods(key.namespace, uid_of(body), pods, version)
        return None if body["metadata"].get("deletionTimestamp") else body

    # --- Deciding ----------------------------------------------------------------------------------------------
    def _decide(self, memory: _Memory, seen: Observed) -> Plan:
        decided = self._plan(seen)
        if not decided.creates:
            return decided if decided.needs_fresh_view else refusals.take_away(decided, seen.status, seen.now)
        if memory.refusal is not None:
            decided = refusals.lay_over(decided, memory.refusal, seen.status, seen.now)
        namespace = seen.job.metadata.namespace
        wait = max(memory.retry_at - self._clock(), 1.0 if self._still_going(namespace, memory) else 0.0)
        if wait <= 0:
            return decided
        soonest = min(wait, wait if decided.wake_after_seconds is None else decided.wake_after_seconds)
        return replace(refusals.hold_back(decided, seen.status), wake_after_seconds=soonest)

    def _plan(self, seen: Observed) -> Plan:
        """The core's decision. A report that leads to a status that could not be stored is left out: whatever listens
        on a worker's port may say anything, and must not hold up the job's own life."""
        try:
            decided = plan(seen)
            if decided.status != seen.status:
                TrainingJobStatus.model_validate(decided.status.to_json_object())
            return decided
        except (ValueError, TypeError, ArithmeticError) as error:
            if seen.report is None:
                raise
            logger.warning("job %s: its workers report nonsense: %s", seen.job.metadata.name, error)
            return plan(replace(seen, report=None))

    def _still_going(self, namespace: str, memory: _Memory) -> bool:
        there = {uid_of(pod) for pod in self._cache.pods(namespace, memory.uid)}
        memory.rolled_back &= there
        return bool(memory.rolled_back)

    # --- Acting ------------------------------------------------------------------------------------------------
    async def _carry_out(self, key: JobKey, body: Json, seen: Observed, decided: Plan, memory: _Memory) -> float | None:
        wrote = decided.status != seen.status
        # The one thing that need not wait for the status: whoever decides anew wants the same, and without pods it
        # does nothing. A namesake's goes with its job, and until then this one's waits, as for its pods.
        with _begun(self._applier.surround(seen.job, decided.creates)) as surroundings:
            if wrote and not await self._write_status(body, decided.status, memory):
                return AT_ONCE
            try:
                await self._act(key, seen.job, decided, memory, surroundings)
            finally:  # what was written is true, even where acting on it has to be tried again
                self._events.add(body, decided.events)
        if decided.delete_job:
            await self._applier.delete_job(seen.job)
        return AT_ONCE if wrote or decided.creates else decided.wake_after_seconds

    async def _act(
        self, key: JobKey, job: TrainingJob, decided: Plan, memory: _Memory, surroundings: Awaitable[None]
    ) -> None:
        if decided.creates:
            refused = await self._applier.create(job, decided.creates, surroundings)
            self._remember(
                memory, refused.refusal if refused else None, refused.rolled_back if refused else frozenset()
            )
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
        return True

    def _remember(self, memory: _Memory, refusal: Refusal | None, rolled_back: frozenset[str]) -> None:
        memory.refusal, memory.rolled_back = refusal, memory.rolled_back | rolled_back
        memory.refusals = memory.refusals + 1 if refusal is not None else 0
        pause = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(memory.refusals - 1, 10))
        memory.retry_at = self._clock() + pause if refusal is not None else 0.0

    async def _refuse_unreadable(self, body: Json, error: ValidationError) -> None:
        """Say what is wrong with a job that cannot be read, and touch nothing of it."""
        status = reading.status_of_unreadable(body, error, self._now())
        memory = self._memory(JobKey(body["metadata"]["namespace"], body["metadata"]["name"]), uid_of(body))
        if status is None or status.to_json_object() == body.get("status"):
            return
        if await self._write_status(body, status, memory):
            self._events.add(body, [Event("Warning", reasons.INVALID_SPEC, status.message)])

    def _memory(self, key: JobKey, uid: str) -> _Memory:
        memory = self._memories.get(key)
        if memory is None or memory.uid != uid:
            self._forget(key)
            memory = self._memories[key] = _Memory(uid)
        return memory

    def _forget(self, key: JobKey) -> None:
        self._memories.pop(key, None)
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
