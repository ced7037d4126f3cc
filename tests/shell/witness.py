"""Who looks on: every pod that ever was in a namespace, in the order in which the API server knew it."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from wattrain_operator.cluster.kube.resources import PODS

ENDED = ("Succeeded", "Failed")


class Witness:
    """What a watch of the pods of one namespace has told so far."""

    def __init__(self) -> None:
        self.born: defaultdict[str, list[str]] = defaultdict(list)
        """The uids of all pods that ever had a name."""
        self.overlaps: list[str] = []
        """Pods that came while a pod of another attempt of the same job could still write."""
        self.most_jobs = 0
        """Most jobs that had a pod that could run at the same time."""
        self._alive: dict[str, tuple[str, str]] = {}

    def take(self, kind: str, pod: dict[str, Any]) -> None:
        """Take in one event of the watch."""
        metadata, labels = pod["metadata"], pod["metadata"].get("labels") or {}
        name, uid = metadata["name"], metadata["uid"]
        job, attempt = labels.get("wattrain.dev/job", ""), labels.get("wattrain.dev/attempt", "")
        if uid not in self.born[name]:
            self.born[name].append(uid)
            others = [other for other, (of, n) in self._alive.items() if of == job and n != attempt]
            self.overlaps += [f"{name} was created while {other} lived" for other in others]
        if kind == "DELETED" or (pod.get("status") or {}).get("phase") in ENDED:
            self._alive.pop(name, None)
        else:
            self._alive[name] = job, attempt
            self.most_jobs = max(self.most_jobs, len({job for job, _ in self._alive.values()}))

    def assert_orderly(self, job: str = "") -> None:
        """No pod (of `job`, if given) was made twice, and no attempt began while a pod of another could write."""
        twice = {name: uids for name, uids in self.born.items() if name.startswith(job) and len(uids) > 1}
        assert not twice, f"made more than once: {twice}"
        assert not [told for told in self.overlaps if told.startswith(job)], self.overlaps


@contextlib.asynccontextmanager
async def watched(cluster: Any) -> AsyncIterator[Witness]:
    """A Witness of the namespace of `cluster`, from now on."""
    seen = Witness()
    pods, version = await cluster.client.list_all(PODS, cluster.namespace)
    for pod in pods:
        seen.take("ADDED", pod)
    watching = asyncio.create_task(_follow(cluster, version, seen))
    try:
        yield seen
        if watching.done():
            watching.result()  # what it has not seen cannot be judged
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _follow(cluster: Any, version: int, seen: Witness) -> None:
    async for kind, pod in cluster.client.watch(PODS, cluster.namespace, "", version):
        if kind != "BOOKMARK":
            seen.take(kind, pod)
    raise AssertionError("the watch of the test ended")
