"""Render the operator's /metrics with many running jobs: `python -m exposition [JOBS]`.

Prints the CPU time of a page, its bytes and its samples, and beside it the time of reading the jobs alone and of
prometheus_client's own writer, in the same process.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from wattrain_api import metrics
from wattrain_api.metric_families import Families
from wattrain_operator.cluster import operator_figures, reading
from wattrain_operator.cluster.kube.resources import Json
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.cluster.shell import Shell
from wattrain_operator.exposition import exported_job, identity_of

METERS = [("cpu", "rapl"), ("gpu", "nvml"), ("memory", "model")]
PHASES = ["Pending", "Queued", "Preparing", "Starting", "Running", "Restarting"]
TIME = "2026-01-01T00:00:00Z"
REPEATS = 5


class _NoClient(NamedTuple):
    """Nothing is asked of an API server."""

    requests: Counter[tuple[str, str, int]] = Counter()


class _Ready(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="?", type=int, default=1000, help="running jobs (default 1000)")
    asyncio.run(_measure(parser.parse_args().jobs))
    return 0


async def _measure(jobs: int) -> None:
    shell: Any = Shell(_NoClient(), OperatorSettings("worker:1", "worker:1"), "benchmark", lambda: True)  # type: ignore[arg-type]
    bodies = [_job(index) for index in range(jobs)]
    for body in bodies:
        shell.take("TrainingJob", body, False)
    seconds, page = [], b""
    for _ in range(REPEATS):
        began = time.process_time()
        page = await operator_figures.page(shell, leads=True, loop_lag_seconds=0.0)
        seconds.append(time.process_time() - began)
    await shell.close()
    samples = sum(not line.startswith(b"#") for line in page.splitlines())
    read, known = _least(lambda: [reading.read_job(body) for body in bodies])
    families = Families(metrics.JOB)
    for job in known:
        families.add(exported_job(job, job.status, datetime.now(UTC)), identity_of(job))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ready(list(families.all())))
    theirs, _ = _least(lambda: generate_latest(registry))
    sys.stdout.write(
        f"{jobs} running jobs: {len(page) / 1e6:.1f} MB, {samples} samples, {samples / jobs:.0f} a job\n"
        f"CPU time of a page, best of {REPEATS}: {min(seconds):.2f} s; of it reading the jobs {read:.2f} s\n"
        f"prometheus_client's writer would take {theirs:.2f} s for the text alone\n"
    )


def _least(work: Callable[[], Any]) -> tuple[float, Any]:
    """The least CPU time of some repeats, in seconds, and the last result."""
    least, result = float("inf"), None
    for _ in range(REPEATS):
        began = time.process_time()
        result = work()
        least = min(least, time.process_time() - began)
    return least, result


def _job(index: int) -> Json:
    spec = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}
    meters = [
        {"component": component, "source": source, "joules": 100.5, "lowJoules": 90.25, "highJoules": 120.125}
        for component, source in METERS
    ]
    status = {
        "state": "Running", "attempt": 1, "startTime": TIME, "stepsDone": 1234,
        "phases": [{"phase": phase, "seconds": 10, "joules": 5.5} for phase in PHASES],
        "workers": {"desired": 8, "ready": 8},
        "progress": {
            "phase": "training", "step": 1200, "totalSteps": 5000, "loss": 0.123456, "learningRate": 0.001, "epoch": 3,
            "validation": {"step": 1000, "loss": 0.2, "accuracy": 0.91}, "samplesPerSecond": 41000.0, "percent": 24.0,
            "etaSeconds": 321.5,
        },
        "checkpoint": {"step": 1000, "joules": 250.0, "time": TIME},
        "energy": {
            "joules": 301.5, "low": 270.75, "high": 360.375, "watts": 812.5, "measuredRatio": 0.66, "meters": meters,
            "carbonGrams": 0.0384, "facilityJoules": 361.8, "joulesPerSample": 0.0021,
            "costs": [{"currency": "EUR", "cost": 0.00003}],
        },
        "internal": {"openPhase": {"phase": "Running", "since": TIME, "before": "Starting"}},
    }  # fmt: skip
    metadata = {
        "name": f"training-{index}", "namespace": f"team-{index % 20}", "uid": f"uid-{index}", "resourceVersion": "1",
    }  # fmt: skip
    return {"metadata": metadata, "spec": spec, "status": status}


if __name__ == "__main__":
    sys.exit(main())
