"""Jobs of Alibaba's GPU clusters, as published for 2020 (PAI) and 2023 (openb). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wattrain_operator.policies.published_job import LeftOut, PublishedJob, columns_of, number

_TASK_COLUMNS = (
    "job_name", "task_name", "inst_num", "status", "start_time", "end_time", "plan_cpu", "plan_mem", "plan_gpu",
    "gpu_type",
)  # fmt: skip
_POD_COLUMNS = ("name", "num_gpu", "gpu_milli", "creation_time", "deletion_time", "scheduled_time")
_NAMESPACE = "alibaba"


@dataclass
class _Job:
    """Tasks of a job, summed up."""

    instances: int = 0
    gpus: float = 0.0
    first_start: float | None = None
    last_end: float | None = None
    ran: bool = True
    """Whether each task on GPUs has started."""
    ended: bool = True
    """Whether each has an end as well."""


def read_2020(lines: Iterable[str]) -> Iterator[PublishedJob | LeftOut]:
    """A job is all tasks of one name that have GPUs, from the start of the first, which counts as its submission (this
    table has no other), to the end of the last. Its workers are their instances."""
    jobs: dict[str, _Job] = {}
    for line, fields in columns_of(lines, _TASK_COLUMNS, header=False):
        row = dict(zip(_TASK_COLUMNS, fields, strict=True))
        if row == {name: name for name in _TASK_COLUMNS}:
            continue  # the header, which is a file of its own, was put before it
        job = jobs.setdefault(row["job_name"], _Job())
        instances = int(number(line, "inst_num", row["inst_num"] or "0"))
        gpus = instances * number(line, "plan_gpu", row["plan_gpu"] or "0") / 100
        if not gpus:
            continue
        job.instances += instances
        job.gpus += gpus
        start, end = (number(line, name, row[name]) if row[name] else None for name in ("start_time", "end_time"))
        job.ran, job.ended = job.ran and start is not None, job.ended and end is not None
        job.first_start = min((each for each in (job.first_start, start) if each is not None), default=None)
        job.last_end = max((each for each in (job.last_end, end) if each is not None), default=None)
    for name, job in jobs.items():
        yield _of_tasks(name, job)


def _of_tasks(name: str, job: _Job) -> PublishedJob | LeftOut:
    if not job.gpus:
        return LeftOut.WITHOUT_GPU
    if job.first_start is None or not job.ran:
        return LeftOut.NEVER_RAN
    if job.last_end is None or not job.ended:
        return LeftOut.STILL_RAN
    if job.last_end < job.first_start:
        return LeftOut.ENDED_BEFORE
    duration = job.last_end - job.first_start
    return PublishedJob(name, _NAMESPACE, job.first_start, job.instances, job.gpus, duration)


def read_2023(lines: Iterable[str]) -> Iterator[PublishedJob | LeftOut]:
    """A job is a pod, from when it was scheduled until it was deleted. Of a GPU that pods share it has its part."""
    for line, (name, gpu_text, part_text, created, deleted, scheduled) in columns_of(lines, _POD_COLUMNS, header=True):
        gpus = number(line, "num_gpu", gpu_text)
        if gpus == 1:
            gpus = number(line, "gpu_milli", part_text) / 1000
        if not gpus:
            yield LeftOut.WITHOUT_GPU
        elif not scheduled:
            yield LeftOut.NEVER_RAN
        elif not deleted:
            yield LeftOut.STILL_RAN
        else:
            start, end = number(line, "scheduled_time", scheduled), number(line, "deletion_time", deleted)
            submitted = number(line, "creation_time", created)
            yield (
                LeftOut.ENDED_BEFORE if end < start else PublishedJob(name, _NAMESPACE, submitted, 1, gpus, end - start)
            )
