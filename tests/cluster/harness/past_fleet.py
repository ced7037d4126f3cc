"""A fixed hour of five jobs and two operators, as Prometheus would have scraped it from our own exposition.

A job is restarted and completes, one is suspended and goes on, one loses its loss and fails, one waits, and one has
counters for all of its energy. Meanwhile one operator hands over to another. What is filled in later has no marks of
staleness: for five minutes Prometheus still knows what the first operator last said.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from harness.past_exporters import pod_of, scraped_elsewhere
from harness.past_job import PastJob
from prometheus_client import Histogram, ProcessCollector
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from wattrain_api import metrics
from wattrain_api.metric_families import Families, families_of
from wattrain_api.powerdomain import DomainPower, PowerDomainSpec, SheddingStatus, Tariff
from wattrain_operator.cluster.operator_figures import (
    BuildInfo,
    KindFigures,
    OperatorFigures,
    OutcomeCount,
    RequestCount,
)  # fmt: skip
from wattrain_operator.core.domains import Domain
from wattrain_operator.exposition import exported_domain, exported_job, identity_of, identity_of_domain

END = 1_767_229_200
"""Unix time: 1 January 2026, 01:00 UTC."""
SECONDS = 3600
START = END - SECONDS
SCRAPE_SECONDS = 30
HANDOVER = 1500
"""When the second operator becomes the leader."""
TARIFF = Tariff(price_per_kwh=0.3, currency="EUR")
SPEC = PowerDomainSpec(max_running_jobs=4, cap_watts=800, headroom_percent=10, base_watts=20, tariff=TARIFF)
SHEDDING = SheddingStatus(datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(END, UTC), 600.0, 580.0, 509.0)
DOMAIN = Domain("default", SPEC, shedding=SHEDDING, power=DomainPower(560.0, 509.0, 140.0))
Labels = dict[str, str]


def jobs() -> list[PastJob]:
    """The five jobs, before the hour."""
    modelled = {("cpu", "model"): 4.0, ("memory", "model"): 0.5}
    measured = {("cpu", "rapl"): 40.0, ("gpu", "nvml"): 210.0}
    script = {"script": {"command": ["python", "train.py"]}}
    return [
        PastJob("team-a", "digits", [(25, "Preparing"), (35, "Starting"), (60, "Running"), (1410, "Restarting"),
                                     (1455, "Running"), (2350, "Complete")], modelled),
        PastJob("team-a", "wine", [(90, "Starting"), (125, "Running"), (910, "Suspending"), (935, "Suspended"),
                                   (1810, "Starting"), (1850, "Running")], modelled, planned_steps=8000, priced=False),
        PastJob("team-b", "diverges", [(40, "Starting"), (70, "Running"), (2400, "Failed")], modelled,
                diverges_at_step=4400, planned_steps=6000),
        PastJob("team-b", "gpu", [(200, "Queued"), (300, "Starting"), (340, "Running")], measured, spec=script,
                steps_per_second=5.0, planned_steps=40_000, batch=512, queue_position=1, first_loss=6.0,
                saved_ratio=0.25),
        PastJob("team-b", "waits", [(600, "Queued")], modelled, queue_position=1),
    ]  # fmt: skip


def openmetrics(fleet: list[PastJob]) -> str:
    """The whole hour as text; `fleet` is left as it is at its end."""
    lines: dict[tuple[str, str], list[str]] = {}
    """Of the samples, by name and type of their family: Prometheus wants those of a family together."""
    passes = Histogram("passes", "Time of a pass.", registry=None)
    for second in range(0, SECONDS + 1, SCRAPE_SECONDS):
        passes.observe(0.004)
        for job in fleet:
            job.advance(second)
        for labels, families in _scraped(fleet, second, passes):
            for family in families:
                into = lines.setdefault((family.name, family.type), [])
                into += (_line(sample, labels, START + second) for sample in family.samples)
    families = (f"# TYPE {name} {kind}\n{''.join(samples)}" for (name, kind), samples in lines.items())
    return "".join([*families, "# EOF\n"])


def _line(sample: Sample, labels: Labels, seconds: int) -> str:
    named = ",".join(f'{name}="{value}"' for name, value in {**labels, **sample.labels}.items())
    return f"{sample.name}{{{named}}} {floatToGoString(sample.value)} {seconds}\n"


def _scraped(fleet: list[PastJob], second: int, passes: Histogram) -> Iterator[tuple[Labels, list[Family]]]:
    """What each target answers, and the labels that its scrape gives where a sample does not have them."""
    for number, leads in enumerate((second < HANDOVER, second >= HANDOVER)):
        target = {"job": "wattrain-operator", "instance": f"10.0.0.{number + 1}:9400", "namespace": "wattrain-system"}
        worked = max(0, second - HANDOVER) if number else min(second, HANDOVER)
        yield target, [*families_of(metrics.OPERATOR, _operator(worked, passes, leads=leads)), *_process(second)]
        if leads:
            now = datetime.fromtimestamp(START + second, UTC)
            members = [(job.job, job.status(START)) for job in fleet]
            jobs = Families(metrics.JOB)
            for job, status in members:
                jobs.add(exported_job(job, status, now), identity_of(job))
            yield target, jobs.all()
            domain = exported_domain(DOMAIN, members, now)
            yield target, families_of(metrics.DOMAIN, domain, identity_of_domain(DOMAIN.name))
    for index, job in enumerate(fleet):
        for progress in job.progresses(START):
            target = {"job": "wattrain-workers", "instance": f"10.0.{index + 1}.{progress.worker}:9400"}
            named = {**identity_of(job.job), "worker": str(progress.worker), "pod": pod_of(job, progress.worker)}
            yield target | named, families_of(metrics.WORKER, progress)
    yield from scraped_elsewhere(fleet, second)


def _operator(second: int, passes: Histogram, *, leads: bool) -> OperatorFigures:
    kinds = [KindFigures(kind, 5, 0, second % 90.0, second % 20.0) for kind in ("trainingjobs", "pods")]
    requests = [("get", "pods", 200), ("patch", "trainingjobs", 200), ("create", "pods", 409)]
    return OperatorFigures(
        reconcile_seconds=passes,
        reconciles=(OutcomeCount("done", second), OutcomeCount("retry", second // 100)),
        queue_depth=1,
        failing_jobs=0,
        api_requests=tuple(RequestCount(*key, second // (i + 1)) for i, key in enumerate(requests)),
        kinds=tuple(kinds) if leads else (),
        event_loop_lag_seconds=0.002,
        is_leader=leads,
        progress_requests=(OutcomeCount("answered", second), OutcomeCount("unreachable", second // 50)),
        build=BuildInfo("0.1.0", "3.11.9"),
    )


def _process(second: int) -> Iterator[Family]:
    """What a process exports, with figures that are the same in every run."""
    same = {"process_cpu_seconds_total": 0.02 * second, "process_start_time_seconds": float(START)}
    same |= {"process_resident_memory_bytes": 9e7, "process_open_fds": 30.0}
    for family in ProcessCollector(registry=None).collect():
        family.samples = [sample._replace(value=same.get(sample.name, 1.0)) for sample in family.samples]
        yield family
