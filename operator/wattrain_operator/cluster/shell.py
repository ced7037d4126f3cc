"""The operator while it leads: watches and LISTs feed the cache, the queue feeds passes, passes write."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from prometheus_client import Histogram

from wattrain_api import names
from wattrain_api.base import quantity_value
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.apply import Applier
from wattrain_operator.cluster.fleets import Fleets
from wattrain_operator.cluster.kube.apierrors import ApiError, ForbiddenError, NotFoundError
from wattrain_operator.cluster.kube.cache import Cache, JobKey
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.events import EventRecorder
from wattrain_operator.cluster.kube.resources import KINDS, RESOURCES, Json, Kind
from wattrain_operator.cluster.kube.trim import trim
from wattrain_operator.cluster.kube.watches import watches
from wattrain_operator.cluster.notifier import Notifier
from wattrain_operator.cluster.progress_poller import DirectFetch, ProgressPoller, ProxyFetch
from wattrain_operator.cluster.reconcile import Reconciler
from wattrain_operator.cluster.refused_requests import NotYetError
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.cluster.workqueue import WorkQueue
from wattrain_operator.notifications.webhook import Webhook

AT_ONCE = 64
"""Jobs that are worked on at the same time; nearly all of it is waiting for the API server."""
GATHER_SECONDS = 0.005
"""Between two looks at the same job: its pods change together, and one look, and one status, answers them all."""
LIST_RETRY_SECONDS = 2.0
LAST_EVENTS_SECONDS = 2.0
EARLY_RESYNCS_SECONDS = (2.0, 8.0)
"""Pauses before the second and the third LIST. kopf's watches begin with LISTs of their own, which may be later than
the first of ours: of what was deleted in between no watch ever tells."""
_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
logger = logging.getLogger(__name__)


class Shell:
    """Everything between the API server and the core, in one event loop."""

    def __init__(
        self,
        client: Client,
        settings: OperatorSettings,
        identity: str,
        may_write: Callable[[], bool],
        written: Callable[[TrainingJob, TrainingJobStatus, TrainingJobStatus], None] | None = None,
    ) -> None:
        """`may_write` says whether this process still leads; `written` is told of each status that a job gets, with the
        one before."""
        self.client, self._settings, self._may_write = client, settings, may_write
        # What pydantic makes of a status at its first use takes up to 0.1 s, for which the first jobs would wait.
        TrainingJobStatus.from_json_object({}).to_json_object()
        self.cache = Cache()
        self.queue = WorkQueue(time.monotonic)
        self._fetch = DirectFetch() if settings.reach == "direct" else ProxyFetch(client)
        self.progress = ProgressPoller(self._fetch, settings.progress_interval_seconds, time.monotonic, self.queue.add)
        applier = Applier(client, self.cache, settings, network_policy=settings.network_policy)
        self.events = EventRecorder(client, identity)
        cpus = quantity_value(settings.worker_cpu_request) if settings.worker_cpu_request else 1.0
        self.fleets = Fleets(client, self.cache, settings.namespaces, self.queue.add, time.monotonic, cpus=cpus)
        self._notifier = self._make_notifier()
        self._reconciler = Reconciler(
            client, self.cache, applier, self.progress, self.events, self.fleets,
            settings.status_interval_seconds, time.monotonic, self._notifier, written,
        )  # fmt: skip
        self.outcomes: Counter[str] = Counter()
        self.durations = Histogram("passes", "Time of a pass in seconds", registry=None, buckets=_BUCKETS_SECONDS)
        self.began_at: float | None = None
        """Since when it works; None: it stands by. This time and those below are of the monotonic clock."""
        self.listed_at: dict[Kind, float] = {}
        self.heard_at: dict[Kind, float] = {}
        self.deaf_resyncs: Counter[Kind] = Counter()
        """How many LISTs in a row found what the watch should have told since the one before."""

    async def run(self) -> None:
        """Work until cancelled."""
        self.began_at = time.monotonic()
        await self.resync()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._resync_for_ever())
            tasks.create_task(self.progress.run())
            tasks.create_task(self.events.run())
            tasks.create_task(self.fleets.run())
            tasks.create_task(self._work())

    async def finish(self) -> None:
        """After `run`: publish the events that still wait, but not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_EVENTS_SECONDS):
                await self.events.publish_all()

    async def close(self) -> None:
        """Close connections to workers and to the receiver of notifications."""
        if self._notifier is not None:
            await self._notifier.close()
        if self._fetch is not None:
            await self._fetch.close()

    def _make_notifier(self) -> Notifier | None:
        settings = self._settings
        if not settings.notify_url:
            return None
        webhook = Webhook.of(settings.notify_url, settings.notify_secret)
        return Notifier(webhook, settings.notify_conditions, self._may_write, self.queue.add)

    def take(self, kind: Kind, body: Json, deleted: bool) -> None:
        """Take in an event of a watch."""
        self.heard_at[kind] = time.monotonic()
        new = kind == "TrainingJob" and not body.get("status")
        for key in self.cache.apply(kind, body, deleted=deleted, from_watch=True):
            self.queue.add(key, new=new)
        self._mark_fleets(kind, body)

    def _mark_fleets(self, kind: Kind, body: Json) -> None:
        """Have the fleet decide anew that an event is about."""
        if kind == "PowerDomain":
            self.fleets.mark(body["metadata"]["name"])
        elif kind == "TrainingJob":
            self.fleets.mark_job(body)
        elif (job := self.cache.job_of(body)) is not None:
            self.fleets.mark_job(job)

    def take_list(
        self, kind: Kind, items: list[Json], version: int, namespace: str, *, from_watch: bool = True
    ) -> None:
        """Take in all objects of a kind (or of those in `namespace`, if given) as of `version`."""
        if from_watch:
            self.heard_at[kind] = time.monotonic()
        for key in self.cache.replace(kind, items, version, namespace, from_watch=from_watch):
            self.queue.add(key)
        self.fleets.mark_all()

    async def watch(self, took_signals: Callable[[], None] = lambda: None) -> None:
        """Take in what happens until cancelled. `took_signals`: as KopfWatch has it."""
        async with asyncio.TaskGroup() as running:
            for watch in watches(self.client, self._settings.namespaces, took_signals):
                running.create_task(watch.run(self))

    def list_age_seconds(self, kind: Kind) -> float | None:
        """Time since all objects of `kind` were read, or since it began to try; None: it stands by."""
        since = self.listed_at.get(kind, self.began_at)
        return None if since is None else time.monotonic() - since

    async def resync(self) -> None:
        """LIST everything, and have every job looked at that the cache was wrong about. Tries until it succeeds."""
        for kind in KINDS:
            while not await self._list(kind):
                await asyncio.sleep(LIST_RETRY_SECONDS * random.uniform(0.5, 1.5))

    async def _list(self, kind: Kind) -> bool:
        selector = names.LABEL_JOB if kind == "Pod" else ""
        spaces = self._settings.namespaces if kind != "PowerDomain" else ()
        missed = self.cache.unconfirmed(kind)
        try:
            for space in spaces or ("",):
                items, version = await self.client.list_all(RESOURCES[kind], space, selector, partial(trim, kind))
                self.take_list(kind, items, version, space, from_watch=False)
        except NotFoundError:
            logger.error("the API server knows no %s: install the definitions in manifests/crd, or the chart", kind)
            return False
        except ForbiddenError as error:
            logger.error("listing %s is forbidden: give the operator the role of the chart: %s", kind, error.message)
            return False
        except ApiError as error:
            logger.warning("listing %s failed: %s", kind, error)
            return False
        self.deaf_resyncs[kind] = self.deaf_resyncs[kind] + 1 if missed and kind in self.listed_at else 0
        self.listed_at[kind] = time.monotonic()
        return True

    async def _resync_for_ever(self) -> None:
        period = self._settings.resync_seconds
        for pause in itertools.chain(EARLY_RESYNCS_SECONDS, itertools.repeat(period)):
            await asyncio.sleep(min(pause, period) * random.uniform(0.85, 1.15))
            await self.resync()

    async def _work(self) -> None:
        """Give each key that is due a task. Only this one waits for keys: of many that did, all would wake for each."""
        room = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as passes:
            while True:
                await room.acquire()
                key = await self.queue.get()
                passes.create_task(self._look_at(key)).add_done_callback(lambda _: room.release())

    async def _look_at(self, key: JobKey) -> None:
        if not self._may_write():
            self.queue.retry(key, 1.0)
            return
        began = time.monotonic()
        self.outcomes[await self._pass_over(key)] += 1
        self.durations.observe(time.monotonic() - began)

    async def _pass_over(self, key: JobKey) -> str:
        """One pass over a job, and when the next is due. Returns how it went."""
        try:
            next_look = await self._reconciler.reconcile(key)
        except NotYetError as error:
            pause = self.queue.retry(key, at_most_seconds=error.longest_pause_seconds)
            logger.info("job %s/%s: %s; again in %.1f s", *key, error, pause)
            return "retry"
        except ApiError as error:
            pause = self.queue.retry(key, error.retry_after_seconds or 0.0)
            logger.info("job %s/%s: %s; again in %.1f s", *key, error, pause)
            return "retry"
        except Exception:
            pause = self.queue.retry(key)
            logger.exception("job %s/%s: a defect; again in %.1f s", *key, pause)
            return "crash"
        asyncio.get_running_loop().call_later(GATHER_SECONDS, self.queue.done, key, next_look)
        return "done"
