"""`wattrain top`: the jobs of a namespace, or of all, as they change."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, NoReturn

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from wattrain_operator.cli import figures
from wattrain_operator.cli.following import take_loss
from wattrain_operator.cli.live_block import COLORS
from wattrain_operator.cli.outputs import Output
from wattrain_operator.cli.status_line import status_line
from wattrain_operator.cli.top_table import order, summary, table
from wattrain_operator.cluster.kube.resources import TRAINING_JOBS
from wattrain_operator.local.curve import LossPoints
from wattrain_operator.local.refused import EXIT_COMPLETE
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.job_changes import no_such_job
from wattrain_operator.remote.object_watch import Outage, Selection, changes
from wattrain_operator.remote.seen_job import SeenJob, seen_job

_DRAW_EVERY_SECONDS: Final = 1.0


class SeenJobs:
    """What is there, and the losses that were seen."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)
        self._jobs: dict[str, SeenJob] = {}
        self.losses: dict[str, LossPoints] = {}

    def take(self, job: SeenJob, deleted: bool) -> bool:
        """Whether it is one of those that are looked for."""
        if self._names and job.name not in self._names:
            return False
        if deleted:
            self._jobs.pop(job.uid, None)
            self.losses.pop(job.uid, None)
        else:
            self._jobs[job.uid] = job
            take_loss(self.losses.setdefault(job.uid, LossPoints()), job.status)
        return True

    @property
    def jobs(self) -> list[SeenJob]:
        """In the order in which they are to be looked at."""
        return sorted(self._jobs.values(), key=order)

    def missing(self) -> list[str]:
        """Names that are looked for and not there."""
        return sorted(self._names - {job.name for job in self._jobs.values()})


async def top(connection: Connection, names: Sequence[str], *, all_namespaces: bool, once: bool, output: Output) -> int:
    """Show the jobs `names` (empty: all), once or until Ctrl-C."""
    namespace = "" if all_namespaces else connection.namespace
    seen, outage = SeenJobs(names), Outage()
    async with aclosing(changes(connection.client, Selection(TRAINING_JOBS, namespace), outage)) as news:
        for body, deleted in await anext(news):
            seen.take(seen_job(body), deleted)
        if missing := seen.missing():
            raise no_such_job(connection.namespace, missing[0])
        if once:
            _print_once(seen, output, with_namespace=all_namespaces)
            return EXIT_COMPLETE
        if output is Output.LIVE or (output is Output.AUTO and sys.stdout.isatty()):
            drawing = asyncio.create_task(_draw(seen, namespace, outage))
            try:
                async for batch in news:
                    for body, deleted in batch:
                        seen.take(seen_job(body), deleted)
                    if drawing.done():
                        drawing.result()
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)
        for job in seen.jobs:
            _print_change(job, deleted=False, output=output, with_namespace=all_namespaces)
        async for batch in news:
            for body, deleted in batch:
                job = seen_job(body)
                if seen.take(job, deleted):
                    _print_change(job, deleted, output, with_namespace=all_namespaces)
    return EXIT_COMPLETE


def _print_once(seen: SeenJobs, output: Output, *, with_namespace: bool) -> None:
    if output is Output.JSON:
        sys.stdout.write(json.dumps({"jobs": [_for_programs(job) for job in seen.jobs]}) + "\n")
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    sys.stdout.write(once(seen, width, with_namespace=with_namespace))


def once(seen: SeenJobs, width: int | None, *, with_namespace: bool = False) -> str:
    """The table as text, for a terminal `width` columns wide; None: whole, for a file or another program."""
    made = table(seen.jobs, seen.losses, datetime.now(UTC), with_namespace=with_namespace)
    lines = (made if width is None else made.fitting(width)).lines() if seen.jobs else []
    return "\n".join([*lines, summary(seen.jobs)]) + "\n"


def _print_change(job: SeenJob, deleted: bool, output: Output, *, with_namespace: bool) -> None:
    if output is Output.JSON:
        sys.stdout.write(json.dumps({**_for_programs(job), "deleted": deleted}) + "\n")
    else:
        name = f"{job.namespace}/{job.name}" if with_namespace else job.name
        line = "deleted" if deleted else status_line(job.status, job.tells_phase, is_here=False)
        sys.stdout.write(f"{datetime.now():%H:%M:%S}  {name}  {line}\n")
    sys.stdout.flush()


def _for_programs(job: SeenJob) -> dict[str, object]:
    created = None if job.created_time is None else job.created_time.isoformat()
    return {
        "namespace": job.namespace, "name": job.name, "uid": job.uid, "createdTime": created,
        "powerDomain": job.power_domain, "status": job.status.to_json_object(),
    }  # fmt: skip


async def _draw(seen: SeenJobs, namespace: str, outage: Outage) -> NoReturn:
    """Redraw once a second: times go on where nothing else does."""
    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            drawn = frame(seen, namespace, datetime.now(UTC), console.width, silent_seconds=outage.seconds)
            live.update(drawn, refresh=True)
            await asyncio.sleep(_DRAW_EVERY_SECONDS)


def frame(seen: SeenJobs, namespace: str, now: datetime, width: int, *, silent_seconds: float = 0.0) -> RenderableType:
    """The whole screen, `width` columns wide. `silent_seconds`: for how long the API server has not answered."""
    jobs = seen.jobs
    where = f"namespace {namespace}" if namespace else "all namespaces"
    made = table(jobs, seen.losses, now, with_namespace=not namespace).fitting(width)
    drawn = RichTable(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for i, column in enumerate(made.columns):
        drawn.add_column(column, justify="right" if made.is_right(i) else "left", no_wrap=True, overflow="ellipsis")
    for job, row in zip(jobs, made.rows, strict=True):
        color = COLORS.get(job.status.state, "cyan")
        drawn.add_row(*(Text(text, style=color if made.columns[i] == "STATE" else "") for i, text in enumerate(row)))
    head = Text(f"{where}  {now:%H:%M:%S} UTC  {summary(jobs)}", style="bold")
    if silent_seconds:
        told = f"No answer from the API server for {figures.seconds(silent_seconds)}; this is what it said before."
        head.append(f"\n{told}", style="bold red")
    rest = Text("~: modelled, at least in part. Ctrl-C ends the view; the jobs go on.", style="dim")
    return Group(head, Text(""), drawn, Text(""), rest) if jobs else Group(head, rest)
