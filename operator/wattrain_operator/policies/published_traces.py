"""From traces of GPU clusters that others publish to ours. Pure.

| source | file | columns, by the publisher's README |
|---|---|---|
| philly | cluster_job_log | JSON list: jobid, vc, submitted_time, attempts (start_time, end_time, detail: ip, gpus) |
| helios | cluster_log.csv | job_id, vc, gpu_num, node_num, submit_time, duration, and others |
| alibaba-2020 | pai_task_table.csv, no header | job_name, task_name, inst_num, status, start_time, end_time, plan_cpu, plan_mem, plan_gpu, gpu_type |
| alibaba-2023 | openb_pod_list_*.csv | name, num_gpu, gpu_milli, creation_time, deletion_time, scheduled_time, and others |

Published at github.com/msr-fiddle/philly-traces, /S-Lab-System-Group/HeliosData and /alibaba/clusterdata
(cluster-trace-gpu-v2020 and cluster-trace-gpu-v2023).
"""  # noqa: E501 (a table)

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from wattrain_operator.policies import alibaba_traces, helios_trace, philly_trace
from wattrain_operator.policies.job_trace import TraceError, TraceJob
from wattrain_operator.policies.published_job import LeftOut, PublishedJob

Publisher = Literal["philly", "helios", "alibaba-2020", "alibaba-2023"]
_READERS: Final[Mapping[Publisher, Callable[[Iterable[str]], Iterator[PublishedJob | LeftOut]]]] = {
    "philly": philly_trace.read,
    "helios": helios_trace.read,
    "alibaba-2020": alibaba_traces.read_2020,
    "alibaba-2023": alibaba_traces.read_2023,
}


class Converted(NamedTuple):
    """Jobs of a published trace."""

    jobs: list[TraceJob]
    """By submission; the first is at 0."""
    left_out: Counter[LeftOut]
    """How many jobs are not among them, by why."""


def convert(
    lines: Iterable[str], publisher: Publisher, watts_per_gpu: float, deadline_seconds: float | None = None
) -> Converted:
    """The jobs of a file of `publisher`, whose lines are `lines`. TraceError: it is no such file.

    No such trace says watts or deadlines: each GPU draws `watts_per_gpu`, a part of one that part; each job must have
    ended `deadline_seconds` after its submission.
    """
    found: list[PublishedJob] = []
    left_out: Counter[LeftOut] = Counter()
    for each in _READERS[publisher](lines):
        if isinstance(each, LeftOut):
            left_out[each] += 1
        else:
            found.append(each)
    if not found:
        told = "; ".join(f"{count} {why.value}" for why, count in left_out.items())
        raise TraceError(f"there is no job in it that ran on a GPU{f' ({told})' if told else ''}; give another file")
    first = min(job.submit_seconds for job in found)
    jobs = [
        TraceJob(
            job.name, job.namespace, job.submit_seconds - first, job.workers, watts_per_gpu * job.gpus / job.workers,
            job.duration_seconds, deadline_seconds=deadline_seconds,
        )
        for job in sorted(found, key=lambda job: job.submit_seconds)
    ]  # fmt: skip
    return Converted(jobs, left_out)
