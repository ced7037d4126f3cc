"""Sends spans to a collector, in a thread of OpenTelemetry's own: nothing here waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.telemetry.job_spans import JobSpan, ended_spans
from wattrain_operator.telemetry.sender import resource_with, scope

_NANOSECONDS: Final = 1_000_000_000


class TraceExport:
    """Where the ends of states, attempts and jobs go. OTLP's headers, timeouts and so on are those of its variables."""

    def __init__(self) -> None:
        self._exporter = _CountingExporter(OTLPSpanExporter())
        self._processor = BatchSpanProcessor(self._exporter)

    def written(self, job: TrainingJob, before: TrainingJobStatus, after: TrainingJobStatus) -> None:
        """`after` has been stored in the place of `before`."""
        for span in ended_spans(job, before, after):
            self._processor.on_end(_readable(span, _resource(job.metadata.namespace, job.metadata.name)))

    def close(self) -> int:
        """Send what is left; it may take as long as OTEL_EXPORTER_OTLP_TIMEOUT says. How many spans were lost."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]
        return self._exporter.lost


class _CountingExporter(SpanExporter):
    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter, self.lost = exporter, 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.lost += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _resource(namespace: str, name: str) -> Resource:
    return resource_with({"k8s.namespace.name": namespace, "wattrain.trainingjob": name})


def _readable(span: JobSpan, resource: Resource) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id),
        parent=None if span.parent_id is None else _context(span.trace_id, span.parent_id),
        resource=resource,
        attributes=span.attributes,
        events=[Event(event.name, event.attributes, _nanoseconds(event.time)) for event in span.events],
        links=[] if span.link_id is None else [Link(_context(span.trace_id, span.link_id))],
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.failure) if span.failure else Status(StatusCode.UNSET),
        start_time=_nanoseconds(span.start),
        end_time=_nanoseconds(span.end),
        instrumentation_scope=scope(),
    )


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * _NANOSECONDS
