"""Pods are watched directly, from the version of a LIST on, so that nothing is missed in between.

A group of four pods has twelve events before it runs, and carrying one costs kopf several times what is done with it:
with kopf between, a quarter of the operator's time went there, and a job was told to run a twelfth later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

from wattrain_api import names
from wattrain_operator.cluster.backoff import Backoffs
from wattrain_operator.cluster.cache import Json
from wattrain_operator.cluster.client import PODS, ApiError, Client, ExpiredError
from wattrain_operator.cluster.slim import slim

Listed = Callable[[list[Json], int], None]
"""Gets all pods of jobs, and the version that they are of."""
Take = Callable[[Json, bool], None]
"""Gets a pod, and whether it was deleted."""
logger = logging.getLogger(__name__)


async def watch_pods(client: Client, namespace: str, listed: Listed, take: Take) -> None:
    """Pass on what happens to the pods of jobs in `namespace` (empty: everywhere) until cancelled."""
    version, pauses = 0, iter(Backoffs())
    while True:
        try:
            if not version:
                pods, version = await client.list_all(PODS, namespace, names.LABEL_JOB, partial(slim, "Pod"))
                listed(pods, version)
            async with aclosing(client.watch(PODS, namespace, names.LABEL_JOB, version)) as events:
                async for kind, pod in events:
                    version, pauses = int(pod["metadata"]["resourceVersion"]), iter(Backoffs())
                    if kind != "BOOKMARK":
                        take(pod, kind == "DELETED")
        except ExpiredError:
            version = 0
        except ApiError as error:
            logger.info("the watch of pods ended: %s", error)
        await asyncio.sleep(next(pauses))
