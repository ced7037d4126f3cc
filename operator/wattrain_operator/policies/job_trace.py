"""A trace: jobs as they were, or would be, submitted. One JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Final, NamedTuple


class TraceJob(NamedTuple):
    """One job of a trace."""

    name: str
    namespace: str
    submit_seconds: float
    """Since the start of the trace."""
    workers: int
    watts_per_worker: float
    """What each draws while it runs."""
    duration_seconds: float
    """How long it runs."""
    priority: int = 0
    deadline_seconds: float | None = None
    """It must have ended so long after its submission; None: there is no deadline."""

    @property
    def watts(self) -> float:
        """What all its workers draw."""
        return self.workers * self.watts_per_worker


class TraceError(ValueError):
    """A line that is none of a trace: line, field, value and remedy."""


_NEEDED: Final = ("name", "namespace", "submitSeconds", "workers", "wattsPerWorker", "durationSeconds")
_OPTIONAL: Final = ("priority", "deadlineSeconds")


def read_trace(lines: Iterable[str]) -> list[TraceJob]:
    """The jobs of a trace in the order of their submission. TraceError: a line is none."""
    jobs = [_job(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not jobs:
        raise TraceError("there is no job in it; write one JSON object a line")
    return sorted(jobs, key=lambda job: job.submit_seconds)


def to_line(job: TraceJob) -> str:
    """`job` as a line of a trace."""
    fields: dict[str, object] = {
        "name": job.name, "namespace": job.namespace, "submitSeconds": _short(job.submit_seconds),
        "workers": job.workers, "wattsPerWorker": _short(job.watts_per_worker),
        "durationSeconds": _short(job.duration_seconds),
    }  # fmt: skip
    if job.priority:
        fields["priority"] = job.priority
    if job.deadline_seconds is not None:
        fields["deadlineSeconds"] = _short(job.deadline_seconds)
    return json.dumps(fields)


def _short(value: float) -> float | int:
    """Milliseconds and milliwatts are enough."""
    return int(value) if math.isfinite(value) and value == int(value) else round(value, 3)


def _job(number: int, line: str) -> TraceJob:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise TraceError(f"line {number}: is no JSON ({error}); write one object a line") from None
    if not isinstance(found, dict):
        raise TraceError(f"line {number}: is {line.strip()[:40]!r}; write one object a line")
    missing = [name for name in _NEEDED if name not in found]
    unknown = [name for name in found if name not in (*_NEEDED, *_OPTIONAL)]
    if missing or unknown:
        name, what = (missing[0], "is missing; give it") if missing else (unknown[0], "is no field; remove it")
        raise TraceError(f"line {number}: {name} {what}")
    deadline = found.get("deadlineSeconds")
    return TraceJob(
        _text(number, found, "name"),
        _text(number, found, "namespace"),
        _number(number, found, "submitSeconds", least=0.0),
        _whole(number, found, "workers", least=1),
        _number(number, found, "wattsPerWorker", least=0.0),
        _number(number, found, "durationSeconds", least=0.0),
        _whole(number, found, "priority", least=-1_000_000) if "priority" in found else 0,
        None if deadline is None else _number(number, found, "deadlineSeconds", least=0.0),
    )


def _text(number: int, found: dict[str, Any], name: str) -> str:
    if not isinstance(found[name], str):
        raise TraceError(f"line {number}: {name} is {found[name]!r}; write a text")
    return str(found[name])


def _number(number: int, found: dict[str, Any], name: str, *, least: float) -> float:
    value = found[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < least:
        raise TraceError(f"line {number}: {name} is {value!r}; write a number from {least:g} on")
    return float(value)


def _whole(number: int, found: dict[str, Any], name: str, *, least: int) -> int:
    value = found[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise TraceError(f"line {number}: {name} is {value!r}; write a whole number from {least} on")
    return value
