"""Every query of every dashboard on a real Prometheus that has a fixed hour of five jobs."""

import json

import pytest
from harness.dashboard_queries import ask, chosen, metrics_named, queries
from harness.past_exporters import GPU_FIGURES, POD_RATES
from harness.past_server import HOUR, NAMES, dashboard

from wattrain_api.metrics import HISTOGRAM, SUBJECTS, exported_of

PROCESS = {
    f"process_{name}" for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time_seconds")
}
"""What the operator exports by the Prometheus client, and not by a row."""
ELSEWHERE = {
    *GPU_FIGURES, *(f"{name}_total" for name in POD_RATES), "container_memory_working_set_bytes", "kube_pod_info",
}  # fmt: skip
"""What other exporters have, by their own lists of names."""
NEEDS_GPU = {"GPU utilisation", "GPU memory", "GPU temperature", "GPU clock", "GPU power"}
"""Panels that are empty for a job without a GPU, however much is scraped."""


def exported():
    for row in (row for subject in SUBJECTS for row in exported_of(subject)):
        yield row.name
        if row.metric.type == HISTOGRAM:
            yield from (f"{row.name}_{part}" for part in ("bucket", "sum", "count"))


def not_exported(shown):
    return metrics_named(shown) - {*exported(), *PROCESS, *ELSEWHERE}


def problems_with(shown, past):
    """What is wrong with its queries; one is empty where it has no series for any job of the past."""
    problems, empty = [], dict.fromkeys(queries(shown), True)
    for job in past.fleet:
        values = chosen(shown, past.server, HOUR, {"namespace": job.namespace, "job": job.name})
        for asked in empty:
            answer = ask(asked, past.server, HOUR, values)
            problems += answer.problems
            empty[asked] &= not answer.series
    lacking = [asked for asked, is_empty in empty.items() if is_empty]
    return [*problems, *(f"{asked.panel} {asked.ref}: no data: {asked.expr}" for asked in lacking)]


@pytest.mark.parametrize("name", NAMES)
def test_every_query_returns_data_and_series_that_can_be_told_apart(name, past):
    assert problems_with(dashboard(name), past) == []


def test_jobs_that_are_chosen_are_all_compared_and_no_other(past):
    shown = dashboard("compare")
    values = chosen(shown, past.server, HOUR, {}) | {"job": "(digits|wine|gpu)"}  # as Grafana writes several
    for asked in queries(shown):
        answer = ask(asked, past.server, HOUR, values)
        found = {labels["trainingjob"] for labels in answer.series}
        assert answer.problems == []
        assert found == {"digits", "wine", "gpu"} or asked.panel.startswith("Loss against"), asked
        assert found <= {"digits", "wine", "gpu"}, asked


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_that_a_dashboard_names_is_exported(name):
    assert not_exported(dashboard(name)) == set()


def test_figures_of_gpus_are_there_for_a_job_that_has_some_and_for_no_other(past):
    shown = dashboard("training-job")
    for job in past.fleet:
        values = chosen(shown, past.server, HOUR, {"namespace": job.namespace, "job": job.name})
        found = {asked.panel for asked in queries(shown)
                 if "DCGM_" in asked.expr and ask(asked, past.server, HOUR, values).series}  # fmt: skip
        assert found == (NEEDS_GPU if job.name == "gpu" else set()), job.name


@pytest.mark.parametrize(("panel", "old", "new", "told"), [
    ("Power", "power_watts", "power_wats", "no data"),
    ("Progress", "$job", "$jobb", "unknown variable $jobb"),
    ("Samples a second by worker", "$__rate_interval", "$__rate_intervall", "unknown variable $__rate_intervall"),
    ("Loss", "max by", "most by", "parse error"),
    ("Energy by component and source", "component, source)", "source)", "names labels that series do not have"),
    ("Workers", "max by (cluster, namespace, trainingjob) ", "", "several series are called"),
    ("annotation Restart", "> 0", "> 5", "no data"),
])  # fmt: skip
def test_a_mistake_in_a_query_is_found(panel, old, new, told, past):
    shown = dashboard("training-job")
    shown["panels"] = [each for each in shown["panels"] if each["title"] == panel]
    shown["annotations"]["list"] = [n for n in shown["annotations"]["list"] if f"annotation {n['name']}" == panel]
    assert problems_with(shown, past) == []
    targets = [target for each in shown["panels"] for target in each["targets"]]
    for target in [*targets, *shown["annotations"]["list"]]:
        target["expr"] = target["expr"].replace(old, new)
    assert told in " ".join(problems_with(shown, past))


def test_a_metric_that_nobody_exports_is_found():
    broken = json.loads(
        json.dumps(dashboard("fleet")).replace("wattrain_trainingjob_power_watts", "wattrain_job_power")
    )
    assert "wattrain_job_power" in not_exported(broken)
