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
        from wattrain_operator.telemetry.trace_export import TraceExport, _environment

        _environment.cache_clear()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        export = TraceExport()
        for before, after in life.written:
            export.written(life.job, before, after)
        return export.close()

    yield go
    from wattrain_operator.telemetry.trace_export import _environment

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
    uid = json.loads((tmp_path / "runs" / "traced" / "job.json").read_bytes())["metadata"]["uid"]
    assert {span["traceId"] for span in spans.values()} == {uuid.UUID(uid).hex}
