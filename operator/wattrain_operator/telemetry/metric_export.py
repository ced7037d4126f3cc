"""Sends metrics to a collector every so often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from prometheus_client.core import Metric as Family

from wattrain_operator.telemetry.metric_points import metrics_data
from wattrain_operator.telemetry.sender import resource_with, scope


class MetricExport:
    """Where the figures go. OTLP's headers, timeouts and so on are those of its variables."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        """`attributes` say who sends: those of the resource, besides the ones that every sender has."""
        self._exporter, self._resource = OTLPMetricExporter(), resource_with(attributes)

    def send(self, families: Iterable[Family]) -> bool:
        """Send `families` as they are now; it may take as long as OTEL_EXPORTER_OTLP_TIMEOUT says. Whether a collector
        took them. What it did not take is not sent again: counters go on counting."""
        data = metrics_data(families, self._resource, scope(), time.time_ns())
        return self._exporter.export(data) is MetricExportResult.SUCCESS

    def close(self) -> None:
        """Give up what is on its way."""
        self._exporter.shutdown()


class MetricThread:
    """Sends what `families` gives, every so many seconds and once more at the end, in a thread of its own."""

    def __init__(self, export: MetricExport, families: Callable[[], Iterable[Family]], interval_seconds: float) -> None:
        self._export, self._families, self._interval_seconds = export, families, interval_seconds
        self._end = threading.Event()
        self.lost = 0
        """How many times no collector took them."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send once more, and end."""
        self._end.set()
        self._thread.join()
        self._export.close()

    def _run(self) -> None:
        while not self._end.is_set():
            self._end.wait(self._interval_seconds)
            self.lost += not self._export.send(self._families())
