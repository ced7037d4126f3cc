"""/metrics of the operator: its own figures, and those of every job as its status has them."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from itertools import chain
from typing import Final

from prometheus_client import Histogram, ProcessCollector
from prometheus_client.core import Metric as Family
from pydantic import ValidationError

from wattrain_api import metrics
from wattrain_api.metric_families import Families, families_of, text_of
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster import reading
from wattrain_operator.cluster.kube.resources import KINDS
from wattrain_operator.cluster.shell import Shell
from wattrain_operator.exposition import exported_domain, exported_job, identity_of, identity_of_domain

JOBS_AT_ONCE = 50
"""Jobs that are rendered before the event loop gets its turn again."""
SETTLED_SECONDS: Final = 30.0
"""After so long, what was decided of a job is written, and known here."""
_PROCESS: Final = ProcessCollector(registry=None)
"""`process_*`: CPU, memory, open files and start of this process, as all Prometheus clients export them."""


@dataclass(frozen=True)
class OutcomeCount:
    """How often something ended in one way."""

    outcome: str
    count: int


@dataclass(frozen=True)
class RequestCount:
    """Requests to the API server that ended in one way."""

    verb: str
    resource: str
    code: int
    """HTTP status; 0: no answer."""
    count: int


@dataclass(frozen=True)
class KindFigures:
    """What the operator knows of one kind of objects."""

    kind: str
    objects: int
    missed_changes: int
    """Changes that the last LIST found and the watch has not reported."""
    list_age_seconds: float | None
    """Since the last LIST, or since the operator leads where there was none; None: it stands by."""
    watch_age_seconds: float | None
    """None: the watch has not reported any."""


@dataclass(frozen=True)
class BuildInfo:
    """What runs."""

    version: str
    """Of Wattrain."""
    python: str


@dataclass(frozen=True)
class OperatorFigures:
    """What the operator exports of itself; `wattrain_api.metrics` names these fields."""

    reconcile_seconds: Histogram
    reconciles: tuple[OutcomeCount, ...]
    queue_depth: int
    failing_jobs: int
    api_requests: tuple[RequestCount, ...]
    kinds: tuple[KindFigures, ...]
    event_loop_lag_seconds: float
    is_leader: bool
    progress_requests: tuple[OutcomeCount, ...]
    build: BuildInfo


async def page(shell: Shell, *, leads: bool, loop_lag_seconds: float) -> bytes:
    """The whole page in Prometheus' text format."""
    found = await families(shell, leads=leads, loop_lag_seconds=loop_lag_seconds)
    # In a thread: the event loop goes on, which would stand still for half a second with a thousand jobs.
    return await asyncio.to_thread(text_of, found)


async def families(shell: Shell, *, leads: bool, loop_lag_seconds: float) -> Iterable[Family]:
    """All that the operator exports: its own figures, those of its process, of all jobs and of all power domains."""
    figures = operator_figures(shell, leads=leads, loop_lag_seconds=loop_lag_seconds)
    now = datetime.now(UTC)
    as_of = now - timedelta(seconds=SETTLED_SECONDS)
    of_jobs, domains = Families(metrics.JOB), Families(metrics.DOMAIN)
    members: dict[str, list[tuple[TrainingJob, TrainingJobStatus]]] = {}
    for count, body in enumerate(list(shell.cache.jobs())):
        if count % JOBS_AT_ONCE == JOBS_AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            job = reading.read_job(body)
        except ValidationError:
            continue  # the job's own condition says so
        members.setdefault(job.spec.energy.power_domain, []).append((job, job.status))
        of_jobs.add(exported_job(job, job.status, as_of), identity_of(job))
    for name in shell.cache.domain_names():
        domain = shell.fleets.domain(name)
        exported = exported_domain(domain, members.get(name, ()), now, shell.fleets.carbon(domain).series)
        domains.add(exported, identity_of_domain(name))
    own = families_of(metrics.OPERATOR, figures)
    return chain(own, _PROCESS.collect(), of_jobs.all(), domains.all())


def operator_figures(shell: Shell, *, leads: bool, loop_lag_seconds: float) -> OperatorFigures:
    """The figures now."""
    now, cache = time.monotonic(), shell.cache
    return OperatorFigures(
        reconcile_seconds=shell.durations,
        reconciles=_by_outcome(shell.outcomes),
        queue_depth=len(shell.queue),
        failing_jobs=shell.queue.failing,
        api_requests=tuple(RequestCount(*key, n) for key, n in shell.client.requests.items()),
        kinds=tuple(
            KindFigures(
                kind=kind,
                objects=cache.count(kind),
                missed_changes=cache.unconfirmed(kind),
                list_age_seconds=shell.list_age_seconds(kind),
                watch_age_seconds=now - shell.heard_at[kind] if kind in shell.heard_at else None,
            )
            for kind in KINDS
        ),
        event_loop_lag_seconds=loop_lag_seconds,
        is_leader=leads,
        progress_requests=_by_outcome(shell.progress.outcomes),
        build=_build(),
    )


@cache
def _build() -> BuildInfo:
    return BuildInfo(version("wattrain"), platform.python_version())


def _by_outcome(counts: Mapping[str, int]) -> tuple[OutcomeCount, ...]:
    return tuple(OutcomeCount(outcome, count) for outcome, count in counts.items())
