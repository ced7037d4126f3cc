"""Jobs of Philly, as Microsoft published them: cluster_job_log, one JSON list. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from wattrain_operator.policies.job_trace import TraceError
from wattrain_operator.policies.published_job import LeftOut, PublishedJob, moment

_Time = Annotated[str | None, BeforeValidator(lambda value: None if value in ("", "None") else value)]


class _Server(BaseModel):
    gpus: list[str]


class _Attempt(BaseModel):
    start_time: _Time = None
    end_time: _Time = None
    detail: list[_Server] = []

    @property
    def gpus(self) -> int:
        return sum(len(server.gpus) for server in self.detail)


class _Job(BaseModel):
    jobid: str
    vc: str
    submitted_time: str
    attempts: list[_Attempt]


_JOB = TypeAdapter(_Job)


def read(lines: Iterable[str]) -> Iterator[PublishedJob | LeftOut]:
    """A job ran as long as its attempts together, with the GPUs and servers of the one that had the most; its workers
    are the servers, its namespace is its virtual cluster."""
    try:
        found = json.loads("".join(lines))
    except ValueError as error:
        raise TraceError(f"is no JSON ({error}); give cluster_job_log as it was published") from None
    if not isinstance(found, list):
        raise TraceError("is no JSON list; give cluster_job_log as it was published")
    for number, entry in enumerate(found, 1):
        try:
            job = _JOB.validate_python(entry)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "it"
            raise TraceError(f"job {number}: {field}: {first['msg']}; correct or remove the job") from None
        yield _job(f"job {number}", job)


def _job(place: str, job: _Job) -> PublishedJob | LeftOut:
    submitted = moment(place, "submitted_time", job.submitted_time)
    spans = [
        (attempt, moment(place, "start_time", attempt.start_time), moment(place, "end_time", attempt.end_time))
        for attempt in job.attempts
        if attempt.start_time is not None and attempt.end_time is not None
    ]
    if job.attempts and job.attempts[-1].start_time is not None and job.attempts[-1].end_time is None:
        return LeftOut.STILL_RAN
    if not spans:
        return LeftOut.NEVER_RAN
    if any(end < start for _, start, end in spans):
        return LeftOut.ENDED_BEFORE
    largest = max((attempt for attempt, _, _ in spans), key=lambda attempt: attempt.gpus)
    if not largest.gpus:
        return LeftOut.WITHOUT_GPU
    duration = sum(end - start for _, start, end in spans)
    return PublishedJob(job.jobid, job.vc, submitted, len(largest.detail), float(largest.gpus), duration)
