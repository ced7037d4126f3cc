"""When an operator is well, and what it shows of itself."""

import asyncio
import time
from collections import Counter

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from wattrain_api import metrics
from wattrain_operator.cluster import operator_figures
from wattrain_operator.cluster.health import Health, Servers
from wattrain_operator.cluster.kube.resources import KINDS
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.cluster.shell import Shell


class Listed:
    """A shell as far as probes look at it."""

    def __init__(self, age_seconds=0.0, kinds=KINDS):
        self.listed_at = {kind: time.monotonic() - age_seconds for kind in kinds}
        self.began_at = time.monotonic() - 2 * age_seconds
        self.deaf_resyncs = Counter()

    list_age_seconds = Shell.list_age_seconds


@pytest.fixture
def health():
    return Health(resync_seconds=90)


def test_who_stands_by_is_well_and_ready(health):
    assert health.problems() == []
    assert health.is_ready()


def test_a_leader_is_ready_once_it_has_seen_everything(health):
    health.begin(Listed(kinds=KINDS[:2]))
    assert not health.is_ready()
    health.begin(Listed())
    assert health.is_ready()


def test_lists_that_are_three_periods_old_are_a_problem(health):
    health.begin(Listed(age_seconds=269))
    assert health.problems() == []
    health.begin(Listed(age_seconds=271))
    assert len(health.problems()) == len(KINDS)


def test_a_kind_that_was_never_listed_is_as_old_as_the_lead_and_has_no_age_before(health):
    shell = Listed(age_seconds=140, kinds=())
    health.begin(shell)
    assert len(health.problems()) == len(KINDS)
    assert shell.list_age_seconds("Pod") == pytest.approx(280, abs=60)
    shell.began_at = None
    assert shell.list_age_seconds("Pod") is None
    assert health.problems() == []


def test_a_watch_that_misses_changes_again_and_again_is_a_problem(health):
    shell = Listed()
    health.begin(shell)
    shell.deaf_resyncs["Pod"] = 2
    assert health.problems() == []
    shell.deaf_resyncs["Pod"] = 3
    assert health.problems() == ["the watch of Pod missed changes in 3 periods in a row"]


def test_an_event_loop_that_stands_still_is_a_problem(health):
    async def main():
        measuring = asyncio.create_task(health.measure())
        await asyncio.sleep(0)
        time.sleep(1.3)  # as a blocking call would
        while not health.loop_lag_seconds:
            await asyncio.sleep(0.01)
        measuring.cancel()

    asyncio.run(main())
    assert health.loop_lag_seconds > 0.2
    health.loop_lag_seconds = 5.1
    assert health.problems() == ["the event loop was 5.1 s late"]


def test_probes_and_metrics_answer_on_ports_of_their_own(health):
    async def page():
        return b"# a page\n"

    async def main():
        servers = Servers(health, page)
        await servers.start("127.0.0.1", 0, 0)
        probes, figures_port = servers.ports
        async with aiohttp.ClientSession() as session:

            async def get(port, path):
                async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                    return answer.status, await answer.text()

            answers = [await get(probes, "/healthz"), await get(probes, "/readyz"), await get(figures_port, "/metrics")]
            health.loop_lag_seconds = 10.0
            health.begin(Listed(kinds=()))
            answers += [await get(probes, "/healthz"), await get(probes, "/readyz"), await get(probes, "/metrics")]
        await servers.stop()
        return answers

    well, ready, shown, ill, not_ready, elsewhere = asyncio.run(main())
    assert (well, ready, shown) == ((200, "ok"), (200, "ok"), (200, "# a page\n"))
    assert (ill[0], not_ready[0], elsewhere[0]) == (503, 503, 404)
    assert "late" in ill[1]


DOMAIN = {
    "spec": {"maxRunningJobs": 1, "capWatts": 100, "pue": 1.2, "tariff": {"pricePerKWh": 0.5}},
    "status": {
        "power": {"reservedWatts": 40.0, "drawnWatts": 30.0, "freeWatts": 55.0},
        "shedding": {"since": "2026-12-01T17:00:00Z", "until": "2026-12-01T19:00:00Z", "targetWatts": 70.0},
    },
}


class NoClient:
    """A client of which only the counters are looked at."""

    requests = Counter({("create", "pods", 201): 4})


def test_every_metric_of_the_operator_is_exported_as_it_is_documented():
    async def main():
        shell = Shell(NoClient(), OperatorSettings("w:1", "w:1"), "test", lambda: True)
        try:
            shell.outcomes["done"] += 1
            shell.progress.outcomes["answered"] += 1
            shell.listed_at |= dict.fromkeys(KINDS, time.monotonic())
            shell.heard_at |= dict.fromkeys(KINDS, time.monotonic())
            shell.durations.observe(0.1)
            job = {"metadata": {"name": "one", "namespace": "team", "uid": "u", "resourceVersion": "1"}}
            spec = {"script": {"command": ["python"]}, "workers": {"replicas": 1}, "energy": {"powerDomain": "hall"}}
            shell.take("TrainingJob", {**job, "spec": spec}, False)
            shell.take("TrainingJob", {"metadata": job["metadata"] | {"name": "odd"}, "spec": {"recipe": 3}}, False)
            shell.take(
                "PowerDomain", {"metadata": {"name": "hall", "uid": "d", "resourceVersion": "1"}, **DOMAIN}, False
            )
            shown = await operator_figures.page(shell, leads=True, loop_lag_seconds=0.5)
            shell.take("TrainingJob", {**job, "metadata": job["metadata"] | {"resourceVersion": "2"}}, True)
            return shown, await operator_figures.page(shell, leads=True, loop_lag_seconds=0.5)
        finally:
            await shell.close()

    shown, after_deletion = asyncio.run(main())
    assert b'trainingjob="one"' in shown
    assert b'trainingjob="one"' not in after_deletion
    families = {f.name: f for f in text_string_to_metric_families(shown.decode())}
    assert families["wattrain_powerdomain_queued_jobs"].samples[0].value == 1.0
    for exported in [*metrics.exported_of(metrics.OPERATOR), *metrics.exported_of(metrics.DOMAIN)]:
        family = families[exported.name.removesuffix("_total")]
        assert (family.documentation, family.type) == (exported.metric.help, exported.metric.type)
        sample = next(s for s in family.samples if s.name.startswith(exported.name) and not s.name.endswith("_created"))
        assert set(sample.labels) - {"le"} == set(exported.labels)
    jobs = {sample.labels["trainingjob"] for sample in families["wattrain_trainingjob_state"].samples}
    assert jobs == {"one"}
    for name in ("process_cpu_seconds", "process_resident_memory_bytes", "process_start_time_seconds"):
        assert families[name].samples[0].value > 0
