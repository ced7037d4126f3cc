"""From the families of the Prometheus page to OpenTelemetry's metrics: same source, names, units and help texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample

from wattrain_api.metrics import SUBJECTS, exported_of

_UCUM: Final = {"seconds": "s", "joules": "J", "watts": "W", "bytes": "By", "grams": "g", "ratio": "1"}
_START_UNKNOWN: Final = 0
"""Counters count from the start of a job, a worker or a process, which their readers do not all know."""


def metrics_data(
    families: Iterable[Family], resource: Resource, scope: InstrumentationScope, unix_nanoseconds: int
) -> MetricsData:
    """`families` as they are at that time. One without samples is left out: unknown is not 0."""
    found = [_metric(family, unix_nanoseconds) for family in families if family.samples]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, found, "")], "")])


def _metric(family: Family, now: int) -> Metric:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    data: Sum | Gauge | Histogram
    if family.type == "histogram":
        data = Histogram(_histograms(family, now), AggregationTemporality.CUMULATIVE)
    else:
        points = [NumberDataPoint(dict(s.labels), _START_UNKNOWN, now, s.value) for s in family.samples]
        counts = family.type == "counter"
        data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True) if counts else Gauge(points)
    return Metric(name, family.documentation, _units().get(name, ""), data)


def _histograms(family: Family, now: int) -> list[HistogramDataPoint]:
    """A point for each set of labels. Prometheus' buckets are cumulated, OpenTelemetry's are not."""
    samples: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in family.samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        samples.setdefault(labels, []).append(sample)
    return [_histogram(dict(labels), family.name, of_one, now) for labels, of_one in samples.items()]


def _histogram(labels: Mapping[str, str], name: str, samples: list[Sample], now: int) -> HistogramDataPoint:
    buckets = sorted((float(s.labels["le"]), s.value) for s in samples if s.name == f"{name}_bucket")
    total = next(s.value for s in samples if s.name == f"{name}_sum")
    counts = [0.0, *(count for _, count in buckets)]
    return HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=_START_UNKNOWN,
        time_unix_nano=now,
        count=int(counts[-1]),
        sum=total,
        bucket_counts=[int(after - before) for before, after in pairwise(counts)],
        explicit_bounds=[bound for bound, _ in buckets[:-1]],
        min=None,  # type: ignore[arg-type]  # Prometheus has neither, and in OTLP both are optional
        max=None,  # type: ignore[arg-type]
    )


@cache
def _units() -> dict[str, str]:
    """Unit by name, as UCUM writes it; what is counted, and currencies, are in braces, as they have no unit there."""
    return {
        exported.name: _UCUM.get(exported.metric.unit)
        or (f"{{{exported.metric.unit}}}" if exported.metric.unit else "")
        for subject in SUBJECTS
        for exported in exported_of(subject)
    }
