"""/metrics: what the state and the power readings say at the moment of the scrape.

Nothing is kept for Prometheus between scrapes, so the training pays nothing for it, and a figure that nobody has
reported yet is absent instead of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from wattrain_api import metrics
from wattrain_api.metrics import Metric
from wattrain_worker.power import Reading
from wattrain_worker.supervisor.state import STEP_SECONDS_BOUNDS, State

_VALUES: Final = (
    (metrics.LOSS, "loss"),
    (metrics.STEP, "step"),
    (metrics.EPOCH, "epoch"),
    (metrics.LEARNING_RATE, "learningRate"),
    (metrics.GRADIENT_NORM, "gradientNorm"),
    (metrics.GENERATION, "generation"),
    (metrics.WORKER_UP, "ranksRunning"),
)
_OF_VALIDATION: Final = ((metrics.VALIDATION_LOSS, "loss"), (metrics.VALIDATION_ACCURACY, "accuracy"))
_OF_CHECKPOINT: Final = (
    (metrics.CHECKPOINT_STEP, "step"),
    (metrics.CHECKPOINT_SECONDS, "seconds"),
    (metrics.CHECKPOINT_BYTES, "bytes"),
)
_TOTALS: Final = (
    (metrics.SAMPLES, "samples"),
    (metrics.DATA_WAIT, "dataWaitSeconds"),
    (metrics.CHECKPOINT_BLOCKED, "blockedSeconds"),
)
_POWER: Final = (
    (metrics.POWER, "watts"),
    (metrics.ENERGY, "joules"),
    (metrics.ENERGY_LOW, "low_joules"),
    (metrics.ENERGY_HIGH, "high_joules"),
)


class Exposition(Collector):
    """Answers scrapes."""

    def __init__(
        self, state: State, progress: Callable[[], dict[str, Any]], readings: Callable[[], list[Reading]]
    ) -> None:
        """`progress` gives what /v1/progress says of this worker."""
        self._state, self._progress, self._readings = state, progress, readings
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Family]:
        """The metrics now."""
        progress, totals = self._progress(), self._state.totals()
        validation, checkpoint = progress.get("validation") or {}, progress.get("checkpoint") or {}
        for source, pairs in ((progress, _VALUES), (validation, _OF_VALIDATION), (checkpoint, _OF_CHECKPOINT)):
            yield from (_family(metric, [((), source[key])]) for metric, key in pairs if _is_number(source.get(key)))
        yield from (_family(metric, [((), totals[key])]) for metric, key in _TOTALS)
        yield self._step_seconds()
        yield from self._power()

    def _step_seconds(self) -> Family:
        counts, seconds = self._state.step_histogram()
        cumulated = [(str(bound), float(sum(counts[: i + 1]))) for i, bound in enumerate(STEP_SECONDS_BOUNDS)]
        buckets = [*cumulated, ("+Inf", float(sum(counts)))]
        return HistogramMetricFamily(metrics.STEP_SECONDS.name, metrics.STEP_SECONDS.help, buckets, seconds)

    def _power(self) -> Iterator[Family]:
        readings = self._readings()
        for metric, field in _POWER:
            yield _family(metric, [((r.component, r.device, r.source), getattr(r, field)) for r in readings])


def _family(metric: Metric, samples: Sequence[tuple[Sequence[str], float]]) -> Family:
    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
