"""`wattrain logs`: lines with whose they are before them."""

from __future__ import annotations

import json
import sys

import typer

from wattrain_operator.local.refused import EXIT_COMPLETE, EXIT_FAILED
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.job_changes import get_job
from wattrain_operator.remote.pod_logs import LogLine, LogReader


async def show_logs(
    connection: Connection, name: str, worker: int | None, follow: bool, last_lines: int | None, as_json: bool
) -> int:
    """Print the logs of the job `name`. Exit code: 1 where there is none of them to read."""
    job = await get_job(connection, name)

    def show(line: LogLine) -> None:
        source = line.source
        if as_json:
            told = {"attempt": source.attempt, "role": source.role, "worker": source.worker, "line": line.text}
            sys.stdout.write(json.dumps(told) + "\n")
        else:
            sys.stdout.write(f"[{source.label}] {line.text}\n" if worker is None else f"{line.text}\n")
        if follow:
            sys.stdout.flush()

    def note(sentence: str) -> None:
        typer.echo(f"note: {sentence}", err=True)

    reader = LogReader(connection, job, worker, last_lines, show, note)
    found = await (reader.follow() if follow and not job.is_over else reader.read())
    kept = (await get_job(connection, name)).status.last_lines if not found and worker is None else ()
    if kept:
        note(f"the pods of {name} are gone; its status has kept the last lines of the worker that decided its end")
    elif not found:
        whose = name if worker is None else f"worker {worker} of {name}"
        note(f"no log of {whose} is here: its pods are gone, or not there yet (policy.keepPods: All keeps them)")
    if not found and job.records_address:
        note(f"what the workers of {name} have printed is kept in {job.records_address}/worker-<index>.log")
    for text in kept:
        sys.stdout.write((json.dumps({"line": text}) if as_json else text) + "\n")
    sys.stdout.flush()
    return EXIT_COMPLETE if found or kept else EXIT_FAILED
