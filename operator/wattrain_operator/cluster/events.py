"""Events of jobs (events.k8s.io/v1), told after the status has been written; the same again only counts up."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from wattrain_api.names import API_VERSION, GROUP
from wattrain_operator.cluster.cache import Json
from wattrain_operator.cluster.client import EVENTS, ApiError, Client, NotFoundError
from wattrain_operator.core.observed import Event

NOTE_BYTES = 1024
REMEMBERED = 4096
CONTROLLER = f"{GROUP}/operator"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Told:
    """An event that is there: its object's name, and how often it was told."""

    name: str
    count: int


class EventRecorder:
    """Tells events. One that cannot be told is logged, and never holds up a job."""

    def __init__(self, client: Client, instance: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`instance` names this process."""
        self._client, self._instance, self._now = client, instance[:128], now
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._last_microsecond = 0

    async def tell_all(self, job: Json, events: Sequence[Event]) -> None:
        """Tell `events`, named in this order, without waiting for one before the next."""
        for failed in await asyncio.gather(*(self.tell(job, event) for event in events), return_exceptions=True):
            if failed is not None:
                raise failed

    async def tell(self, job: Json, event: Event) -> None:
        """Tell `event` about `job`: the first time as an event of its own, later as one more of a series."""
        namespace = job["metadata"]["namespace"]
        content = _content(job, event)
        told = self._told.get(content)
        try:
            if told is None:
                await self._create(job, event, namespace, content)
            else:
                await self._count_up(job, event, namespace, content, told)
        except ApiError as error:
            logger.warning("event %s of job %s/%s is lost: %s", event.reason, namespace, job["metadata"]["name"], error)

    async def _create(self, job: Json, event: Event, namespace: str, content: str) -> None:
        name = f"{job['metadata']['name']}.{self._moment():016x}"
        await self._client.create(EVENTS, namespace, self._body(job, event, namespace, name))
        self._remember(content, _Told(name, 1))

    async def _count_up(self, job: Json, event: Event, namespace: str, content: str, told: _Told) -> None:
        series = {"count": told.count + 1, "lastObservedTime": _micro_time(self._now())}
        try:
            await self._client.merge(EVENTS, namespace, told.name, {"series": series})
            self._remember(content, _Told(told.name, told.count + 1))
        except NotFoundError:  # the API server forgets events after an hour
            self._told.pop(content, None)
            await self._create(job, event, namespace, content)

    def _moment(self) -> int:
        """Microseconds, never the same twice. kubectl describe shows events in the order of their names, since those of
        events.k8s.io have no time that it would sort by: so names are in the order of time."""
        self._last_microsecond = max(int(self._now().timestamp() * 1e6), self._last_microsecond + 1)
        return self._last_microsecond

    def _remember(self, content: str, told: _Told) -> None:
        self._told[content] = told
        self._told.move_to_end(content)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _body(self, job: Json, event: Event, namespace: str, name: str) -> Json:
        metadata = job["metadata"]
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": _micro_time(self._now()),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "action": "Reconcile",
            "type": event.type,
            "reason": event.reason,
            "note": _note(event.message),
            "regarding": {
                "apiVersion": API_VERSION, "kind": "TrainingJob", "namespace": namespace, "name": metadata["name"],
                "uid": metadata["uid"],
            },
        }  # fmt: skip


def _content(job: Json, event: Event) -> str:
    """What makes an event the same as another. Short, for many are remembered."""
    content = "\0".join((job["metadata"]["uid"], event.type, event.reason, event.message))
    return hashlib.sha256(content.encode()).hexdigest()


def _note(message: str) -> str:
    """At most 1,024 bytes, without what would move a terminal's cursor."""
    clean = "".join(c if c.isprintable() else " " for c in message)
    return clean.encode()[:NOTE_BYTES].decode("utf-8", "ignore")


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
