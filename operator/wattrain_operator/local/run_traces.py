"""The traces of a local run, where a collector is named by OpenTelemetry's variables."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping

from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.local.unwritable import say_on_stderr
from wattrain_operator.telemetry.otlp_settings import BadOtlpError, otlp_settings

Written = Callable[[TrainingJob, TrainingJobStatus, TrainingJobStatus], None]


@contextlib.contextmanager
def traces(environment: Mapping[str, str]) -> Iterator[tuple[Written | None, tuple[str, ...]]]:
    """Who is to be told of each status that is written, and what the user is to know. The variables may be meant for
    other programs: what is wrong with them keeps no job from its training."""
    try:
        otlp = otlp_settings(environment)
    except BadOtlpError as error:
        yield None, (f"no traces are sent: {error}",)
        return
    if otlp is None:
        yield None, ()
        return
    from wattrain_operator.telemetry.trace_export import TraceExport  # where it is wanted: it is optional

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # its lines would tear the live view
    export = TraceExport()
    try:
        yield export.written, ()
    finally:
        if lost := export.close():
            say_on_stderr(f"{lost} spans of the trace could not be sent to {otlp.host}; see whether its collector runs")
