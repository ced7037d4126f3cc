"""The operator's process, which sends traces and metrics to a real collector, and ends in time where there is none."""

import contextlib
import signal
import uuid

import pytest
from harness.api import JOBS
from harness.collector import attributes, running_collector
from harness.daemon import wait_for

from .processes import Process


@pytest.fixture
def start(operator_kubeconfig, namespace, tmp_path):
    with contextlib.ExitStack() as stack:

        def begin():
            operator = Process(tmp_path / "operator.log", operator_kubeconfig, namespace)
            stack.callback(operator.process.wait)
            stack.callback(operator.process.kill)
            wait_for(lambda: operator.said("leading as"), seconds=40, what="it leads")
            return operator

        yield begin


@pytest.fixture
def end_a_job(cluster, namespace):
    """A job that ends because no node takes its pods in time; its uid."""

    def run():
        body = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "one"}}
        spec = {
            "script": {"command": ["python", "-c", "1"]}, "policy": {"activeDeadlineSeconds": 1},
            "workers": {"nodeSelector": {"wattrain.dev/test": "nowhere"}},
        }  # fmt: skip
        with cluster.api() as api:
            path = f"{JOBS.format(namespace)}/one"
            api.create(JOBS.format(namespace), body | {"spec": spec})
            wait_for(lambda: api.get(path).get("status", {}).get("state") == "Failed", seconds=40, what="the end")
            return api.get(path)["metadata"]["uid"]

    return run


def test_the_collector_gets_the_trace_of_a_job_and_the_figures_of_job_and_operator(
    programs, start, end_a_job, namespace, tmp_path, monkeypatch
):
    programs("otelcol")
    with running_collector(tmp_path) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")
        operator = start()
        uid = end_a_job()

        def figures():
            return {
                (metric["name"], attributes(point).get("trainingjob"), resource["k8s.namespace.name"])
                for metric, resource in collector.metrics()
                for point in next(metric[kind] for kind in ("sum", "gauge", "histogram") if kind in metric)[
                    "dataPoints"
                ]
            }

        wanted = {
            ("wattrain_trainingjob_restarts_total", "one", namespace),
            ("wattrain_operator_leader", None, namespace),
            ("wattrain_operator_reconcile_duration_seconds", None, namespace),
            ("process_cpu_seconds_total", None, namespace),
        }
        wait_for(lambda: wanted <= figures(), seconds=40, what="the figures")
        assert operator.end(signal.SIGTERM) == 0
        names = {"Starting", "attempt 1", "TrainingJob one"}  # the collector writes what it took once a second
        wait_for(lambda: names <= {span["name"] for span, _ in collector.spans()}, seconds=30, what="the trace")
        spans = {span["name"]: (span, resource) for span, resource in collector.spans()}
    assert {span["traceId"] for span, _ in spans.values()} == {uuid.UUID(uid).hex}
    root, resource = spans["TrainingJob one"]
    assert root["status"]["message"].startswith("ActiveDeadlineExceeded: ")
    assert resource["k8s.namespace.name"] == namespace


def test_an_operator_whose_collector_is_not_there_works_and_ends(start, end_a_job, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")
    operator = start()
    end_a_job()
    wait_for(lambda: operator.said("metrics could not be sent to 127.0.0.1"), seconds=30, what="a word about it")
    assert operator.end(signal.SIGTERM) == 0
