"""A profile of a training on a cluster: asked for as a person, by a directive, and read from the log of its rank."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from wattrain_api import names, reasons
from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.directive import next_directive
from wattrain_api.contract.phases import STARTING_PHASES, Phase
from wattrain_api.contract.profile_lines import profile_start
from wattrain_operator.cluster.kube.apierrors import ConflictError, NotFoundError
from wattrain_operator.cluster.kube.resources import PODS, Json
from wattrain_operator.cluster.objects import directive_of
from wattrain_operator.core.conditions import is_true
from wattrain_operator.local.refused import EXIT_FAILED, Refused
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.job_changes import get_job
from wattrain_operator.remote.pod_logs import LogLine, LogReader
from wattrain_operator.remote.seen_job import SeenJob
from wattrain_operator.remote.sentences import is_missing

_PROFILED_PHASES: Final = (Phase.TRAINING, Phase.EVALUATING, Phase.CHECKPOINTING)
"""In between the last two there are steps, and who asks sees one phase of many."""


class Profile(NamedTuple):
    """What a rank has said of a profile."""

    table: str
    said: str
    """Where its trace is, or why it is nowhere."""
    worker: int


@dataclass(frozen=True)
class ProfileRequest:
    """So many `steps` of the rank `rank` of `job`."""

    job: SeenJob
    steps: int
    rank: int

    @property
    def worker(self) -> int:
        """Index of the worker that the rank is of."""
        workers = (self.job.body.get("spec") or {}).get("workers") or {}
        return self.rank // int(workers.get("processesPerWorker") or 1)

    def pod(self, worker: int) -> str:
        """Name of a worker's pod."""
        return names.child_name(self.job.name, names.ROLE_WORKER, self.job.status.attempt, worker)


async def profile_of(
    connection: Connection, name: str, steps: int, rank: int, note: Callable[[str], None]
) -> tuple[SeenJob, Profile]:
    """Have the training of the job `name` profile steps, and wait for it. Refused where it cannot be asked, and with
    exit code 1 where it ends before. `note` takes sentences on the way."""
    request = ProfileRequest(await get_job(connection, name), steps, rank)
    _demand_that_it_can_be_asked(request)
    old = _Lines(request)
    await LogReader(connection, request.job, request.worker, None, old.take, lambda _: None).read()
    await _direct(connection, request)
    note(f"profiling {steps} steps of rank {rank}; a node may take a minute to hand the request to its pod")
    lines = _Lines(request, frozenset(old.headings))
    reading = asyncio.create_task(LogReader(connection, request.job, request.worker, None, lines.take, note).follow())
    try:
        either: list[asyncio.Future[Any]] = [reading, lines.found]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
        found = lines.found.result() if lines.found.done() else None
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    if found is None:
        raise Refused(
            f"{name}: the training ended, or its workers were restarted, before the profile was written; wattrain logs "
            f"{name} may say why",
            exit_code=EXIT_FAILED,
        )
    return request.job, found


class _Lines:
    """Finds a profile of the rank in the log of its worker: one whose heading is not among `old`."""

    def __init__(self, request: ProfileRequest, old: frozenset[str] = frozenset()) -> None:
        self._request, self._old = request, old
        self._prefix, self._start = f"[rank {request.rank}] ", profile_start(request.rank)
        self._heading, self._table = "", list[str]()
        self.headings: list[str] = []
        self.found: asyncio.Future[Profile | None] = asyncio.get_running_loop().create_future()
        """None: other workers have taken the place of those that were asked."""

    def take(self, line: LogLine) -> None:
        """The next line of the worker's log."""
        if self.found.done():
            return
        if line.source.attempt > self._request.job.status.attempt:
            self.found.set_result(None)
        elif line.source.attempt == self._request.job.status.attempt and line.text.startswith(self._prefix):
            self._take(line.text.removeprefix(self._prefix), line.source.worker)

    def _take(self, text: str, worker: int) -> None:
        if text.startswith(self._start) and text.endswith(":"):
            self.headings.append(text)
            self._heading, self._table = "" if text in self._old else text, []
        elif self._heading and text.startswith(f"{self._heading[:-1]} "):
            self.found.set_result(Profile("\n".join(self._table), text, worker))
        elif self._heading:
            self._table.append(text)


def _demand_that_it_can_be_asked(request: ProfileRequest) -> None:
    job, status = request.job, request.job.status
    workers = (job.body.get("spec") or {}).get("workers") or {}
    ranks = int(workers.get("replicas") or 1) * int(workers.get("processesPerWorker") or 1)
    if not job.tells_phase:
        raise Refused(f"{job.name}: a script cannot be asked; call torch.profiler in it")
    if request.rank >= ranks:
        raise Refused(f"--rank {request.rank}: the job has {ranks} ranks; write one from 0 to {ranks - 1}")
    if not is_true(status, reasons.RUNNING):
        state = status.state or "not seen by the operator yet"
        raise Refused(
            f"{job.name}: it is {state} and does not train now; wattrain wait {job.name} --for running waits for it"
        )
    phase = "" if status.progress is None else status.progress.phase
    if phase in STARTING_PHASES:
        raise Refused(f"{job.name}: its workers run and do not train yet; try again in a moment")
    if phase not in _PROFILED_PHASES:
        raise Refused(f"{job.name}: it is {phase}, and has no step left to profile")


async def _direct(connection: Connection, request: ProfileRequest) -> None:
    """Give the directive to the pod as it was seen, so that it never replaces one that was given meanwhile."""
    pod, namespace, job = request.pod(0), connection.namespace, request.job
    try:
        there = await connection.client.get(PODS, namespace, pod)
        await connection.client.merge(PODS, namespace, pod, _patch(there, request))
    except NotFoundError as error:
        if not is_missing(error):
            raise
        raise Refused(
            f"{job.name}: its pod {pod} is gone; try again when it runs again", exit_code=EXIT_FAILED
        ) from None
    except ConflictError:
        raise Refused(f"{job.name}: its pod {pod} has just changed; try again", exit_code=EXIT_FAILED) from None


def _patch(pod: Json, request: ProfileRequest) -> Json:
    metadata = pod["metadata"]
    old = directive_of(pod)
    if metadata.get("deletionTimestamp") or (old is not None and old.stop_at_step is not None):
        raise Refused(f"{request.job.name}: this training has been asked to stop; profile it when it runs again")
    version = max(request.job.status.internal.directive_version, 0 if old is None else old.version) + 1
    directive = replace(next_directive(old, version), profile_steps=request.steps, profile_rank=request.rank)
    return {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "annotations": {names.ANNOTATION_DIRECTIVE: encode_json(directive).decode()},
        }
    }
