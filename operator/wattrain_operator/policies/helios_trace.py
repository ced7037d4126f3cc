"""Jobs of Helios, as SenseTime published them: cluster_log.csv. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wattrain_operator.policies.published_job import LeftOut, PublishedJob, columns_of, moment, number

_COLUMNS = ("job_id", "vc", "gpu_num", "node_num", "submit_time", "duration")


def read(lines: Iterable[str]) -> Iterator[PublishedJob | LeftOut]:
    """A job is one of Slurm; its workers are its nodes, its namespace is its virtual cluster."""
    for line, (name, cluster, gpu_text, node_text, submitted, duration) in columns_of(lines, _COLUMNS, header=True):
        gpus = number(line, "gpu_num", gpu_text)
        if not gpus:
            yield LeftOut.WITHOUT_GPU
            continue
        nodes = max(1, int(number(line, "node_num", node_text)))
        submit_seconds = moment(f"line {line}", "submit_time", submitted)
        yield PublishedJob(name, cluster, submit_seconds, nodes, gpus, number(line, "duration", duration))
