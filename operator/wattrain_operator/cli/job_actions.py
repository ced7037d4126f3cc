"""What `suspend`, `resume`, `delete` and `wait` do."""

from __future__ import annotations

import json
from collections.abc import Sequence

import typer

from wattrain_operator.cli.cluster_options import Told
from wattrain_operator.cli.submitting import FULL_NAME, say, wait_for_all
from wattrain_operator.local.refused import EXIT_COMPLETE
from wattrain_operator.remote.awaited import wait_until_gone
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.goal import Goal
from wattrain_operator.remote.job_changes import delete_job, get_job, set_suspended
from wattrain_operator.remote.seen_job import SeenJob


async def suspend_jobs(connection: Connection, names: Sequence[str], suspend: bool, told: Told) -> int:
    """Have each of the jobs stop after a checkpoint, or go on."""
    for name in names:
        job, is_news = await set_suspended(connection, name, suspend)
        done = "suspended" if suspend else "resumed"
        say([job], told, f"is {done}" if is_news else f"was {done} already")
    return EXIT_COMPLETE


async def delete_jobs(
    connection: Connection, names: Sequence[str], wait: bool, timeout_seconds: float | None, told: Told
) -> int:
    """Delete each of the jobs and say what goes with it, and what stays."""
    for name in names:
        job, pods = await delete_job(connection, name)
        _say_deleted(job, pods, told)
        if wait:
            await wait_until_gone(connection, job, timeout_seconds)
    return EXIT_COMPLETE


async def wait_for_jobs(
    connection: Connection, names: Sequence[str], goal: Goal, timeout_seconds: float | None, told: Told
) -> int:
    """Wait until each of the jobs is what `goal` says."""
    jobs = [await get_job(connection, name) for name in names]
    code = await wait_for_all(connection, jobs, goal, timeout_seconds)
    if code == EXIT_COMPLETE:
        after = jobs if told is Told.NAME else [await get_job(connection, name) for name in names]
        say(after, told, f"is {goal}")
    return code


def _say_deleted(job: SeenJob, pods: int | None, told: Told) -> None:
    claim = ((job.body.get("spec") or {}).get("storage") or {}).get("claim")
    stays = f"; its files on claim {claim} stay" if claim else ""
    number = "its pods" if pods is None else f"{pods} pod{'' if pods == 1 else 's'}"
    if told is Told.JSON:
        typer.echo(json.dumps({"deleted": job.name, "namespace": job.namespace, "pods": pods, "claimThatStays": claim}))
    elif told is Told.NAME:
        typer.echo(f"{FULL_NAME}{job.name}")
    else:
        what = f"{number}, its Service and its NetworkPolicy"
        typer.echo(f"{FULL_NAME}{job.name} is deleted from namespace {job.namespace}, with {what}{stays}")
