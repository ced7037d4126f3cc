"""What kopf is used for: it carries watch events of what users write into the cache, by handlers that cannot fail, and
do nothing else. Pods come in podwatch.py.

kopf's own state machine is not used: it would patch objects by name without their uid, keep what was deleted while its
watch was down, and not repeat a write that failed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import kopf
from kubernetes.aio.client.configuration import Configuration

from wattrain_api import names
from wattrain_operator.cluster.backoff import Backoffs
from wattrain_operator.cluster.cache import Json, Kind
from wattrain_operator.cluster.client import CONNECT_SECONDS, LIST_CHUNK, REQUEST_TIMEOUT_SECONDS, SILENCE_SECONDS
from wattrain_operator.cluster.login import connection_info

_KOPF = str(Path(kopf.__file__).parent)
_IDENTITY: Any = "wattrain-operator"
"""Only kopf's peering, which is off, would use it; left to itself kopf asks for a user name, which a container's user
need not have."""
logger = logging.getLogger(__name__)
CALM_SECONDS = 60.0
"""Watches that lasted so long were well: the next failure is the first one."""
Take = Callable[[Kind, Json, bool], None]
"""Gets the kind, the object, and whether it was deleted."""


async def watch(
    configuration: Configuration, namespaces: Sequence[str], take: Take, started: Callable[[], None]
) -> None:
    """Pass on what happens in `namespaces` (empty: everywhere) until cancelled.

    kopf ends at any error that a watch reports but 410; then it is begun anew, with LISTs of its own. Calls `started`
    each time.
    """
    pauses = iter(Backoffs())
    while True:
        began = time.monotonic()
        tasks = await kopf.spawn_tasks(
            registry=_registry(configuration, take),
            settings=_settings(),
            standalone=True,
            identity=_IDENTITY,
            clusterwide=not namespaces,
            namespaces=namespaces,
        )
        started()
        try:
            await kopf.run_tasks(tasks, ignored=_TasksOfOthers())
        except Exception as error:
            logger.warning("the watches ended, and begin again soon: %s", error)
        if time.monotonic() - began > CALM_SECONDS:
            pauses = iter(Backoffs())
        await asyncio.sleep(next(pauses))


class _NoComparison(kopf.DiffBaseStorage):
    """Nobody here asks kopf what changed. Copying every body to find out would be half of the operator's CPU time."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing of it is looked at."""
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """Nothing is remembered."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is written."""


class _TasksOfOthers(Collection["asyncio.Task[Any]"]):
    """All tasks but kopf's own. In its end kopf cancels what was begun since its start, and would take ours for its."""

    def __contains__(self, task: object) -> bool:
        coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
        code = getattr(coroutine, "cr_code", None)
        return code is None or not code.co_filename.startswith(_KOPF)

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return (task for task in asyncio.all_tasks() if task in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _registry(configuration: Configuration, take: Take) -> kopf.OperatorRegistry:
    """kopf's handlers: two that pass on events, and one that signs in."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await connection_info(configuration)

    def pass_on(kind: Kind) -> Callable[..., Any]:
        async def handler(event: Any, **_: Any) -> None:
            body = event["object"]
            take(kind, dict(body), event["type"] == "DELETED")
            body.pop("spec", None)  # kopf keeps the object for a while, and reads nothing but its metadata
            body.pop("status", None)
            body["metadata"].pop("managedFields", None)

        return handler

    kopf.on.event(names.GROUP, names.VERSION, "trainingjobs", registry=handlers, id="job")(pass_on("TrainingJob"))
    kopf.on.event(names.GROUP, names.VERSION, "powerdomains", registry=handlers, id="domain")(pass_on("PowerDomain"))
    return handlers


def _settings() -> kopf.OperatorSettings:
    """How kopf behaves, with the reasons why it should."""
    chosen = kopf.OperatorSettings()
    chosen.peering.standalone = True  # the Lease decides who leads
    chosen.scanning.disabled = True  # needs rights to watch namespaces and definitions in the whole cluster
    chosen.posting.enabled = False  # events are told after the status write, and only once
    chosen.watching.chunk_size = LIST_CHUNK
    chosen.queueing.idle_timeout = 0.5  # how long the last event of each object is kept in memory
    chosen.watching.inactivity_timeout = SILENCE_SECONDS
    chosen.watching.reconnect_backoff = 1.0
    chosen.watching.connect_timeout = CONNECT_SECONDS
    chosen.networking.connect_timeout = CONNECT_SECONDS
    chosen.networking.request_timeout = REQUEST_TIMEOUT_SECONDS
    chosen.networking.error_backoffs = Backoffs()
    chosen.networking.enforce_retry_after = True
    chosen.persistence.diffbase_storage = _NoComparison()
    chosen.persistence.finalizer = f"{names.GROUP}/unused"
    chosen.process.ultimate_exiting_timeout = None  # the kubelet kills what does not end; kopf would kill this process
    return chosen
