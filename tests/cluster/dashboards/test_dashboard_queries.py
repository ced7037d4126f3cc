"""Every query of every dashboard on a real Prometheus that has a fixed hour of five jobs."""

import json
from pathlib import Path

import pytest
from harness import past_fleet
from harness.dashboard_queries import Window, ask, chosen, interpolated, metrics_named, queries
from harness.fixtures import or_skipped
from harness.prometheus import running_prometheus

from wattrain_api.metrics import HISTOGRAM, JOB, OPERATOR, WORKER, exported_of

FOLDER = Path(__file__).parents[3] / "dashboards"
DASHBOARDS = sorted(FOLDER.glob("*.json"))
WINDOW = Window(past_fleet.START, past_fleet.END, past_fleet.SCRAPE_SECONDS)
PROCESS = {
    f"process_{name}" for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time_seconds")
}
"""What the operator exports by the Prometheus client, and not by a row."""
AWAITED = {
    "wattrain_powerdomain_granted_jobs", "wattrain_powerdomain_queued_jobs", "wattrain_powerdomain_max_running_jobs",
    "wattrain_powerdomain_power_watts", "wattrain_trainingjob_phase_energy_joules_total",
    "wattrain_trainingjob_phase_seconds_total", "wattrain_trainingjob_steps_total",
}  # fmt: skip
"""Metrics whose rows are yet to come; their queries may be empty until then, and no longer."""


@pytest.fixture(scope="module")
def fleet():
    return past_fleet.jobs()


@pytest.fixture(scope="module")
def server(fleet, tmp_path_factory):
    text = past_fleet.openmetrics(fleet)
    with or_skipped(), running_prometheus(tmp_path_factory.mktemp("past"), openmetrics=text) as made:
        yield made


def read(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def exported():
    for row in (row for subject in (JOB, WORKER, OPERATOR) for row in exported_of(subject)):
        yield row.name
        if row.metric.type == HISTOGRAM:
            yield from (f"{row.name}_{part}" for part in ("bucket", "sum", "count"))


def not_exported(dashboard):
    return metrics_named(dashboard) - {*exported(), *PROCESS}


def problems_with(dashboard, server, fleet):
    """What is wrong with its queries; one is empty where it has no series for any job of `fleet`."""
    problems, empty = [], dict.fromkeys(queries(dashboard), True)
    for job in fleet:
        values = chosen(dashboard, server, WINDOW, {"namespace": job.namespace, "job": job.name})
        for asked in empty:
            answer = ask(asked, server, WINDOW, values)
            problems += answer.problems
            empty[asked] &= not answer.series
    lacking = [asked for asked, is_empty in empty.items() if is_empty]
    return [*problems, *(f"{asked.panel} {asked.ref}: no data: {asked.expr}" for asked in lacking)]


@pytest.mark.parametrize("name", [path.stem for path in DASHBOARDS])
def test_every_query_returns_data_and_series_that_can_be_told_apart(name, server, fleet):
    found = problems_with(read(name), server, fleet)
    assert [problem for problem in found if not any(metric in problem for metric in AWAITED)] == []


@pytest.mark.parametrize("name", [path.stem for path in DASHBOARDS])
def test_every_metric_that_a_dashboard_names_is_exported(name):
    assert not_exported(read(name)) <= AWAITED


def test_nothing_is_awaited_that_is_there():
    assert {*exported()} & AWAITED == set()


@pytest.mark.parametrize(("panel", "old", "new", "told"), [
    ("Power", "power_watts", "power_wats", "no data"),
    ("Progress", "$job", "$jobb", "unknown variable $jobb"),
    ("Samples a second by worker", "$__rate_interval", "$__rate_intervall", "unknown variable $__rate_intervall"),
    ("Loss", "max by", "most by", "parse error"),
    ("Energy by component and source", "component, source)", "source)", "names labels that series do not have"),
    ("Workers", "max by (cluster, namespace, trainingjob) ", "", "several series are called"),
    ("annotation Restart", "> 0", "> 5", "no data"),
])  # fmt: skip
def test_a_mistake_in_a_query_is_found(panel, old, new, told, server, fleet):
    dashboard = read("training-job")
    dashboard["panels"] = [each for each in dashboard["panels"] if each["title"] == panel]
    notes = dashboard["annotations"]["list"]
    dashboard["annotations"]["list"] = [each for each in notes if f"annotation {each['name']}" == panel]
    assert problems_with(dashboard, server, fleet) == []
    targets = [target for each in dashboard["panels"] for target in each["targets"]]
    for target in [*targets, *dashboard["annotations"]["list"]]:
        target["expr"] = target["expr"].replace(old, new)
    assert told in " ".join(problems_with(dashboard, server, fleet))


def test_a_metric_that_nobody_exports_is_found():
    broken = json.loads(json.dumps(read("fleet")).replace("wattrain_trainingjob_power_watts", "wattrain_job_power"))
    assert "wattrain_job_power" in not_exported(broken)


def shown(server, name, panel, ref="A", **wanted):
    """The series of a query, at the end of the time that is shown or over it."""
    dashboard = read(name)
    values = chosen(dashboard, server, WINDOW, wanted)
    (asked,) = [asked for asked in queries(dashboard) if (asked.panel, asked.ref) == (panel, ref)]
    expr = interpolated(asked.expr, values)
    if asked.instant:
        return server.query(expr, at=WINDOW.end)
    return server.query_range(expr, start=WINDOW.start, end=WINDOW.end, step=WINDOW.step)


def test_energy_in_the_time_that_is_shown_is_exact_although_the_leader_changed(server, fleet):
    by_namespace = {}
    for job in fleet:
        by_namespace[job.namespace] = by_namespace.get(job.namespace, 0.0) + job.total_joules
    assert by_namespace["team-b"] > by_namespace["team-a"] > 0
    [whole] = shown(server, "fleet", "Energy")
    assert whole.value == pytest.approx(sum(by_namespace.values()))
    found = {sample.labels["namespace"]: sample.value for sample in shown(server, "fleet", "Energy by namespace")}
    assert found == pytest.approx(by_namespace)


@pytest.mark.parametrize("name", ["digits", "wine"])
def test_the_area_below_the_power_is_the_energy_within_two_percent(name, server, fleet):
    (job,) = [job for job in fleet if job.name == name]
    series = shown(server, "training-job", "Power by component and source", "B", namespace=job.namespace, job=name)
    joules = sum(watts * WINDOW.step for one in series for _, watts in one.points)
    assert joules == pytest.approx(job.total_joules, rel=0.02)


def test_a_loss_costs_what_the_job_had_used_when_it_was_there(server, fleet):
    for job in fleet[:2]:
        fresh = next(other for other in past_fleet.jobs() if other.name == job.name)
        marks = {s.labels["loss"]: s.value for s in shown(
            server, "training-job", "What each loss took", "C", namespace=job.namespace, job=job.name
        )}  # fmt: skip
        for second in range(0, past_fleet.SECONDS + 1, past_fleet.SCRAPE_SECONDS):
            fresh.advance(second)
            if fresh.step and fresh.loss <= 0.5:
                break
        assert marks["0.5"] == pytest.approx(fresh.total_joules)
