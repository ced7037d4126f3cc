"""The operator's page with a thousand jobs: so many samples a job and no more, and labels from closed sets."""

import asyncio
from collections import Counter, defaultdict
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from wattrain_api import power_sources
from wattrain_api.contract.progress import PREPARE_STAGES
from wattrain_api.metric_families import text_of
from wattrain_api.status import (
    BestPointStatus,
    Cause,
    CleanHoursStatus,
    Meter,
    PhaseTotals,
    PointStatus,
    PreparedSamples,
    State,
    TrainingJobStatus,
)
from wattrain_operator.cluster import operator_figures
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.cluster.shell import Shell

JOBS = 1000
SAMPLES_A_JOB = 150
"""With every state entered, every component by every source and a search of threads up to 128, which no job has."""
BYTES_AT_MOST = 20_000_000
POINTS = tuple(2**exponent for exponent in range(8))
"""Threads of a rank that are tried."""
NAMES = {"namespace", "trainingjob", "image", "powerdomain", "currency"}
"""What only the user's own objects, or tariffs, bound."""
CLOSED = {
    "state": set(get_args(State)),
    "phase": set(get_args(State)),
    "component": set(power_sources.COMPONENTS),
    "source": set(power_sources.SOURCES),
    "recipe": {"mlp"},
    "strategy": {"DDP"},
    "precision": {"fp32"},
    "attempt": {"3"},
    "stage": set(PREPARE_STAGES),
    "cause": set(get_args(Cause)),
    "basis": {"Average", "Marginal"},
    "threads": {str(threads) for threads in POINTS},
    "known": {"measured", "modelled", "partly measured"},
}


class NoClient:
    """A client that has never asked anything."""

    requests = Counter()


@pytest.fixture(scope="module")
def page(filled):
    meters = [Meter(c, s, 1.5, 1.0, 2.0) for c in power_sources.COMPONENTS for s in power_sources.SOURCES]
    phases = [PhaseTotals(state, 7, 0.5) for state in get_args(State)]
    energy = filled(type(TrainingJobStatus().energy), meters=tuple(meters))
    prepared = filled(PreparedSamples, stage=PREPARE_STAGES[0])
    hours = filled(CleanHoursStatus, basis="Average")
    points = tuple(PointStatus(threads, 1.5, 2.5, 0.5, "modelled") for threads in POINTS)
    best_point = filled(BestPointStatus, points=points)
    parts = {
        "best_point": best_point,
        "energy": energy,
        "phases": tuple(phases),
        "prepared": prepared,
        "clean_hours": hours,
    }
    status = filled(TrainingJobStatus, state="Running", **parts)
    status = status.to_json_object()
    spec = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}

    async def main():
        shell = Shell(NoClient(), OperatorSettings("w:1", "w:1"), "test", lambda: True)
        try:
            for index in range(JOBS):
                metadata = {"name": f"job-{index}", "namespace": "team", "uid": f"{index}", "resourceVersion": "1"}
                shell.take("TrainingJob", {"metadata": metadata, "spec": spec, "status": status}, False)
            return await operator_figures.page(shell, leads=True, loop_lag_seconds=0.0)
        finally:
            await shell.close()

    return asyncio.run(main())


def test_a_thousand_jobs_have_so_many_samples_and_bytes_and_no_more(page):
    lines = [line for line in page.splitlines() if line.startswith(b"wattrain_trainingjob_")]
    assert len(page) < BYTES_AT_MOST
    assert JOBS < len(lines) <= JOBS * SAMPLES_A_JOB
    assert len(set(lines)) == len(lines)


def test_labels_are_names_of_objects_or_come_from_closed_sets(page):
    found = defaultdict(set)
    first = "\n".join(line for line in page.decode().splitlines() if line.startswith("#") or "job-7" in line)
    for family in text_string_to_metric_families(first):
        for sample in family.samples if family.name.startswith("wattrain_trainingjob_") else ():
            for label, value in sample.labels.items():
                found[label].add(value)
    assert found.keys() == NAMES | CLOSED.keys()
    for label, words in CLOSED.items():
        assert found[label] <= words, label


def test_the_text_is_that_of_the_official_client():
    class Odd(Collector):
        def collect(self):
            family = GaugeMetricFamily("odd", 'A "help"\nof \\ two lines.', labels=["a", "b"])
            for value in (0.1, 1e30, 123456789.0, float("nan"), float("inf"), float("-inf"), -2.0):
                family.add_metric(['quo"te', f"back\\slash\nand {value}"], value)
            yield family
            yield GaugeMetricFamily("bare", "No labels.", value=1)

    registry = CollectorRegistry()
    registry.register(Odd())
    assert text_of(Odd().collect()) == generate_latest(registry)
