"""Events of jobs (events.k8s.io/v1), published one after the other beside the passes; the same again only counts up."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from wattrain_api.names import API_VERSION, GROUP
from wattrain_operator.cluster.kube.apierrors import ApiError, NotFoundError
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.resources import EVENTS, Json
from wattrain_operator.core.observed import Event

NOTE_BYTES = 1024
REMEMBERED = 4096
PAUSE_SECONDS = 0.1
"""Before events are published where none of them warns and none is under way: pods that start meanwhile go first."""
WAITING = 8192
"""At most so many events wait to be published; what comes then is lost, and logged."""
CONTROLLER = f"{GROUP}/operator"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Published:
    """An event that is there: its object's name, and how often it happened."""

    name: str
    count: int


@dataclass(frozen=True)
class _Happened:
    """What waits to be published."""

    namespace: str
    job: str
    uid: str
    event: Event
    at: datetime
    microsecond: int
    """Of `at`, but never the same twice. kubectl describe shows events in the order of their names, since those of
    events.k8s.io have no time that it would sort by: so names are in the order of time."""

    @property
    def content(self) -> str:
        """What makes an event the same as another. Short, for many are remembered."""
        content = "\0".join((self.uid, self.event.type, self.event.reason, self.event.message))
        return hashlib.sha256(content.encode()).hexdigest()


class EventRecorder:
    """Publishes events, and holds nothing up: pods go first. One that cannot be published is logged."""

    def __init__(self, client: Client, instance: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`instance` names this process."""
        self._client, self._instance, self._now = client, instance[:128], now
        self._waiting: deque[_Happened] = deque()
        self._news, self._warning = asyncio.Event(), asyncio.Event()
        self._published: OrderedDict[str, _Published] = OrderedDict()
        self._last_microsecond = 0

    def __len__(self) -> int:
        """How many wait to be published."""
        return len(self._waiting)

    def add(self, job: Json, events: Sequence[Event]) -> None:
        """Have `events` about `job` published, in this order."""
        metadata = job["metadata"]
        for event in events:
            if len(self._waiting) >= WAITING:
                logger.warning("event %s of job %s/%s is lost: too many wait", event.reason, *_name(metadata))
                continue
            now = self._now()
            self._last_microsecond = max(int(now.timestamp() * 1e6), self._last_microsecond + 1)
            self._waiting.append(_Happened(*_name(metadata), metadata["uid"], event, now, self._last_microsecond))
            if event.type == "Warning":
                self._warning.set()
        self._news.set()

    async def run(self) -> None:
        """Publish what is added until cancelled."""
        while True:
            await self._news.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._warning.wait()
            self._news.clear()
            self._warning.clear()
            await self.publish_all()

    async def publish_all(self) -> None:
        """Publish what waits: the first time as an event of its own, later as one more of a series."""
        while self._waiting:
            happened = self._waiting[0]
            event = happened.event.reason
            try:
                await self._publish(happened)
            except ApiError as error:
                logger.warning("event %s of job %s/%s is lost: %s", event, happened.namespace, happened.job, error)
            except Exception:
                logger.exception("event %s of job %s/%s is lost: a defect", event, happened.namespace, happened.job)
            self._waiting.popleft()  # now, so that one that was cancelled on its way is published once more

    async def _publish(self, happened: _Happened) -> None:
        content = happened.content
        known = self._published.get(content)
        if known is not None:
            series = {"count": known.count + 1, "lastObservedTime": _micro_time(happened.at)}
            try:
                await self._client.merge(EVENTS, happened.namespace, known.name, {"series": series})
                self._remember(content, _Published(known.name, known.count + 1))
                return
            except NotFoundError:
                pass  # the API server forgets events after an hour
        name = f"{happened.job}.{happened.microsecond:016x}"
        await self._client.create(EVENTS, happened.namespace, self._body(happened, name))
        self._remember(content, _Published(name, 1))

    def _remember(self, content: str, known: _Published) -> None:
        self._published[content] = known
        self._published.move_to_end(content)
        if len(self._published) > REMEMBERED:
            self._published.popitem(last=False)

    def _body(self, happened: _Happened, name: str) -> Json:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": happened.namespace},
            "eventTime": _micro_time(happened.at),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "action": "Reconcile",
            "type": happened.event.type,
            "reason": happened.event.reason,
            "note": _note(happened.event.message),
            "regarding": {
                "apiVersion": API_VERSION, "kind": "TrainingJob", "namespace": happened.namespace,
                "name": happened.job, "uid": happened.uid,
            },
        }  # fmt: skip


def _name(metadata: Json) -> tuple[str, str]:
    return metadata["namespace"], metadata["name"]


def _note(message: str) -> str:
    """At most 1,024 bytes, without what would move a terminal's cursor."""
    clean = "".join(c if c.isprintable() else " " for c in message)
    return clean.encode()[:NOTE_BYTES].decode("utf-8", "ignore")


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
