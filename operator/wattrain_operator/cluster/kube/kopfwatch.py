"""What kopf is used for: it carries watch events of what users write into the cache, by handlers that cannot fail, and
do nothing else. Pods come by podwatch.py.

kopf's own state machine is not used: it would patch objects by name without their uid, keep what was deleted while its
watch was down, and not repeat a write that failed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kopf
from kubernetes.aio.client import Configuration

from wattrain_api import names
from wattrain_operator.cluster.kube import compat
from wattrain_operator.cluster.kube.backoff import Backoffs
from wattrain_operator.cluster.kube.client import CONNECT_SECONDS, LIST_CHUNK, REQUEST_TIMEOUT_SECONDS, SILENCE_SECONDS
from wattrain_operator.cluster.kube.login import connection_info
from wattrain_operator.cluster.kube.resources import Kind
from wattrain_operator.cluster.kube.watch_protocol import Sink

logger = logging.getLogger(__name__)
CALM_SECONDS = 60.0
"""Watches that lasted so long were well: the next failure is the first one."""


@dataclass(frozen=True)
class KopfWatch:
    """The watches of TrainingJobs in `namespaces` (empty: everywhere) and of PowerDomains."""

    configuration: Configuration
    namespaces: tuple[str, ...]
    took_signals: Callable[[], None]
    """Called each time that kopf has put its own handlers of SIGTERM and SIGINT in place of ours."""

    async def run(self, sink: Sink) -> None:
        """Pass on what happens until cancelled. Where kopf ends it is begun anew, with LISTs of its own."""
        pauses = iter(Backoffs())
        while True:
            began, handlers = time.monotonic(), _registry(self.configuration, sink)
            tasks = await compat.spawn_kopf(handlers, _settings(), self.namespaces, self.took_signals)
            try:
                await compat.finish_kopf(tasks)
            except Exception as error:
                logger.warning("the watches ended, and begin again soon: %s", error)
            if time.monotonic() - began > CALM_SECONDS:
                pauses = iter(Backoffs())
            await asyncio.sleep(next(pauses))


def _registry(configuration: Configuration, sink: Sink) -> kopf.OperatorRegistry:
    """kopf's handlers: two that pass on events, and one that signs in."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await connection_info(configuration)

    def pass_on(kind: Kind) -> Callable[..., Any]:
        async def handler(event: Any, **_: Any) -> None:
            sink.take(kind, dict(event["object"]), event["type"] == "DELETED")
            compat.keep_only_metadata(event)

        return handler

    kopf.on.event(names.GROUP, names.VERSION, "trainingjobs", registry=handlers, id="job")(pass_on("TrainingJob"))
    kopf.on.event(names.GROUP, names.VERSION, "powerdomains", registry=handlers, id="domain")(pass_on("PowerDomain"))
    return handlers


def _settings() -> kopf.OperatorSettings:
    """How kopf behaves, with the reasons why it should."""
    chosen = kopf.OperatorSettings()
    chosen.peering.standalone = True  # the Lease decides who leads
    chosen.scanning.disabled = True  # needs rights to watch namespaces and definitions in the whole cluster
    chosen.posting.enabled = False  # events are published after the status write, and only once
    chosen.watching.chunk_size = LIST_CHUNK
    chosen.queueing.idle_timeout = 0.5  # how long the last event of each object is kept in memory
    chosen.watching.inactivity_timeout = SILENCE_SECONDS
    chosen.watching.reconnect_backoff = 1.0
    chosen.watching.connect_timeout = CONNECT_SECONDS
    chosen.networking.connect_timeout = CONNECT_SECONDS
    chosen.networking.request_timeout = REQUEST_TIMEOUT_SECONDS
    chosen.networking.error_backoffs = Backoffs()
    chosen.networking.enforce_retry_after = True
    chosen.persistence.diffbase_storage = compat.NoComparison()
    chosen.persistence.finalizer = f"{names.GROUP}/unused"
    chosen.process.ultimate_exiting_timeout = None  # the kubelet kills what does not end; kopf would kill this process
    return chosen
