"""Pods are watched directly, from the version of a LIST on, so that nothing is missed in between.

A group of four pods has twelve events before it runs, and to carry one costs kopf more than all that is done with it:
with kopf between, a fifth of the operator's time went there, and a job was told to run a twelfth later.
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
from wattrain_operator.cluster.client import PODS, ApiError, Client
from wattrain_operator.cluster.slim import slim

Listed = Callable[[list[Json], int], None]
"""Gets all pods of jobs, and the version that they are of."""
Take = Callable[[Json, bool], None]
"""Gets a pod, and whether it was deleted."""
logger = logging.getLogger(__name__)


async def watch_pods(client: Client, namespace: str, listed: Listed, take: Take) -> None:
    """Pass on what happens to the pods of jobs in `namespace` (empty: everywhere) until cancelled.

    It goes on where it was cut if anything had been heard, and begins with a LIST again after all else.
    """
    version, pauses = 0, iter(Backoffs())
    while True:
        heard, pause = 0, 0.0
        try:
            if not version:
                pods, version = await client.list_all(PODS, namespace, names.LABEL_JOB, partial(slim, "Pod"))
                listed(pods, version)
            async with aclosing(client.watch(PODS, namespace, names.LABEL_JOB, version)) as events:
                async for kind, pod in events:
                    if kind != "BOOKMARK":
                        take(pod, kind == "DELETED")
                    heard = int(pod["metadata"]["resourceVersion"])
            version = heard
        except ApiError as error:
            logger.warning("the watch of pods ended: %s", error)
            version, pause = 0 if error.status else heard, error.retry_after_seconds or 0.0
        except Exception:
            logger.exception("the watch of pods ended: a defect")
            version = 0
        if heard:
            pauses = iter(Backoffs())
        await asyncio.sleep(max(next(pauses), pause))
