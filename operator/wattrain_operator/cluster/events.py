"""Events of jobs (events.k8s.io/v1), told after the status has been written; the same again only counts up."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from wattrain_api.names import API_VERSION, GROUP
from wattrain_operator.cluster.cache import Json
from wattrain_operator.cluster.client import EVENTS, AlreadyExistsError, ApiError, Client, NotFoundError
from wattrain_operator.core.observed import Event

NOTE_BYTES = 1024
REMEMBERED = 4096
CONTROLLER = f"{GROUP}/operator"
logger = logging.getLogger(__name__)


class EventRecorder:
    """Tells events. One that cannot be told is logged, and never holds up a job."""

    def __init__(self, client: Client, instance: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`instance` names this process."""
        self._client, self._instance, self._now = client, instance[:128], now
        self._counts: OrderedDict[str, int] = OrderedDict()

    async def tell(self, job: Json, event: Event) -> None:
        """Tell `event` about `job`: the first time as an event of its own, later as one more of a series."""
        namespace = job["metadata"]["namespace"]
        name = event_name(job, event)
        try:
            if name in self._counts:
                await self._count_up(job, event, namespace, name)
            else:
                await self._create(job, event, namespace, name)
        except ApiError as error:
            logger.warning("event %s of job %s/%s is lost: %s", event.reason, namespace, job["metadata"]["name"], error)

    async def _create(self, job: Json, event: Event, namespace: str, name: str) -> None:
        try:
            await self._client.create(EVENTS, namespace, self._body(job, event, namespace, name))
            self._remember(name, 1)
        except AlreadyExistsError:  # told by the operator that was here before
            self._remember(name, 1)
            await self._count_up(job, event, namespace, name)

    async def _count_up(self, job: Json, event: Event, namespace: str, name: str) -> None:
        count = self._counts[name] + 1
        series = {"count": max(2, count), "lastObservedTime": _micro_time(self._now())}
        try:
            await self._client.merge(EVENTS, namespace, name, {"series": series})
            self._remember(name, count)
        except NotFoundError:  # the API server forgets events after an hour
            self._counts.pop(name, None)
            await self._client.create(EVENTS, namespace, self._body(job, event, namespace, name))
            self._remember(name, 1)

    def _remember(self, name: str, count: int) -> None:
        self._counts[name] = count
        self._counts.move_to_end(name)
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

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


def event_name(job: Json, event: Event) -> str:
    """The same event about the same object always has the same name, so that it is never told twice."""
    content = "\0".join((job["metadata"]["uid"], event.type, event.reason, event.message))
    return f"{job['metadata']['name']}.{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _note(message: str) -> str:
    """At most 1,024 bytes, without what would move a terminal's cursor."""
    clean = "".join(c if c.isprintable() else " " for c in message)
    return clean.encode()[:NOTE_BYTES].decode("utf-8", "ignore")


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
