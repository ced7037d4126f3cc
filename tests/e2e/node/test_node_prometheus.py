"""A real Prometheus scrapes operator and workers on a real node by the configuration that ships for clusters.

In place of discovery in Kubernetes, which Debian's Prometheus lacks, stand files with what that would find
(`harness/discovered_pods.py`).
"""

import pytest
from harness.daemon import wait_for
from harness.discovered_pods import DiscoveredPods
from harness.fixtures import or_skipped
from harness.node_cluster import NodeCluster
from harness.prometheus import running_prometheus


@pytest.fixture
def configured(real_node, tmp_path):
    """The shipped configuration, with files in place of discovery and a shorter interval."""
    if not isinstance(real_node, NodeCluster):
        pytest.skip("NOT TESTED on the cluster of $KUBECONFIG: its pods cannot be reached from here")

    def write():
        pods = DiscoveredPods(tmp_path)
        config = pods.configuration()
        with real_node.cluster.api() as api:
            pods.look(api)
        return config

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
