"""A real Prometheus scrapes operator and workers on a real node by the configuration that ships for clusters.

Debian's Prometheus has no discovery in Kubernetes. In its place stands a file with what that would find: the pods that
the API server has for the shipped selectors, with the labels that the discovery of Prometheus 3.4 gave such pods when
it was tried.
"""

import json
import re
from pathlib import Path

import pytest
import yaml
from harness.daemon import wait_for
from harness.fixtures import or_skipped
from harness.node_cluster import NodeCluster
from harness.prometheus import running_prometheus

SHIPPED = Path(__file__).parents[3] / "docs" / "prometheus" / "prometheus.yml"


def discovered(api, discovery):
    """What discovery in Kubernetes would find: one target for each port of a container."""
    assert discovery["role"] == "pod"
    (selector,) = [one["label"] for one in discovery["selectors"]]
    for pod in api.get(f"/api/v1/pods?labelSelector={selector}")["items"]:
        labels = {
            "__meta_kubernetes_namespace": pod["metadata"]["namespace"],
            "__meta_kubernetes_pod_name": pod["metadata"]["name"],
            "__meta_kubernetes_pod_phase": pod["status"]["phase"],
        }
        for key, value in pod["metadata"]["labels"].items():
            labels[f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}"] = value
        for container in pod["spec"]["containers"]:
            for port in container["ports"]:
                target = f"{pod['status']['podIP']}:{port['containerPort']}"
                named = {"__meta_kubernetes_pod_container_port_name": port["name"]}
                yield {"targets": [target], "labels": labels | named}


@pytest.fixture
def configured(real_node, tmp_path):
    """The shipped configuration, with files in place of discovery and a shorter interval."""
    if not isinstance(real_node, NodeCluster):
        pytest.skip("NOT TESTED on the cluster of $KUBECONFIG: its pods cannot be reached from here")

    def write():
        config = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(SHIPPED.parent / pattern) for pattern in config["rule_files"]]
        with real_node.cluster.api() as api:
            for scrape in config["scrape_configs"]:
                (discovery,) = scrape.pop("kubernetes_sd_configs")
                found = tmp_path / f"{scrape['job_name']}.json"
                found.write_text(json.dumps(list(discovered(api, discovery))), encoding="utf-8")
                scrape["file_sd_configs"] = [{"files": [str(found)]}]
        file = tmp_path / "prometheus.yml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        return file

    return write


def trains_for_long(spec):
    spec["training"]["epochs"] = 100_000


def test_the_series_of_jobs_and_of_workers_carry_the_jobs_namespace_and_name(
    apply, configured, installed, place, tmp_path
):
    job = apply("digits-mlp.yaml", trains_for_long, name="scraped")
    job.waits(lambda status: status.get("progress", {}).get("loss") is not None, "to train")
    with or_skipped(), running_prometheus(tmp_path / "prometheus", config=configured()) as server:

        def series(expression):
            return {tuple(sorted(labels.items())): value for labels, value in server.query(expression)}

        workers = f'wattrain_worker_loss{{namespace="{place}",trainingjob="scraped"}}'
        loss = f'wattrain_trainingjob_loss{{namespace="{place}",trainingjob="scraped",job="wattrain-operator"}}'
        wait_for(lambda: len(series(workers)) == 2 and series(loss), seconds=120, what="both workers and the job")
        named = {(labels["worker"], labels["pod"], labels["job"]) for labels, _ in server.query(workers)}
        assert named == {(str(index), f"scraped-1-{index}", "wattrain-workers") for index in range(2)}
        watts = series(f'sum by (namespace) (wattrain_worker_power_watts{{trainingjob="scraped",namespace="{place}"}})')
        assert list(watts) == [(("namespace", place),)]
        assert series('count by (namespace) (up{job="wattrain-operator"} == 1)') == {
            (("namespace", installed["namespace"]),): 1
        }
        assert server.query('{exported_namespace!=""}') == []
    job.kubectl("delete", "trainingjob", job.name, "--wait=false")
