"""/metrics of the operator: its own figures, and those of every job as its status has them."""

from __future__ import annotations

import asyncio
import time

from prometheus_client.core import Metric as Family
from pydantic import ValidationError

from wattrain_api import metrics
from wattrain_operator.cluster import reading
from wattrain_operator.cluster.cache import KINDS
from wattrain_operator.cluster.shell import Shell
from wattrain_operator.exposition import Samples, exposition, family_of, job_families

JOBS_AT_ONCE = 50
"""Jobs that are rendered before the event loop gets its turn again."""


async def page(shell: Shell, *, leads: bool, loop_lag_seconds: float) -> bytes:
    """The whole page in Prometheus' text format."""
    merged = {
        family.name: family for family in operator_families(shell, leads=leads, loop_lag_seconds=loop_lag_seconds)
    }
    for count, body in enumerate(list(shell.cache.jobs())):
        if count % JOBS_AT_ONCE == JOBS_AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            job = reading.read_job(body)
        except ValidationError:
            continue  # the job's own condition says so
        for family in job_families(job, job.status):
            merged.setdefault(
                family.name, Family(family.name, family.documentation, family.type)
            ).samples += family.samples
    return exposition([*merged.values(), *shell.durations.collect()])


def operator_families(shell: Shell, *, leads: bool, loop_lag_seconds: float) -> list[Family]:
    """`wattrain_operator_*` but for the histogram, which counts by itself."""
    now, cache = time.monotonic(), shell.cache
    values: list[tuple[metrics.Metric, Samples]] = [
        (metrics.RECONCILES, [({"outcome": o}, n) for o, n in shell.outcomes.items()]),
        (metrics.QUEUE_DEPTH, [({}, len(shell.queue))]),
        (metrics.FAILING_JOBS, [({}, shell.queue.failing)]),
        (
            metrics.API_REQUESTS,
            [({"verb": v, "resource": r, "code": str(c)}, n) for (v, r, c), n in shell.client.requests.items()],
        ),
        (metrics.CACHE_OBJECTS, [({"kind": kind}, cache.count(kind)) for kind in KINDS]),
        (metrics.LIST_AGE, [({"kind": kind}, now - at) for kind, at in shell.listed_at.items()]),
        (metrics.WATCH_AGE, [({"kind": kind}, now - at) for kind, at in shell.heard_at.items()]),
        (metrics.WATCH_MISSED, [({"kind": kind}, cache.unconfirmed(kind)) for kind in KINDS]),
        (metrics.LOOP_LAG, [({}, loop_lag_seconds)]),
        (metrics.LEADER, [({}, float(leads))]),
        (metrics.PROGRESS_REQUESTS, [({"outcome": o}, n) for o, n in shell.progress.outcomes.items()]),
    ]
    return [family_of(metric, samples) for metric, samples in values]
