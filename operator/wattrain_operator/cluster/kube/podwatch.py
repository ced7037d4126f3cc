"""Pods are watched directly, from the version of a LIST on, so that nothing is missed in between.

A group of four pods has twelve events before it runs, and to carry one costs kopf more than all that is done with it:
with kopf between, a fifth of the operator's time went there, and a job was reported as running a twelfth later.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from wattrain_api import names
from wattrain_operator.cluster.kube.apierrors import ApiError
from wattrain_operator.cluster.kube.backoff import Backoffs
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.resources import PODS
from wattrain_operator.cluster.kube.trim import trim
from wattrain_operator.cluster.kube.watch_protocol import Sink

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PodWatch:
    """The watch of the pods of jobs in `namespace` (empty: everywhere)."""

    client: Client
    namespace: str

    async def run(self, sink: Sink) -> None:
        """Pass on what happens until cancelled.

        It goes on where it was cut if anything had been heard, and begins with a LIST again after all else.
        """
        version, pauses = 0, iter(Backoffs())
        while True:
            heard, pause = 0, 0.0
            try:
                if not version:
                    version = await self._list(sink)
                async with aclosing(self.client.watch(PODS, self.namespace, names.LABEL_JOB, version)) as events:
                    async for kind, pod in events:
                        if kind != "BOOKMARK":
                            sink.take("Pod", pod, kind == "DELETED")
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

    async def _list(self, sink: Sink) -> int:
        """Pass on all pods, and return the version that they are of."""
        pods, version = await self.client.list_all(PODS, self.namespace, names.LABEL_JOB, partial(trim, "Pod"))
        sink.take_list("Pod", pods, version, self.namespace)
        return version
