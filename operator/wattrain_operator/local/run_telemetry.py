"""Traces and metrics of a local run, where a collector is named by OpenTelemetry's variables."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import Metric as Family

from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.local.resume import NAMESPACE
from wattrain_operator.local.unwritable import say_on_stderr
from wattrain_operator.telemetry.otlp_settings import BadOtlpError, OtlpSettings, otlp_settings

Families = Callable[[], Iterable[Family]]


@dataclass(frozen=True)
class RunTelemetry:
    """Who is to be told of what; None: nobody."""

    written: Callable[[TrainingJob, TrainingJobStatus, TrainingJobStatus], None] | None = None
    """Of each status that is written, with the one before."""
    measure: Callable[[Families], contextlib.AbstractContextManager[None]] = field(
        default=lambda families: contextlib.nullcontext()
    )
    """Of the figures, as long as the context lasts."""
    notes: tuple[str, ...] = ()
    """What the user is to know."""


@contextlib.contextmanager
def run_telemetry(environment: Mapping[str, str]) -> Iterator[RunTelemetry]:
    """What to tell a collector. The variables may be meant for other programs: what is wrong with them keeps no job
    from its training."""
    try:
        otlp = otlp_settings(environment)
    except BadOtlpError as error:
        yield RunTelemetry(notes=(f"nothing is sent by OTLP: {error}",))
        return
    if otlp is None:
        yield RunTelemetry()
        return
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # its lines would tear the live view
    measure = (lambda families: _metrics(otlp, families)) if otlp.metrics else RunTelemetry().measure
    if not otlp.traces:
        yield RunTelemetry(measure=measure)
        return
    from wattrain_operator.telemetry.trace_export import TraceExport  # where it is wanted: it is optional

    export = TraceExport()
    try:
        yield RunTelemetry(export.written, measure)
    finally:
        if lost := export.close():
            say_on_stderr(f"{lost} spans of the trace could not be sent to {otlp.host}; see whether its collector runs")


@contextlib.contextmanager
def _metrics(otlp: OtlpSettings, families: Families) -> Iterator[None]:
    from wattrain_operator.telemetry.metric_export import MetricExport, MetricThread  # where they are wanted

    export = MetricExport({"k8s.namespace.name": NAMESPACE})
    thread = MetricThread(export, families, otlp.metric_interval_seconds)
    try:
        yield
    finally:
        thread.close()
        if thread.lost:
            say_on_stderr(
                f"metrics could not be sent to {otlp.host} {thread.lost} times; see whether its collector runs"
            )
