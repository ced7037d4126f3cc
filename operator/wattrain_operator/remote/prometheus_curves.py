"""The loss and the power of a job over its time, from a Prometheus that has scraped the operator."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import datetime
from typing import Any, Final, NamedTuple

from wattrain_api.metrics import JOB, exported_of
from wattrain_operator.dashboard.prometheus_source import PrometheusSource
from wattrain_operator.local.refused import EXIT_FAILED, Refused
from wattrain_operator.receipt.curves import MAX_POINTS, Curves, Point, curves_of_samples
from wattrain_operator.remote.seen_job import SeenJob

_AFTER_SECONDS: Final = 60.0
"""Scrapes that came after the end still belong to the job: the last figures may be seen only then."""


class Recorded(NamedTuple):
    """What a Prometheus has of a job."""

    curves: Curves
    missing: tuple[str, ...]
    """Metrics of which it has nothing."""
    source: str
    """Its address, without a password."""


async def read_curves(prometheus: str, job: SeenJob, now: datetime) -> Recorded:
    """From the Prometheus at the address `prometheus`. Refused where that is no address, or where it does not answer,
    or not as a Prometheus."""
    try:
        source = PrometheusSource(prometheus, scrape_seconds=0.0)
    except ValueError as error:
        raise Refused(str(error)) from None
    start = job.status.start_time or job.created_time or now
    end = min(now.timestamp(), (job.status.completion_time or now).timestamp() + _AFTER_SECONDS)
    step_seconds = max(1, math.ceil((end - start.timestamp()) / MAX_POINTS))
    wanted = {name: _metric(name) for name in ("loss", "step", "power_watts")}
    found = {}
    for name, metric in wanted.items():
        query = {"query": _selector(metric, job), "start": f"{start.timestamp():.3f}", "end": f"{end:.3f}"}
        query["step"] = str(step_seconds)
        try:
            found[name] = await asyncio.to_thread(_query, source, query)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{error}; give the address of a Prometheus that scrapes the operator"
            raise Refused(f"--prometheus {source.shown}: {why}", exit_code=EXIT_FAILED) from None
    steps = dict(found["step"])
    losses = [(steps[time], loss) for time, loss in found["loss"] if time in steps]
    missing = tuple(wanted[name] for name, points in found.items() if not points)
    return Recorded(curves_of_samples(losses, found["power_watts"]), missing, source.shown)


def _metric(name: str) -> str:
    return next(exported.name for exported in exported_of(JOB) if exported.metric.name == name)


def _selector(metric: str, job: SeenJob) -> str:
    """One series, also where two operators were scraped one after the other."""
    labels = ", ".join(
        f"{label}={json.dumps(value)}" for label, value in zip(JOB.identity, (job.namespace, job.name), strict=True)
    )
    return f"max({metric}{{{labels}}})"


def _query(source: PrometheusSource, query: dict[str, str]) -> list[Point]:
    """Points (Unix time in seconds, value) of the only series; none where there is none. ValueError where the answer is
    none of Prometheus."""
    answer = source.ask("query_range", {name: (value,) for name, value in query.items()})
    body: Any = json.loads(answer.body)
    if body.get("status") != "success":
        raise ValueError(str(body.get("error") or body))
    series = body["data"]["result"]
    return [(float(time), float(value)) for time, value in (series[0]["values"] if series else ())]
