"""Waiting until a job is as somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from wattrain_api import reasons
from wattrain_operator.cluster.kube.resources import TRAINING_JOBS
from wattrain_operator.core.conditions import is_true
from wattrain_operator.local.refused import EXIT_COMPLETE, EXIT_FAILED, Refused
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.goal import Goal
from wattrain_operator.remote.job_changes import no_such_job
from wattrain_operator.remote.object_watch import Outage, Selection, changes
from wattrain_operator.remote.seen_job import SeenJob, seen_job


async def job_changes(
    connection: Connection, name: str, namespace: str = "", outage: Outage | None = None
) -> AsyncGenerator[SeenJob, None]:
    """The job `name` as it is, then as it changes. Refused where there is none, or where it is deleted meanwhile."""
    where = namespace or connection.namespace
    selection = Selection(TRAINING_JOBS, where, fields=f"metadata.name={name}")
    uid = ""
    async with aclosing(changes(connection.client, selection, outage)) as seen:
        async for news in seen:
            if not news and not uid:
                raise no_such_job(where, name)
            for body, deleted in news:
                if deleted and (not uid or body["metadata"]["uid"] == uid):
                    raise Refused(f"{name} was deleted meanwhile", exit_code=EXIT_FAILED)
                job = seen_job(body)
                if not uid or job.uid == uid:
                    uid = job.uid
                    yield job


async def wait_for(
    connection: Connection,
    name: str,
    goal: Goal,
    timeout_seconds: float | None,
    on_change: Callable[[SeenJob], None],
    namespace: str = "",
) -> tuple[SeenJob, int]:
    """Wait until the job `name` is what `goal` says, or can never be; the job, and the exit code: 0, or 1. Every change
    until then is handed to `on_change`. Refused, with exit code 1, where it takes longer."""
    last: SeenJob | None = None
    try:
        async with asyncio.timeout(timeout_seconds), aclosing(job_changes(connection, name, namespace)) as seen:
            async for job in seen:
                last = job
                on_change(job)
                code = _outcome(job, goal)
                if code is not None:
                    return job, code
    except TimeoutError:
        state = (
            "not there" if last is None else f"{last.status.state}: {last.status.message or 'nothing is said of it'}"
        )
        raise Refused(
            f"{name} is not {goal} after {timeout_seconds:g} s; it is {state}", exit_code=EXIT_FAILED
        ) from None
    raise AssertionError("a watch has no end")


def _outcome(job: SeenJob, goal: Goal) -> int | None:
    """The exit code; None: wait on."""
    if goal in (Goal.RUNNING, Goal.SUSPENDED) and not job.is_over and not job.is_answered:
        return None  # what it says is of before its spec was changed
    reached = {
        Goal.COMPLETE: job.is_complete,
        Goal.FAILED: job.is_over and not job.is_complete,
        Goal.RUNNING: is_true(job.status, reasons.RUNNING) or job.is_complete,
        Goal.SUSPENDED: is_true(job.status, reasons.SUSPENDED),
    }
    if reached[goal]:
        return EXIT_COMPLETE
    return EXIT_FAILED if job.is_over else None


async def wait_until_gone(connection: Connection, job: SeenJob, timeout_seconds: float | None) -> None:
    """Wait until `job`, which was deleted, is not there any more. Refused, with exit code 1, where it takes longer."""
    selection = Selection(TRAINING_JOBS, connection.namespace, fields=f"metadata.name={job.name}")
    try:
        async with asyncio.timeout(timeout_seconds), aclosing(changes(connection.client, selection)) as seen:
            first = True
            async for news in seen:
                there = any(body["metadata"]["uid"] == job.uid and not deleted for body, deleted in news)
                gone = any(body["metadata"]["uid"] == job.uid and deleted for body, deleted in news)
                if gone or (first and not there):
                    return
                first = False
    except TimeoutError:
        raise Refused(
            f"{job.name} is still there after {timeout_seconds:g} s: a finalizer may keep it "
            f"(kubectl get trainingjob {job.name} -o yaml)",
            exit_code=EXIT_FAILED,
        ) from None
