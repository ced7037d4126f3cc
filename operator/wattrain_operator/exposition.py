"""Prometheus families from plain values: those of a job, for the laptop's page and for the operator's alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from wattrain_api import metrics
from wattrain_api.status import State, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob

Samples = Iterable[tuple[Mapping[str, str], float | None]]
"""Labels and value; None: not known yet."""


def exposition(families: list[Family]) -> bytes:
    """The text of `families`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ready(families))
    return generate_latest(registry)


def family_of(metric: metrics.Metric, samples: Samples) -> Family:
    """`metric` with its samples; what is not known is left out."""
    family = Family(metric.name.removesuffix("_total"), metric.help, metric.type)
    for labels, value in samples:
        if value is not None:
            family.add_sample(metric.name, dict(labels), value)
    return family


def job_families(job: TrainingJob, status: TrainingJobStatus) -> list[Family]:
    """`wattrain_trainingjob_*` as the status has it. What is not known yet is left out, never 0."""
    who = {"namespace": job.metadata.namespace, "name": job.metadata.name}
    progress, energy = status.progress, status.energy
    percent = None if progress is None else progress.percent
    values: list[tuple[metrics.Metric, Samples]] = [
        (metrics.JOB_STATE, [({"state": s}, float(s == status.state)) for s in get_args(State)]),
        (metrics.JOB_PROGRESS, [({}, None if percent is None else percent / 100)]),
        (metrics.JOB_LOSS, [({}, None if progress is None else progress.loss)]),
        (metrics.JOB_RATE, [({}, None if progress is None else progress.samples_per_second)]),
        (metrics.JOB_POWER, [({}, energy.watts if energy.meters else None)]),
        (metrics.JOB_ENERGY, [({"component": m.component, "source": m.source}, m.joules) for m in energy.meters]),
        (metrics.JOB_MEASURED, [({}, energy.measured_ratio if energy.meters else None)]),
        (metrics.JOB_WASTED, [({}, energy.wasted_joules)]),
        (metrics.JOB_CARBON, [({}, energy.carbon_grams)]),
        (metrics.JOB_COST, [({"currency": energy.currency}, energy.cost)]),
        (metrics.JOB_RESTARTS, [({}, float(status.restart_count))]),
    ]
    return [family_of(metric, [({**who, **labels}, v) for labels, v in samples]) for metric, samples in values]


class _Ready(Collector):
    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[Family]:
        return self._families
