"""From files to jobs on a cluster."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from wattrain_api.load import load_files
from wattrain_api.support import unsupported
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cli.cluster_options import Told
from wattrain_operator.cli.following import follow
from wattrain_operator.cli.outputs import Output, make_view
from wattrain_operator.cli.status_line import status_line
from wattrain_operator.local.refused import EXIT_COMPLETE, EXIT_FAILED, Refused
from wattrain_operator.remote.awaited import wait_for
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.goal import Goal
from wattrain_operator.remote.job_changes import create_job
from wattrain_operator.remote.seen_job import SeenJob

FULL_NAME = "trainingjob.wattrain.dev/"


@dataclass(frozen=True)
class Submission:
    """What is to be submitted, and what then."""

    files: Sequence[Path]
    overrides: Sequence[str]
    namespace: str
    """As the command was given it; empty: the files' own, else the context's."""
    follow: bool
    wait: bool
    timeout_seconds: float | None
    told: Told


def read_jobs(submission: Submission) -> list[TrainingJob]:
    """The jobs of the files. InvalidInput or Refused where one cannot be, before anything is sent to the cluster."""
    loaded = load_files(submission.files, submission.overrides)
    lines = [
        f"TrainingJob {j.metadata.name}: {field}: {text}" for j in loaded.jobs for field, text in unsupported(j.spec)
    ]
    wanted = submission.namespace
    lines += [
        f"TrainingJob {job.metadata.name}: metadata.namespace: {job.metadata.namespace}, but --namespace is {wanted}; "
        "remove one of them"
        for job in loaded.jobs
        if wanted and job.metadata.namespace not in ("", wanted)
    ]
    if lines:
        raise Refused(*lines)
    others = [f"PowerDomain {domain.metadata.name}" for domain in loaded.domains]
    for other in (*others, *loaded.skipped):
        typer.echo(f"note: {other} is not submitted, only TrainingJobs are; kubectl apply takes it", err=True)
    return list(loaded.jobs)


async def submit(connection: Connection, jobs: Sequence[TrainingJob], submission: Submission) -> int:
    """Create `jobs`, say so, and follow or await them as asked. The exit code."""
    created = [await create_job(connection, job) for job in jobs]
    shows_itself = submission.follow and submission.told is not Told.NAME
    if not shows_itself:
        say(created, submission.told, "submitted")
    if submission.follow:
        output = Output.JSON if submission.told is Told.JSON else Output.AUTO
        try:
            async with asyncio.timeout(submission.timeout_seconds):
                return await follow(connection, list(zip(jobs, created, strict=True)), make_view(output))
        except TimeoutError:
            names = ", ".join(job.name for job in created)
            after = f"after {submission.timeout_seconds:g} s"
            raise Refused(f"not all of {names} are over {after}; they go on", exit_code=EXIT_FAILED) from None
    if submission.wait:
        return await wait_for_all(connection, created, Goal.COMPLETE, submission.timeout_seconds)
    return EXIT_COMPLETE


async def wait_for_all(
    connection: Connection, jobs: Sequence[SeenJob], goal: Goal, timeout_seconds: float | None
) -> int:
    """Wait for all of `jobs`, with a line on standard error whenever one changes its state. The highest exit code."""
    states: dict[str, str] = {}

    def say_state(job: SeenJob) -> None:
        if states.get(job.name) != job.status.state:
            states[job.name] = job.status.state
            line = status_line(job.status, job.tells_phase, is_here=False)
            typer.echo(f"{job.name}: {line}", err=True)

    waiting = (wait_for(connection, job.name, goal, timeout_seconds, say_state, job.namespace) for job in jobs)
    ended = await asyncio.gather(*waiting)
    for job, code in ended:
        if code:
            typer.echo(f"{job.name} is {job.status.state} ({job.status.reason}): {job.status.message}", err=True)
    return max(code for _, code in ended)


def say(jobs: Sequence[SeenJob], told: Told, done: str) -> None:
    """What was done to `jobs`, as a person, a program or the next command wants to have it."""
    for job in jobs:
        if told is Told.NAME:
            typer.echo(f"{FULL_NAME}{job.name}")
        elif told is Told.JSON:
            typer.echo(json.dumps(job.body))
        else:
            typer.echo(f"{FULL_NAME}{job.name} {done} in namespace {job.namespace}")
    sys.stdout.flush()
