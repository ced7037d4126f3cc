"""What the workers of a job print, from the API server, over restarts by new pods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import NamedTuple

from wattrain_api import names, reasons
from wattrain_operator.cluster.kube.apierrors import ApiError, InvalidError, NotFoundError
from wattrain_operator.cluster.kube.resources import PODS, Json
from wattrain_operator.cluster.objects.containers import own_container, state_of
from wattrain_operator.cluster.objects.identity import child_identity
from wattrain_operator.core.conditions import is_true
from wattrain_operator.core.roles import Role
from wattrain_operator.remote.awaited import job_changes
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.object_watch import Selection, changes
from wattrain_operator.remote.seen_job import SeenJob


class Source(NamedTuple):
    """Whose log it is."""

    attempt: int
    role: Role
    worker: int
    """Index of the worker; 0 for the preparation."""

    @property
    def label(self) -> str:
        """`worker 1`, `prepare`."""
        return f"{self.role} {self.worker}" if self.role == Role.WORKER else str(self.role)


class LogLine(NamedTuple):
    """One line of a log, without its end."""

    source: Source
    text: str


@dataclass(frozen=True)
class LogReader:
    """Reads the logs of `job`: of all its workers and its preparation, or of one worker."""

    connection: Connection
    job: SeenJob
    worker: int | None
    """Index of the one whose log is wanted; None: of all."""
    last_lines: int | None
    """Of what is there already, so many lines of each; None: all."""
    take: Callable[[LogLine], None]
    note: Callable[[str], None]
    """Takes a sentence about what cannot be read."""

    async def read(self) -> int:
        """Take what is there, one worker after the other. How many logs could be read."""
        pods = await self._pods()
        newest = max((source_of(pod).attempt for pod in pods), default=0)
        current = [pod for pod in pods if source_of(pod).attempt == newest]
        if current:
            self._note_what_is_gone(source_of(pod) for pod in current)
        return sum([await self._stream(pod, follow=False) for pod in current])

    async def follow(self) -> int:
        """Take what is there and what is written from now on, of all workers as it comes, until the job is over. How
        many logs could be read."""
        streams: dict[str, asyncio.Task[bool]] = {}
        watching = asyncio.create_task(self._watch_pods(streams))
        ending = asyncio.create_task(self._until_over())
        try:
            await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
            for task in (watching, ending):
                if task.done():
                    task.result()  # the watch has no end: it raises
            with suppress(asyncio.CancelledError):
                watching.cancel()
                await watching
            self._begin(await self._pods(), streams)
            return sum(await asyncio.gather(*streams.values()))
        finally:
            tasks: list[asyncio.Task[None] | asyncio.Task[bool]] = [watching, ending, *streams.values()]
            for begun in tasks:
                begun.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_pods(self, streams: dict[str, asyncio.Task[bool]]) -> None:
        selection = Selection(PODS, self.job.namespace, labels=f"{names.LABEL_JOB}={self.job.name}")
        async with aclosing(changes(self.connection.client, selection)) as seen:
            async for news in seen:
                self._begin((pod for pod, deleted in news if not deleted and self._is_wanted(pod)), streams)

    def _begin(self, pods: Iterable[Json], streams: dict[str, asyncio.Task[bool]]) -> None:
        """Read the logs of those that have one and are not being read yet."""
        for pod in pods:
            uid, container = str(pod["metadata"]["uid"]), own_container(pod)
            has_log = any(state_of(container, kind) is not None for kind in ("running", "terminated"))
            if has_log and uid not in streams:
                streams[uid] = asyncio.create_task(self._stream(pod, follow=True))

    async def _until_over(self) -> None:
        told = False
        async with aclosing(job_changes(self.connection, self.job.name)) as seen:
            async for job in seen:
                if job.is_over:
                    return
                suspended = is_true(job.status, reasons.SUSPENDED)
                if suspended and not told:
                    self.note(f"{job.name} is suspended; its logs go on when it is resumed")
                told = suspended

    async def _stream(self, pod: Json, *, follow: bool) -> bool:
        """Take the log of `pod`; whether it could be read."""
        source, name, last_lines = source_of(pod), str(pod["metadata"]["name"]), self.last_lines
        log = self.connection.client.log
        while True:
            try:
                lines = log(self.job.namespace, name, str(source.role), follow=follow, last_lines=last_lines)
                async with aclosing(lines):
                    async for line in lines:
                        self.take(LogLine(source, line.decode(errors="replace")))
                return True
            except NotFoundError:
                self.note(f"the pod {name} is gone, and its log with it")
                return False
            except InvalidError as error:
                self.note(f"the pod {name} has no log: {error.message}")
                return False
            except ApiError as error:
                if error.status or not follow:
                    raise
                self.note(f"the log of {name} was cut off ({error.message}); some of its lines may be missing here")
                last_lines = 0
                await asyncio.sleep(1.0)

    async def _pods(self) -> list[Json]:
        """Those that are wanted, in the order of attempts and workers."""
        pods, _ = await self.connection.client.list_all(PODS, self.job.namespace, f"{names.LABEL_JOB}={self.job.name}")
        return sorted(filter(self._is_wanted, pods), key=source_of)

    def _is_wanted(self, pod: Json) -> bool:
        source = source_of(pod)
        return self.worker is None or (source.role == Role.WORKER and source.worker == self.worker)

    def _note_what_is_gone(self, sources: Iterable[Source]) -> None:
        """A worker whose attempt goes on, or is over, and whose pod is not there."""
        there = {source.worker for source in sources if source.role == Role.WORKER}
        status = self.job.status
        expected = range(status.workers.desired) if self.worker is None else [self.worker]
        gone = [str(worker) for worker in expected if worker not in there]
        if gone and status.attempt:
            who = f"worker {gone[0]}" if len(gone) == 1 else f"workers {', '.join(gone)}"
            self.note(
                f"{self.job.name}: {who} of attempt {status.attempt} left no log here: the pod is gone, or not there "
                "yet (policy.keepPods: All keeps pods after the end)"
            )


def source_of(pod: Json) -> Source:
    """Whose log `pod` has."""
    role, attempt, worker = child_identity(str(pod["metadata"]["name"]))
    return Source(attempt, role, worker)
