"""What a real OpenTelemetry Collector gets of a job."""

import json
import os
import subprocess
import sys
import uuid

import pytest
from harness.collector import attributes, running_collector
from harness.daemon import wait_for
from harness.simulated_life import UID, life_of
from prometheus_client import Histogram
from prometheus_client.core import Metric as Family

from wattrain_api.metrics import SUBJECTS, exported_of
from wattrain_operator.exposition import job_families

ROOT_SPAN = "TrainingJob job"


@pytest.fixture
def collector(programs, tmp_path):
    programs("otelcol")
    with running_collector(tmp_path) as running:
        yield running


@pytest.fixture
def send(monkeypatch):
    """Sends the traces of a life to an endpoint; how many spans were lost."""

    def go(life, endpoint, **variables):
        from wattrain_operator.telemetry.sender import _environment
        from wattrain_operator.telemetry.trace_export import TraceExport

        _environment.cache_clear()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        export = TraceExport()
        for before, after in life.written:
            export.written(life.job, before, after)
        return export.close()

    yield go
    from wattrain_operator.telemetry.sender import _environment

    _environment.cache_clear()


def test_the_collector_gets_a_trace_of_every_state_attempt_and_the_job(collector, send):
    life = life_of(kills=1)
    assert send(life, collector.endpoint, OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test") == 0
    wait_for(lambda: ROOT_SPAN in [span["name"] for span, _ in collector.spans()], seconds=30, what="the trace")
    spans = [span for span, _ in collector.spans()]
    assert {span["traceId"] for span in spans} == {uuid.UUID(UID).hex}
    assert {"Starting", "Running", "Restarting", "attempt 1", "attempt 2"} <= {s["name"] for s in spans}
    [root] = [span for span in spans if not span.get("parentSpanId")]
    assert attributes(root)["wattrain.energy.joules"] == life.written[-1][1].energy.joules
    assert int(root["endTimeUnixNano"]) == life.written[-1][1].completion_time.timestamp() * 1e9
    by_name = {span["name"]: span for span in spans}
    assert by_name["attempt 1"]["status"]["message"] == "Killed"
    assert by_name["attempt 2"]["links"][0]["spanId"] == by_name["attempt 1"]["spanId"]
    [resource] = {json.dumps(resource, sort_keys=True) for _, resource in collector.spans()}
    told = json.loads(resource)
    assert (told["service.name"], told["k8s.namespace.name"]) == ("wattrain", "team")
    assert (told["wattrain.trainingjob"], told["deployment.environment.name"]) == ("job", "test")


def test_an_operator_that_sends_the_same_again_sends_the_same_spans(collector, send):
    send(life_of(), collector.endpoint)
    wait_for(lambda: ROOT_SPAN in [span["name"] for span, _ in collector.spans()], seconds=30, what="the trace")
    once = collector.spans()
    send(life_of(), collector.endpoint)
    wait_for(lambda: len(collector.spans()) == 2 * len(once), seconds=30, what="the same trace again")
    assert collector.spans()[len(once) :] == once


def test_spans_that_no_collector_takes_are_counted_as_lost(send):
    assert send(life_of(), "http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="1") > 3


def test_a_local_run_sends_its_trace_where_the_standard_variable_says(collector, tmp_path):
    pytest.importorskip("torch", reason="a run trains: pip install --editable '.[dev]'")
    job = {
        "apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "traced"},
        "spec": {
            "recipe": {"name": "logistic-regression"}, "data": {"source": {"builtin": "digits"}},
            "training": {"maxSteps": 3, "batchSize": 32},
        },
    }  # fmt: skip
    (tmp_path / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
    command = [sys.executable, "-c", "from wattrain_operator.cli import main; main()", "run", "job.yaml"]
    environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    wait_for(lambda: "TrainingJob traced" in [span["name"] for span, _ in collector.spans()], seconds=30, what="it")
    status = json.loads((tmp_path / "runs" / "traced" / "status.json").read_bytes())
    spans = {span["name"]: span for span, _ in collector.spans()}
    assert {"Preparing", "Running", "attempt 1"} <= set(spans)
    assert attributes(spans["TrainingJob traced"])["wattrain.energy.joules"] == status["energy"]["joules"]
    joules = "wattrain_trainingjob_energy_joules_total"
    wait_for(lambda: joules in [metric["name"] for metric, _ in collector.metrics()], seconds=30, what="the joules")
    metric, resource = {metric["name"]: (metric, resource) for metric, resource in collector.metrics()}[joules]
    assert metric["unit"] == "J"
    assert sum(point["asDouble"] for point in metric["sum"]["dataPoints"]) == status["energy"]["joules"]
    assert attributes(metric["sum"]["dataPoints"][0])["trainingjob"] == "traced"
    assert (resource["service.name"], resource["k8s.namespace.name"]) == ("wattrain", "local")
    uid = json.loads((tmp_path / "runs" / "traced" / "job.json").read_bytes())["metadata"]["uid"]
    assert {span["traceId"] for span in spans.values()} == {uuid.UUID(uid).hex}


def test_the_collector_gets_every_figure_of_the_page_by_its_name_help_and_unit(collector, send, monkeypatch):
    """The operator's own figures, of which some are distributions, and those of a job."""
    from wattrain_operator.telemetry.metric_export import MetricExport

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    life = life_of(kills=1)
    after = life.written[-1][1]
    seconds = Histogram("passes", "", registry=None, buckets=(0.1, 1.0))
    for value in (0.05, 0.5, 0.5, 7.0):
        seconds.observe(value)
    own = Family("wattrain_operator_reconcile_duration_seconds", "How long.", "histogram")
    own.samples = [
        each._replace(name=each.name.replace("passes", own.name))
        for family in seconds.collect() for each in family.samples if not each.name.endswith("_created")
    ]  # fmt: skip
    families = [own, *job_families(life.job, after, after.completion_time)]
    export = MetricExport({"k8s.namespace.name": "wattrain-system"})
    assert export.send(families)
    export.close()
    wanted = {row.name: row.metric for subject in SUBJECTS for row in exported_of(subject)}
    shown = {sample.name for family in families[1:] for sample in family.samples} | {own.name}
    wait_for(lambda: len(collector.metrics()) == len(shown), seconds=30, what="all figures")
    got = {metric["name"]: metric for metric, _ in collector.metrics()}
    assert set(got) == shown
    for name in shown - {own.name}:
        assert got[name]["description"] == wanted[name].help
        kind = "sum" if wanted[name].type == "counter" else "gauge"
        samples = [(s.labels, s.value) for f in families for s in f.samples if s.name == name]
        assert [(attributes(p), p["asDouble"]) for p in got[name][kind]["dataPoints"]] == samples
    assert {got[name].get("unit", "") for name in shown} >= {"s", "J", "{steps}", ""}
    [point] = got[own.name]["histogram"]["dataPoints"]
    assert (point["count"], point["sum"], point["bucketCounts"]) == ("4", 8.05, ["1", "2", "1"])
    assert point["explicitBounds"] == [0.1, 1]
    assert "min" not in point


def test_metrics_that_no_collector_takes_are_said_to_be_lost(monkeypatch):
    from wattrain_operator.telemetry.metric_export import MetricExport, MetricThread

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    thread = MetricThread(MetricExport({}), list, interval_seconds=60)
    thread.close()
    assert thread.lost == 1
